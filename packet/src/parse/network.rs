//! IPv4 and IPv6 headers, with options and extension headers.

use std::net::{Ipv4Addr, Ipv6Addr};

use zerocopy::FromBytes;

use super::transport::parse_transport;
use super::{MAX_EXTENSION_HEADERS, ParseError, Parsed};
use crate::flow::{Fragment, Ip, Network, Transport};
use crate::header::{
    Extension, FragmentExtension, IPV4_LENGTH, IPV6_LENGTH, Ipv4, Ipv6, ipv4_fragment,
    ipv6_fragment,
};

/// IPv4 (RFC 791): version, header length and total length must agree with the bytes.
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

/// Fills in the transport layer, and says where it starts: nowhere in a later or an empty fragment.
fn above(ip: &mut Ip, at: usize, payload: &[u8]) -> Option<usize> {
    if ip.fragment == Fragment::Later || payload.is_empty() {
        return None;
    }
    ip.transport = parse_transport(ip.src.is_ipv6(), ip.protocol, payload);
    Some(at)
}

/// What stands after the extension headers.
struct Chain<'a> {
    protocol: u8,
    fragment: Fragment,
    payload: &'a [u8],
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
