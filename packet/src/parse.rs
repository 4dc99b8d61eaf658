//! From bytes to [`Flow`]: one walk over the headers of an Ethernet frame, without copying or allocating.
//!
//! The walk is lenient above the network layer: a transport header that is cut short makes the packet one of
//! [`Transport::Other`](crate::flow::Transport::Other). What cannot be trusted below that is a [`ParseError`].
//! Checksums are not verified: the packet is carried, not consumed.

mod network;
mod transport;

pub(crate) use network::{locate, piece_of_ipv4, piece_of_ipv6};

use std::net::Ipv4Addr;

use zerocopy::FromBytes;

use crate::flow::{Arp, Flow, Layout, Network, VlanTag, ether_type};
use crate::header::{ArpPacket, Ethernet, Vlan};

/// The most extension headers that an IPv6 packet may carry.
pub const MAX_EXTENSION_HEADERS: usize = 8;

/// Why a frame cannot be parsed, and so is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ParseError {
    /// Fewer than the 14 bytes of an Ethernet header.
    #[error("Ethernet header is cut short")]
    EthernetTruncated,
    /// An 802.1Q EtherType without a whole tag after it.
    #[error("802.1Q tag is cut short")]
    VlanTruncated,
    /// Fewer bytes than an ARP packet has.
    #[error("ARP packet is cut short")]
    ArpTruncated,
    /// Fewer bytes than the IPv4 header or its total length says.
    #[error("IPv4 packet is cut short")]
    Ipv4Truncated,
    /// The version field is not 4.
    #[error("IPv4 header has another version")]
    Ipv4BadVersion,
    /// The header length is less than 20 bytes or greater than the total length.
    #[error("IPv4 header length contradicts the packet")]
    Ipv4BadLength,
    /// Fewer bytes than the IPv6 header or its payload length says.
    #[error("IPv6 packet is cut short")]
    Ipv6Truncated,
    /// The version field is not 6.
    #[error("IPv6 header has another version")]
    Ipv6BadVersion,
    /// An extension header runs past the packet.
    #[error("IPv6 extension header is cut short")]
    Ipv6ExtensionTruncated,
    /// More extension headers than [`MAX_EXTENSION_HEADERS`].
    #[error("IPv6 packet has more than {MAX_EXTENSION_HEADERS} extension headers")]
    Ipv6TooManyExtensions,
}

impl ParseError {
    /// Every error, in the order of the walk.
    pub const ALL: [ParseError; 10] = [
        Self::EthernetTruncated,
        Self::VlanTruncated,
        Self::ArpTruncated,
        Self::Ipv4Truncated,
        Self::Ipv4BadVersion,
        Self::Ipv4BadLength,
        Self::Ipv6Truncated,
        Self::Ipv6BadVersion,
        Self::Ipv6ExtensionTruncated,
        Self::Ipv6TooManyExtensions,
    ];

    /// The name of its drop counter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EthernetTruncated => "ethernet_truncated",
            Self::VlanTruncated => "vlan_truncated",
            Self::ArpTruncated => "arp_truncated",
            Self::Ipv4Truncated => "ipv4_truncated",
            Self::Ipv4BadVersion => "ipv4_bad_version",
            Self::Ipv4BadLength => "ipv4_bad_length",
            Self::Ipv6Truncated => "ipv6_truncated",
            Self::Ipv6BadVersion => "ipv6_bad_version",
            Self::Ipv6ExtensionTruncated => "ipv6_extension_truncated",
            Self::Ipv6TooManyExtensions => "ipv6_too_many_extensions",
        }
    }
}

/// What a network header and those above it say.
struct Parsed {
    network: Network,
    /// Bytes from the network header on, padding excluded.
    length: usize,
    /// The transport header, counted from the network header.
    transport: Option<usize>,
}

/// Reads the headers of a whole Ethernet frame, without preamble and check sequence. Padding is ignored.
#[inline]
pub fn parse(frame: &[u8]) -> Result<(Flow, Layout), ParseError> {
    let (ethernet, rest) =
        Ethernet::ref_from_prefix(frame).map_err(|_| ParseError::EthernetTruncated)?;
    let (vlan, eth_type, payload) = parse_tag(ethernet.eth_type.get(), rest)?;
    let parsed = match eth_type {
        ether_type::IPV4 => network::parse_ipv4(payload)?,
        ether_type::IPV6 => network::parse_ipv6(payload)?,
        ether_type::ARP | ether_type::RARP => parse_arp(payload)?,
        _ => Parsed::other(payload),
    };
    let network = frame.len() - payload.len();
    let flow = Flow {
        eth_src: ethernet.src,
        eth_dst: ethernet.dst,
        vlan,
        eth_type,
        network: parsed.network,
        length: u32::try_from(parsed.length).unwrap_or(u32::MAX),
    };
    let layout = Layout {
        network: offset(network),
        transport: parsed.transport.map_or(0, |at| offset(network + at)),
    };
    Ok((flow, layout))
}

/// Header offsets are bounded by [`MAX_EXTENSION_HEADERS`] times 2048 bytes and so fit in 16 bits.
#[inline]
fn offset(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

/// The outermost tag, the EtherType after it and what that announces.
#[inline]
fn parse_tag(eth_type: u16, rest: &[u8]) -> Result<(Option<VlanTag>, u16, &[u8]), ParseError> {
    match eth_type {
        ether_type::VLAN | ether_type::SERVICE_VLAN => {
            let (tag, rest) = Vlan::ref_from_prefix(rest).map_err(|_| ParseError::VlanTruncated)?;
            let vlan = VlanTag::from_control(tag.control.get());
            Ok((Some(vlan), normal(tag.eth_type.get()), rest))
        }
        _ => Ok((None, normal(eth_type), rest)),
    }
}

/// An 802.3 length is not an EtherType: all such frames count as one kind.
#[inline]
fn normal(eth_type: u16) -> u16 {
    if eth_type < ether_type::LEAST {
        ether_type::NONE
    } else {
        eth_type
    }
}

/// ARP and RARP; those for other hardware or protocols are forwarded by MAC address only.
fn parse_arp(bytes: &[u8]) -> Result<Parsed, ParseError> {
    const ETHERNET_HARDWARE: u16 = 1;
    let (arp, _) = ArpPacket::ref_from_prefix(bytes).map_err(|_| ParseError::ArpTruncated)?;
    let is_ethernet_ipv4 = arp.hardware.get() == ETHERNET_HARDWARE
        && arp.protocol.get() == ether_type::IPV4
        && (arp.hardware_length, arp.protocol_length) == (6, 4);
    if !is_ethernet_ipv4 {
        return Ok(Parsed::other(bytes));
    }
    Ok(Parsed {
        network: Network::Arp(Arp {
            operation: arp.operation.get(),
            sha: arp.sha,
            spa: Ipv4Addr::from_octets(arp.spa),
            tha: arp.tha,
            tpa: Ipv4Addr::from_octets(arp.tpa),
        }),
        length: size_of::<ArpPacket>(),
        transport: None,
    })
}

impl Parsed {
    fn other(bytes: &[u8]) -> Parsed {
        Parsed {
            network: Network::Other,
            length: bytes.len(),
            transport: None,
        }
    }
}
