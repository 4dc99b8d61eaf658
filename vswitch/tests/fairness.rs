//! A port whose packets lead nowhere waits, and nobody else does.

mod common;

use common::*;
use etherparse::PacketBuilder;

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

#[test]
fn a_port_whose_packets_lead_nowhere_waits_while_others_are_served() {
    let mut one = Node::with_allowance("one", tables("one", network()), ALLOWANCE);
    one.send_together(a(), &nowhere(400));
    // What was saved up is used by two batches, and the third is too much.
    assert_eq!((one.totals().received, one.totals().rests), (192, 1));
    for round in 1..=20 {
        let frame = udp4(c(), a(), Shape::default());
        one.send(c(), &frame);
        assert_eq!(one.received(a()).len(), 1);
        assert_eq!(one.totals().received, 192 + round, "the others wait");
    }
    one.pass(63);
    assert_eq!(one.totals().received, 212);
    one.pass(1);
    assert_eq!((one.totals().received, one.totals().rests), (276, 2));
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
    let flow = |port| Shape {
        port,
        ..Shape::default()
    };
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
    one.send_together(a(), &nowhere(300));
    assert_eq!(one.totals().rests, 1);
    one.unplug(a());
    one.plug(a());
    one.send(a(), &udp4(a(), c(), Shape::default()));
    assert_eq!(one.received(c()).len(), 1, "it has an allowance of its own");
    one.pass(1_000);
    one.send(c(), &udp4(c(), a(), Shape::default()));
    assert_eq!(one.received(a()).len(), 1);
}
