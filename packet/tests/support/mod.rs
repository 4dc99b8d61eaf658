//! What the tests of this crate share: frames in hexadecimal, and another library's view of checksums.

// Each test crate uses its own part of it.
#![allow(dead_code)]

use std::net::IpAddr;

use packet::flow::{Ip, Network, Transport};
use packet::{Flow, Layout, parse};
use pnet_packet::icmp::IcmpPacket;
use pnet_packet::icmpv6::Icmpv6Packet;
use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::tcp::TcpPacket;

/// The bytes written in hexadecimal, with spaces anywhere.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// A frame from 02:00:00:00:00:01 to 02:00:00:00:00:02 with `eth_type` and a payload in hexadecimal.
pub(crate) fn frame(eth_type: u16, payload: &str) -> Vec<u8> {
    let mut frame = hex("020000000002 020000000001");
    frame.extend(eth_type.to_be_bytes());
    frame.extend(hex(payload));
    frame
}

/// The IP part of a flow.
pub(crate) fn ip(flow: &Flow) -> &Ip {
    match &flow.network {
        Network::Ip(ip) => ip,
        other => panic!("expected IP, got {other:?}"),
    }
}

/// Parses a frame that the crate built, after checking every checksum in it with another library.
pub(crate) fn parse_checked(frame: &[u8]) -> (Flow, Layout) {
    let (flow, layout) = parse(frame).unwrap();
    if let Network::Ip(ip) = &flow.network {
        check_ip(frame, &flow, layout, ip);
    }
    (flow, layout)
}

fn check_ip(frame: &[u8], flow: &Flow, layout: Layout, ip: &Ip) {
    let network = usize::from(layout.network);
    let packet = &frame[network..network + flow.length as usize];
    assert_eq!(network + packet.len(), frame.len(), "padding");
    if ip.src.is_ipv4() {
        let header = Ipv4Packet::new(packet).unwrap();
        assert_eq!(header.get_checksum(), pnet_packet::ipv4::checksum(&header));
    }
    let message = &packet[usize::from(layout.transport) - network..];
    match (&ip.transport, ip.src, ip.dst) {
        (Transport::Icmp { .. }, IpAddr::V4(_), _) => {
            let icmp = IcmpPacket::new(message).unwrap();
            assert_eq!(icmp.get_checksum(), pnet_packet::icmp::checksum(&icmp));
        }
        (Transport::Icmp { .. }, IpAddr::V6(src), IpAddr::V6(dst)) => {
            let icmp = Icmpv6Packet::new(message).unwrap();
            let expected = pnet_packet::icmpv6::checksum(&icmp, &src, &dst);
            assert_eq!(icmp.get_checksum(), expected);
        }
        (Transport::Tcp { .. }, IpAddr::V4(src), IpAddr::V4(dst)) => {
            let tcp = TcpPacket::new(message).unwrap();
            let expected = pnet_packet::tcp::ipv4_checksum(&tcp, &src, &dst);
            assert_eq!(tcp.get_checksum(), expected);
        }
        (Transport::Tcp { .. }, IpAddr::V6(src), IpAddr::V6(dst)) => {
            let tcp = TcpPacket::new(message).unwrap();
            let expected = pnet_packet::tcp::ipv6_checksum(&tcp, &src, &dst);
            assert_eq!(tcp.get_checksum(), expected);
        }
        _ => {}
    }
}
