//! Input: frames, valid, cut short and random. Output: the flow, compared with what other parsers read.

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use packet::flow::{Fragment, Network, Transport, VlanTag, ether_type};
use packet::{FlowKey, Layout, Mac, ParseError, Piece, parse};
use proptest::prelude::*;
use support::{frame, hex, ip};

const IPV6_UDP_ADDRESSES: &str =
    "20010db8000000000000000000000001 20010db8000000000000000000000002";

/// An IPv6 packet whose payload, from the first extension header on, is given.
fn ipv6(next_header: u8, payload: &str) -> Vec<u8> {
    let length = hex(payload).len();
    let header = format!("60000000 {length:04x} {next_header:02x} 40 {IPV6_UDP_ADDRESSES}");
    frame(ether_type::IPV6, &(header + payload))
}

#[test]
fn what_cannot_be_trusted_is_an_error_with_a_name() {
    let ipv4 = "4500 0014 0000 0000 40 11 0000 0a000001 0a000002";
    let cases = [
        (vec![0; 13], ParseError::EthernetTruncated),
        (frame(0x8100, "0001"), ParseError::VlanTruncated),
        (
            frame(0x0806, "0001 0800 06 04 0001"),
            ParseError::ArpTruncated,
        ),
        (frame(0x0800, &ipv4[..40]), ParseError::Ipv4Truncated),
        (
            frame(0x0800, &ipv4.replace("0014", "0015")),
            ParseError::Ipv4Truncated,
        ),
        (
            frame(0x0800, &ipv4.replace("4500", "5500")),
            ParseError::Ipv4BadVersion,
        ),
        (
            frame(0x0800, &ipv4.replace("4500", "4400")),
            ParseError::Ipv4BadLength,
        ),
        (
            frame(0x0800, &ipv4.replace("4500", "4600")),
            ParseError::Ipv4BadLength,
        ),
        (
            frame(0x0800, &ipv4.replace("0014", "0013")),
            ParseError::Ipv4BadLength,
        ),
        (
            frame(0x86dd, "60000000 0000 11 40"),
            ParseError::Ipv6Truncated,
        ),
        (
            frame(0x86dd, &format!("60000000 0001 11 40 {IPV6_UDP_ADDRESSES}")),
            ParseError::Ipv6Truncated,
        ),
        (
            frame(0x86dd, &format!("40000000 0000 11 40 {IPV6_UDP_ADDRESSES}")),
            ParseError::Ipv6BadVersion,
        ),
        (
            ipv6(0, "11 01 0000 00000000"),
            ParseError::Ipv6ExtensionTruncated,
        ),
        (ipv6(44, "11 00 0000"), ParseError::Ipv6ExtensionTruncated),
        (
            ipv6(60, &"3c00000000000000".repeat(9)),
            ParseError::Ipv6TooManyExtensions,
        ),
    ];
    for (frame, expected) in cases {
        assert_eq!(parse(&frame), Err(expected), "{frame:02x?}");
    }
    let mut names: Vec<_> = ParseError::ALL.iter().map(|error| error.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ParseError::ALL.len());
}

#[test]
fn ipv6_extension_headers_are_passed_up_to_the_bound() {
    let udp = "1234 0035 0008 0000";
    let option = "0000000000000000";
    let after = |headers: &str, protocol| (protocol, headers.to_owned() + udp);
    let chain = |count: usize| {
        let mut headers = "3c00000000000000".repeat(count - 1);
        headers += "1100000000000000";
        headers
    };
    let cases = [
        after("", 17),
        after(&option.replacen("00", "11", 1), 0),
        after(&option.replacen("00", "11", 1), 43),
        after("11 00 0000 00000001", 44),
        after("11 01 0000 00000000 00000000", 51),
        after(&chain(8), 60),
    ];
    for (next_header, payload) in cases {
        let frame = ipv6(next_header, &payload);
        let (flow, layout) = parse(&frame).unwrap();
        let expected = Transport::Udp {
            src: 0x1234,
            dst: 53,
        };
        assert_eq!(ip(&flow).transport, expected, "{payload}");
        assert_eq!(ip(&flow).protocol, 17);
        assert_eq!(ip(&flow).fragment, Fragment::Whole);
        assert_eq!(usize::from(layout.transport), frame.len() - 8);
    }
}

#[test]
fn fragments_are_told_apart_and_later_ones_have_no_transport() {
    let udp = "1234 0035 0008 0000";
    let ipv4 = |bits: &str| format!("4500 001c 0000 {bits} 40 11 0000 0a000001 0a000002 {udp}");
    let cases = [
        (frame(0x0800, &ipv4("0000")), Fragment::Whole),
        (frame(0x0800, &ipv4("4000")), Fragment::Whole),
        (frame(0x0800, &ipv4("2000")), Fragment::First),
        (frame(0x0800, &ipv4("2001")), Fragment::Later),
        (frame(0x0800, &ipv4("0001")), Fragment::Later),
        (
            ipv6(44, &format!("11 00 0000 00000001 {udp}")),
            Fragment::Whole,
        ),
        (
            ipv6(44, &format!("11 00 0001 00000001 {udp}")),
            Fragment::First,
        ),
        (
            ipv6(44, &format!("11 00 0008 00000001 {udp}")),
            Fragment::Later,
        ),
    ];
    for (frame, expected) in cases {
        let (flow, layout) = parse(&frame).unwrap();
        assert_eq!(ip(&flow).fragment, expected);
        let is_later = expected == Fragment::Later;
        assert_eq!(ip(&flow).transport == Transport::Other, is_later);
        assert_eq!(layout.transport == 0, is_later);
    }
}

#[test]
fn a_fragment_says_where_it_stands_in_its_datagram() {
    let udp = "1234 0035 0008 0000";
    let ipv4 = |bits: &str| {
        let header = format!("4500 001c abcd {bits} 40 11 0000 0a000001 0a000002");
        frame(0x0800, &format!("{header} {udp}"))
    };
    // Destination options, which stand before the fragment header.
    let options = "00 01 04 00 00 00 00";
    let ipv6 = |bits: &str| ipv6(60, &format!("2c {options} 11 00 {bits} deadbeef {udp}"));
    let piece = |identification, offset, has_more| {
        Some(Piece {
            identification,
            offset,
            length: 8,
            has_more,
        })
    };
    let cases = [
        (ipv4("4000"), None),
        (ipv4("2000"), piece(0xabcd, 0, true)),
        (ipv4("3fff"), piece(0xabcd, 65_528, true)),
        (ipv4("0001"), piece(0xabcd, 8, false)),
        (ipv6("0000"), None),
        (ipv6("0001"), piece(0xdead_beef, 0, true)),
        (ipv6("0009"), piece(0xdead_beef, 8, true)),
        (ipv6("fff8"), piece(0xdead_beef, 65_528, false)),
    ];
    for (mut frame, expected) in cases {
        // What pads a short frame is no part of the datagram.
        frame.extend([0; 10]);
        let (flow, layout) = parse(&frame).unwrap();
        assert_eq!(Piece::of(&frame, &flow, &layout), expected);
    }
}

#[test]
fn tags_are_read_once_and_deeper_ones_hide_the_network_layer() {
    let arp = "0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002";
    let tag = VlanTag { id: 5, priority: 3 };
    let cases = [
        (
            frame(0x8100, &format!("7005 0806 {arp}")),
            Some(tag),
            0x0806,
            true,
        ),
        (
            frame(0x88a8, &format!("6005 0806 {arp}")),
            Some(tag),
            0x0806,
            true,
        ),
        (
            frame(0x8100, &format!("6005 8100 0006 0806 {arp}")),
            Some(tag),
            0x8100,
            false,
        ),
        (frame(0x0806, arp), None, 0x0806, true),
        (frame(0x8035, arp), None, 0x8035, true),
        (
            frame(0x0806, &arp.replacen("0001", "0006", 1)),
            None,
            0x0806,
            false,
        ),
        (frame(0x0026, arp), None, ether_type::NONE, false),
        (frame(0x88cc, ""), None, 0x88cc, false),
    ];
    for (frame, vlan, eth_type, is_arp) in cases {
        let (flow, _) = parse(&frame).unwrap();
        assert_eq!((flow.vlan, flow.eth_type), (vlan, eth_type));
        assert_eq!(matches!(flow.network, Network::Arp(_)), is_arp);
    }
}

#[test]
fn neighbour_messages_count_only_if_their_options_are_sound() {
    let target = "fe800000000000000000000000000002";
    let source = "0101 020000000001";
    let cases = [
        ("", Some(None)),
        (source, Some(Some(Mac([2, 0, 0, 0, 0, 1])))),
        (
            "0e02 0000 00000000 00000000 00000000 0101 020000000001",
            Some(Some(Mac([2, 0, 0, 0, 0, 1]))),
        ),
        ("0101 020000000001 0101 020000000002", None),
        ("0100 020000000001", None),
        ("0102 020000000001", None),
        ("01", None),
    ];
    for (options, expected) in cases {
        let frame = ipv6(58, &format!("87 00 0000 00000000 {target} {options}"));
        let (flow, _) = parse(&frame).unwrap();
        let Transport::Icmp {
            kind: 135,
            discovery,
            ..
        } = ip(&flow).transport
        else {
            panic!("expected a solicitation, got {flow:?}");
        };
        assert_eq!(
            discovery.map(|found| found.source_mac),
            expected,
            "{options}"
        );
        assert_eq!(FlowKey::of(1, &flow), None);
    }
}

#[test]
fn a_transport_header_that_is_cut_short_is_no_header() {
    for (protocol, needed) in [(6, 20), (17, 8), (132, 12), (58, 4)] {
        for length in 0..=needed {
            let payload = "00".repeat(length);
            let (flow, _) = parse(&ipv6(protocol, &payload)).unwrap();
            assert_eq!(ip(&flow).transport == Transport::Other, length < needed);
        }
    }
}

#[test]
fn padding_is_no_part_of_the_length() {
    let mut frame = frame(0x0800, "4500 0014 0000 0000 40 11 0000 0a000001 0a000002");
    frame.resize(60, 0xff);
    assert_eq!(parse(&frame).unwrap().0.length, 20);
}

#[derive(Clone, Debug)]
enum Above {
    Tcp(u16, u16, u8),
    Udp(u16, u16),
    EchoRequest(u16),
}

fn any_above() -> impl Strategy<Value = Above> {
    prop_oneof![
        (any::<u16>(), any::<u16>(), 0..32u8)
            .prop_map(|(src, dst, flags)| Above::Tcp(src, dst, flags)),
        (any::<u16>(), any::<u16>()).prop_map(|(src, dst)| Above::Udp(src, dst)),
        any::<u16>().prop_map(Above::EchoRequest),
    ]
}

fn any_addresses() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    prop_oneof![
        any::<(Ipv4Addr, Ipv4Addr)>().prop_map(|(src, dst)| (src.into(), dst.into())),
        any::<(Ipv6Addr, Ipv6Addr)>().prop_map(|(src, dst)| (src.into(), dst.into())),
    ]
}

/// Builds a valid frame with another library.
fn build(
    vlan: Option<u16>,
    (src, dst): (IpAddr, IpAddr),
    ttl: u8,
    above: &Above,
    payload: &[u8],
) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    macro_rules! finish {
        ($builder:expr) => {{
            let step = match (src, dst) {
                (IpAddr::V4(src), IpAddr::V4(dst)) => {
                    $builder.ipv4(src.octets(), dst.octets(), ttl)
                }
                (IpAddr::V6(src), IpAddr::V6(dst)) => {
                    $builder.ipv6(src.octets(), dst.octets(), ttl)
                }
                _ => unreachable!("both addresses are of one family"),
            };
            let mut bytes = Vec::new();
            match *above {
                Above::Udp(from, to) => step.udp(from, to).write(&mut bytes, payload),
                Above::Tcp(from, to, flags) => {
                    let mut header = etherparse::TcpHeader::new(from, to, 7, 1000);
                    header.fin = flags & 1 != 0;
                    header.syn = flags & 2 != 0;
                    header.rst = flags & 4 != 0;
                    header.psh = flags & 8 != 0;
                    header.ack = flags & 16 != 0;
                    step.tcp_header(header).write(&mut bytes, payload)
                }
                Above::EchoRequest(id) if src.is_ipv4() => {
                    step.icmpv4_echo_request(id, 1).write(&mut bytes, payload)
                }
                Above::EchoRequest(id) => {
                    step.icmpv6_echo_request(id, 1).write(&mut bytes, payload)
                }
            }
            .unwrap();
            bytes
        }};
    }
    match vlan {
        Some(id) => finish!(builder.single_vlan(id.try_into().unwrap())),
        None => finish!(builder),
    }
}

proptest! {
    #[test]
    fn valid_frames_parse_to_what_was_built(
        vlan in proptest::option::of(0..4096u16),
        addresses in any_addresses(),
        ttl: u8,
        above in any_above(),
        payload in proptest::collection::vec(any::<u8>(), 0..64),
        padding in 0..8usize,
    ) {
        let mut frame = build(vlan, addresses, ttl, &above, &payload);
        let unpadded = frame.len();
        frame.resize(unpadded + padding, 0);
        let (flow, layout) = parse(&frame).unwrap();

        prop_assert_eq!(flow.vlan.map(|tag| tag.id), vlan);
        let network = if vlan.is_some() { 18 } else { 14 };
        prop_assert_eq!(usize::from(layout.network), network);
        prop_assert_eq!(flow.length as usize, unpadded - network);
        let ip = ip(&flow);
        prop_assert_eq!((ip.src, ip.dst), addresses);
        prop_assert_eq!(ip.ttl, ttl);
        let expected = match above {
            Above::Tcp(src, dst, flags) => Transport::Tcp { src, dst, flags: flags.into() },
            Above::Udp(src, dst) => Transport::Udp { src, dst },
            Above::EchoRequest(identifier) => Transport::Icmp {
                kind: if ip.src.is_ipv4() { 8 } else { 128 },
                code: 0,
                identifier,
                discovery: None,
                quoted: None,
            },
        };
        prop_assert_eq!(&ip.transport, &expected);
        prop_assert!(FlowKey::of(1, &flow).is_some());
    }

    #[test]
    fn any_bytes_parse_or_are_refused_and_agree_with_a_strict_parser(
        eth_type in prop_oneof![Just(0x0800u16), Just(0x86dd), Just(0x8100), Just(0x0806), any::<u16>()],
        version in prop_oneof![Just(0x45u8), Just(0x46), Just(0x60), any::<u8>()],
        mut bytes in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        if let Some(place) = bytes.get_mut(12..15) {
            place[..2].copy_from_slice(&eth_type.to_be_bytes());
            place[2] = version;
        }
        let ours = parse(&bytes);
        if let Ok((_, layout)) = &ours {
            let Layout { network, transport } = *layout;
            prop_assert!(usize::from(network) <= bytes.len());
            prop_assert!(usize::from(transport) < bytes.len());
        }
        let Ok(theirs) = SlicedPacket::from_ethernet(&bytes) else { return Ok(()) };
        let Some(transport) = theirs.transport else { return Ok(()) };
        let (flow, _) = ours.expect("what a strict parser takes, we take");
        if theirs.link_exts.len() > 1 {
            return Ok(());
        }
        match (transport, &ip(&flow).transport) {
            (TransportSlice::Tcp(tcp), Transport::Tcp { src, dst, .. }) => {
                prop_assert_eq!((tcp.source_port(), tcp.destination_port()), (*src, *dst));
            }
            (TransportSlice::Udp(udp), Transport::Udp { src, dst }) => {
                prop_assert_eq!((udp.source_port(), udp.destination_port()), (*src, *dst));
            }
            (TransportSlice::Icmpv4(icmp), Transport::Icmp { kind, code, .. }) => {
                prop_assert_eq!((icmp.type_u8(), icmp.code_u8()), (*kind, *code));
            }
            (TransportSlice::Icmpv6(icmp), Transport::Icmp { kind, code, .. }) => {
                prop_assert_eq!((icmp.type_u8(), icmp.code_u8()), (*kind, *code));
            }
            (_, ours) => prop_assert_eq!(ours, &Transport::Other),
        }
    }

    #[test]
    fn the_key_holds_what_tells_flows_apart_and_leaves_out_what_varies_within_one(
        addresses in any_addresses(), above in any_above(), ttl: u8, length in 0..32usize,
    ) {
        let (flow, _) = parse(&build(None, addresses, 64, &above, &[])).unwrap();
        let key = FlowKey::of(1, &flow).unwrap();
        prop_assert_eq!(FlowKey::from_words(*key.words()), key);
        let Network::Ip(ip) = &flow.network else {
            panic!("{flow:?} is not IP");
        };
        prop_assert_eq!(key.ends(), Some((ip.src, ip.dst)));
        let (varied, _) = parse(&build(None, addresses, ttl, &above, &vec![0; length])).unwrap();
        prop_assert_eq!(FlowKey::of(1, &varied), Some(key));
        prop_assert_ne!(FlowKey::of(2, &flow), Some(key));
        prop_assert_ne!(FlowKey::of(1 << 32 | 1, &flow), Some(key));
        prop_assert_eq!(FlowKey::of(1 << 54 | 1, &flow).unwrap().ingress(), 1 << 54 | 1);
        let tagged = parse(&build(Some(0), addresses, 64, &above, &[])).unwrap().0;
        prop_assert_ne!(FlowKey::of(1, &tagged), Some(key));
        let other = match above {
            Above::Tcp(src, dst, flags) => Above::Tcp(src, dst ^ 1, flags),
            Above::Udp(src, dst) => Above::Udp(src ^ 1, dst),
            Above::EchoRequest(id) => Above::EchoRequest(id ^ 1),
        };
        let (other, _) = parse(&build(None, addresses, 64, &other, &[])).unwrap();
        prop_assert_ne!(FlowKey::of(1, &other), Some(key));
        prop_assert_ne!(*FlowKey::of(1, &other).unwrap().words(), *key.words());
    }
}
