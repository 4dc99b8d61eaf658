//! A conversation: what two stations, and one behind a gateway that translates, say to each other and to a service.
//!
//! Each choice of the bytes is something that is said, answered or objected to, time that passes, or a change of the network.

use std::collections::BTreeMap;
use std::net::IpAddr;

use packet::Mac;
use pipeline::conntrack::{Kept, Tuple};
use pipeline::object::{ObjectKey, PolicyOwner, PortRef};
use uuid::Uuid;
use vswitch::conntrack::Filter;

use super::choices::Choices;
use super::common::{
    Node, OUTSIDE, OUTSIDE_OF_C, VIP, VIP6, a, c, ipv4, ipv6, mac, network_with_gateway, outside,
    policy, router_port, service, u,
};
use super::said::{ACK, FIN, Kind, PSH, RST, SYN, Said, answer, error, is_good};
use super::twins::{Twins, sorted};

/// What happens at most: more is no other story.
const STEPS: usize = 40;
/// Frames that may be said again.
const REMEMBERED: usize = 16;

/// A conversation.
pub(super) fn converse(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut world = World::new();
    for _ in 0..STEPS {
        if choices.are_over() {
            break;
        }
        match choices.byte() % 8 {
            0..=2 => world.ask(&mut choices),
            3 | 4 => world.say_again(&mut choices),
            5 => world.garble(&mut choices),
            6 => world.pass(choices.of(&[1, 1_000, 6_000, 31_000])),
            _ => world.change(&mut choices),
        }
    }
}

/// What came out, by port.
type Output = BTreeMap<Option<PortRef>, Vec<Vec<u8>>>;

struct World {
    node: Node,
    /// The same, but it forgets every verdict at once.
    forgetful: Node,
    twins: Twins,
    /// What came in and out lately, and where.
    heard: Vec<(PortRef, Vec<u8>)>,
}

impl World {
    fn new() -> World {
        let objects = network_with_gateway();
        World {
            node: Node::new("one", objects.clone()),
            forgetful: Node::without_beginnings("one", objects),
            twins: Twins::new(),
            heard: Vec::new(),
        }
    }

    /// Somebody says something, and whoever hears it answers, or objects.
    fn ask(&mut self, choices: &mut Choices<'_>) {
        let (at, question) = question(choices);
        let asked = question.frame();
        let is_known = |kept: &Kept| {
            (kept.original.src, kept.original.src_port) == (question.ips.0, question.ports.0)
        };
        let is_fresh = !connections(&mut self.node).iter().any(is_known);
        let output = self.say(at, &asked);
        let react = choices.byte();
        for (to, frame) in heard_by_others(output, at) {
            match react % 4 {
                0 => {}
                1 => self.object(at, &asked, (to, &frame), choices.byte()),
                _ => {
                    let is_opening = match question.kind {
                        Kind::Tcp { flags, .. } => flags == SYN && is_fresh,
                        _ => true,
                    };
                    self.answer((at, &asked), (to, &frame), is_opening);
                }
            }
        }
    }

    /// Who has heard a frame answers, and who has said it hears the answer of whom it spoke to.
    fn answer(
        &mut self,
        (at, asked): (PortRef, &[u8]),
        (to, heard): (PortRef, &[u8]),
        is_opening: bool,
    ) {
        let Some(answer) = answer(heard) else {
            return;
        };
        let mut output = self.say(to, &answer.frame());
        let answers = output.remove(&Some(at)).unwrap_or_default();
        let expected = tuple(asked).map(Tuple::reversed);
        for tuple in answers.iter().filter_map(|frame| tuple(frame)) {
            assert!(!is_opening || Some(tuple) == expected, "{tuple:?}");
        }
    }

    /// Who has heard a frame objects to it, and who has said it hears that of what it said.
    fn object(
        &mut self,
        at: PortRef,
        asked: &[u8],
        (to, heard): (PortRef, &[u8]),
        quoted_bytes: u8,
    ) {
        let Some(error) = error(heard, usize::from(quoted_bytes)) else {
            return;
        };
        let mut output = self.say(to, &error);
        for frame in output.remove(&Some(at)).unwrap_or_default() {
            let quoted = quoted(&frame);
            assert!(quoted.is_none() || quoted == tuple(asked), "{quoted:?}");
        }
    }

    fn say_again(&mut self, choices: &mut Choices<'_>) {
        let Some((at, frame)) = self.remembered(choices) else {
            return;
        };
        let answer = answer(&frame).filter(|_| choices.is_so());
        let frame = match answer {
            Some(mut said) => {
                if let Kind::Tcp {
                    flags,
                    sequence,
                    acknowledgment,
                } = &mut said.kind
                {
                    *flags = choices.of(&[*flags, ACK, FIN | ACK, RST, RST | ACK, SYN]);
                    *sequence = sequence.wrapping_add(i32::from(choices.byte() as i8) as u32);
                    *acknowledgment = acknowledgment.wrapping_add(choices.of(&[0, 1, 1 << 20]));
                }
                said.payload = choices.of(&[0, 1, 40]);
                said.frame()
            }
            None => frame,
        };
        self.say(at, &frame);
    }

    /// A byte of a frame changes on the way.
    fn garble(&mut self, choices: &mut Choices<'_>) {
        let Some((at, mut frame)) = self.remembered(choices) else {
            return;
        };
        let place = usize::from(choices.byte()) % frame.len();
        frame[place] ^= choices.byte();
        self.say(at, &frame);
    }

    fn remembered(&self, choices: &mut Choices<'_>) -> Option<(PortRef, Vec<u8>)> {
        let newest = self.heard.len().checked_sub(1)?;
        let back = usize::from(choices.byte()).min(newest);
        Some(self.heard[newest - back].clone())
    }

    fn pass(&mut self, time_ms: u64) {
        self.node.pass(time_ms);
        self.forgetful.pass(time_ms);
        self.compare();
    }

    fn change(&mut self, choices: &mut Choices<'_>) {
        let owner = PolicyOwner::Switch(a().datapath);
        let acls = [1, 2, 3].map(|number| ObjectKey::Acl(owner.clone(), Uuid::from_u128(number)));
        let (upserts, removals) = match choices.byte() % 5 {
            0 => (policy(), Vec::new()),
            1 => (Vec::new(), acls[..1].to_vec()),
            2 => (Vec::new(), acls.to_vec()),
            3 => (service(&[c()]), Vec::new()),
            _ => (service(&[]), Vec::new()),
        };
        for node in [&mut self.node, &mut self.forgetful] {
            node.apply(upserts.clone(), removals.clone());
        }
    }

    /// A frame comes in by a port. What comes out has right checksums if it has, and is what comes out of a node that
    /// remembers nothing.
    fn say(&mut self, at: PortRef, frame: &[u8]) -> Output {
        self.twins
            .meet(&self.node.tables, at, frame, self.node.now_ms);
        self.node.send(at, frame);
        self.forgetful.forget_flows();
        self.forgetful.send(at, frame);
        let output = self.compare();
        let is_sound = is_good(frame);
        let heard = output
            .iter()
            .filter_map(|(port, frames)| Some((*port.as_ref()?, frames)));
        self.heard.push((at, frame.to_vec()));
        for (port, frames) in heard {
            for frame in frames {
                assert!(
                    !is_sound || is_good(frame),
                    "a wrong checksum in {frame:02x?}"
                );
                self.heard.push((port, frame.clone()));
            }
        }
        let excess = self.heard.len().saturating_sub(REMEMBERED);
        self.heard.drain(..excess);
        output
    }

    /// Panics unless both nodes have done the same. Returns what.
    fn compare(&mut self) -> Output {
        let output = self.node.output();
        assert_eq!(output, self.forgetful.output());
        let kept = connections(&mut self.node);
        assert_eq!(kept, connections(&mut self.forgetful));
        self.node.check_sum();
        self.forgetful.check_sum();
        output
    }
}

fn connections(node: &mut Node) -> Vec<Kept> {
    let now_ms = node.now_ms;
    let listed = node.tracked.list(&Filter::default(), usize::MAX, now_ms);
    sorted(listed.into_iter().map(|listed| listed.kept))
}

/// The frames that came out elsewhere than at a port.
fn heard_by_others(output: Output, at: PortRef) -> impl Iterator<Item = (PortRef, Vec<u8>)> {
    output
        .into_iter()
        .filter_map(move |(port, frames)| Some((port.filter(|port| *port != at)?, frames)))
        .flat_map(|(port, frames)| frames.into_iter().map(move |frame| (port, frame)))
}

fn tuple(frame: &[u8]) -> Option<Tuple> {
    Tuple::of(&packet::parse(frame).ok()?.0)
}

/// Whom an ICMP error is about.
fn quoted(frame: &[u8]) -> Option<Tuple> {
    Tuple::of_related(&packet::parse(frame).ok()?.0).map(Tuple::reversed)
}

/// Something that a station says of itself.
fn question(choices: &mut Choices<'_>) -> (PortRef, Said) {
    let from = choices.of(&[a(), a(), c(), u()]);
    let is_ipv6 = choices.is_so();
    let ip = |at| match is_ipv6 {
        true => IpAddr::from(ipv6(at)),
        false => ipv4(at).into(),
    };
    let service = match is_ipv6 {
        true => VIP6.into(),
        false => VIP.into(),
    };
    let to = choices.of(&[
        service,
        ip(c()),
        ip(u()),
        ip(a()),
        outside(OUTSIDE, is_ipv6),
        outside(OUTSIDE_OF_C, is_ipv6),
    ]);
    let gateway = router_port(from.datapath.get());
    let next: Mac = mac(choices.of(&[gateway, c(), a()]));
    let source_port = 5_000 + u16::from(choices.byte() % 4);
    let target_port = choices.of(&[80, 8080, 53, 5_000]);
    let kind = match choices.byte() % 4 {
        0 | 1 => Kind::Tcp {
            flags: choices.of(&[SYN, SYN, ACK, PSH | ACK, FIN | ACK, RST, SYN | ACK]),
            sequence: 100 + u32::from(choices.byte()),
            acknowledgment: 501,
        },
        2 => Kind::Udp,
        _ => Kind::EchoRequest,
    };
    let said = Said {
        macs: (mac(from), next),
        ips: (ip(from), to),
        ports: (source_port, target_port),
        kind,
        payload: choices.of(&[0, 8, 41]),
    };
    (from, said)
}
