//! Packets that wait for their next hop's address.

use packet::flow::Network;
use pipeline::object::{Neighbor, Object};
use pipeline::{DropReason, Learn};
use vswitch::worker::Event;

use crate::common::*;
use crate::payload4;

/// A packet from `a` for an address behind the port of unknown stations.
fn to_unknown() -> Vec<u8> {
    udp4(a(), u(), Shape::default())
}

#[test]
fn a_packet_for_an_unresolved_neighbour_waits_for_it_and_then_arrives() {
    let mut one = Node::new("one", network());
    for _ in 0..3 {
        one.send(a(), &to_unknown());
    }
    assert_eq!(one.totals().holding, 3);
    let [solicitation] = one.received(u()).try_into().expect("one ARP request");
    let (flow, _) = packet::parse(&solicitation).expect("a frame");
    let Network::Arp(arp) = flow.network else {
        panic!("an ARP packet")
    };
    assert_eq!(
        (arp.operation, arp.tpa, arp.sha),
        (1, ipv4(u()), mac(router_port(2)))
    );
    one.check_sum();

    one.send(
        u(),
        &packet::answer::arp_reply(&flow, mac(u())).expect("a reply"),
    );
    let learned = Learn::Neighbor {
        port: router_port(2),
        ip: ipv4(u()).into(),
        mac: mac(u()),
    };
    assert!(
        one.events
            .try_iter()
            .any(|event| event == Event::Learned(learned))
    );
    one.received(u());
    let neighbor = Neighbor {
        port: router_port(2),
        ip: ipv4(u()).into(),
        fixed: None,
        learned: Some(mac(u())),
    };
    one.apply(vec![Object::Neighbor(neighbor)], vec![]);
    let arrived = one.received(u());
    assert_eq!(arrived.len(), 3);
    for frame in arrived {
        let (flow, _) = packet::parse(&frame).expect("a frame");
        assert_eq!(
            (flow.eth_src, flow.eth_dst),
            (mac(router_port(2)), mac(u()))
        );
    }
    assert_eq!(one.totals().holding, 0);
    one.check_sum();
}

#[test]
fn a_neighbour_that_is_silent_is_asked_three_times_and_its_packets_are_dropped() {
    let mut one = Node::new("one", network());
    one.send(a(), &to_unknown());
    let mut asked = one.received(u()).len();
    for _ in 0..2 {
        one.pass(1_000);
        asked += one.received(u()).len();
        assert_eq!(one.counters.dropped(DropReason::NeighborUnresolved), 0);
    }
    assert_eq!(asked, 3);
    one.pass(1_000);
    assert_eq!(one.received(u()).len(), 0);
    assert_eq!(one.counters.dropped(DropReason::NeighborUnresolved), 1);
    assert_eq!(one.totals().holding, 0);
    one.check_sum();
}

#[test]
fn packets_do_not_wait_at_a_router_that_gives_way_to_another() {
    let mut one = Node::new("one", network());
    one.send(a(), &to_unknown());
    assert_eq!(one.received(u()).len(), 1);
    let at = router_port(2);
    let is_there = |object: &Object| matches!(object, Object::Port(port) if port.at == at);
    let Some(Object::Port(mut other)) = network().into_iter().find(is_there) else {
        panic!("the network has the router's port")
    };
    other.uuid = uuid::Uuid::from_u128(77);
    one.apply(vec![Object::Port(other)], vec![]);
    assert_eq!(one.counters.dropped(DropReason::NeighborUnresolved), 1);
    assert_eq!(one.totals().holding, 0);
    one.pass(1_000);
    assert_eq!(one.received(u()).len(), 0);
    one.check_sum();
}

#[test]
fn a_packet_that_waited_and_is_too_long_then_is_answered_to_its_sender() {
    let mut one = Node::new("one", network());
    one.apply(vec![unknown_vif(u(), "two")], vec![]);
    let shape = Shape {
        payload: payload4(TUNNEL_MTU) + 1,
        ..Shape::default()
    };
    one.send(a(), &udp4(a(), u(), shape));
    assert_eq!((one.totals().holding, one.received(a()).len()), (1, 0));
    let neighbor = Neighbor {
        port: router_port(2),
        ip: ipv4(u()).into(),
        fixed: None,
        learned: Some(mac(u())),
    };
    one.apply(vec![Object::Neighbor(neighbor)], vec![]);
    let [error] = one.received(a()).try_into().expect("an ICMP error");
    let (flow, layout) = packet::parse(&error).expect("a frame");
    assert_eq!(
        (flow.eth_src, flow.eth_dst),
        (mac(router_port(1)), mac(a()))
    );
    let message = &error[usize::from(layout.transport)..];
    assert_eq!(
        (&message[..2], &message[6..8]),
        ([3, 4].as_slice(), TUNNEL_MTU.to_be_bytes().as_slice())
    );
    one.check_sum();
}

#[test]
fn no_more_than_a_few_packets_wait_for_one_neighbour() {
    let mut one = Node::new("one", network());
    for _ in 0..20 {
        one.send(a(), &to_unknown());
    }
    let held = one.totals().holding;
    assert!((1..20).contains(&held));
    assert_eq!(one.counters.dropped(DropReason::HoldQueueFull), 20 - held);
    one.check_sum();
}
