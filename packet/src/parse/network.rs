//! IPv4 and IPv6 headers, with options and extension headers.

use std::net::{Ipv4Addr, Ipv6Addr};

use zerocopy::FromBytes;

use super::transport::{parse_transport, quoted_ports};
use super::{MAX_EXTENSION_HEADERS, ParseError, Parsed};
use crate::Piece;
use crate::flow::{Fragment, Ip, Network, Quoted, Transport};
use crate::header::{
    Extension, FragmentExtension, IPV4_LENGTH, IPV6_LENGTH, Ipv4, Ipv6, ipv4_fragment,
    ipv6_fragment,
};

/// IPv4 (RFC 791): version, header length and total length must agree with the bytes.
#[inline]
pub(super) fn parse_ipv4(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let (header, _) = Ipv4::ref_from_prefix(bytes).map_err(|_| ParseError::Ipv4Truncated)?;
    if header.version_length >> 4 != 4 {
        return Err(ParseError::Ipv4BadVersion);
    }
    let header_length = header.header_length();
    let length = usize::from(header.total_length.get());
    if header_length < IPV4_LENGTH || length < header_length {
        return Err(ParseError::Ipv4BadLength);
    }
    let payload = bytes
        .get(header_length..length)
        .ok_or(ParseError::Ipv4Truncated)?;

    let bits = header.fragment.get();
    let fragment = match (bits & ipv4_fragment::OFFSET, bits & ipv4_fragment::MORE) {
        (0, 0) => Fragment::Whole,
        (0, _) => Fragment::First,
        _ => Fragment::Later,
    };
    let mut ip = Ip {
        src: Ipv4Addr::from_octets(header.src).into(),
        dst: Ipv4Addr::from_octets(header.dst).into(),
        protocol: header.protocol,
        ttl: header.ttl,
        dscp: header.tos >> 2,
        ecn: header.tos & 3,
        label: 0,
        fragment,
        dont_fragment: bits & ipv4_fragment::DONT != 0,
        transport: Transport::Other,
    };
    let transport = above(&mut ip, header_length, payload);
    Ok(Parsed {
        network: Network::Ip(ip),
        length,
        transport,
    })
}

/// IPv6 (RFC 8200) with the extension headers that stand before the transport header.
pub(super) fn parse_ipv6(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let (header, rest) = Ipv6::ref_from_prefix(bytes).map_err(|_| ParseError::Ipv6Truncated)?;
    let first = header.version_class_label.get();
    if first >> 28 != 6 {
        return Err(ParseError::Ipv6BadVersion);
    }
    let payload = rest
        .get(..usize::from(header.payload_length.get()))
        .ok_or(ParseError::Ipv6Truncated)?;
    let length = IPV6_LENGTH + payload.len();
    let chain = walk_extensions(header.next_header, payload)?;

    let mut ip = Ip {
        src: Ipv6Addr::from_octets(header.src).into(),
        dst: Ipv6Addr::from_octets(header.dst).into(),
        protocol: chain.protocol,
        ttl: header.hop_limit,
        dscp: (first >> 22) as u8 & 0x3f,
        ecn: (first >> 20) as u8 & 3,
        label: first & 0xf_ffff,
        fragment: chain.fragment,
        dont_fragment: true,
        transport: Transport::Other,
    };
    let transport = above(&mut ip, length - chain.payload.len(), chain.payload);
    Ok(Parsed {
        network: Network::Ip(ip),
        length,
        transport,
    })
}

/// Where the layer above IP stands in a packet that may be cut short.
pub(crate) struct Located {
    pub(crate) protocol: u8,
    /// The transport header, from the start of the packet; `None` in a later fragment.
    pub(crate) transport: Option<usize>,
    /// True if all bytes of the whole, unfragmented datagram are there.
    pub(crate) is_complete: bool,
    /// Bytes of the packet that are there, padding excluded.
    pub(crate) length: usize,
}

/// Finds the transport header of an IP packet of which the end may be missing.
pub(crate) fn locate(bytes: &[u8]) -> Option<Located> {
    match bytes.first()? >> 4 {
        4 => locate_ipv4(bytes),
        6 => locate_ipv6(bytes),
        _ => None,
    }
}

fn locate_ipv4(bytes: &[u8]) -> Option<Located> {
    let (header, _) = Ipv4::ref_from_prefix(bytes).ok()?;
    let header_length = header.header_length();
    let claimed = usize::from(header.total_length.get());
    let length = bytes.len().min(claimed);
    if header_length < IPV4_LENGTH || length < header_length {
        return None;
    }
    let bits = header.fragment.get();
    let is_later = bits & ipv4_fragment::OFFSET != 0;
    let is_fragment = is_later || bits & ipv4_fragment::MORE != 0;
    Some(Located {
        protocol: header.protocol,
        transport: (!is_later).then_some(header_length),
        is_complete: length == claimed && !is_fragment,
        length,
    })
}

fn locate_ipv6(bytes: &[u8]) -> Option<Located> {
    let (header, rest) = Ipv6::ref_from_prefix(bytes).ok()?;
    let claimed = usize::from(header.payload_length.get());
    let payload = &rest[..rest.len().min(claimed)];
    let chain = walk_extensions(header.next_header, payload).ok()?;
    let length = IPV6_LENGTH + payload.len();
    let is_later = chain.fragment == Fragment::Later;
    Some(Located {
        protocol: chain.protocol,
        transport: (!is_later).then_some(length - chain.payload.len()),
        is_complete: payload.len() == claimed && chain.fragment == Fragment::Whole,
        length,
    })
}

/// The packet that an ICMP error quotes; `None` if what is there does not say whose it was.
pub(super) fn parse_quoted(bytes: &[u8]) -> Option<Quoted> {
    let located = locate(bytes)?;
    let transport = bytes.get(located.transport?..located.length)?;
    let is_ipv6 = bytes[0] >> 4 == 6;
    let (src_port, dst_port) = quoted_ports(is_ipv6, located.protocol, transport)?;
    let (src, dst) = match is_ipv6 {
        false => {
            let (header, _) = Ipv4::ref_from_prefix(bytes).ok()?;
            let [src, dst] = [header.src, header.dst].map(Ipv4Addr::from_octets);
            (src.into(), dst.into())
        }
        true => {
            let (header, _) = Ipv6::ref_from_prefix(bytes).ok()?;
            let [src, dst] = [header.src, header.dst].map(Ipv6Addr::from_octets);
            (src.into(), dst.into())
        }
    };
    Some(Quoted {
        src,
        dst,
        protocol: located.protocol,
        src_port,
        dst_port,
    })
}

/// Fills in the transport layer, and says where it starts: nowhere in a later or an empty fragment.
#[inline]
fn above(ip: &mut Ip, at: usize, payload: &[u8]) -> Option<usize> {
    if ip.fragment == Fragment::Later || payload.is_empty() {
        return None;
    }
    ip.transport = parse_transport(ip.src.is_ipv6(), ip.protocol, payload);
    Some(at)
}

/// Where an IPv4 packet stands in its datagram; `None` if it is not a fragment.
pub(crate) fn piece_of_ipv4(packet: &[u8]) -> Option<Piece> {
    let (header, _) = Ipv4::ref_from_prefix(packet).ok()?;
    let bits = header.fragment.get();
    let piece = Piece {
        identification: header.identification.get().into(),
        offset: u32::from(bits & ipv4_fragment::OFFSET) * 8,
        length: packet.len().checked_sub(header.header_length())? as u32,
        has_more: bits & ipv4_fragment::MORE != 0,
    };
    (piece.offset > 0 || piece.has_more).then_some(piece)
}

/// Where an IPv6 packet stands in its datagram; `None` if it is not a fragment.
pub(crate) fn piece_of_ipv6(packet: &[u8]) -> Option<Piece> {
    let (header, payload) = Ipv6::ref_from_prefix(packet).ok()?;
    walk_extensions(header.next_header, payload).ok()?.piece
}

/// What stands after the extension headers.
struct Chain<'a> {
    protocol: u8,
    fragment: Fragment,
    payload: &'a [u8],
    /// What the fragment header says, if it is one of a fragment.
    piece: Option<Piece>,
}

/// Extension headers (IANA's IPv6 extension header types) that may stand before the transport header.
mod extension {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const DESTINATION: u8 = 60;
}

fn walk_extensions(next_header: u8, payload: &[u8]) -> Result<Chain<'_>, ParseError> {
    let mut chain = Chain {
        protocol: next_header,
        fragment: Fragment::Whole,
        payload,
        piece: None,
    };
    for _ in 0..=MAX_EXTENSION_HEADERS {
        if !chain.step()? {
            return Ok(chain);
        }
    }
    Err(ParseError::Ipv6TooManyExtensions)
}

impl Chain<'_> {
    /// Passes one extension header; false when there is none to pass.
    fn step(&mut self) -> Result<bool, ParseError> {
        let units = match self.protocol {
            extension::FRAGMENT => return self.step_fragment(),
            // 8-byte units, the first not counted (RFC 8200 section 4.3).
            extension::HOP_BY_HOP | extension::ROUTING | extension::DESTINATION => (8, 1),
            // 4-byte units, the first two not counted (RFC 4302 section 2.2).
            extension::AUTHENTICATION => (4, 2),
            _ => return Ok(false),
        };
        let (header, _) = Extension::ref_from_prefix(self.payload)
            .map_err(|_| ParseError::Ipv6ExtensionTruncated)?;
        let length = units.0 * (usize::from(header.length) + units.1);
        self.protocol = header.next_header;
        self.payload = self
            .payload
            .get(length..)
            .ok_or(ParseError::Ipv6ExtensionTruncated)?;
        Ok(true)
    }

    /// Passes a fragment header. After that of a later fragment stands no header at all.
    fn step_fragment(&mut self) -> Result<bool, ParseError> {
        let (header, rest) = FragmentExtension::ref_from_prefix(self.payload)
            .map_err(|_| ParseError::Ipv6ExtensionTruncated)?;
        let bits = header.offset_more.get();
        self.protocol = header.next_header;
        self.payload = rest;
        let piece = Piece {
            identification: header.identification.get(),
            offset: (bits & ipv6_fragment::OFFSET).into(),
            length: rest.len() as u32,
            has_more: bits & ipv6_fragment::MORE != 0,
        };
        if piece.offset > 0 || piece.has_more {
            self.piece = Some(piece);
        }
        if bits & ipv6_fragment::OFFSET != 0 {
            self.fragment = Fragment::Later;
            return Ok(false);
        }
        // Without MORE it is an atomic fragment, which is a whole packet (RFC 6946).
        if bits & ipv6_fragment::MORE != 0 {
            self.fragment = Fragment::First;
        }
        Ok(true)
    }
}
