//! ICMP errors (RFC 792, RFC 1812 section 4.3, RFC 4443 section 3).

use std::net::IpAddr;

use zerocopy::IntoBytes;
use zerocopy::network_endian::U32;

use super::{ANSWER_TTL, ip, is_host};
use crate::build::{IpHeader, Link};
use crate::flow::{Fragment, Ip, Transport, ip_protocol};
use crate::header::{IPV4_LENGTH, IPV6_LENGTH, Icmp, icmp_type};
use crate::{Flow, Layout, Mac, checksum};

/// The longest IPv4 packet that carries an error (RFC 1812 section 4.3.2.3).
pub const MAX_ERROR_LENGTH: usize = 576;
/// The longest IPv6 packet that carries an error: the least IPv6 MTU (RFC 4443 section 2.4 c).
pub const MAX_V6_ERROR_LENGTH: usize = 1280;
/// Bytes of an error message before the packet it quotes.
pub const ICMP_ERROR_LENGTH: usize = 8;

/// What was wrong with a packet, or with the way it was to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IcmpError {
    /// The TTL or hop limit ran out on the way.
    TimeExceeded,
    /// No route leads to the destination.
    NetworkUnreachable,
    /// The next hop or host does not answer.
    HostUnreachable,
    /// The destination does not speak the protocol. With IPv6 sent as "address unreachable", as OVN does.
    ProtocolUnreachable,
    /// The destination has nobody on the port.
    PortUnreachable,
    /// A policy forbids it.
    AdministrativelyProhibited,
    /// Fragmentation needed, or packet too big.
    TooBig {
        /// The greatest L3 length that passes.
        mtu: u16,
    },
    /// A header field cannot be understood.
    ParameterProblem {
        /// Where the field stands, in bytes from the start of the IP header.
        pointer: u8,
    },
}

/// The router that sends an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorSource {
    /// Its MAC address.
    pub mac: Mac,
    /// Its address on the link, of the packet's family.
    pub ip: IpAddr,
}

impl IcmpError {
    /// Whether a packet may be answered with this error (RFC 1122 section 3.2.2, RFC 4443 section 2.4 e):
    /// not a later fragment, an ICMP error, or a packet from or to more than one host. What is too big for
    /// IPv6 is said even of multicast.
    pub fn may_answer(self, flow: &Flow) -> bool {
        let Some(ip) = ip(flow) else {
            return false;
        };
        let is_path_discovery = ip.src.is_ipv6() && matches!(self, Self::TooBig { .. });
        let is_to_one = !flow.eth_dst.is_multicast() && is_host(ip.dst);
        is_host(ip.src)
            && (is_to_one || is_path_discovery)
            && ip.fragment != Fragment::Later
            && !is_icmp_error(ip)
    }

    /// Type, code and the word after the checksum.
    pub fn wire(self, is_ipv6: bool) -> (u8, u8, u32) {
        use icmp_type::*;
        match (self, is_ipv6) {
            (Self::TimeExceeded, false) => (TIME_EXCEEDED, 0, 0),
            (Self::TimeExceeded, true) => (V6_TIME_EXCEEDED, 0, 0),
            (Self::NetworkUnreachable, false) => (UNREACHABLE, 0, 0),
            (Self::NetworkUnreachable, true) => (V6_UNREACHABLE, 0, 0),
            (Self::HostUnreachable, false) => (UNREACHABLE, 1, 0),
            (Self::HostUnreachable | Self::ProtocolUnreachable, true) => (V6_UNREACHABLE, 3, 0),
            (Self::ProtocolUnreachable, false) => (UNREACHABLE, 2, 0),
            (Self::PortUnreachable, false) => (UNREACHABLE, 3, 0),
            (Self::PortUnreachable, true) => (V6_UNREACHABLE, 4, 0),
            (Self::AdministrativelyProhibited, false) => (UNREACHABLE, 13, 0),
            (Self::AdministrativelyProhibited, true) => (V6_UNREACHABLE, 1, 0),
            // RFC 1191 section 4: the MTU stands in the low half of the word.
            (Self::TooBig { mtu }, false) => (UNREACHABLE, 4, mtu.into()),
            (Self::TooBig { mtu }, true) => (V6_PACKET_TOO_BIG, 0, mtu.into()),
            (Self::ParameterProblem { pointer }, false) => {
                (PARAMETER_PROBLEM, 0, u32::from(pointer) << 24)
            }
            (Self::ParameterProblem { pointer }, true) => (V6_PARAMETER_PROBLEM, 0, pointer.into()),
        }
    }

    /// The TTL that OVN gives the error.
    pub fn ttl(self) -> u8 {
        match self {
            Self::TimeExceeded => ANSWER_TTL - 1,
            _ => ANSWER_TTL,
        }
    }
}

fn is_icmp_error(ip: &Ip) -> bool {
    use icmp_type::*;
    let Transport::Icmp { kind, .. } = ip.transport else {
        return false;
    };
    let is_ipv6 = ip.src.is_ipv6();
    quotes(is_ipv6, kind) || (is_ipv6 && kind == V6_REDIRECT)
}

/// The error that tells the sender of a packet what was wrong, with as much of the packet as may be quoted.
///
/// `None` where [`IcmpError::may_answer`] forbids it or `source` is of the other family.
pub fn icmp_error(
    frame: &[u8],
    flow: &Flow,
    layout: Layout,
    source: ErrorSource,
    error: IcmpError,
) -> Option<Vec<u8>> {
    let offending = ip(flow)?;
    let is_ipv6 = offending.src.is_ipv6();
    if !error.may_answer(flow) || source.ip.is_ipv6() != is_ipv6 {
        return None;
    }
    let network = usize::from(layout.network);
    let packet = frame.get(network..network + flow.length as usize)?;
    let (protocol, room) = if is_ipv6 {
        (ip_protocol::ICMPV6, MAX_V6_ERROR_LENGTH - IPV6_LENGTH)
    } else {
        (ip_protocol::ICMP, MAX_ERROR_LENGTH - IPV4_LENGTH)
    };
    let quoted = &packet[..packet.len().min(room - ICMP_ERROR_LENGTH)];
    let header = IpHeader {
        src: source.ip,
        dst: offending.src,
        protocol,
        ttl: error.ttl(),
    };
    let link = Link {
        src: source.mac,
        dst: flow.eth_src,
        vlan: flow.vlan,
    };
    let message = message(&header, error.wire(is_ipv6), quoted);
    Some(link.frame(header.eth_type(), &header.packet(&message)))
}

fn message(header: &IpHeader, (kind, code, word): (u8, u8, u32), quoted: &[u8]) -> Vec<u8> {
    let mut icmp = Icmp {
        kind,
        code,
        checksum: 0.into(),
    };
    let mut message = [icmp.as_bytes(), U32::new(word).as_bytes(), quoted].concat();
    let checksum = match header.src {
        IpAddr::V4(_) => checksum::of(&message),
        IpAddr::V6(_) => {
            checksum::with_pseudo_header(header.src, header.dst, header.protocol, &message)
        }
    };
    icmp.checksum = checksum.into();
    message[..size_of::<Icmp>()].copy_from_slice(icmp.as_bytes());
    message
}
