//! Whatever comes in by whatever door: nothing panics, every packet is accounted for, and what is remembered
//! is what the pipeline says.

mod common;

use common::*;
use packet::geneve;
use pipeline::object::{Neighbor, Object, ObjectKey, PortRef};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Packets of real flows, of which random ones are made by damage.
fn flows() -> Vec<(PortRef, Vec<u8>)> {
    let mut flows = Vec::new();
    for (from, to) in [
        (a(), b()),
        (a(), c()),
        (a(), d()),
        (c(), a()),
        (u(), a()),
        (a(), u()),
    ] {
        for ttl in [0, 1, 64] {
            for payload in [0, 1400, 1800] {
                let shape = Shape {
                    ttl,
                    payload,
                    dont_fragment: ttl != 64,
                    ..Shape::default()
                };
                flows.extend([(from, udp4(from, to, shape)), (from, udp6(from, to, shape))]);
            }
        }
        let ask = packet::answer::arp_request(mac(from), ipv4(from), ipv4(to));
        let solicit = packet::answer::neighbor_solicitation(mac(from), ipv6(from), ipv6(to));
        flows.extend([(from, ask), (from, solicit)]);
    }
    flows
}

/// A frame that is random, or a real one with some bytes changed or cut off.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let frames: Vec<_> = flows().into_iter().map(|(_, frame)| frame).collect();
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let damaged = (
        prop::sample::select(frames),
        changes,
        any::<prop::sample::Index>(),
        0..4_u8,
    );
    let damaged = damaged.prop_map(|(mut frame, changes, cut, is_cut)| {
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        if is_cut == 0 {
            frame.truncate(cut.index(frame.len()));
        }
        frame
    });
    prop_oneof![1 => proptest::collection::vec(any::<u8>(), 0..200), 4 => damaged]
}

#[test]
fn random_frames_into_each_door_do_no_harm_and_add_up() {
    const CASES: u32 = 10_000;
    let mut one = Node::new("one", network());
    let header = (
        0..5_u32,
        0..6_u16,
        prop_oneof![0..6_u16, 0x8000..0x8008_u16],
    );
    let doors = (0..4_usize, header, any::<[u8; 2]>());
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        ..Config::default()
    });
    let node = std::cell::RefCell::new(&mut one);
    runner
        .run(
            &(doors, frame()),
            |((door, (vni, ingress, egress), [spoil, byte]), frame)| {
                let mut node = node.borrow_mut();
                if let Some(at) = [a(), c(), u()].get(door) {
                    node.send(*at, &frame);
                } else {
                    let mut payload = geneve::Header {
                        vni,
                        ingress,
                        egress,
                    }
                    .encode(packet::offload::TransportSum::Complete)
                    .to_vec();
                    if let Some(spoiled) = payload.get_mut(usize::from(spoil)) {
                        *spoiled = byte;
                    }
                    payload.extend(frame);
                    node.send_tunnel(&payload, encap_ip("two"), byte & 3);
                }
                node.output();
                node.pass(50);
                node.check_sum();
                Ok(())
            },
        )
        .expect("no frame does harm");
    assert!(one.totals().received >= u64::from(CASES));
    // Nothing that waited for a neighbour has kept its buffer.
    one.pass(10_000);
    assert_eq!(one.totals().holding, 0);
    one.check_sum();
}

/// What the control side may do between packets.
#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    MoveStation(bool),
    RemoveStation,
    LearnNeighbor(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..flows().len()).prop_map(Step::Send),
        1 => any::<bool>().prop_map(Step::MoveStation),
        1 => Just(Step::RemoveStation),
        1 => any::<bool>().prop_map(Step::LearnNeighbor),
    ]
}

fn learned_neighbor() -> Neighbor {
    let (port, ip) = (router_port(2), ipv4(u()).into());
    Neighbor {
        port,
        ip,
        fixed: None,
        learned: Some(mac(u())),
    }
}

fn change(node: &mut Node, step: &Step) {
    match step {
        Step::Send(_) => {}
        Step::MoveStation(is_here) => {
            node.apply(vec![vif(c(), if *is_here { "one" } else { "two" })], vec![]);
        }
        Step::RemoveStation => node.apply(vec![], vec![ObjectKey::Port(c())]),
        Step::LearnNeighbor(true) => {
            node.apply(vec![Object::Neighbor(learned_neighbor())], vec![]);
        }
        Step::LearnNeighbor(false) => {
            node.apply(
                vec![],
                vec![ObjectKey::Neighbor(router_port(2), ipv4(u()).into())],
            );
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 48, ..Config::default() })]

    #[test]
    fn a_remembered_verdict_is_what_a_node_that_remembers_nothing_says(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let flows = flows();
        let mut node = Node::new("one", network());
        for step in &steps {
            change(&mut node, step);
            node.pass(4_000);
            node.output();
            if let Step::Send(flow) = step {
                let (from, frame) = &flows[*flow];
                node.send(*from, frame);
                let mut fresh = Node::with_tables("one", node.tables.clone());
                fresh.send(*from, frame);
                prop_assert_eq!(node.output(), fresh.output());
            }
            node.check_sum();
        }
    }
}
