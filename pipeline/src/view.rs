//! Questions about a flow that several stages ask.

use std::net::IpAddr;

use packet::flow::{Arp, Discovery, Ip, Network, Transport, ether_type};
use packet::{Flow, icmp_type};

use crate::tables::Ends;

/// ARP's operation numbers.
pub(crate) const ARP_REQUEST: u16 = 1;
pub(crate) const ARP_REPLY: u16 = 2;
/// RARP's operation number of a request.
pub(crate) const RARP_REQUEST: u16 = 3;

/// The hop limit that proves that a neighbour message was not routed (RFC 4861 section 7.1).
const UNROUTED: u8 = 255;

pub(crate) fn ip(flow: &Flow) -> Option<&Ip> {
    match &flow.network {
        Network::Ip(ip) => Some(ip),
        _ => None,
    }
}

/// What the key of the flow has for addresses.
pub(crate) fn ends(flow: &Flow) -> Ends {
    ip(flow).map(|ip| (ip.src, ip.dst))
}

/// Marks an IP packet with a differentiated services code point.
pub(crate) fn set_dscp(flow: &mut Flow, dscp: u8) {
    if let Network::Ip(ip) = &mut flow.network {
        ip.dscp = dscp;
    }
}

/// The ARP packet, if it is one (RARP is none).
pub(crate) fn arp(flow: &Flow) -> Option<&Arp> {
    match &flow.network {
        Network::Arp(arp) if flow.eth_type == ether_type::ARP => Some(arp),
        _ => None,
    }
}

pub(crate) fn arp_request(flow: &Flow) -> Option<&Arp> {
    arp(flow).filter(|arp| arp.operation == ARP_REQUEST)
}

/// A neighbour solicitation or advertisement.
#[derive(Clone, Copy)]
pub(crate) struct Neighborly<'a> {
    pub(crate) ip: &'a Ip,
    pub(crate) discovery: &'a Discovery,
}

/// OVN's `nd_ns`.
pub(crate) fn solicitation(flow: &Flow) -> Option<Neighborly<'_>> {
    neighborly(flow, icmp_type::NEIGHBOR_SOLICITATION)
}

/// OVN's `nd_na`.
pub(crate) fn advertisement(flow: &Flow) -> Option<Neighborly<'_>> {
    neighborly(flow, icmp_type::NEIGHBOR_ADVERTISEMENT)
}

fn neighborly(flow: &Flow, expected: u8) -> Option<Neighborly<'_>> {
    let ip = ip(flow)?;
    match &ip.transport {
        Transport::Icmp {
            kind,
            code: 0,
            discovery: Some(discovery),
            ..
        } if *kind == expected && ip.ttl == UNROUTED => Some(Neighborly { ip, discovery }),
        _ => None,
    }
}

/// True if the solicitation is sent to its target or to the target's solicited-node group.
pub(crate) fn is_sent_to_target(message: Neighborly<'_>) -> bool {
    let target = message.discovery.target;
    [target, packet::solicited_node(target)]
        .map(IpAddr::V6)
        .contains(&message.ip.dst)
}

/// An address as a field of OVN's language.
pub(crate) fn family(ip: IpAddr) -> &'static str {
    match ip {
        IpAddr::V4(_) => "ip4",
        IpAddr::V6(_) => "ip6",
    }
}
