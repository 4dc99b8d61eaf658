//! What is too long for the tunnel, and what comes out of it.

use packet::flow::{Fragment, Network};
use packet::geneve;
use pipeline::DropReason;
use vswitch::worker::Place;

use crate::common::*;
use crate::{nodes, payload4};

// === tunnel MTU ===

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
    .encode(packet::offload::TransportSum::Complete);
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
