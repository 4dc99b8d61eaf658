//! Transport headers, ICMP and the fields of neighbour discovery.

use std::net::Ipv6Addr;

use zerocopy::FromBytes;

use super::network::parse_quoted;
use crate::Mac;
use crate::flow::{Discovery, Quoted, Transport, ip_protocol};
use crate::header::{Icmp, LinkLayerOption, NeighborMessage, Sctp, Tcp, Udp, icmp_type};

/// Reads the transport header of a whole packet or a first fragment.
#[inline]
pub(super) fn parse_transport(is_ipv6: bool, protocol: u8, payload: &[u8]) -> Transport {
    let parsed = match (protocol, is_ipv6) {
        (ip_protocol::TCP, _) => parse_tcp(payload),
        (ip_protocol::UDP, _) => parse_udp(payload),
        (ip_protocol::SCTP, _) => parse_sctp(payload),
        (ip_protocol::ICMP, false) => parse_icmp(payload),
        (ip_protocol::ICMPV6, true) => parse_icmpv6(payload),
        _ => None,
    };
    parsed.unwrap_or(Transport::Other)
}

#[inline]
fn parse_tcp(payload: &[u8]) -> Option<Transport> {
    let (tcp, _) = Tcp::ref_from_prefix(payload).ok()?;
    Some(Transport::Tcp {
        src: tcp.src.get(),
        dst: tcp.dst.get(),
        flags: tcp.offset_flags.get() & 0x0fff,
    })
}

#[inline]
fn parse_udp(payload: &[u8]) -> Option<Transport> {
    let (udp, _) = Udp::ref_from_prefix(payload).ok()?;
    Some(Transport::Udp {
        src: udp.src.get(),
        dst: udp.dst.get(),
    })
}

fn parse_sctp(payload: &[u8]) -> Option<Transport> {
    let (sctp, _) = Sctp::ref_from_prefix(payload).ok()?;
    Some(Transport::Sctp {
        src: sctp.src.get(),
        dst: sctp.dst.get(),
    })
}

fn parse_icmp(payload: &[u8]) -> Option<Transport> {
    let (icmp, rest) = Icmp::ref_from_prefix(payload).ok()?;
    let is_echo = matches!(icmp.kind, icmp_type::ECHO_REQUEST | icmp_type::ECHO_REPLY);
    Some(Transport::Icmp {
        kind: icmp.kind,
        code: icmp.code,
        identifier: if is_echo { identifier(rest)? } else { 0 },
        discovery: None,
        quoted: quoted(false, icmp.kind, rest),
    })
}

fn parse_icmpv6(payload: &[u8]) -> Option<Transport> {
    let (icmp, rest) = Icmp::ref_from_prefix(payload).ok()?;
    let is_echo = matches!(
        icmp.kind,
        icmp_type::V6_ECHO_REQUEST | icmp_type::V6_ECHO_REPLY
    );
    let is_neighbor = matches!(
        (icmp.kind, icmp.code),
        (
            icmp_type::NEIGHBOR_SOLICITATION | icmp_type::NEIGHBOR_ADVERTISEMENT,
            0
        )
    );
    Some(Transport::Icmp {
        kind: icmp.kind,
        code: icmp.code,
        identifier: if is_echo { identifier(rest)? } else { 0 },
        discovery: is_neighbor
            .then(|| parse_discovery(icmp.kind, rest))
            .flatten(),
        quoted: quoted(true, icmp.kind, rest),
    })
}

/// The packet that stands after the second word of an ICMP error of the same family.
fn quoted(is_ipv6: bool, kind: u8, rest: &[u8]) -> Option<Box<Quoted>> {
    if !icmp_type::quotes(is_ipv6, kind) {
        return None;
    }
    let quoted = parse_quoted(rest.get(4..)?)?;
    (quoted.src.is_ipv6() == is_ipv6).then(|| Box::new(quoted))
}

/// The ports of a quoted packet, as [`Quoted`] has them; `None` if they are not there, or if a packet of this kind
/// belongs to no connection.
pub(super) fn quoted_ports(is_ipv6: bool, protocol: u8, bytes: &[u8]) -> Option<(u16, u16)> {
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    let echo = |request: u8, reply: u8| {
        let (kind, identifier) = (*bytes.first()?, word(4)?);
        let server = u16::from_be_bytes([request, 0]);
        match kind {
            kind if kind == request => Some((identifier, server)),
            kind if kind == reply => Some((server, identifier)),
            _ => None,
        }
    };
    match (protocol, is_ipv6) {
        (ip_protocol::TCP | ip_protocol::UDP | ip_protocol::SCTP, _) => Some((word(0)?, word(2)?)),
        (ip_protocol::ICMP, false) => echo(icmp_type::ECHO_REQUEST, icmp_type::ECHO_REPLY),
        (ip_protocol::ICMPV6, true) => echo(icmp_type::V6_ECHO_REQUEST, icmp_type::V6_ECHO_REPLY),
        _ => Some((0, 0)),
    }
}

fn identifier(rest: &[u8]) -> Option<u16> {
    let (identifier, _) = zerocopy::network_endian::U16::read_from_prefix(rest).ok()?;
    Some(identifier.get())
}

/// The fields of a neighbour message, or none of them if an option is malformed or stands twice:
/// RFC 4861 section 7.1 has such messages discarded, so none of it may count.
fn parse_discovery(kind: u8, rest: &[u8]) -> Option<Discovery> {
    const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;
    const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
    const OPTION_UNIT: usize = 8;

    let (message, mut options) = NeighborMessage::ref_from_prefix(rest).ok()?;
    let mut discovery = Discovery {
        target: Ipv6Addr::from_octets(message.target),
        source_mac: None,
        target_mac: None,
        flags: 0,
    };
    if kind == icmp_type::NEIGHBOR_ADVERTISEMENT {
        discovery.flags = message.flags & 0xe0;
    }
    while !options.is_empty() {
        let length = usize::from(*options.get(1)?) * OPTION_UNIT;
        if length == 0 {
            return None;
        }
        let (option, rest) = options.split_at_checked(length)?;
        options = rest;
        let Ok(option) = LinkLayerOption::ref_from_bytes(option) else {
            continue;
        };
        match option.kind {
            SOURCE_LINK_LAYER_ADDRESS => set_once(&mut discovery.source_mac, option.mac)?,
            TARGET_LINK_LAYER_ADDRESS => set_once(&mut discovery.target_mac, option.mac)?,
            _ => {}
        }
    }
    Some(discovery)
}

fn set_once(slot: &mut Option<Mac>, mac: Mac) -> Option<()> {
    slot.replace(mac).is_none().then_some(())
}
