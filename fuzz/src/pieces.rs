//! Fragments of datagrams, in any order, that overlap, come twice, lie, or never come.

use std::collections::BTreeMap;

use packet::Piece;
use packet::flow::{Fragment, Network, Transport};
use pipeline::object::{AclAction, AclStage, PortRef};

use super::choices::Choices;
use super::common::{Node, Shape, a, acl, c, fragments4, fragments6, network, u, udp4, udp6};

/// What happens at most: more is no other story.
const STEPS: usize = 120;
/// Fragments of one sender, and of all, that wait at most.
const WAITING: (u64, u64) = (32, 256);
/// When no fragment waits any more.
const OVER_MS: u64 = 6_000;
/// The port from which datagrams may go.
const ALLOWED: u16 = 4_000;

/// Fragments that come to one station.
pub(super) fn deliver(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut world = World::new();
    for number in 0..STEPS {
        if choices.are_over() {
            break;
        }
        match choices.byte() % 8 {
            0..=5 => world.piece(&mut choices),
            6 => world.datagram(number, &mut choices),
            _ => world.node.pass(choices.of(&[1, 1_000, 4_999, OVER_MS])),
        }
        world.compare();
    }
    world.node.pass(OVER_MS);
    assert_eq!(world.node.totals().holding, 0);
    world.compare();
}

struct World {
    node: Node,
    /// What was sent and has not come out, and how often.
    under_way: BTreeMap<Vec<u8>, usize>,
}

impl World {
    /// A node by which only datagrams from one port may go to a station.
    fn new() -> World {
        let mut objects = network();
        let to_c = format!("outport == \"p{}-{}\"", c().datapath, c().port);
        let allowed = format!("{to_c} && udp.src == {ALLOWED}");
        let stage = AclStage::ToLport;
        objects.push(acl(1, stage, 2, &allowed, AclAction::AllowRelated));
        objects.push(acl(2, stage, 1, &format!("{to_c} && ip"), AclAction::Drop));
        World {
            node: Node::new("one", objects),
            under_way: BTreeMap::new(),
        }
    }

    fn send(&mut self, at: PortRef, frames: &[Vec<u8>]) {
        for frame in frames {
            // A router between changes more of it than this compares.
            if at.datapath == c().datapath {
                *self.under_way.entry(frame.clone()).or_default() += 1;
            }
        }
        self.node.send_together(at, frames);
    }

    /// A fragment that says of itself what it likes.
    fn piece(&mut self, choices: &mut Choices<'_>) {
        let (at, is_ipv6) = (choices.of(&[a(), a(), u()]), choices.is_so());
        let port = choices.of(&[ALLOWED, ALLOWED, ALLOWED + 1]);
        let identification = choices.byte() % 4;
        let length = choices.of(&[8, 16, 24, 400, 1_400, 4, 7, 13]);
        let offset = choices.word() % 0x2000;
        let offset = choices.of(&[0, offset % 8, offset % 64, offset]);
        let has_more = u16::from(choices.is_so());
        let shape = Shape {
            payload: length,
            dont_fragment: false,
            port,
            ..Shape::default()
        };
        let mut frame = match is_ipv6 {
            true => fragments6(&udp6(at, c(), shape), identification.into()),
            false => fragments4(&udp4(at, c(), shape), identification.into()),
        }
        .swap_remove(0);
        match is_ipv6 {
            true => frame[56..58].copy_from_slice(&(offset << 3 | has_more).to_be_bytes()),
            false => {
                frame[20..22].copy_from_slice(&(has_more << 13 | offset).to_be_bytes());
                let length = frame.len() - 14 - choices.of(&[0, 0, 0, 8, 11]).min(length);
                frame[16..18].copy_from_slice(&(length as u16).to_be_bytes());
            }
        }
        self.send(at, &[frame]);
    }

    /// All fragments of a datagram of its own, in any order, and some of them twice: all pass, or none.
    fn datagram(&mut self, number: usize, choices: &mut Choices<'_>) {
        let port = choices.of(&[ALLOWED, ALLOWED + 1]);
        let shape = Shape {
            payload: choices.of(&[500, 1_000, 3_900]),
            dont_fragment: false,
            port,
            ..Shape::default()
        };
        let identification = 0x100 + number as u16;
        let mut frames = match choices.is_so() {
            true => fragments6(&udp6(a(), c(), shape), identification.into()),
            false => fragments4(&udp4(a(), c(), shape), identification),
        };
        for at in 0..frames.len() {
            frames.swap(at, usize::from(choices.byte()) % (at + 1));
        }
        // The last to come completes it: only what is not complete knows what comes twice.
        let twice = usize::from(choices.byte()) % frames.len();
        if choices.is_so() && twice + 1 < frames.len() {
            frames.insert(twice, frames[twice].clone());
        }
        let before = self.node.totals().holding;
        self.send(a(), &frames);
        let has_room = before + (frames.len() as u64) < WAITING.0;
        let mut came = self.come();
        if has_room {
            assert_eq!(self.node.totals().holding, before);
            came.sort();
            frames.sort();
            let expected = if port == ALLOWED { frames } else { Vec::new() };
            assert_eq!(came, expected);
        }
    }

    /// What has come out: only what was sent, as it was, no more often, and what is allowed.
    fn come(&mut self) -> Vec<Vec<u8>> {
        let came = self.node.received(c());
        for frame in &came {
            let (flow, layout) = packet::parse(frame).expect("a packet");
            let Network::Ip(ip) = &flow.network else {
                panic!("no IP packet: {frame:02x?}")
            };
            if ip.fragment != Fragment::Later {
                let is_allowed = matches!(ip.transport, Transport::Udp { src: ALLOWED, .. });
                assert!(is_allowed, "{frame:02x?}");
            }
            assert_eq!(
                Piece::of(frame, &flow, &layout).is_some(),
                ip.fragment != Fragment::Whole
            );
            if flow.eth_src == super::common::mac(a()) {
                let left = self.under_way.get_mut(frame).filter(|left| **left > 0);
                *left.expect("it was sent") -= 1;
            }
        }
        came
    }

    fn compare(&mut self) {
        self.come();
        let holding = self.node.totals().holding;
        assert!(holding <= (2 * WAITING.0).min(WAITING.1), "{holding}");
        self.node.check_sum();
    }
}
