//! Translation of addresses and ports, with every checksum that covers them.
//!
//! Checksums are adjusted by what has changed (RFC 1624), so that a packet that was corrupt before stays
//! so. SCTP's cannot be adjusted, and is computed anew. What is not in the packet (the ports of a later fragment,
//! the checksum of a quoted packet that is cut short) is left alone.

use std::net::IpAddr;

use crate::Layout;
use crate::checksum::{self, Delta};
use crate::flow::{Quoted, ip_protocol};
use crate::header::icmp_type;
use crate::offload::TransportSum;
use crate::parse::locate;

/// What to change in an IP packet. Addresses of the other family change nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Translation {
    /// The new source address.
    pub ip_src: Option<IpAddr>,
    /// The new destination address.
    pub ip_dst: Option<IpAddr>,
    /// The new source port.
    pub port_src: Option<u16>,
    /// The new destination port.
    pub port_dst: Option<u16>,
    /// The new identifier of an ICMP echo request or reply.
    pub identifier: Option<u16>,
    /// What the packet that an ICMP error quotes becomes.
    pub quoted: Option<Quoted>,
}

impl Translation {
    /// True if there is nothing to change.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ip_src.is_none()
            && self.ip_dst.is_none()
            && self.port_src.is_none()
            && self.port_dst.is_none()
            && self.identifier.is_none()
            && self.quoted.is_none()
    }
}

/// Where the fields stand in their headers.
mod at {
    use std::ops::Range;

    pub(super) const IPV4_CHECKSUM: usize = 10;
    pub(super) const IPV4_SRC: Range<usize> = 12..16;
    pub(super) const IPV4_DST: Range<usize> = 16..20;
    pub(super) const IPV6_SRC: Range<usize> = 8..24;
    pub(super) const IPV6_DST: Range<usize> = 24..40;
    pub(super) const PORT_SRC: Range<usize> = 0..2;
    pub(super) const PORT_DST: Range<usize> = 2..4;
    pub(super) const TCP_CHECKSUM: usize = 16;
    pub(super) const UDP_CHECKSUM: usize = 6;
    pub(super) const SCTP_CHECKSUM: Range<usize> = 8..12;
    pub(super) const ICMP_CHECKSUM: usize = 2;
    pub(super) const ICMP_IDENTIFIER: Range<usize> = 4..6;
    pub(super) const ICMP_QUOTED: usize = 8;
}

/// Changes the IP packet of a frame, whose TCP or UDP checksum is `sum`. False, and nothing changed, if there is none.
pub fn translate(
    frame: &mut [u8],
    layout: Layout,
    translation: &Translation,
    sum: TransportSum,
) -> bool {
    let Some(packet) = frame.get_mut(usize::from(layout.network)..) else {
        return false;
    };
    translate_packet(packet, translation, sum).is_some()
}

/// Changes a packet of which the end may be missing; returns the change of the sum over all its bytes.
fn translate_packet(
    packet: &mut [u8],
    translation: &Translation,
    sum: TransportSum,
) -> Option<Delta> {
    let located = locate(packet)?;
    let packet = &mut packet[..located.length];
    let is_ipv6 = packet[0] >> 4 == 6;
    let (src, dst) = match is_ipv6 {
        false => (at::IPV4_SRC, at::IPV4_DST),
        true => (at::IPV6_SRC, at::IPV6_DST),
    };
    let addresses = put_address(packet, src, translation.ip_src).and(put_address(
        packet,
        dst,
        translation.ip_dst,
    ));
    let header = match is_ipv6 {
        false => adjust(packet, at::IPV4_CHECKSUM, addresses, Zero::Plain),
        true => Delta::default(),
    };
    let above = located.transport.map_or(Delta::default(), |transport| {
        let kind = Above {
            protocol: located.protocol,
            is_ipv6,
            is_complete: located.is_complete,
            sum,
        };
        kind.translate(&mut packet[transport..], addresses, translation)
    });
    Some(addresses.and(header).and(above))
}

/// What is above IP.
struct Above {
    protocol: u8,
    is_ipv6: bool,
    is_complete: bool,
    sum: TransportSum,
}

impl Above {
    /// Changes the transport header of a packet whose addresses have changed by so much.
    fn translate(&self, bytes: &mut [u8], addresses: Delta, translation: &Translation) -> Delta {
        match (self.protocol, self.is_ipv6) {
            (ip_protocol::TCP, _) => {
                self.translate_ports(bytes, at::TCP_CHECKSUM, Zero::Plain, addresses, translation)
            }
            (ip_protocol::UDP, _) => self.translate_ports(
                bytes,
                at::UDP_CHECKSUM,
                Zero::Absent,
                addresses,
                translation,
            ),
            (ip_protocol::SCTP, _) => {
                let ports = put_ports(bytes, translation);
                ports.and(self.renew_sctp(bytes, ports))
            }
            (ip_protocol::ICMP, false) => translate_icmp(bytes, Delta::default(), translation),
            (ip_protocol::ICMPV6, true) => translate_icmp(bytes, addresses, translation),
            _ => Delta::default(),
        }
    }

    /// Changes ports, and the checksum by them and the addresses; by the addresses alone if it is partial.
    fn translate_ports(
        &self,
        bytes: &mut [u8],
        checksum: usize,
        zero: Zero,
        addresses: Delta,
        translation: &Translation,
    ) -> Delta {
        let ports = put_ports(bytes, translation);
        let adjusted = match self.sum {
            TransportSum::Complete => adjust(bytes, checksum, addresses.and(ports), zero),
            TransportSum::Partial => add(bytes, checksum, addresses),
        };
        ports.and(adjusted)
    }

    /// A checksum over bytes that are not all here is left as it is.
    fn renew_sctp(&self, bytes: &mut [u8], ports: Delta) -> Delta {
        if !self.is_complete || ports == Delta::default() || bytes.len() < at::SCTP_CHECKSUM.end {
            return Delta::default();
        }
        let zeroed = put(bytes, at::SCTP_CHECKSUM, &[0; 4]);
        // RFC 9260 appendix A: the least byte is sent first.
        let checksum = checksum::crc32c(bytes).to_le_bytes();
        zeroed.and(put(bytes, at::SCTP_CHECKSUM, &checksum))
    }
}

/// Changes an ICMP message whose pseudo header has changed by so much.
fn translate_icmp(bytes: &mut [u8], pseudo: Delta, translation: &Translation) -> Delta {
    let identifier = match translation.identifier {
        Some(identifier) => put(bytes, at::ICMP_IDENTIFIER, &identifier.to_be_bytes()),
        None => Delta::default(),
    };
    let quoted = translation
        .quoted
        .and_then(|quoted| translate_quoted(bytes.get_mut(at::ICMP_QUOTED..)?, &quoted))
        .unwrap_or_default();
    let inside = identifier.and(quoted);
    inside.and(adjust(
        bytes,
        at::ICMP_CHECKSUM,
        pseudo.and(inside),
        Zero::Plain,
    ))
}

/// Makes the quoted packet be from and to whom `quoted` says.
fn translate_quoted(packet: &mut [u8], quoted: &Quoted) -> Option<Delta> {
    let is_echo_request = |packet: &[u8]| {
        let located = locate(packet)?;
        let kind = *packet.get(located.transport?)?;
        Some(matches!(
            kind,
            icmp_type::ECHO_REQUEST | icmp_type::V6_ECHO_REQUEST
        ))
    };
    let is_echo = matches!(quoted.protocol, ip_protocol::ICMP | ip_protocol::ICMPV6);
    let identifier = match is_echo {
        true if is_echo_request(packet)? => Some(quoted.src_port),
        true => Some(quoted.dst_port),
        false => None,
    };
    let translation = Translation {
        ip_src: Some(quoted.src),
        ip_dst: Some(quoted.dst),
        port_src: Some(quoted.src_port),
        port_dst: Some(quoted.dst_port),
        identifier,
        quoted: None,
    };
    translate_packet(packet, &translation, TransportSum::Complete)
}

/// What a checksum of zero means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zero {
    /// What any other value does.
    Plain,
    /// That there is none; a sum of zero is sent as all ones (RFC 768).
    Absent,
}

/// Adjusts a checksum, if it is there; returns its own change.
fn adjust(bytes: &mut [u8], at: usize, delta: Delta, zero: Zero) -> Delta {
    let Some(&[high, low]) = bytes.get(at..at + 2) else {
        return Delta::default();
    };
    let field = u16::from_be_bytes([high, low]);
    if delta == Delta::default() || (zero == Zero::Absent && field == 0) {
        return Delta::default();
    }
    let adjusted = match delta.applied_to(field) {
        0 if zero == Zero::Absent => u16::MAX,
        adjusted => adjusted,
    };
    put(bytes, at..at + 2, &adjusted.to_be_bytes())
}

/// Adds to a sum, if it is there; returns its own change.
fn add(bytes: &mut [u8], at: usize, delta: Delta) -> Delta {
    let Some(&[high, low]) = bytes.get(at..at + 2) else {
        return Delta::default();
    };
    let sum = delta.added_to(u16::from_be_bytes([high, low]));
    put(bytes, at..at + 2, &sum.to_be_bytes())
}

fn put_ports(bytes: &mut [u8], translation: &Translation) -> Delta {
    let mut delta = Delta::default();
    for (range, port) in [
        (at::PORT_SRC, translation.port_src),
        (at::PORT_DST, translation.port_dst),
    ] {
        if let Some(port) = port {
            delta = delta.and(put(bytes, range, &port.to_be_bytes()));
        }
    }
    delta
}

fn put_address(packet: &mut [u8], range: std::ops::Range<usize>, ip: Option<IpAddr>) -> Delta {
    match ip {
        Some(IpAddr::V4(ip)) => put(packet, range, &ip.octets()),
        Some(IpAddr::V6(ip)) => put(packet, range, &ip.octets()),
        None => Delta::default(),
    }
}

/// Writes bytes in the place of others, if there are as many.
fn put(bytes: &mut [u8], range: std::ops::Range<usize>, new: &[u8]) -> Delta {
    match bytes.get_mut(range) {
        Some(old) if old.len() == new.len() && old != new => {
            let delta = Delta::between(old, new);
            old.copy_from_slice(new);
            delta
        }
        _ => Delta::default(),
    }
}
