//! Connections in a worker: what is remembered of them is what the pipeline says, whatever becomes of them.

mod common;

use common::*;
use etherparse::PacketBuilder;
use pipeline::DropReason;
use pipeline::object::*;
use proptest::prelude::*;
use uuid::Uuid;
use vswitch::conntrack::{Filter, Listed};

const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// A TCP segment.
fn tcp(from: PortRef, to: PortRef, src: ([u8; 4], u16), dst: ([u8; 4], u16), flags: u8) -> Vec<u8> {
    let mut builder = PacketBuilder::ethernet2(mac(from).0, mac(to).0)
        .ipv4(src.0, dst.0, 64)
        .tcp(src.1, dst.1, if flags == SYN { 100 } else { 101 }, 1_000);
    if flags & SYN != 0 {
        builder = builder.syn();
    }
    if flags & RST != 0 {
        builder = builder.rst();
    }
    if flags & ACK != 0 {
        builder = builder.ack(if flags & SYN == 0 { 501 } else { 101 });
    }
    let mut frame = Vec::new();
    builder.write(&mut frame, &[]).expect("a frame");
    frame
}

/// An answer of the backend `c` to `a`: its sequence numbers are those of the other end.
fn answer(flags: u8, src_port: u16, dst_port: u16) -> Vec<u8> {
    let mut builder = PacketBuilder::ethernet2(mac(c()).0, mac(a()).0)
        .ipv4(ipv4(c()).octets(), ipv4(a()).octets(), 64)
        .tcp(
            src_port,
            dst_port,
            if flags & SYN != 0 { 500 } else { 501 },
            1_000,
        )
        .ack(101);
    if flags & SYN != 0 {
        builder = builder.syn();
    }
    if flags & RST != 0 {
        builder = builder.rst();
    }
    let mut frame = Vec::new();
    builder.write(&mut frame, &[]).expect("a frame");
    frame
}

fn connections(node: &mut Node) -> Vec<Listed> {
    let now_ms = node.now_ms;
    let mut listed = node.tracked.list(&Filter::default(), 1_000, now_ms);
    listed.sort_by_key(|listed| (listed.kept.zone, listed.kept.original));
    listed
}

#[test]
fn an_answer_passes_because_of_the_question_and_is_remembered() {
    let mut node = Node::new("one", [network(), policy()].concat());
    let shape = Shape::default();
    let (question, reply) = (
        udp4(a(), c(), shape),
        udp4(
            c(),
            a(),
            Shape {
                port: 4000,
                ..shape
            },
        ),
    );
    let reply = with_ports_swapped(reply, &question);
    node.send(c(), &reply);
    assert_eq!(node.received(a()).len(), 0, "nobody has asked");
    node.send(a(), &question);
    assert_eq!(node.received(c()).len(), 1);
    for _ in 0..3 {
        node.send(c(), &reply);
        assert_eq!(node.received(a()).len(), 1);
        node.send(a(), &question);
        assert_eq!(node.received(c()).len(), 1);
    }
    let hits = node.totals().hits;
    assert!(hits >= 3, "{hits} hits");
    // Forgotten connections are missed at once, though their verdicts are remembered.
    let now_ms = node.now_ms;
    assert!(node.tracked.flush(&Filter::default(), now_ms) > 0);
    node.send(c(), &reply);
    assert_eq!(node.received(a()).len(), 0);
    node.check_sum();
}

/// A UDP frame whose ports are those of `question`, the other way round.
fn with_ports_swapped(mut reply: Vec<u8>, question: &[u8]) -> Vec<u8> {
    let udp = 14 + 20;
    reply[udp..udp + 2].copy_from_slice(&question[udp + 2..udp + 4]);
    reply[udp + 2..udp + 4].copy_from_slice(&question[udp..udp + 2]);
    // Without a checksum.
    reply[udp + 6..udp + 8].fill(0);
    reply
}

#[test]
fn a_scan_leaves_no_verdicts_behind() {
    let mut node = Node::new("one", [network(), policy()].concat());
    for port in 0..200 {
        let src = (ipv4(a()).octets(), 1_000 + port);
        node.send(a(), &tcp(a(), c(), src, (ipv4(c()).octets(), 80), SYN));
    }
    assert_eq!(node.received(c()).len(), 200);
    assert_eq!(node.connections().connections, 0);
    let half_open = node.tracking.counts().half_open;
    assert!(half_open >= 200, "{half_open}");
}

#[test]
fn only_the_first_two_packets_of_a_connection_are_decided_on() {
    let client = (ipv4(a()).octets(), 5_000);
    let ask = |flags| tcp(a(), c(), client, (VIP, 80), flags);
    let opened = || {
        let mut node = Node::new("one", [network_with_service(), policy()].concat());
        node.send(a(), &ask(SYN));
        node.send(c(), &answer(SYN | ACK, 8080, 5_000));
        node
    };
    let ended_at = |mut node: Node, flags| {
        let before = node.totals();
        node.received(c());
        node.send(a(), &ask(flags));
        let after = node.totals();
        let hits = after.hits - before.hits;
        (node.received(c()).len(), hits, after.misses - before.misses)
    };
    assert_eq!(ended_at(opened(), ACK), (1, 1, 0));
    assert_eq!(ended_at(opened(), RST | ACK), (1, 1, 0));
    // Unless something has changed meanwhile that the first one had to do with.
    let mut closed = opened();
    let owner = PolicyOwner::Switch(a().datapath);
    closed.apply(vec![], vec![ObjectKey::Acl(owner, Uuid::from_u128(1))]);
    assert_eq!(ended_at(closed, ACK), (0, 0, 1));
    let mut flushed = opened();
    let now_ms = flushed.now_ms;
    flushed.tracked.flush(&Filter::default(), now_ms);
    assert_eq!(ended_at(flushed, ACK).1, 0);
    // Or the connection has not been answered.
    let mut alone = Node::new("one", network_with_service());
    alone.send(a(), &ask(SYN));
    assert_eq!(ended_at(alone, SYN), (1, 0, 1));
}

#[test]
fn a_service_answers_by_its_own_address() {
    let mut node = Node::new("one", network_with_service());
    let client = (ipv4(a()).octets(), 5_000);
    let ask = |flags| tcp(a(), c(), client, (VIP, 80), flags);
    node.send(a(), &ask(SYN));
    let arrived = node.received(c());
    assert_eq!(arrived.len(), 1);
    let (flow, _) = packet::parse(&arrived[0]).expect("a frame");
    let packet::flow::Network::Ip(ip) = &flow.network else {
        panic!("IP")
    };
    assert_eq!(ip.dst, std::net::IpAddr::from(ipv4(c())));
    for _ in 0..3 {
        node.send(c(), &answer(SYN | ACK, 8080, 5_000));
        let back = node.received(a());
        assert_eq!(back.len(), 1);
        let (flow, _) = packet::parse(&back[0]).expect("a frame");
        let packet::flow::Network::Ip(ip) = &flow.network else {
            panic!("IP")
        };
        assert_eq!(ip.src, std::net::IpAddr::from(VIP));
        node.send(a(), &ask(ACK));
        assert_eq!(node.received(c()).len(), 1);
    }
    let service = connections(&mut node)
        .into_iter()
        .find_map(|listed| listed.kept.made_by.service.clone())
        .expect("made by a service");
    assert_eq!(service.1, (ipv4(c()).into(), 8080));
    assert!(node.totals().hits >= 3);
    assert_eq!(node.counters.dropped(DropReason::ConnectionInvalid), 0);
}

// === what is remembered, and what is not ===

#[derive(Clone, Debug)]
enum Step {
    Ask(u8, u16, bool),
    Answer(u8, u16, bool),
    Udp(u16),
    UdpBack(u16),
    Allow(bool),
    Backend(bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let flags = || prop_oneof![Just(SYN), Just(ACK), Just(ACK), Just(RST), Just(SYN | ACK)];
    prop_oneof![
        6 => (flags(), 0..3u16, any::<bool>()).prop_map(|(flags, port, vip)| Step::Ask(flags, port, vip)),
        6 => (flags(), 0..3u16, any::<bool>()).prop_map(|(flags, port, vip)| Step::Answer(flags, port, vip)),
        3 => (0..3u16).prop_map(Step::Udp),
        3 => (0..3u16).prop_map(Step::UdpBack),
        1 => any::<bool>().prop_map(Step::Allow),
        1 => any::<bool>().prop_map(Step::Backend),
        1 => (0..40_000u64).prop_map(Step::Wait),
    ]
}

fn carry_out(node: &mut Node, step: &Step) {
    match *step {
        Step::Ask(flags, port, to_vip) => {
            let dst = if to_vip { VIP } else { ipv4(c()).octets() };
            let client = (ipv4(a()).octets(), 5_000 + port);
            node.send(a(), &tcp(a(), c(), client, (dst, 80), flags));
        }
        Step::Answer(flags, port, of_service) => {
            let server_port = if of_service { 8080 } else { 80 };
            node.send(c(), &answer(flags, server_port, 5_000 + port));
        }
        Step::Udp(port) => {
            let shape = Shape {
                port: 4_000 + port,
                ..Shape::default()
            };
            node.send(a(), &udp4(a(), c(), shape));
        }
        Step::UdpBack(port) => {
            let shape = Shape {
                port: 4_000 + port,
                ..Shape::default()
            };
            let question = udp4(a(), c(), shape);
            node.send(c(), &with_ports_swapped(udp4(c(), a(), shape), &question));
        }
        Step::Allow(true) => node.apply(policy(), vec![]),
        Step::Allow(false) => {
            let owner = PolicyOwner::Switch(a().datapath);
            let key = ObjectKey::Acl(owner, Uuid::from_u128(1));
            node.apply(vec![], vec![key]);
        }
        Step::Backend(true) => node.apply(service(&[c()]), vec![]),
        Step::Backend(false) => node.apply(service(&[]), vec![]),
        Step::Wait(ms) => node.pass(ms),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_node_that_forgets_all_verdicts_does_what_one_does_that_remembers_them(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let objects = [network_with_service(), policy()].concat();
        let mut node = Node::new("one", objects.clone());
        let mut forgetful = Node::without_beginnings("one", objects);
        for step in &steps {
            carry_out(&mut node, step);
            forgetful.forget_flows();
            carry_out(&mut forgetful, step);
            prop_assert_eq!(node.output(), forgetful.output(), "{:?}", step);
            prop_assert_eq!(connections(&mut node), connections(&mut forgetful), "{:?}", step);
            node.check_sum();
        }
        prop_assert_eq!(forgetful.totals().hits, 0);
    }
}
