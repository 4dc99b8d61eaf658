//! Input: frames, and addresses and ports to exchange. Output: the frames after it, whose checksums are summed up here
//! by hand.

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use packet::flow::{Quoted, Transport};
use packet::offload::TransportSum;
use packet::rewrite::{Translation, translate};
use packet::{FlowKey, parse};
use proptest::prelude::*;
use support::{hex, ip};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// The one's complement sum of 16-bit words.
fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for pair in parts.concat().chunks(2) {
        sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// The sum over a transport segment and its pseudo header: 0xffff if the checksum is right.
fn sum_above(src: IpAddr, dst: IpAddr, protocol: u8, segment: &[u8]) -> u16 {
    if protocol == ICMP {
        return sum(&[segment]);
    }
    let length = (segment.len() as u32).to_be_bytes();
    sum(&[&octets(src), &octets(dst), &length, &[0, protocol], segment])
}

/// A transport segment with a right checksum. For ICMP the first port is the identifier of an echo request.
fn segment(src: IpAddr, dst: IpAddr, protocol: u8, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let (a, b) = (ports.0.to_be_bytes(), ports.1.to_be_bytes());
    let (mut bytes, at) = match protocol {
        TCP => (
            [&a[..], &b, &hex("00000001 00000002 5010 2000 0000 0000")].concat(),
            16,
        ),
        UDP => {
            let length = (8 + payload.len() as u16).to_be_bytes();
            ([&a[..], &b, &length, &[0, 0]].concat(), 6)
        }
        SCTP => ([&a[..], &b, &hex("01020304 00000000")].concat(), usize::MAX),
        ICMP => ([&[8, 0, 0, 0][..], &a, &[0, 1]].concat(), 2),
        _ => ([&[128, 0, 0, 0][..], &a, &[0, 1]].concat(), 2),
    };
    bytes.extend(payload);
    if at != usize::MAX {
        let checksum = match !sum_above(src, dst, protocol, &bytes) {
            0 if protocol == UDP => 0xffff,
            checksum => checksum,
        };
        bytes[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    }
    bytes
}

/// An IP packet; IPv6 with a hop-by-hop header, IPv4 with an option.
fn packet(src: IpAddr, dst: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match src {
        IpAddr::V4(_) => {
            let mut header = hex("4600 0000 1234 0000 4000 0000");
            header[2..4].copy_from_slice(&(24 + payload.len() as u16).to_be_bytes());
            header[9] = protocol;
            header.extend(octets(src));
            header.extend(octets(dst));
            header.extend([1, 1, 1, 0]);
            let checksum = !sum(&[&header]);
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            [&header[..], payload].concat()
        }
        IpAddr::V6(_) => {
            let mut header = hex("60000000 0000 00 40");
            header[4..6].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
            header.extend(octets(src));
            header.extend(octets(dst));
            let extension = [protocol, 0, 1, 4, 0, 0, 0, 0];
            [&header[..], &extension, payload].concat()
        }
    }
}

fn frame(packet: &[u8], is_tagged: bool) -> Vec<u8> {
    let eth_type = match packet[0] >> 4 {
        4 => "0800",
        _ => "86dd",
    };
    let tag = if is_tagged { "8100 0007" } else { "" };
    let mut bytes = hex(&format!("020000000002 020000000001 {tag} {eth_type}"));
    bytes.extend(packet);
    // Padding, which no checksum covers.
    bytes.extend([0xee; 3]);
    bytes
}

/// Checks the sums of the headers that [`packet`] made.
fn check_sums(frame: &[u8], is_tagged: bool) {
    let start = if is_tagged { 18 } else { 14 };
    check_packet_sums(&frame[start..frame.len() - 3]);
}

fn check_packet_sums(packet: &[u8]) {
    let (src, dst, protocol, header): (IpAddr, IpAddr, u8, usize) = match packet[0] >> 4 {
        4 => {
            assert_eq!(sum(&[&packet[..24]]), 0xffff, "IPv4 header");
            let at = |at: usize| <[u8; 4]>::try_from(&packet[at..at + 4]).unwrap();
            let (src, dst) = (Ipv4Addr::from(at(12)), Ipv4Addr::from(at(16)));
            (src.into(), dst.into(), packet[9], 24)
        }
        _ => {
            let at = |at: usize| <[u8; 16]>::try_from(&packet[at..at + 16]).unwrap();
            let (src, dst) = (Ipv6Addr::from(at(8)), Ipv6Addr::from(at(24)));
            (src.into(), dst.into(), packet[40], 48)
        }
    };
    let segment = &packet[header..];
    let has_no_checksum = protocol == UDP && segment[6..8] == [0, 0];
    if protocol != SCTP && !has_no_checksum {
        assert_eq!(
            sum_above(src, dst, protocol, segment),
            0xffff,
            "protocol {protocol}"
        );
    }
}

fn address(is_ipv6: bool) -> BoxedStrategy<IpAddr> {
    match is_ipv6 {
        false => any::<u32>()
            .prop_map(|bits| IpAddr::from(Ipv4Addr::from(bits)))
            .boxed(),
        true => any::<u128>()
            .prop_map(|bits| IpAddr::from(Ipv6Addr::from(bits)))
            .boxed(),
    }
}

/// Four addresses of one family.
fn addresses() -> impl Strategy<Value = [IpAddr; 4]> {
    any::<bool>().prop_flat_map(|is_ipv6| {
        let address = || address(is_ipv6);
        [address(), address(), address(), address()]
    })
}

fn echo(is_ipv6: bool) -> u8 {
    if is_ipv6 { ICMPV6 } else { ICMP }
}

proptest! {
    #[test]
    fn a_translated_packet_says_what_it_was_made_to_say(
        [src, dst, new_src, new_dst] in addresses(),
        protocol in prop_oneof![Just(TCP), Just(UDP), Just(SCTP), Just(ICMP)],
        ports: (u16, u16),
        new_ports: (u16, u16),
        payload in proptest::collection::vec(any::<u8>(), 0..40),
        is_tagged: bool,
        (changes_src, changes_dst, changes_ports) in any::<(bool, bool, bool)>(),
    ) {
        let is_echo = protocol == ICMP;
        let protocol = if is_echo { echo(src.is_ipv6()) } else { protocol };
        let above = segment(src, dst, protocol, ports, &payload);
        let mut bytes = frame(&packet(src, dst, protocol, &above), is_tagged);
        check_sums(&bytes, is_tagged);
        let (before, layout) = parse(&bytes).unwrap();
        let port = |port| (changes_ports && !is_echo).then_some(port);
        let translation = Translation {
            ip_src: changes_src.then_some(new_src),
            ip_dst: changes_dst.then_some(new_dst),
            port_src: port(new_ports.0),
            port_dst: port(new_ports.1),
            identifier: (changes_ports && is_echo).then_some(new_ports.0),
            quoted: None,
        };
        prop_assert!(translate(&mut bytes, layout, &translation, TransportSum::Complete));
        check_sums(&bytes, is_tagged);

        let mut expected = before;
        let packet::flow::Network::Ip(expected_ip) = &mut expected.network else { unreachable!() };
        expected_ip.src = translation.ip_src.unwrap_or(src);
        expected_ip.dst = translation.ip_dst.unwrap_or(dst);
        if changes_ports {
            match &mut expected_ip.transport {
                Transport::Tcp { src, dst, .. } | Transport::Udp { src, dst } | Transport::Sctp { src, dst } => {
                    (*src, *dst) = new_ports;
                }
                Transport::Icmp { identifier, .. } => *identifier = new_ports.0,
                Transport::Other => unreachable!(),
            }
        }
        prop_assert_eq!(parse(&bytes).unwrap().0, expected);
    }

    #[test]
    fn an_error_is_translated_with_what_it_quotes(
        [src, dst, new_src, new_dst] in addresses(),
        [inner_src, inner_dst, new_inner_src, new_inner_dst] in addresses(),
        protocol in prop_oneof![Just(TCP), Just(UDP), Just(SCTP), Just(ICMP)],
        ports: (u16, u16),
        new_ports: (u16, u16),
        kept in 8..60usize,
        is_tagged: bool,
    ) {
        prop_assume!(src.is_ipv6() == inner_src.is_ipv6());
        let is_ipv6 = src.is_ipv6();
        let is_echo = protocol == ICMP;
        let protocol = if is_echo { echo(is_ipv6) } else { protocol };
        let request = if is_ipv6 { 0x8000 } else { 0x0800 };
        let inner_above = segment(inner_src, inner_dst, protocol, ports, &[7; 20]);
        let inner = packet(inner_src, inner_dst, protocol, &inner_above);
        let header = inner.len() - inner_above.len();
        let quote = &inner[..inner.len().min(header + kept)];
        let kind = if is_ipv6 { [1, 4] } else { [3, 3] };
        let mut message = [&kind[..], &[0; 6], quote].concat();
        let outer = echo(is_ipv6);
        let checksum = !sum_above(src, dst, outer, &message);
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
        let mut bytes = frame(&packet(src, dst, outer, &message), is_tagged);
        check_sums(&bytes, is_tagged);

        let (flow, layout) = parse(&bytes).unwrap();
        prop_assert_eq!(FlowKey::of(1, &flow), None);
        let quoted_in = |frame: &[u8]| match ip(&parse(frame).unwrap().0).transport.clone() {
            Transport::Icmp { quoted, .. } => quoted.map(|quoted| *quoted),
            other => panic!("{other:?}"),
        };
        let quoted = |src, dst, (src_port, dst_port): (u16, u16)| Quoted {
            src,
            dst,
            protocol,
            src_port,
            dst_port: if is_echo { request } else { dst_port },
        };
        prop_assert_eq!(quoted_in(&bytes), Some(quoted(inner_src, inner_dst, ports)));
        let after = quoted(new_inner_src, new_inner_dst, new_ports);
        let translation = Translation {
            ip_src: Some(new_src),
            ip_dst: Some(new_dst),
            quoted: Some(after),
            ..Translation::default()
        };
        prop_assert!(translate(&mut bytes, layout, &translation, TransportSum::Complete));
        check_sums(&bytes, is_tagged);
        prop_assert_eq!(quoted_in(&bytes), Some(after));
        prop_assert_eq!((ip(&parse(&bytes).unwrap().0).src, ip(&parse(&bytes).unwrap().0).dst), (new_src, new_dst));
        if quote.len() == inner.len() {
            let start = bytes.len() - 3 - inner.len();
            check_packet_sums(&bytes[start..bytes.len() - 3]);
        }
    }

    #[test]
    fn no_bytes_make_it_fail(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..120),
        network in 0..40u16,
        transport in 0..80u16,
        version in prop_oneof![Just(0x45u8), Just(0x60), any::<u8>()],
    ) {
        if let Some(byte) = bytes.get_mut(usize::from(network)) {
            *byte = version;
        }
        let layout = packet::Layout { network, transport };
        let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
        let quoted = Quoted { src: ip, dst: ip, protocol: 17, src_port: 1, dst_port: 2 };
        let translation = Translation {
            ip_src: Some(ip),
            port_src: Some(1),
            identifier: Some(3),
            quoted: Some(quoted),
            ..Translation::default()
        };
        let length = bytes.len();
        translate(&mut bytes, layout, &translation, TransportSum::Complete);
        prop_assert_eq!(bytes.len(), length);
    }
}

#[test]
fn a_datagram_without_a_checksum_stays_without() {
    let [src, dst] = [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])];
    let mut above = segment(src, dst, UDP, (1, 2), b"data");
    above[6..8].fill(0);
    let mut bytes = frame(&packet(src, dst, UDP, &above), false);
    let (_, layout) = parse(&bytes).unwrap();
    let translation = Translation {
        ip_src: Some([1, 1, 1, 1].into()),
        port_src: Some(9),
        ..Translation::default()
    };
    assert!(translate(
        &mut bytes,
        layout,
        &translation,
        TransportSum::Complete
    ));
    assert_eq!(bytes[14 + 24 + 6..][..2], [0, 0]);
    check_sums(&bytes, false);
}

#[test]
fn a_later_fragment_is_translated_in_its_ip_header_only() {
    let [src, dst] = [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])];
    let data = hex("0011 2233 4455 6677");
    let mut bytes = packet(src, dst, TCP, &data);
    bytes[6..8].copy_from_slice(&[0x20, 0x10]);
    bytes[10..12].fill(0);
    let checksum = !sum(&[&bytes[..24]]);
    bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut bytes = frame(&bytes, false);
    let (_, layout) = parse(&bytes).unwrap();
    let translation = Translation {
        ip_dst: Some([1, 1, 1, 1].into()),
        port_dst: Some(9),
        ..Translation::default()
    };
    assert!(translate(
        &mut bytes,
        layout,
        &translation,
        TransportSum::Complete
    ));
    assert_eq!(sum(&[&bytes[14..38]]), 0xffff);
    assert_eq!(bytes[38..46], data);
    assert_eq!(
        ip(&parse(&bytes).unwrap().0).dst,
        IpAddr::from([1, 1, 1, 1])
    );
}

#[test]
fn an_sctp_packet_gets_a_new_checksum_when_its_ports_change() {
    let [src, dst] = [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])];
    let make = |ports| segment(src, dst, SCTP, ports, b"\x0b\0\0\x04");
    let mut bytes = frame(&packet(src, dst, SCTP, &make((1, 2))), false);
    let (_, layout) = parse(&bytes).unwrap();
    let to = |port_src| Translation {
        port_src: Some(port_src),
        ..Translation::default()
    };
    // There and back again: the checksum depends on the bytes alone.
    assert!(translate(
        &mut bytes,
        layout,
        &to(3),
        TransportSum::Complete
    ));
    let first = bytes.clone();
    assert_ne!(first[14 + 24 + 8..][..4], [0; 4]);
    assert!(translate(
        &mut bytes,
        layout,
        &to(4),
        TransportSum::Complete
    ));
    assert_ne!(bytes, first);
    assert!(translate(
        &mut bytes,
        layout,
        &to(3),
        TransportSum::Complete
    ));
    assert_eq!(bytes, first);
}

#[test]
fn a_quote_that_says_too_little_is_not_read() {
    let [src, dst] = [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])];
    let inner = packet(src, dst, UDP, &segment(src, dst, UDP, (1, 2), b""));
    for kept in 0..inner.len() {
        let message = [&[3, 3, 0, 0, 0, 0, 0, 0], &inner[..kept]].concat();
        let (flow, _) = parse(&frame(&packet(src, dst, ICMP, &message), false)).unwrap();
        let Transport::Icmp { quoted, .. } = &ip(&flow).transport else {
            panic!("ICMP")
        };
        assert_eq!(quoted.is_some(), kept >= 24 + 4, "{kept} bytes");
    }
}
