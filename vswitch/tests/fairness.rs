//! A port whose packets lead nowhere waits, and nobody else does.

mod common;

use common::*;
use etherparse::{PacketBuilder, TcpHeader};
use packet::geneve;
use packet::offload::TransportSum;
use pipeline::DropReason;
use pipeline::object::*;
use uuid::Uuid;

/// Packets a second that may lead nowhere. An eighth of a second's may be saved up.
const ALLOWANCE: u32 = 1_000;

/// Datagrams of as many flows to an address that no route leads to.
fn nowhere(count: u16) -> Vec<Vec<u8>> {
    let router = router_port(a().datapath.get());
    let datagram = |port| {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(mac(a()).0, mac(router).0)
            .ipv4(ipv4(a()).octets(), [203, 0, 113, 9], 64)
            .udp(port, 9)
            .write(&mut frame, b"in vain")
            .expect("a frame");
        frame
    };
    (1..=count).map(datagram).collect()
}

/// Sends frames that the node finds all at once, and lets it take them in portions.
fn flood(node: &mut Node, at: PortRef, frames: &[Vec<u8>]) {
    node.send_together(at, frames);
    (0..8).for_each(|_| node.run());
}

#[test]
fn a_port_whose_packets_lead_nowhere_waits_while_others_are_served() {
    let mut one = Node::with_allowance("one", tables("one", network()), ALLOWANCE);
    flood(&mut one, a(), &nowhere(400));
    // What was saved up is used by a large batch and four small ones; the next one is too much.
    assert_eq!((one.totals().received, one.totals().rests), (144, 1));
    for round in 1..=20 {
        let frame = udp4(c(), a(), Shape::default());
        one.send(c(), &frame);
        assert_eq!(one.received(a()).len(), 1);
        assert_eq!(one.totals().received, 144 + round, "the others wait");
    }
    one.pass(15);
    assert_eq!(one.totals().received, 164);
    one.pass(1);
    assert_eq!((one.totals().received, one.totals().rests), (180, 2));
    one.pass(2_000);
    assert_eq!(one.totals().received, 420, "nothing is lost");
    one.check_sum();
}

#[test]
fn a_port_that_scans_unused_addresses_leaves_room_for_others_to_wait() {
    let mut one = Node::new("one", network());
    let to = |from, host| {
        let router = router_port(a().datapath.get());
        let [x, y, z, _] = ipv4(d()).octets();
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(mac(from).0, mac(router).0)
            .ipv4(ipv4(from).octets(), [x, y, z, host], 64)
            .udp(1, 2)
            .write(&mut frame, b"anybody?")
            .expect("a frame");
        frame
    };
    for host in 100..=200 {
        one.send(a(), &to(a(), host));
    }
    let held = one.totals().holding;
    assert!((1..100).contains(&held), "{held} wait");
    one.send(c(), &to(c(), 201));
    assert_eq!(one.totals().holding, held + 1);
    one.check_sum();
}

#[test]
fn ports_whose_packets_get_somewhere_do_not_wait() {
    let mut one = Node::with_allowance("one", tables("one", network()), ALLOWANCE);
    let frames: Vec<_> = (1..=500).map(|port| udp4(a(), c(), flow(port))).collect();
    one.send_together(a(), &frames);
    assert_eq!(one.received(c()).len(), 500);
    for _ in 0..20 {
        one.send_together(a(), &frames);
        assert_eq!(one.received(c()).len(), 500, "known flows cost nothing");
    }
    assert_eq!(one.totals().rests, 0);
}

#[test]
fn a_port_that_waits_may_be_unplugged_and_another_plugged_in_its_place() {
    let mut one = Node::with_allowance("one", tables("one", network()), ALLOWANCE);
    flood(&mut one, a(), &nowhere(300));
    assert_eq!(one.totals().rests, 1);
    one.unplug(a());
    one.plug(a());
    one.send(a(), &udp4(a(), c(), Shape::default()));
    assert_eq!(one.received(c()).len(), 1, "it has an allowance of its own");
    one.pass(1_000);
    one.send(c(), &udp4(c(), a(), Shape::default()));
    assert_eq!(one.received(a()).len(), 1);
}

/// What a allows itself to be sent is tracked: all of it.
fn tracked() -> Vec<Object> {
    let acl = Object::Acl(Acl {
        owner: PolicyOwner::Switch(a().datapath),
        uuid: Uuid::from_u128(1),
        name: String::new(),
        stage: AclStage::FromLport,
        tier: 0,
        priority: 1,
        matches: expr::parse("ip").expect("an expression").lower(),
        action: AclAction::AllowRelated,
        label: 0,
        log: None,
    });
    [network(), vec![acl]].concat()
}

fn flow(port: u16) -> Shape {
    Shape {
        port,
        ..Shape::default()
    }
}

/// A UDP packet that answers one from `port`.
fn answer(from: PortRef, to: PortRef, port: u16) -> Vec<u8> {
    let mut frame = udp4(from, to, flow(5000));
    // The destination port, and no checksum.
    frame[36..38].copy_from_slice(&port.to_be_bytes());
    frame[40..42].fill(0);
    frame
}

#[test]
fn a_port_that_begins_connections_which_nobody_answers_waits() {
    let mut one = Node::with_allowance("one", tables("one", tracked()), ALLOWANCE);
    let frames: Vec<_> = (1..=300).map(|port| udp4(a(), c(), flow(port))).collect();
    flood(&mut one, a(), &frames);
    assert_eq!((one.totals().received, one.totals().rests), (144, 1));
}

#[test]
fn a_port_whose_connections_are_answered_does_not_wait() {
    let mut one = Node::with_allowance("one", tables("one", tracked()), ALLOWANCE);
    for port in 1..=300 {
        one.send(a(), &udp4(a(), c(), flow(port)));
        one.send(c(), &answer(c(), a(), port));
        assert_eq!(one.received(c()).len() + one.received(a()).len(), 2);
    }
    assert_eq!(one.totals().rests, 0);
}

/// The packets that bring a TCP connection from `port` up, and before its answer one that comes too early.
fn handshake(port: u16) -> [(PortRef, Vec<u8>); 4] {
    let segment = |(from, to), header: TcpHeader| {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(mac(from).0, mac(to).0)
            .ipv4(ipv4(from).octets(), ipv4(to).octets(), 64)
            .tcp_header(header)
            .write(&mut frame, &[])
            .expect("a frame");
        (from, frame)
    };
    let mut syn = TcpHeader::new(port, 80, 100, 1_000);
    syn.syn = true;
    let mut early = TcpHeader::new(port, 80, 101, 1_000);
    (early.ack, early.acknowledgment_number) = (true, 501);
    let mut answer = TcpHeader::new(80, port, 500, 1_000);
    (answer.syn, answer.ack, answer.acknowledgment_number) = (true, true, 101);
    let mut ack = TcpHeader::new(port, 80, 101, 1_000);
    (ack.ack, ack.acknowledgment_number) = (true, 501);
    let (there, back) = ((a(), c()), (c(), a()));
    [
        segment(there, syn),
        segment(there, early),
        segment(back, answer),
        segment(there, ack),
    ]
}

#[test]
fn a_port_whose_connections_are_answered_after_early_packets_does_not_wait() {
    let mut one = Node::with_allowance("one", tables("one", tracked()), ALLOWANCE);
    for (from, frame) in (1..=300).flat_map(handshake) {
        one.send(from, &frame);
        assert_eq!(one.received(c()).len() + one.received(a()).len(), 1);
    }
    assert_eq!(one.totals().rests, 0);
}

#[test]
fn a_sender_on_another_node_whose_packets_lead_nowhere_loses_new_flows_and_nobody_else_does() {
    let mut one = Node::with_allowance("one", tables("one", network()), ALLOWANCE);
    let mut two = Node::new("two", network());
    let send = |one: &mut Node, two: &mut Node, (from, to), port| {
        two.send(from, &udp4(from, to, flow(port)));
        carry(two, one);
        one.received(to).len()
    };
    assert_eq!(send(&mut one, &mut two, (b(), a()), 1), 1);
    // To a port that does not exist.
    let header = geneve::Header {
        vni: a().datapath.get(),
        ingress: b().port.get(),
        egress: 99,
    };
    for port in 2..=200 {
        let mut payload = header.encode(TransportSum::Complete).to_vec();
        payload.extend(udp4(b(), a(), flow(port)));
        one.send_tunnel(&payload, encap_ip("two"), 0);
    }
    let lost = one.counters.dropped(DropReason::SenderLimited);
    assert!((1..199).contains(&lost), "{lost} are lost");
    assert_eq!(send(&mut one, &mut two, (b(), a()), 1), 1, "it is known");
    assert_eq!(send(&mut one, &mut two, (b(), a()), 500), 0, "it is new");
    assert_eq!(send(&mut one, &mut two, (d(), c()), 1), 1, "of another");
    one.pass(1_000);
    assert_eq!(send(&mut one, &mut two, (b(), a()), 501), 1);
    one.check_sum();
}
