//! The packets that the logical network itself sends: what they say, and how to make their bytes.
//!
//! The pipeline decides on an answer's [`Answer::flow`]; [`build`] makes a frame of exactly that flow.

mod flow_of;
mod words;

use std::net::{Ipv4Addr, Ipv6Addr};

use packet::answer::{self as frame_of, ErrorSource, IcmpError};
use packet::flow::{Fragment, Network, Transport};
use packet::offload::TransportSum;
use packet::{Flow, Layout, Mac};

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
    /// SCTP abort. Whether the packet is one that may be answered so, only its bytes say.
    SctpAbort,
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
    /// How a packet is rejected, in the name of the one it is for. OVN's `reject`.
    pub(crate) fn rejection(about: &Flow) -> Option<AnswerKind> {
        let Network::Ip(ip) = &about.network else {
            return None;
        };
        // Its first fragment is answered.
        if ip.fragment == Fragment::Later {
            return None;
        }
        let source = ErrorSource {
            mac: about.eth_dst,
            ip: ip.dst,
        };
        let error = match ip.transport {
            Transport::Tcp { .. } => return Some(Self::TcpReset),
            Transport::Sctp { .. } => return Some(Self::SctpAbort),
            Transport::Udp { .. } => IcmpError::PortUnreachable,
            _ if ip.src.is_ipv6() => IcmpError::AdministrativelyProhibited,
            _ => IcmpError::HostUnreachable,
        };
        Some(Self::Error { source, error })
    }

    /// True if the answer can be made from the flow of what it is about, without its bytes.
    pub(crate) fn needs_no_bytes(self) -> bool {
        match self {
            Self::ArpReply { .. }
            | Self::Advertisement { .. }
            | Self::ArpRequest { .. }
            | Self::Solicitation { .. } => true,
            Self::EchoReply | Self::Error { .. } | Self::TcpReset | Self::SctpAbort => false,
        }
    }
}

impl Answer {
    /// The flow of the packet that [`build`] makes; `None` where the standards forbid the answer.
    pub fn flow(&self) -> Option<Flow> {
        flow_of::flow(&self.about, self.kind)
    }
}

/// Makes the frame of `answer`. `frame`, `flow` and `layout` are those of the packet that went into the
/// pipeline, with complete checksums. `None` if the packet ends before what the answer must quote.
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
        AnswerKind::SctpAbort => {
            let (frame, layout) = as_it_stood(about, frame, flow, layout)?;
            frame_of::sctp_abort(&frame, about, layout)
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
        .apply(&mut copy, HEADROOM, layout, TransportSum::Complete)
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
