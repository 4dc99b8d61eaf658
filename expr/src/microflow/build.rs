//! From a solution to the headers of a packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use packet::flow::{
    Arp, Discovery, Flow, Fragment, Ip, Network, Transport, VlanTag, ether_type, ip_protocol,
};
use packet::{IPV4_LENGTH, IPV6_LENGTH};

use super::solve::Solution;
use crate::Field;
use crate::field::{bit, is_discovery, to_mac};

/// L3 bytes of a packet that is nothing but its headers: IP options, extension headers and data are none.
const ARP_LENGTH: usize = 28;
const TRANSPORT_LENGTH: usize = 20;

/// The packet of a solution.
pub(super) fn flow(solution: &Solution) -> Flow {
    let eth_type = solution.value(Field::EthType) as u16;
    let (network, length) = match eth_type {
        ether_type::IPV4 => (
            Network::Ip(ip(solution, false)),
            IPV4_LENGTH + TRANSPORT_LENGTH,
        ),
        ether_type::IPV6 => (
            Network::Ip(ip(solution, true)),
            IPV6_LENGTH + TRANSPORT_LENGTH,
        ),
        ether_type::ARP | ether_type::RARP => (Network::Arp(arp(solution)), ARP_LENGTH),
        _ => (Network::Other, 0),
    };
    let tci = solution.value(Field::VlanTci) as u16;
    Flow {
        eth_src: to_mac(solution.value(Field::EthSrc)),
        eth_dst: to_mac(solution.value(Field::EthDst)),
        vlan: (tci & bit::VLAN_PRESENT != 0).then(|| VlanTag::from_control(tci)),
        eth_type,
        network,
        length: length as u32,
    }
}

fn arp(solution: &Solution) -> Arp {
    let ip = |field| Ipv4Addr::from(solution.value(field) as u32);
    Arp {
        operation: solution.value(Field::ArpOp) as u16,
        sha: to_mac(solution.value(Field::ArpSha)),
        spa: ip(Field::ArpSpa),
        tha: to_mac(solution.value(Field::ArpTha)),
        tpa: ip(Field::ArpTpa),
    }
}

fn ip(solution: &Solution, is_ipv6: bool) -> Ip {
    let address = |v4, v6| -> IpAddr {
        if is_ipv6 {
            Ipv6Addr::from(solution.value(v6)).into()
        } else {
            Ipv4Addr::from(solution.value(v4) as u32).into()
        }
    };
    let byte = |field| solution.value(field) as u8;
    let bits = byte(Field::IpFrag);
    let fragment = if bits & bit::LATER_FRAGMENT != 0 {
        Fragment::Later
    } else if bits & bit::FRAGMENT != 0 {
        Fragment::First
    } else {
        Fragment::Whole
    };
    let protocol = byte(Field::IpProto);
    Ip {
        src: address(Field::Ip4Src, Field::Ip6Src),
        dst: address(Field::Ip4Dst, Field::Ip6Dst),
        protocol,
        ttl: byte(Field::IpTtl),
        dscp: byte(Field::IpDscp),
        ecn: byte(Field::IpEcn),
        label: solution.value(Field::Ip6Label) as u32,
        fragment,
        dont_fragment: is_ipv6,
        transport: match fragment {
            Fragment::Later => Transport::Other,
            _ => transport(solution, protocol, is_ipv6),
        },
    }
}

fn transport(solution: &Solution, protocol: u8, is_ipv6: bool) -> Transport {
    let word = |field| solution.value(field) as u16;
    let byte = |field| solution.value(field) as u8;
    match (protocol, is_ipv6) {
        (ip_protocol::TCP, _) => Transport::Tcp {
            src: word(Field::TcpSrc),
            dst: word(Field::TcpDst),
            flags: word(Field::TcpFlags),
        },
        (ip_protocol::UDP, _) => Transport::Udp {
            src: word(Field::UdpSrc),
            dst: word(Field::UdpDst),
        },
        (ip_protocol::SCTP, _) => Transport::Sctp {
            src: word(Field::SctpSrc),
            dst: word(Field::SctpDst),
        },
        (ip_protocol::ICMP, false) => Transport::Icmp {
            kind: byte(Field::Icmp4Type),
            code: byte(Field::Icmp4Code),
            identifier: 0,
            discovery: None,
            quoted: None,
        },
        (ip_protocol::ICMPV6, true) => Transport::Icmp {
            kind: byte(Field::Icmp6Type),
            code: byte(Field::Icmp6Code),
            identifier: 0,
            discovery: discovery(solution),
            quoted: None,
        },
        _ => Transport::Other,
    }
}

fn discovery(solution: &Solution) -> Option<Discovery> {
    let is_neighbor = is_discovery(solution.value(Field::Icmp6Type) as u8);
    let is_code_zero = solution.value(Field::Icmp6Code) == 0;
    let mac = |field| {
        solution
            .is_known(field)
            .then(|| to_mac(solution.value(field)))
    };
    (is_neighbor && is_code_zero).then(|| Discovery {
        target: Ipv6Addr::from(solution.value(Field::NdTarget)),
        source_mac: mac(Field::NdSll),
        target_mac: mac(Field::NdTll),
        flags: 0,
    })
}
