//! The packets that the logical network itself sends: what they say, and how to make their bytes.
//!
//! The pipeline decides on an answer's [`Answer::flow`]; [`build`] makes a frame of exactly that flow.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use packet::answer::{self as frame_of, ErrorSource, IcmpError};
use packet::flow::{Arp, Discovery, Fragment, Ip, Network, Transport, ether_type, ip_protocol};
use packet::{Flow, IPV4_LENGTH, IPV6_LENGTH, Layout, Mac, icmp_type, solicited_node};

use crate::object::PortRef;
use crate::rewrite::Rewrite;
use crate::tables::Tables;

/// A packet to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The packet that is answered, as it stood when the answer was decided.
    pub about: Flow,
    /// What is said.
    pub kind: AnswerKind,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// ARP reply: the address asked for is at `mac`.
    ArpReply {
        /// The owner.
        mac: Mac,
    },
    /// Neighbour advertisement: the target is at `mac`.
    Advertisement {
        /// The owner.
        mac: Mac,
        /// The owner is a router.
        is_router: bool,
    },
    /// Echo reply.
    EchoReply,
    /// ICMP or ICMPv6 error.
    Error {
        /// The router that sends it.
        source: ErrorSource,
        /// What was wrong.
        error: IcmpError,
    },
    /// TCP reset.
    TcpReset,
    /// ARP request of a router for its next hop.
    ArpRequest {
        /// The router port.
        mac: Mac,
        /// The router port's address.
        ip: Ipv4Addr,
        /// The next hop.
        target: Ipv4Addr,
    },
    /// Neighbour solicitation of a router for its next hop.
    Solicitation {
        /// The router port.
        mac: Mac,
        /// The router port's address.
        ip: Ipv6Addr,
        /// The next hop.
        target: Ipv6Addr,
    },
}

impl AnswerKind {
    /// True if the answer can be made from the flow of what it is about, without its bytes.
    pub(crate) fn needs_no_bytes(self) -> bool {
        match self {
            Self::ArpReply { .. }
            | Self::Advertisement { .. }
            | Self::ArpRequest { .. }
            | Self::Solicitation { .. } => true,
            Self::EchoReply | Self::Error { .. } | Self::TcpReset => false,
        }
    }

    /// OVN's name of the action.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ArpReply { .. } => "arp_reply",
            Self::Advertisement {
                is_router: true, ..
            } => "nd_na_router",
            Self::Advertisement { .. } => "nd_na",
            Self::EchoReply => "echo_reply",
            Self::Error { source, .. } if source.ip.is_ipv4() => "icmp4_error",
            Self::Error { .. } => "icmp6_error",
            Self::TcpReset => "tcp_reset",
            Self::ArpRequest { .. } => "arp",
            Self::Solicitation { .. } => "nd_ns",
        }
    }
}

impl Answer {
    /// The flow of the packet that [`build`] makes; `None` where the standards forbid the answer.
    pub fn flow(&self) -> Option<Flow> {
        let about = &self.about;
        match self.kind {
            AnswerKind::ArpReply { mac } => arp_reply(about, mac),
            AnswerKind::Advertisement { mac, is_router } => advertisement(about, mac, is_router),
            AnswerKind::EchoReply => echo_reply(about),
            AnswerKind::Error { source, error } => icmp_error(about, source, error),
            AnswerKind::TcpReset => tcp_reset(about),
            AnswerKind::ArpRequest { mac, ip, target } => {
                let arp = Arp {
                    operation: 1,
                    sha: mac,
                    spa: ip,
                    tha: Mac::ZERO,
                    tpa: target,
                };
                Some(arp_flow(mac, Mac::BROADCAST, None, arp))
            }
            AnswerKind::Solicitation { mac, ip, target } => Some(solicitation(mac, ip, target)),
        }
    }
}

/// Makes the frame of `answer`. `frame`, `flow` and `layout` are those of the packet that went into the
/// pipeline. `None` if the packet ends before what the answer must quote.
pub fn build(answer: &Answer, frame: &[u8], flow: &Flow, layout: &Layout) -> Option<Vec<u8>> {
    let about = &answer.about;
    match answer.kind {
        AnswerKind::ArpReply { mac } => frame_of::arp_reply(about, mac),
        AnswerKind::Advertisement { mac, is_router } => {
            frame_of::neighbor_advertisement(about, mac, is_router)
        }
        AnswerKind::ArpRequest { mac, ip, target } => Some(frame_of::arp_request(mac, ip, target)),
        AnswerKind::Solicitation { mac, ip, target } => {
            Some(frame_of::neighbor_solicitation(mac, ip, target))
        }
        AnswerKind::EchoReply => {
            let (frame, layout) = as_it_stood(about, frame, flow, layout)?;
            frame_of::echo_reply(&frame, about, layout)
        }
        AnswerKind::TcpReset => {
            let (frame, layout) = as_it_stood(about, frame, flow, layout)?;
            frame_of::tcp_reset(&frame, about, layout)
        }
        AnswerKind::Error { source, error } => {
            let (frame, layout) = as_it_stood(about, frame, flow, layout)?;
            frame_of::icmp_error(&frame, about, layout, source, error)
        }
    }
}

/// The answer to a packet that is too long for the tunnel it was sent into: the router that routed it
/// first says so, or its receiver in the name of the network if none did. It goes back out of the interface
/// where the packet came in. `None` if no such error may be sent about it.
///
/// `flow` is the packet as it came in, `routed_by` the tunnel branch's [`crate::Tunnel::routed_by`], and
/// `mtu` the greatest L3 length that the tunnel takes.
pub fn too_long(
    tables: &Tables,
    flow: &Flow,
    routed_by: Option<PortRef>,
    mtu: u16,
) -> Option<Answer> {
    let Network::Ip(ip) = &flow.network else {
        return None;
    };
    let router_address = routed_by.and_then(|at| {
        let datapath = tables.datapath_tables(at.datapath)?;
        let (_, port) = datapath.router_port(at.port)?;
        crate::router::error_address(port, ip.src)
    });
    let answer = Answer {
        about: flow.clone(),
        kind: AnswerKind::Error {
            source: ErrorSource {
                mac: flow.eth_dst,
                ip: router_address.unwrap_or(ip.dst),
            },
            error: IcmpError::TooBig { mtu },
        },
    };
    let is_to_one = !flow.eth_dst.is_multicast() && !ip.dst.is_multicast();
    (is_to_one && answer.flow().is_some()).then_some(answer)
}

/// A copy of the received frame with what the network changed in it on the way to where it is answered.
fn as_it_stood(
    about: &Flow,
    frame: &[u8],
    flow: &Flow,
    layout: &Layout,
) -> Option<(Vec<u8>, Layout)> {
    const HEADROOM: usize = packet::VLAN_TAG_LENGTH;
    let mut copy = vec![0; HEADROOM];
    copy.extend_from_slice(frame);
    let start = Rewrite::between(flow, about)
        .apply(&mut copy, HEADROOM, layout)
        .ok()?;
    let moved = |offset: u16| match offset {
        0 => Some(0),
        _ => u16::try_from(usize::from(offset) + HEADROOM - start).ok(),
    };
    let layout = Layout {
        network: moved(layout.network)?,
        transport: moved(layout.transport)?,
    };
    copy.drain(..start);
    Some((copy, layout))
}

fn arp_flow(eth_src: Mac, eth_dst: Mac, vlan: Option<packet::flow::VlanTag>, arp: Arp) -> Flow {
    const ARP_LENGTH: u32 = 28;
    Flow {
        eth_src,
        eth_dst,
        vlan,
        eth_type: ether_type::ARP,
        network: Network::Arp(arp),
        length: ARP_LENGTH,
    }
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
    Some(arp_flow(mac, about.eth_src, about.vlan, reply))
}

/// An IP packet that the network sends.
fn ip_flow(about: &Flow, link: (Mac, Mac), src: IpAddr, dst: IpAddr, transport: Transport) -> Flow {
    let protocol = match (&transport, src.is_ipv6()) {
        (Transport::Tcp { .. }, _) => ip_protocol::TCP,
        (_, false) => ip_protocol::ICMP,
        (_, true) => ip_protocol::ICMPV6,
    };
    Flow {
        eth_src: link.0,
        eth_dst: link.1,
        vlan: about.vlan,
        eth_type: if src.is_ipv6() {
            ether_type::IPV6
        } else {
            ether_type::IPV4
        },
        network: Network::Ip(Ip {
            src,
            dst,
            protocol,
            ttl: u8::MAX,
            dscp: 0,
            ecn: 0,
            fragment: Fragment::Whole,
            dont_fragment: true,
            transport,
        }),
        length: 0,
    }
}

/// Bytes of a neighbour message with one link-layer address option, IPv6 header included.
const NEIGHBOR_LENGTH: u32 = IPV6_LENGTH as u32 + 32;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

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
    let advertisement = Transport::Icmp {
        kind: icmp_type::NEIGHBOR_ADVERTISEMENT,
        code: 0,
        identifier: 0,
        discovery: Some(Discovery {
            target: solicitation.target,
            source_mac: None,
            target_mac: Some(mac),
            flags: u8::from(is_router) << 7 | solicited | 0x20,
        }),
    };
    let src = solicitation.target.into();
    Some(Flow {
        length: NEIGHBOR_LENGTH,
        ..ip_flow(about, (mac, eth_dst), src, dst.into(), advertisement)
    })
}

fn solicitation(mac: Mac, ip: Ipv6Addr, target: Ipv6Addr) -> Flow {
    let dst = solicited_node(target);
    let message = Transport::Icmp {
        kind: icmp_type::NEIGHBOR_SOLICITATION,
        code: 0,
        identifier: 0,
        discovery: Some(Discovery {
            target,
            source_mac: Some(mac),
            target_mac: None,
            flags: 0,
        }),
    };
    let link = (mac, Mac::of_multicast(dst.into()));
    let untagged = arp_flow(
        mac,
        mac,
        None,
        Arp {
            operation: 0,
            sha: mac,
            spa: [0; 4].into(),
            tha: mac,
            tpa: [0; 4].into(),
        },
    );
    Flow {
        length: NEIGHBOR_LENGTH,
        ..ip_flow(&untagged, link, ip.into(), dst.into(), message)
    }
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
    let quoting = header as u32 + frame_of::ICMP_ERROR_LENGTH as u32 + about.length;
    let message = Transport::Icmp {
        kind,
        code,
        identifier: 0,
        discovery: None,
    };
    let link = (source.mac, about.eth_src);
    let mut flow = ip_flow(about, link, source.ip, offending.src, message);
    flow.length = quoting.min(longest as u32);
    if let Network::Ip(ip) = &mut flow.network {
        ip.ttl = error.ttl();
    }
    Some(flow)
}

fn tcp_reset(about: &Flow) -> Option<Flow> {
    const RST: u16 = 0x04;
    const ACK: u16 = 0x10;
    const TCP_LENGTH: u32 = 20;
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
    let link = (about.eth_dst, about.eth_src);
    let header = if segment.src.is_ipv6() {
        IPV6_LENGTH
    } else {
        IPV4_LENGTH
    };
    Some(Flow {
        length: header as u32 + TCP_LENGTH,
        ..ip_flow(about, link, segment.dst, segment.src, reset)
    })
}
