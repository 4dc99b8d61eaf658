//! The flow of each answer: what the parser would say of the frame that is built.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use packet::answer::{self as frame_of, ErrorSource, IcmpError};
use packet::flow::{
    Arp, Discovery, Fragment, Ip, Network, Transport, VlanTag, ether_type, ip_protocol,
};
use packet::{Flow, IPV4_LENGTH, IPV6_LENGTH, Mac, icmp_type, solicited_node};

use super::AnswerKind;
use crate::conntrack::Tuple;
use crate::view;

/// Bytes of an ARP packet for IPv4 over Ethernet.
const ARP_LENGTH: u32 = 28;
/// Bytes of a neighbour message with one link-layer address option.
const NEIGHBOR_LENGTH: u32 = 32;
/// Bytes of a TCP header without options.
const TCP_LENGTH: u32 = 20;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The flow of the answer to `about`; `None` where the standards forbid it.
pub(super) fn flow(about: &Flow, kind: AnswerKind) -> Option<Flow> {
    match kind {
        AnswerKind::ArpReply { mac } => arp_reply(about, mac),
        AnswerKind::Advertisement { mac, is_router } => advertisement(about, mac, is_router),
        AnswerKind::EchoReply => echo_reply(about),
        AnswerKind::Error { source, error } => icmp_error(about, source, error),
        AnswerKind::TcpReset => tcp_reset(about),
        AnswerKind::SctpAbort => sctp_abort(about),
        AnswerKind::ArpRequest { mac, ip, target } => Some(arp_request(mac, ip, target)),
        AnswerKind::Solicitation { mac, ip, target } => Some(solicitation(mac, ip, target)),
    }
}

/// The link header of an answer.
struct Link {
    src: Mac,
    dst: Mac,
    vlan: Option<VlanTag>,
}

fn arp_flow(link: Link, arp: Arp) -> Flow {
    Flow {
        eth_src: link.src,
        eth_dst: link.dst,
        vlan: link.vlan,
        eth_type: ether_type::ARP,
        network: Network::Arp(arp),
        length: ARP_LENGTH,
    }
}

fn arp_request(mac: Mac, ip: Ipv4Addr, target: Ipv4Addr) -> Flow {
    let request = Arp {
        operation: view::ARP_REQUEST,
        sha: mac,
        spa: ip,
        tha: Mac::ZERO,
        tpa: target,
    };
    let link = Link {
        src: mac,
        dst: Mac::BROADCAST,
        vlan: None,
    };
    arp_flow(link, request)
}

fn arp_reply(about: &Flow, mac: Mac) -> Option<Flow> {
    let Network::Arp(request) = about.network else {
        return None;
    };
    let reply = Arp {
        operation: 2,
        sha: mac,
        spa: request.tpa,
        tha: request.sha,
        tpa: request.spa,
    };
    let link = Link {
        src: mac,
        dst: about.eth_src,
        vlan: about.vlan,
    };
    Some(arp_flow(link, reply))
}

/// A packet that the network sends, with `payload` bytes after its IP header.
fn ip_flow(link: Link, src: IpAddr, dst: IpAddr, transport: Transport, payload: u32) -> Flow {
    let is_ipv6 = src.is_ipv6();
    let (eth_type, header, icmp) = match is_ipv6 {
        false => (ether_type::IPV4, IPV4_LENGTH, ip_protocol::ICMP),
        true => (ether_type::IPV6, IPV6_LENGTH, ip_protocol::ICMPV6),
    };
    let (protocol, ttl) = match transport {
        Transport::Tcp { .. } => (ip_protocol::TCP, frame_of::RESET_TTL),
        Transport::Sctp { .. } => (ip_protocol::SCTP, frame_of::RESET_TTL),
        _ => (icmp, u8::MAX),
    };
    let ip = Ip {
        src,
        dst,
        protocol,
        ttl,
        dscp: 0,
        ecn: 0,
        label: 0,
        fragment: Fragment::Whole,
        dont_fragment: true,
        transport,
    };
    Flow {
        eth_src: link.src,
        eth_dst: link.dst,
        vlan: link.vlan,
        eth_type,
        network: Network::Ip(ip),
        length: header as u32 + payload,
    }
}

fn icmp(kind: u8, code: u8, discovery: Option<Discovery>) -> Transport {
    Transport::Icmp {
        kind,
        code,
        identifier: 0,
        discovery,
        quoted: None,
    }
}

fn advertisement(about: &Flow, mac: Mac, is_router: bool) -> Option<Flow> {
    let Network::Ip(Ip {
        src: IpAddr::V6(asker),
        transport:
            Transport::Icmp {
                discovery: Some(solicitation),
                ..
            },
        ..
    }) = &about.network
    else {
        return None;
    };
    let (dst, eth_dst, solicited) = match asker.is_unspecified() {
        true => (ALL_NODES, Mac::of_multicast(ALL_NODES.into()), 0),
        false => (*asker, about.eth_src, 0x40),
    };
    let discovery = Discovery {
        target: solicitation.target,
        source_mac: None,
        target_mac: Some(mac),
        flags: u8::from(is_router) << 7 | solicited | 0x20,
    };
    let message = icmp(icmp_type::NEIGHBOR_ADVERTISEMENT, 0, Some(discovery));
    let link = Link {
        src: mac,
        dst: eth_dst,
        vlan: about.vlan,
    };
    let src = solicitation.target.into();
    Some(ip_flow(link, src, dst.into(), message, NEIGHBOR_LENGTH))
}

fn solicitation(mac: Mac, ip: Ipv6Addr, target: Ipv6Addr) -> Flow {
    let dst = solicited_node(target).into();
    let discovery = Discovery {
        target,
        source_mac: Some(mac),
        target_mac: None,
        flags: 0,
    };
    let message = icmp(icmp_type::NEIGHBOR_SOLICITATION, 0, Some(discovery));
    let link = Link {
        src: mac,
        dst: Mac::of_multicast(dst),
        vlan: None,
    };
    ip_flow(link, ip.into(), dst, message, NEIGHBOR_LENGTH)
}

fn echo_reply(about: &Flow) -> Option<Flow> {
    let mut reply = about.clone();
    (reply.eth_src, reply.eth_dst) = (about.eth_dst, about.eth_src);
    let Network::Ip(ip) = &mut reply.network else {
        return None;
    };
    let is_ipv6 = ip.src.is_ipv6();
    let Transport::Icmp { kind, code: 0, .. } = &mut ip.transport else {
        return None;
    };
    *kind = match (*kind, is_ipv6) {
        (icmp_type::ECHO_REQUEST, false) => icmp_type::ECHO_REPLY,
        (icmp_type::V6_ECHO_REQUEST, true) => icmp_type::V6_ECHO_REPLY,
        _ => return None,
    };
    (ip.src, ip.dst) = (ip.dst, ip.src);
    ip.ttl = u8::MAX;
    (ip.fragment == Fragment::Whole).then_some(reply)
}

fn icmp_error(about: &Flow, source: ErrorSource, error: IcmpError) -> Option<Flow> {
    let Network::Ip(offending) = &about.network else {
        return None;
    };
    let is_ipv6 = offending.src.is_ipv6();
    if !error.may_answer(about) || source.ip.is_ipv6() != is_ipv6 {
        return None;
    }
    let (kind, code, _) = error.wire(is_ipv6);
    let (header, longest) = match is_ipv6 {
        false => (IPV4_LENGTH, frame_of::MAX_ERROR_LENGTH),
        true => (IPV6_LENGTH, frame_of::MAX_V6_ERROR_LENGTH),
    };
    let message = about.length + frame_of::ICMP_ERROR_LENGTH as u32;
    let payload = message.min((longest - header) as u32);
    let link = Link {
        src: source.mac,
        dst: about.eth_src,
        vlan: about.vlan,
    };
    let mut flow = ip_flow(
        link,
        source.ip,
        offending.src,
        icmp(kind, code, None),
        payload,
    );
    if let Network::Ip(ip) = &mut flow.network {
        ip.ttl = error.ttl();
        if let Transport::Icmp { quoted, .. } = &mut ip.transport {
            *quoted = Tuple::of(about).map(|tuple| Box::new(tuple.quoted()));
        }
    }
    Some(flow)
}

fn tcp_reset(about: &Flow) -> Option<Flow> {
    const RST: u16 = 0x04;
    const ACK: u16 = 0x10;
    let Network::Ip(segment) = &about.network else {
        return None;
    };
    let Transport::Tcp { src, dst, flags } = segment.transport else {
        return None;
    };
    if flags & RST != 0 || about.eth_dst.is_multicast() {
        return None;
    }
    let reset = Transport::Tcp {
        src: dst,
        dst: src,
        flags: if flags & ACK == 0 { RST | ACK } else { RST },
    };
    Some(ip_flow(
        back(about),
        segment.dst,
        segment.src,
        reset,
        TCP_LENGTH,
    ))
}

fn sctp_abort(about: &Flow) -> Option<Flow> {
    let Network::Ip(packet) = &about.network else {
        return None;
    };
    let Transport::Sctp { src, dst } = packet.transport else {
        return None;
    };
    if about.eth_dst.is_multicast() {
        return None;
    }
    let abort = Transport::Sctp { src: dst, dst: src };
    let length = frame_of::ABORT_LENGTH as u32;
    Some(ip_flow(back(about), packet.dst, packet.src, abort, length))
}

/// The link header of an answer from the station that the packet was sent to.
fn back(about: &Flow) -> Link {
    Link {
        src: about.eth_dst,
        dst: about.eth_src,
        vlan: about.vlan,
    }
}
