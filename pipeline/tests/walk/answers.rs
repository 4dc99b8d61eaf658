//! From verdicts to bytes: the frames that are made and rewritten are those that were decided on.

use etherparse::{Ipv4Header, PacketBuilder, SlicedPacket, VlanId};
use packet::flow::Network;
use packet::offload::TransportSum;
use packet::{Flow, Layout, parse};
use pipeline::object::Attachment;
use pipeline::{Branch, Destination, Rewrite, Source, Verdict, answer};

use crate::support::flows::*;
use crate::support::{Net, sent};

const A: [u8; 6] = [10, 0, 0, 0, 1, 1];
const R1: [u8; 6] = [10, 0, 0, 0, 1, 0xfe];
const PAYLOAD: [u8; 700] = [0x5a; 700];

fn routed() -> Net {
    let nested = Attachment::Nested {
        parent: "a".to_owned(),
        tag: 7,
    };
    Net::new()
        .switch("one")
        .vif("one", "a", "0a:00:00:00:01:01 10.0.1.1 fd01::1")
        .switch_port("one", "n", nested, "0a:00:00:00:01:02 10.0.1.2")
        .switch("two")
        .vif("two", "b", "0a:00:00:00:02:01 10.0.2.1 fd02::1")
        .router("r")
        .join("r", "one", "0a:00:00:00:01:fe", "10.0.1.254/24 fd01::fe/64")
        .join("r", "two", "0a:00:00:00:02:fe", "10.0.2.254/24 fd02::fe/64")
        .edit_router_port("r-two", |port| port.gateway_mtu = Some(600))
}

/// The frame of a branch: made, rewritten, as it leaves.
fn frame_of(branch: &Branch, frame: &[u8], flow: &Flow, layout: &Layout) -> Vec<u8> {
    let (bytes, layout) = match &branch.packet {
        Source::Received => (frame.to_vec(), *layout),
        Source::Answer(answer) => {
            let made = answer::build(answer, frame, flow, layout).expect("the frame is whole");
            let (found, layout) = parse(&made).unwrap();
            assert_eq!(
                Some(found),
                answer.flow(),
                "the frame is not that of the decided flow"
            );
            (made, layout)
        }
    };
    let mut buffer = vec![0; packet::VLAN_TAG_LENGTH];
    buffer.extend_from_slice(&bytes);
    let start = branch
        .rewrite
        .apply(
            &mut buffer,
            packet::VLAN_TAG_LENGTH,
            &layout,
            TransportSum::Complete,
        )
        .unwrap();
    buffer.split_off(start)
}

/// Sends a frame; checks and returns what leaves.
fn run(inport: &str, frame: &[u8]) -> (Verdict, Vec<Vec<u8>>) {
    let tables = routed().tables(None);
    let (flow, layout) = parse(frame).unwrap();
    let verdict = sent(&tables, inport, &flow);
    let asked = verdict.branches.iter().flat_map(|branch| match &branch.to {
        Destination::Hold(hold) => &hold.solicitation[..],
        _ => &[],
    });
    let frames: Vec<_> = verdict
        .branches
        .iter()
        .chain(asked)
        .filter(|branch| !matches!(branch.to, Destination::Drop { .. }))
        .map(|branch| frame_of(branch, frame, &flow, &layout))
        .collect();
    for frame in &frames {
        check_sound(frame);
    }
    (verdict, frames)
}

/// An independent parser finds every header whole and every IPv4 header checksum right.
fn check_sound(frame: &[u8]) {
    let sliced = SlicedPacket::from_ethernet(frame).unwrap();
    if let Some(etherparse::NetSlice::Ipv4(ip)) = sliced.net {
        let header: Ipv4Header = ip.header().to_header();
        assert_eq!(header.calc_header_checksum(), header.header_checksum);
    }
}

fn built(builder: etherparse::PacketBuilderStep<etherparse::UdpHeader>, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

fn udp4(dst: [u8; 4], ttl: u8, payload: &[u8]) -> Vec<u8> {
    built(
        PacketBuilder::ethernet2(A, R1)
            .ipv4([10, 0, 1, 1], dst, ttl)
            .udp(1, 2),
        payload,
    )
}

fn address6(text: &str) -> [u8; 16] {
    text.parse::<std::net::Ipv6Addr>().unwrap().octets()
}

fn udp6(dst: &str, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(A, R1).ipv6(address6("fd01::1"), address6(dst), ttl);
    built(builder.udp(1, 2), payload)
}

fn echo4(dst: [u8; 4]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(A, R1).ipv4([10, 0, 1, 1], dst, 64);
    let mut frame = Vec::new();
    builder
        .icmpv4_echo_request(7, 8)
        .write(&mut frame, &PAYLOAD[..100])
        .unwrap();
    frame
}

fn echo6(dst: &str) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(A, R1).ipv6(address6("fd01::1"), address6(dst), 64);
    let mut frame = Vec::new();
    builder
        .icmpv6_echo_request(7, 8)
        .write(&mut frame, &PAYLOAD[..100])
        .unwrap();
    frame
}

fn syn4(dst: [u8; 4]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(A, R1).ipv4([10, 0, 1, 1], dst, 64);
    let mut frame = Vec::new();
    builder
        .tcp(1, 2, 77, 100)
        .syn()
        .write(&mut frame, &[])
        .unwrap();
    frame
}

#[test]
fn routed_frames_leave_with_new_stations_and_a_lower_ttl() {
    for (frame, ttl) in [
        (udp4([10, 0, 2, 1], 64, &PAYLOAD[..99]), 63),
        (udp6("fd02::1", 9, &[]), 8),
    ] {
        let (_, frames) = run("a", &frame);
        let (flow, _) = parse(&frames[0]).unwrap();
        let Network::Ip(ip) = &flow.network else {
            panic!("{flow:?}")
        };
        assert_eq!((ip.ttl, frames.len()), (ttl, 1));
        assert_eq!(
            in_words(&Flow {
                network: Network::Other,
                ..flow
            }),
            "frame 0a:00:00:00:02:fe>0a:00:00:00:02:01"
        );
    }
}

/// An SCTP packet with a HEARTBEAT chunk.
fn heartbeat4(dst: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(A, R1)
        .ipv4([10, 0, 1, 1], dst, 64)
        .write(
            &mut frame,
            etherparse::IpNumber::SCTP,
            &[0, 1, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, 4, 0, 0, 8, 0, 1, 0, 4],
        )
        .unwrap();
    frame
}

#[test]
fn every_answer_is_the_frame_that_was_decided_on() {
    for (frame, expected) in [
        (
            udp4([10, 0, 2, 1], 1, &PAYLOAD),
            "icmp11/0 10.0.1.254>10.0.1.1 ttl 254",
        ),
        (
            udp6("fd02::1", 1, &PAYLOAD),
            "icmp3/0 fd01::fe>fd01::1 ttl 254",
        ),
        (
            udp4([10, 0, 2, 1], 64, &PAYLOAD),
            "icmp3/4 10.0.1.254>10.0.1.1 ttl 254",
        ),
        (
            udp6("fd02::1", 64, &PAYLOAD),
            "icmp2/0 fd01::fe>fd01::1 ttl 254",
        ),
        (
            udp4([10, 0, 1, 254], 64, &PAYLOAD[..9]),
            "icmp3/3 10.0.1.254>10.0.1.1 ttl 254",
        ),
        (
            udp6("fd02::fe", 64, &PAYLOAD[..9]),
            "icmp1/4 fd02::fe>fd01::1 ttl 254",
        ),
        (
            echo4([10, 0, 2, 254]),
            "icmp0/0 10.0.2.254>10.0.1.1 ttl 254",
        ),
        (echo6("fd02::fe"), "icmp129/0 fd02::fe>fd01::1 ttl 254"),
        (syn4([10, 0, 2, 254]), "tcp 0x14 10.0.2.254>10.0.1.1 ttl 62"),
        (
            heartbeat4([10, 0, 2, 254]),
            "ip132 10.0.2.254>10.0.1.1 ttl 62",
        ),
    ] {
        let (_, frames) = run("a", &frame);
        let (flow, _) = parse(&frames[0]).unwrap();
        assert_eq!(in_words(&flow), expected);
        assert_eq!(
            (flow.eth_dst, flow.eth_src),
            (packet::Mac(A), packet::Mac(R1))
        );
    }
}

#[test]
fn discovery_is_answered_and_asked_in_whole_frames() {
    let (a, far) = (mac("0a:00:00:00:01:01"), "10.0.2.77".parse().unwrap());
    let own = |ip: &str| ip.parse().unwrap();
    for (frame, expected) in [
        (
            packet::answer::arp_request(a, own("10.0.1.1"), own("10.0.1.2")),
            "10.0.1.2 is-at 0a:00:00:00:01:02",
        ),
        (
            packet::answer::neighbor_solicitation(
                a,
                "fd01::1".parse().unwrap(),
                "fd01::fe".parse().unwrap(),
            ),
            "fd01::fe is-at 0a:00:00:00:01:fe router >fd01::1",
        ),
    ] {
        let (_, frames) = run("a", &frame);
        assert_eq!(in_words(&parse(&frames[0]).unwrap().0), expected);
    }
    for (frame, expected) in [
        (
            udp4(std::net::Ipv4Addr::octets(&far), 64, &[]),
            "who-has 10.0.2.77 tell 10.0.2.254",
        ),
        (
            udp6("fd02::77", 64, &[]),
            "solicit fd02::77 tell fe80::800:ff:fe00:2fe",
        ),
    ] {
        let (verdict, frames) = run("a", &frame);
        assert!(matches!(verdict.branches[0].to, Destination::Hold(_)));
        assert_eq!(in_words(&parse(&frames[1]).unwrap().0), expected);
    }
}

#[test]
fn a_nested_ports_answers_carry_its_tag() {
    let builder =
        PacketBuilder::ethernet2([10, 0, 0, 0, 1, 2], R1).single_vlan(VlanId::try_new(7).unwrap());
    let frame = built(
        builder.ipv4([10, 0, 1, 2], [10, 0, 2, 1], 1).udp(1, 2),
        &PAYLOAD[..50],
    );
    let (_, frames) = run("a", &frame);
    let (flow, _) = parse(&frames[0]).unwrap();
    assert_eq!(flow.vlan.map(|tag| tag.id), Some(7));
    assert_eq!(in_words(&flow), "icmp11/0 10.0.1.254>10.0.1.2 ttl 254");
}

#[test]
fn a_frame_too_short_for_its_answer_gives_none() {
    let frame = udp4([10, 0, 2, 1], 1, &PAYLOAD);
    let (flow, layout) = parse(&frame).unwrap();
    let verdict = sent(&routed().tables(None), "a", &flow);
    let Source::Answer(answer) = &verdict.branches[0].packet else {
        panic!("{verdict:?}")
    };
    for length in [0, 13, 14, 30, 60] {
        assert_eq!(
            answer::build(answer, &frame[..length], &flow, &layout),
            None,
            "{length}"
        );
    }
}

#[test]
fn a_packet_too_long_for_the_tunnel_is_answered_by_the_first_router_or_for_the_receiver() {
    let tables = routed().tables(None);
    let first_router = tables.port_named("r-one").map(|port| port.at);
    for (frame, routed_by, expected) in [
        (
            udp4([10, 0, 2, 1], 64, &PAYLOAD),
            first_router,
            Some("icmp3/4 10.0.1.254>10.0.1.1 ttl 255"),
        ),
        (
            udp6("fd02::1", 64, &PAYLOAD),
            first_router,
            Some("icmp2/0 fd01::fe>fd01::1 ttl 255"),
        ),
        (
            udp4([10, 0, 2, 1], 64, &PAYLOAD),
            None,
            Some("icmp3/4 10.0.2.1>10.0.1.1 ttl 255"),
        ),
        (udp4([224, 0, 0, 1], 64, &PAYLOAD), None, None),
        (
            packet::answer::arp_request(
                mac("0a:00:00:00:01:01"),
                [1, 1, 1, 1].into(),
                [2, 2, 2, 2].into(),
            ),
            None,
            None,
        ),
    ] {
        let (flow, layout) = parse(&frame).unwrap();
        let answer = answer::too_long(&tables, &flow, routed_by, 500);
        let made = answer.map(|answer| answer::build(&answer, &frame, &flow, &layout).unwrap());
        let words = made.map(|made| in_words(&parse(&made).unwrap().0));
        assert_eq!(words.as_deref(), expected);
    }
}

#[test]
fn tags_are_pushed_popped_and_changed_in_place() {
    let plain = udp4([10, 0, 2, 1], 64, &[]);
    let (flow, layout) = parse(&plain).unwrap();
    let with_tag = |id| tagged(id, flow.clone());
    let apply = |from: &Flow, to: &Flow, frame: &[u8]| {
        let mut buffer = [&[0; 4], frame].concat();
        let start = Rewrite::between(from, to)
            .apply(&mut buffer, 4, &layout, TransportSum::Complete)
            .unwrap();
        buffer.split_off(start)
    };
    let pushed = apply(&flow, &with_tag(5), &plain);
    assert_eq!(parse(&pushed).unwrap().0, with_tag(5));
    let changed = apply(&with_tag(5), &with_tag(6), &pushed);
    assert_eq!(parse(&changed).unwrap().0, with_tag(6));
    assert_eq!(apply(&with_tag(6), &flow, &changed), plain);
    let mut tight = plain.clone();
    let push = Rewrite::between(&flow, &with_tag(5));
    assert_eq!(
        push.apply(&mut tight, 0, &layout, TransportSum::Complete),
        Err(pipeline::NoHeadroom)
    );
    assert_eq!(tight, plain, "nothing was changed for want of room");
    for length in 0..plain.len() {
        let mut cut = [&[0; 4], &plain[..length]].concat();
        let _ = Rewrite {
            ttl_decrement: 1,
            ..push
        }
        .apply(&mut cut, 4, &layout, TransportSum::Complete);
    }
}
