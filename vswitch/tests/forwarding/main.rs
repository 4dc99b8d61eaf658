//! Packets through one and two nodes in memory: what comes out, where, and what is counted.

#[path = "../common/mod.rs"]
mod common;
mod neighbours;
mod tunnel;

use common::*;
use packet::flow::Network;
use packet::geneve;
use pipeline::DropReason;
use vswitch::worker::Event;

fn nodes() -> (Node, Node) {
    (Node::new("one", network()), Node::new("two", network()))
}

fn frames(from: pipeline::object::PortRef, to: pipeline::object::PortRef) -> [Vec<u8>; 2] {
    [
        udp4(from, to, Shape::default()),
        udp6(from, to, Shape::default()),
    ]
}

/// UDP payload that makes an IPv4 packet of `length` bytes.
fn payload4(length: u16) -> usize {
    usize::from(length) - 20 - 8
}

#[test]
fn a_frame_for_a_station_on_the_same_node_comes_out_as_it_went_in() {
    let mut one = Node::new("one", network());
    for frame in frames(a(), c()) {
        one.send(a(), &frame);
        assert_eq!(one.output(), [(Some(c()), vec![frame])].into());
    }
    one.check_sum();
}

#[test]
fn a_frame_for_a_station_on_another_node_goes_through_the_tunnel_with_its_logical_ports() {
    let (mut one, mut two) = nodes();
    for frame in frames(a(), b()) {
        one.send(a(), &frame);
        let [(payload, outer)] = one.tunnelled().try_into().expect("one datagram");
        assert_eq!(
            (outer.remote.ip(), outer.remote.port()),
            (encap_ip("two"), 6081)
        );
        let (header, _, inner) = geneve::Header::decode(&payload).expect("a Geneve header");
        assert_eq!(
            header,
            geneve::Header {
                vni: 1,
                ingress: 1,
                egress: 2
            }
        );
        assert_eq!(inner, frame);
        two.send_tunnel(&payload, encap_ip("one"), 0);
        assert_eq!(two.output(), [(Some(b()), vec![frame])].into());
    }
    one.check_sum();
    two.check_sum();
}

#[test]
fn a_routed_packet_arrives_with_the_routers_mac_and_a_lower_ttl_first_and_later_alike() {
    let (mut one, mut two) = nodes();
    for frame in frames(a(), d()) {
        for _ in 0..3 {
            one.send(a(), &frame);
            carry(&mut one, &mut two);
            let [arrived] = two.received(d()).try_into().expect("one frame");
            let (sent, _) = packet::parse(&frame).expect("a frame");
            let (flow, _) = packet::parse(&arrived).expect("a frame");
            assert_eq!(
                (flow.eth_src, flow.eth_dst),
                (mac(router_port(2)), mac(d()))
            );
            let (Network::Ip(sent), Network::Ip(ip)) = (&sent.network, &flow.network) else {
                panic!("both are IP");
            };
            assert_eq!((ip.ttl, ip.src, ip.dst), (sent.ttl - 1, sent.src, sent.dst));
            etherparse::PacketHeaders::from_ethernet_slice(&arrived).expect("a right checksum");
        }
    }
    assert_eq!((one.totals().hits, one.totals().misses), (4, 2));
    one.check_sum();
    two.check_sum();
}

#[test]
fn flows_that_are_treated_alike_share_one_action() {
    let mut one = Node::new("one", network());
    for port in 1..=50 {
        one.send(
            a(),
            &udp4(
                a(),
                c(),
                Shape {
                    port,
                    ..Shape::default()
                },
            ),
        );
    }
    let counts = one.connections();
    assert_eq!((counts.connections, counts.actions), (50, 1));
}

#[test]
fn arp_for_a_known_address_is_answered_on_the_askers_node() {
    let mut one = Node::new("one", network());
    one.send(
        a(),
        &packet::answer::arp_request(mac(a()), ipv4(a()), ipv4(b())),
    );
    let [reply] = one.received(a()).try_into().expect("one frame");
    let (flow, _) = packet::parse(&reply).expect("a frame");
    let Network::Arp(arp) = flow.network else {
        panic!("an ARP packet")
    };
    assert_eq!((arp.operation, arp.sha, arp.spa), (2, mac(b()), ipv4(b())));
    assert!(one.output().is_empty());
    let totals = one.totals();
    assert_eq!(
        (totals.answered, totals.originated, totals.transmitted),
        (1, 1, 1)
    );
    one.check_sum();
}

#[test]
fn a_broadcast_reaches_every_port_and_each_other_node_once() {
    let (mut one, mut two) = nodes();
    let mut frame = udp4(a(), b(), Shape::default());
    frame[..6].fill(0xff);
    one.send(a(), &frame);
    let out = one.output();
    assert_eq!(out.get(&Some(c())), Some(&vec![frame.clone()]));
    let [payload] = out[&None]
        .clone()
        .try_into()
        .expect("one copy for the other node");
    two.send_tunnel(&payload, encap_ip("one"), 0);
    assert_eq!(two.output(), [(Some(b()), vec![frame])].into());
    one.check_sum();
    two.check_sum();
}

#[test]
fn a_ttl_that_runs_out_is_judged_at_each_packet_of_a_remembered_flow() {
    let mut one = Node::new("one", network());
    one.send(a(), &udp4(a(), d(), Shape::default()));
    assert_eq!(one.tunnelled().len(), 1);
    one.send(
        a(),
        &udp4(
            a(),
            d(),
            Shape {
                ttl: 1,
                ..Shape::default()
            },
        ),
    );
    assert_eq!(one.tunnelled().len(), 0);
    let [error] = one.received(a()).try_into().expect("an ICMP error");
    let (flow, _) = packet::parse(&error).expect("a frame");
    let Network::Ip(ip) = flow.network else {
        panic!("an IP packet")
    };
    assert_eq!(ip.src, std::net::IpAddr::from([10, 0, 1, 1]));
    one.send(a(), &udp4(a(), d(), Shape::default()));
    assert_eq!((one.tunnelled().len(), one.totals().hits), (1, 1));
    one.check_sum();
}

// === bounds ===

#[test]
fn frames_that_no_buffer_is_free_for_are_lost_with_their_reason_and_the_others_arrive() {
    let mut one = Node::new("one", network());
    let long = udp4(
        a(),
        c(),
        Shape {
            payload: 3000,
            ..Shape::default()
        },
    );
    one.send_together(a(), &vec![long; 20]);
    let arrived = one.received(c()).len() as u64;
    assert!((1..20).contains(&arrived));
    assert_eq!(one.counters.dropped(DropReason::NoBuffer), 20 - arrived);
    one.check_sum();
}

#[test]
fn frames_that_a_device_has_no_room_for_are_lost_with_their_reason() {
    let mut one = Node::new("one", network());
    one.plug_wire(c(), 3);
    one.send_together(a(), &vec![udp4(a(), c(), Shape::default()); 10]);
    assert_eq!(one.received(c()).len(), 3);
    assert_eq!(one.counters.dropped(DropReason::OutputQueueFull), 7);
    one.check_sum();
}

#[test]
fn a_flood_of_many_copies_uses_its_buffers_again_and_loses_none() {
    let mut one = Node::new("one", network());
    for number in 10..40 {
        one.apply(vec![vif(at(1, number), "one")], vec![]);
        one.plug(at(1, number));
    }
    let mut frame = udp4(a(), b(), Shape::default());
    frame[..6].fill(0xff);
    one.send_together(a(), &vec![frame; 60]);
    for number in 10..40 {
        assert_eq!(one.received(at(1, number)).len(), 60);
    }
    assert_eq!(one.counters.dropped(DropReason::NoBuffer), 0);
    one.check_sum();
}

// === life of ports and flows ===

#[test]
fn a_change_of_the_tables_takes_effect_with_the_next_packet_of_a_remembered_flow() {
    let mut one = Node::new("one", network());
    let frame = udp4(a(), c(), Shape::default());
    one.send(a(), &frame);
    assert_eq!(one.received(c()).len(), 1);
    one.apply(vec![vif(c(), "two")], vec![]);
    one.send(a(), &frame);
    assert_eq!((one.received(c()).len(), one.tunnelled().len()), (0, 1));
    one.apply(vec![vif(c(), "one")], vec![]);
    one.send(a(), &frame);
    assert_eq!((one.received(c()).len(), one.tunnelled().len()), (1, 0));
    assert_eq!(one.totals().stale, 2);
}

#[test]
fn a_change_elsewhere_leaves_a_remembered_flow_alone() {
    let mut one = Node::new("one", network());
    let frame = udp4(a(), c(), Shape::default());
    one.send(a(), &frame);
    one.apply(vec![vif(at(2, 9), "two")], vec![]);
    one.send(a(), &frame);
    assert_eq!((one.totals().hits, one.totals().stale), (1, 0));
}

#[test]
fn an_unplugged_port_receives_nothing_and_its_flows_are_forgotten() {
    let mut one = Node::new("one", network());
    one.send(a(), &udp4(a(), c(), Shape::default()));
    one.send(c(), &udp4(c(), a(), Shape::default()));
    assert_eq!(one.connections().connections, 2);
    one.unplug(c());
    assert_eq!(one.connections().connections, 1);
    one.send(a(), &udp4(a(), c(), Shape::default()));
    assert_eq!(one.counters.dropped(DropReason::PortNotHere), 1);
    one.plug(c());
    one.send(a(), &udp4(a(), c(), Shape::default()));
    assert_eq!(one.received(c()).len(), 1);
    one.check_sum();
}

#[test]
fn a_device_that_goes_away_has_its_last_frames_forwarded_and_no_port_any_more() {
    let mut one = Node::new("one", network());
    let frame = udp4(c(), a(), Shape::default());
    one.cut(c(), &frame);
    assert_eq!(one.received(a()), [frame]);
    let (at, plug) = (c(), 0);
    assert!(
        one.events
            .try_iter()
            .any(|event| event == Event::Lost { at, plug })
    );
    one.send(a(), &udp4(a(), c(), Shape::default()));
    assert_eq!(one.counters.dropped(DropReason::PortNotHere), 1);
    one.check_sum();
}

#[test]
fn a_remembered_flow_is_judged_by_the_mtu_of_the_underlay_as_it_is() {
    let mut one = Node::new("one", network());
    let frame = udp4(
        a(),
        b(),
        Shape {
            payload: 1300,
            ..Shape::default()
        },
    );
    for (tunnel_mtu, through) in [(TUNNEL_MTU, 1), (1300, 0), (8000, 1)] {
        one.set_tunnel_mtu(tunnel_mtu);
        one.send(a(), &frame);
        assert_eq!(one.tunnelled().len(), through, "{tunnel_mtu}");
        assert_eq!(one.received(a()).len(), 1 - through, "its sender is told");
    }
    one.check_sum();
}

#[test]
fn flows_are_forgotten_when_they_have_been_idle_for_a_minute() {
    let mut one = Node::new("one", network());
    one.send(a(), &udp4(a(), c(), Shape::default()));
    one.pass(59_000);
    assert_eq!(one.connections().connections, 1);
    one.pass(2_000);
    assert_eq!(one.connections().connections, 0);
}
