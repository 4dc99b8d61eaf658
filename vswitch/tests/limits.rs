//! Marks and limits in the data path. Input: QoS rules, rates of ports, and packets. Output: what comes out, and what is counted.

mod common;

use common::*;
use packet::flow::Network;
use pipeline::DropReason;
use pipeline::object::*;
use uuid::Uuid;
use vswitch::credit::Rule;

fn rule(number: u128, matches: &str, dscp: Option<u8>, limit: Option<(u32, u32)>) -> Object {
    Object::Qos(Qos {
        switch: a().datapath,
        uuid: Uuid::from_u128(number),
        direction: match number {
            1 => QosDirection::FromLport,
            _ => QosDirection::ToLport,
        },
        priority: 1,
        matches: expr::parse(matches).expect("a match").lower(),
        dscp,
        limit: limit.map(|(rate, burst)| MeterBand { rate, burst }),
    })
}

fn node(rules: impl IntoIterator<Item = Object>) -> Node {
    let mut objects = network();
    objects.extend(rules);
    Node::new("one", objects)
}

fn dscp(frame: &[u8]) -> u8 {
    let (flow, _) = packet::parse(frame).expect("a packet");
    match flow.network {
        Network::Ip(ip) => ip.dscp,
        _ => panic!("an IP packet"),
    }
}

/// Packets and bytes that a rule had dropped for their rate.
fn refused(node: &Node, number: u128) -> (u64, u64) {
    let rule = Rule::Drop(DropReason::QosLimit, Uuid::from_u128(number));
    let credit = node.ledger.sums().get(&rule).copied().unwrap_or_default();
    (credit.packets, credit.bytes)
}

#[test]
fn fresh_and_remembered_packets_and_super_packets_are_marked() {
    let mut node = node([rule(1, "ip", Some(46), None)]);
    for frame in [
        udp4(a(), c(), Shape::default()),
        udp6(a(), c(), Shape::default()),
    ] {
        for _ in 0..3 {
            node.send(a(), &frame);
        }
        let out = node.received(c());
        assert_eq!(out.iter().map(|out| dscp(out)).collect::<Vec<_>>(), [46; 3]);
        for out in out {
            let mut back = frame.clone();
            let (_, layout) = packet::parse(&frame).expect("a packet");
            packet::rewrite::set_dscp(&mut back, layout, 46);
            assert_eq!(out, back, "nothing else changes");
        }
    }
    assert!(node.totals().hits >= 4);
    for stream in streams() {
        let (bytes, offload) = merged(&packets(stream, a(), c()));
        node.send_loose(a(), bytes, offload);
        let out = node.received(c());
        assert_eq!(out.len(), 5);
        assert!(out.iter().all(|out| dscp(out) == 46));
    }
    node.check_sum();
}

#[test]
fn what_exceeds_a_limit_is_dropped_by_name_until_time_has_passed() {
    let frame = udp4(a(), c(), Shape::default());
    let kilobits = frame.len() as u32 * 8 * 10 / 1_000 + 1;
    // Ten packets at once, and ten a second.
    let mut node = node([rule(2, "udp", None, Some((kilobits, kilobits)))]);
    for (pass_ms, expected) in [(0, 10), (0, 0), (500, 5), (60_000, 10)] {
        node.pass(pass_ms);
        for _ in 0..20 {
            node.send(a(), &frame);
        }
        assert_eq!(node.received(c()).len(), expected, "after {pass_ms} ms");
    }
    let dropped = 80 - 25;
    assert_eq!(node.counters.dropped(DropReason::QosLimit), dropped);
    assert_eq!(refused(&node, 2), (dropped, dropped * frame.len() as u64));
    let all = node.ledger.sums()[&Rule::Qos(Uuid::from_u128(2))];
    assert_eq!(all.packets, 80);
    assert!(
        node.totals().hits > 70,
        "limits hold for remembered verdicts"
    );
    node.check_sum();
}

#[test]
fn a_changed_limit_holds_for_the_next_packet() {
    let frame = udp4(a(), c(), Shape::default());
    let mut node = node([rule(1, "udp", None, Some((1, 1)))]);
    (0..5).for_each(|_| node.send(a(), &frame));
    assert!(node.received(c()).len() < 5);
    node.apply(vec![rule(1, "udp", None, Some((1_000_000, 0)))], vec![]);
    (0..5).for_each(|_| node.send(a(), &frame));
    assert_eq!(node.received(c()).len(), 5);
}

/// Bytes of some packets together.
fn bytes(packets: &[Vec<u8>]) -> usize {
    packets.iter().map(Vec::len).sum()
}

#[test]
fn of_a_super_packet_as_many_packets_pass_as_there_is_room_for() {
    for stream in streams() {
        let parts = packets(stream, a(), c());
        let (whole, offload) = merged(&parts);
        for count in 0..=parts.len() {
            // A byte in a millisecond.
            let mut node = node([rule(1, "ip", None, Some((8, 1)))]);
            node.send_loose(a(), whole.clone(), offload);
            assert!(
                node.received(c()) == parts,
                "what came together passes once"
            );
            node.pass(bytes(&parts[..count]) as u64);
            node.send_loose(a(), whole.clone(), offload);
            assert!(node.received(c()) == parts[..count], "{count} packets");
            let rest = &parts[count..];
            let refused = refused(&node, 1);
            assert_eq!(refused, (rest.len() as u64, bytes(rest) as u64));
            let drops = node.counters.dropped(DropReason::QosLimit);
            assert_eq!(drops, u64::from(count < parts.len()));
            node.check_sum();
        }
    }
}

#[test]
fn what_two_limits_let_through_is_what_the_lesser_does() {
    let parts = packets(STREAM, a(), c());
    let (whole, offload) = merged(&parts);
    // A byte in a millisecond, and twice that, in both orders.
    for rates in [(8, 16), (16, 8)] {
        let mut node = node([
            rule(1, "ip", None, Some((rates.0, 1))),
            rule(2, "ip", None, Some((rates.1, 1))),
        ]);
        for expected in [5, 0, 2, 2] {
            node.pass(bytes(&parts[..expected]) as u64);
            node.send_loose(a(), whole.clone(), offload);
            assert!(node.received(c()) == parts[..expected], "{rates:?}");
        }
        node.check_sum();
    }
}

#[test]
fn of_a_copied_packet_the_copies_end_whose_limit_is_exceeded() {
    let to_c = format!("outport == \"p{}-{}\"", c().datapath, c().port);
    let mut node = node([rule(2, &to_c, None, Some((1, 1)))]);
    let mut everybody = udp4(a(), c(), Shape::default());
    everybody[..6].fill(0xff);
    for _ in 0..3 {
        node.send(a(), &everybody);
    }
    let dropped = node.counters.dropped(DropReason::QosLimit);
    let (to_c, tunnelled) = (node.received(c()).len() as u64, node.tunnelled().len());
    assert_eq!((to_c + dropped, tunnelled), (3, 3));
    assert!(dropped > 0);
    node.check_sum();
}

/// The port of a, whose pod may send so many kilobits.
fn paced(rate: u32, burst: u32) -> Object {
    let mut objects = network().into_iter();
    let port = objects.find(|object| object.key() == ObjectKey::Port(a()));
    let Some(Object::Port(mut port)) = port else {
        panic!("a port");
    };
    let PortKind::Switch(kind) = &mut port.kind else {
        panic!("a switch port");
    };
    kind.max_rate = Some(MeterBand { rate, burst });
    Object::Port(port)
}

#[test]
fn a_port_that_sends_faster_than_its_rate_waits_and_loses_nothing() {
    let frame = udp4(a(), c(), Shape::default());
    let kilobits = (frame.len() as u32 * 8 * 10).div_ceil(1_000);
    // Ten packets at once, and ten a second.
    let mut node = node([paced(kilobits, kilobits)]);
    node.send_together(a(), &vec![frame.clone(); 15]);
    assert_eq!(
        node.received(c()).len(),
        15,
        "the first batch is taken whole"
    );
    node.send_together(a(), &vec![frame.clone(); 2]);
    for (time_ms, expected) in [(300, 0), (300, 2), (5_000, 0)] {
        node.pass(time_ms);
        assert_eq!(node.received(c()).len(), expected);
    }
    // Others are not held up meanwhile.
    node.send_together(a(), &vec![frame.clone(); 20]);
    node.send(a(), &frame);
    node.send(c(), &udp4(c(), a(), Shape::default()));
    assert_eq!(
        node.received(c()).len(),
        11,
        "a slow port is read packet by packet"
    );
    assert_eq!(node.received(a()).len(), 1);
    node.apply(vec![paced(1_000_000, 0)], vec![]);
    node.pass(1_000);
    assert_eq!(
        node.received(c()).len(),
        10,
        "a new rate holds from the next packet on"
    );
    assert_eq!(node.totals().dropped, 0);
    node.check_sum();
}
