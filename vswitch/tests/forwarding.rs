//! Packets through one and two nodes in memory: what comes out, where, and what is counted.

mod common;

use common::*;
use packet::flow::{Fragment, Network};
use packet::geneve;
use pipeline::object::{Neighbor, Object};
use pipeline::{DropReason, Learn};
use vswitch::worker::{Event, Place};

fn nodes() -> (Node, Node) {
    (Node::new("one", network()), Node::new("two", network()))
}

fn frames(from: pipeline::object::PortRef, to: pipeline::object::PortRef) -> [Vec<u8>; 2] {
    [
        udp4(from, to, Shape::default()),
        udp6(from, to, Shape::default()),
    ]
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
        let (header, inner) = geneve::Header::decode(&payload).expect("a Geneve header");
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

// === tunnel MTU ===

/// UDP payload that makes an IPv4 packet of `length` bytes.
fn payload4(length: u16) -> usize {
    usize::from(length) - 20 - 8
}

#[test]
fn a_packet_that_just_fits_the_tunnel_passes_and_a_longer_one_is_answered() {
    for to in [b(), d()] {
        let mut one = Node::new("one", network());
        let fits = Shape {
            payload: payload4(TUNNEL_MTU),
            ..Shape::default()
        };
        one.send(a(), &udp4(a(), to, fits));
        assert_eq!(one.tunnelled().len(), 1);
        one.send(
            a(),
            &udp4(
                a(),
                to,
                Shape {
                    payload: fits.payload + 1,
                    ..fits
                },
            ),
        );
        assert_eq!(one.tunnelled().len(), 0);
        let [error] = one.received(a()).try_into().expect("an ICMP error");
        let (flow, layout) = packet::parse(&error).expect("a frame");
        let Network::Ip(ip) = &flow.network else {
            panic!("an IP packet")
        };
        let message = &error[usize::from(layout.transport)..];
        assert_eq!(message[..2], [3, 4]);
        assert_eq!(message[6..8], TUNNEL_MTU.to_be_bytes());
        assert_eq!((flow.eth_dst, ip.dst), (mac(a()), ipv4(a()).into()));
        // The router that routed it speaks, or the destination's address where none did.
        let speaker = if to == b() {
            ipv4(b())
        } else {
            [10, 0, 1, 1].into()
        };
        assert_eq!(ip.src, std::net::IpAddr::from(speaker));
        one.check_sum();
    }
}

#[test]
fn a_long_ipv6_packet_is_answered_with_packet_too_big() {
    let mut one = Node::new("one", network());
    let payload = usize::from(TUNNEL_MTU) - 40 - 8;
    one.send(
        a(),
        &udp6(
            a(),
            d(),
            Shape {
                payload,
                ..Shape::default()
            },
        ),
    );
    assert_eq!(one.tunnelled().len(), 1);
    one.send(
        a(),
        &udp6(
            a(),
            d(),
            Shape {
                payload: payload + 1,
                ..Shape::default()
            },
        ),
    );
    let [error] = one.received(a()).try_into().expect("an ICMP error");
    let (_, layout) = packet::parse(&error).expect("a frame");
    let message = &error[usize::from(layout.transport)..];
    assert_eq!(message[..2], [2, 0]);
    assert_eq!(message[4..8], u32::from(TUNNEL_MTU).to_be_bytes());
    one.check_sum();
}

#[test]
fn the_router_aborts_associations_and_is_silent_to_an_abort() {
    const SHUTDOWN: u8 = 7;
    const ABORT: u8 = 6;
    let mut one = Node::new("one", network());
    for (chunk_type, answers, unanswered) in [(SHUTDOWN, 1, 0), (ABORT, 0, 1), (SHUTDOWN, 1, 1)] {
        one.send(a(), &sctp4_to_router(a(), chunk_type));
        assert_eq!(one.received(a()).len(), answers, "{chunk_type}");
        let dropped = one.counters.dropped(DropReason::ErrorUnanswered);
        assert_eq!(dropped, unanswered, "{chunk_type}");
    }
    one.check_sum();
}

#[test]
fn a_long_ipv4_packet_that_may_be_fragmented_arrives_in_fragments() {
    let (mut one, mut two) = nodes();
    let shape = Shape {
        payload: 3000,
        dont_fragment: false,
        ..Shape::default()
    };
    let frame = udp4(a(), d(), shape);
    one.send(a(), &frame);
    carry(&mut one, &mut two);
    let arrived = two.received(d());
    assert_eq!(arrived.len(), 3);
    let mut payload: Vec<u8> = Vec::new();
    for (index, fragment) in arrived.iter().enumerate() {
        let (flow, layout) = packet::parse(fragment).expect("a frame");
        assert!(flow.length <= TUNNEL_MTU.into());
        let Network::Ip(ip) = &flow.network else {
            panic!("an IP packet")
        };
        let expected = if index == 0 {
            Fragment::First
        } else {
            Fragment::Later
        };
        assert_eq!((ip.fragment, ip.ttl), (expected, 63));
        payload.extend(&fragment[usize::from(layout.network) + 20..]);
    }
    assert_eq!(payload, frame[14 + 20..]);
    one.check_sum();
    two.check_sum();
}

// === the tunnel's door ===

#[test]
fn a_tunnel_packet_from_no_known_node_is_dropped_with_its_reason() {
    let (mut one, mut two) = nodes();
    one.send(a(), &udp4(a(), b(), Shape::default()));
    let [(payload, _)] = one.tunnelled().try_into().expect("one datagram");
    two.send_tunnel(&payload, [203, 0, 113, 9].into(), 0);
    assert!(two.output().is_empty());
    assert_eq!(two.counters.dropped(DropReason::GeneveUnknownSender), 1);
    let last = two
        .counters
        .last_drop(DropReason::GeneveUnknownSender)
        .expect("a sample");
    assert_eq!(
        (last.bytes, Place::of_number(last.place)),
        (payload, Some(Place::Underlay))
    );
    two.check_sum();
}

#[test]
fn congestion_marks_travel_out_and_back_in() {
    let (mut one, mut two) = nodes();
    one.send(
        a(),
        &udp4(
            a(),
            b(),
            Shape {
                ecn: 2,
                ..Shape::default()
            },
        ),
    );
    let [(payload, outer)] = one.tunnelled().try_into().expect("one datagram");
    assert_eq!(outer.ecn, 2);
    two.send_tunnel(&payload, encap_ip("one"), 3);
    let [arrived] = two.received(b()).try_into().expect("one frame");
    assert_eq!(arrived[15] & 3, 3);

    one.send(a(), &udp4(a(), b(), Shape::default()));
    let [(payload, _)] = one.tunnelled().try_into().expect("one datagram");
    two.send_tunnel(&payload, encap_ip("one"), 3);
    assert_eq!(two.counters.dropped(DropReason::CongestionLost), 1);
    two.check_sum();
}

#[test]
fn malformed_tunnel_packets_have_their_reasons() {
    let mut two = Node::new("two", network());
    let good = geneve::Header {
        vni: 1,
        ingress: 1,
        egress: 2,
    }
    .encode();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = byte;
        bytes
    };
    let cases = [
        (good[..7].to_vec(), DropReason::GeneveMalformed),
        (with(0, 0x42), DropReason::GeneveVersion),
        (with(2, 0x08), DropReason::GeneveProtocol),
        (with(8, 0xff), DropReason::GeneveOption),
        (with(6, 9), DropReason::EthernetTruncated),
    ];
    for (payload, reason) in cases {
        two.send_tunnel(&payload, encap_ip("one"), 0);
        assert_eq!(two.counters.dropped(reason), 1, "{reason}");
    }
    two.check_sum();
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

// === neighbours ===

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
