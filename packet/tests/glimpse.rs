//! What is glimpsed of a packet, and what a stamp makes of it, beside what the thorough ways read and make.

use std::net::IpAddr;

use etherparse::PacketBuilder;
use packet::flow::Network;
use packet::offload::{Offload, PartialChecksum, Segmentation, TransportSum, admit};
use packet::rewrite::{Stamp, Translation, decrement_ttl, set_eth_dst, set_eth_src, translate};
use packet::{FlowKey, Glimpse, Mac, Segment, parse};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

const INGRESS: u64 = 0x8000_0001_0002_0003;

/// A frame of TCP or UDP, with a checksum that may be wrong or absent, and padding.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let addresses = prop_oneof![
        any::<([u8; 4], [u8; 4])>().prop_map(|(src, dst)| (src.to_vec(), dst.to_vec())),
        any::<([u8; 16], [u8; 16])>().prop_map(|(src, dst)| (src.to_vec(), dst.to_vec())),
    ];
    let above = (any::<bool>(), any::<(u16, u16)>(), any::<(u32, u16, u8)>());
    let payload = vec(any::<u8>(), 0..40);
    let sums = option::weighted(0.3, prop_oneof![Just(0), Just(u16::MAX), any::<u16>()]);
    (addresses, above, any::<u8>(), payload, sums, 0_usize..4).prop_map(
        |((src, dst), (is_tcp, ports, tcp), ttl, payload, sum, padding)| {
            let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
            let is_ipv4 = src.len() == 4;
            let network = match is_ipv4 {
                true => link.ipv4(src.try_into().unwrap(), dst.try_into().unwrap(), ttl),
                false => link.ipv6(src.try_into().unwrap(), dst.try_into().unwrap(), ttl),
            };
            let mut frame = Vec::new();
            let (sequence, window, flags) = tcp;
            let at = match is_tcp {
                true => {
                    let mut above = network.tcp(ports.0, ports.1, sequence, window);
                    if flags & 1 != 0 {
                        above = above.ack(sequence ^ 0x55).psh();
                    }
                    above.write(&mut frame, &payload).unwrap();
                    16
                }
                false => {
                    let above = network.udp(ports.0, ports.1);
                    above.write(&mut frame, &payload).unwrap();
                    6
                }
            };
            if let Some(sum) = sum {
                let at = at + if is_ipv4 { 34 } else { 54 };
                frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
            }
            frame.resize(frame.len() + padding, 0);
            frame
        },
    )
}

/// Compares a glimpse with what is read thoroughly; true if there was one.
fn check_glimpse(frame: &[u8]) -> bool {
    let Some(glimpse) = Glimpse::of(frame, INGRESS) else {
        return false;
    };
    let (flow, layout) = parse(frame).expect("what is glimpsed can be read");
    let Network::Ip(ip) = &flow.network else {
        panic!("no IP: {flow:?}");
    };
    assert_eq!(Some(glimpse.key), FlowKey::of(INGRESS, &flow));
    assert_eq!(
        (glimpse.ttl, u32::from(glimpse.length)),
        (ip.ttl, flow.length)
    );
    assert_eq!(glimpse.layout(), layout);
    assert_eq!(
        (glimpse.is_ipv4(), glimpse.protocol()),
        (ip.src.is_ipv4(), ip.protocol)
    );
    assert_eq!(glimpse.ecn(), ip.ecn);
    assert_eq!(
        glimpse.segment(frame),
        Segment::of(frame, &flow, &layout, flow.length as usize)
    );
    true
}

/// What may be said to be left to do, true or not: often true of the frames above.
fn offloads() -> impl Strategy<Value = Offload> {
    let kinds = [
        Segmentation::None,
        Segmentation::TcpIpv4,
        Segmentation::TcpIpv6,
        Segmentation::Udp,
    ];
    let places = prop_oneof![
        Just((0, 0)),
        (
            prop_oneof![Just(34), Just(54)],
            prop_oneof![Just(6), Just(16)]
        ),
        any::<(u16, u16)>(),
    ];
    let checksum = places.prop_map(|(start, offset)| PartialChecksum { start, offset });
    (
        prop::sample::select(kinds.to_vec()),
        0_u16..30,
        any::<u16>(),
        option::weighted(0.9, checksum),
    )
        .prop_map(
            |(segmentation, segment_size, header_length, checksum)| Offload {
                segmentation,
                segment_size,
                header_length,
                checksum,
            },
        )
}

/// Compares what a glimpse admits with what is admitted thoroughly; true if it admits it.
fn check_admitted(frame: &[u8], offload: Offload) -> bool {
    let Some(glimpse) = Glimpse::of(frame, INGRESS) else {
        return false;
    };
    let Some(admitted) = glimpse.admit(frame, offload) else {
        return false;
    };
    let (flow, layout) = parse(frame).expect("what is glimpsed can be read");
    let mut bytes = frame.to_vec();
    let thorough = admit(&mut bytes, offload, &flow, &layout);
    assert_eq!(thorough, Ok(admitted));
    assert_eq!(bytes, frame);
    assert_eq!(
        glimpse.longest(&admitted),
        admitted.longest(flow.length, &layout)
    );
    true
}

/// Translations of ports, and of addresses of one family.
fn translations() -> impl Strategy<Value = Translation> {
    let ipv4 = || option::of(any::<[u8; 4]>().prop_map(IpAddr::from));
    let ipv6 = || option::of(any::<[u8; 16]>().prop_map(IpAddr::from));
    let ips = prop_oneof![(ipv4(), ipv4()), (ipv6(), ipv6())];
    let port = || option::of(any::<u16>());
    (ips, port(), port()).prop_map(|((ip_src, ip_dst), port_src, port_dst)| Translation {
        ip_src,
        ip_dst,
        port_src,
        port_dst,
        ..Translation::default()
    })
}

proptest! {
    #[test]
    fn the_usual_packets_are_glimpsed_as_they_are_read(frame in frames()) {
        prop_assert!(check_glimpse(&frame));
    }

    #[test]
    fn nothing_else_is_glimpsed_than_is_read(
        mut frame in frames(),
        changes in vec((any::<Index>(), any::<u8>()), 1..4),
        cut: Index,
        is_cut: bool,
    ) {
        for (at, byte) in changes {
            // Where the headers are.
            let at = at.index(frame.len().min(56));
            frame[at] = byte;
        }
        if is_cut {
            frame.truncate(cut.index(frame.len()));
        }
        check_glimpse(&frame);
    }

    #[test]
    fn nothing_else_is_admitted_than_thoroughly(frame in frames(), offload in offloads()) {
        check_admitted(&frame, offload);
    }

    #[test]
    fn a_stamp_makes_of_a_packet_what_its_parts_make_of_it(
        frame in frames(),
        macs in any::<(Option<[u8; 6]>, Option<[u8; 6]>)>(),
        hops in 0_u8..3,
        translation in translations(),
        is_partial: bool,
    ) {
        let macs = (macs.0.map(Mac), macs.1.map(Mac));
        let sum = if is_partial { TransportSum::Partial } else { TransportSum::Complete };
        let glimpse = Glimpse::of(&frame, INGRESS).expect("a usual packet");
        let layout = glimpse.layout();
        let mut expected = frame.clone();
        if let Some(mac) = macs.0 {
            set_eth_src(&mut expected, mac);
        }
        if let Some(mac) = macs.1 {
            set_eth_dst(&mut expected, mac);
        }
        decrement_ttl(&mut expected, layout, hops);
        translate(&mut expected, layout, &translation, sum);
        let mut stamped = frame;
        let stamp = Stamp::new(macs, hops, &translation).expect("changes that it can make");
        stamp.put(&mut stamped, &glimpse, sum);
        prop_assert_eq!(stamped, expected);
    }
}

#[test]
fn there_is_no_stamp_for_what_it_cannot_change() {
    let addresses = Translation {
        ip_src: Some([192, 0, 2, 1].into()),
        ip_dst: Some([0xfd; 16].into()),
        ..Translation::default()
    };
    let identifier = Translation {
        identifier: Some(1),
        ..Translation::default()
    };
    for translation in [addresses, identifier] {
        assert_eq!(Stamp::new((None, None), 1, &translation), None);
    }
}

#[test]
fn the_usual_work_that_is_left_is_admitted() {
    let link = || PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let over_ipv4 = || link().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
    let over_ipv6 = || link().ipv6([0xfd; 16], [0xfe; 16], 64);
    let write = |step: etherparse::PacketBuilderStep<etherparse::TcpHeader>| {
        let mut frame = Vec::new();
        step.write(&mut frame, &[7; 100]).unwrap();
        frame
    };
    let (tcp4, tcp6) = (
        write(over_ipv4().tcp(1, 2, 3, 4)),
        write(over_ipv6().tcp(1, 2, 3, 4)),
    );
    let mut udp = Vec::new();
    over_ipv4().udp(1, 2).write(&mut udp, &[7; 100]).unwrap();
    let cases = [
        (&tcp4, Segmentation::TcpIpv4, 34, 16),
        (&tcp6, Segmentation::TcpIpv6, 54, 16),
        (&udp, Segmentation::Udp, 34, 6),
    ];
    for (frame, segmentation, start, offset) in cases {
        for checksum in [PartialChecksum { start, offset }, PartialChecksum::OWN] {
            let whole = Offload {
                checksum: Some(checksum),
                ..Offload::NONE
            };
            let parts = Offload {
                segmentation,
                segment_size: 40,
                ..whole
            };
            assert!(check_admitted(frame, whole), "{whole:?}");
            assert!(check_admitted(frame, parts), "{parts:?}");
        }
    }
    assert!(check_admitted(&tcp4, Offload::NONE));
}
