//! What the headers of a packet say: the parsed form that the logical pipeline decides on.
//!
//! A [`Flow`] is owned, small and comparable. It holds every field that a match can name, so that two
//! packets with equal flows (but for [`Flow::length`]) get equal verdicts. [`Layout`] says where the
//! headers stand in the bytes, for those who rewrite them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Mac;

/// EtherTypes that the pipeline knows (IEEE 802 numbers).
pub mod ether_type {
    /// Internet Protocol version 4.
    pub const IPV4: u16 = 0x0800;
    /// Address Resolution Protocol.
    pub const ARP: u16 = 0x0806;
    /// Reverse Address Resolution Protocol.
    pub const RARP: u16 = 0x8035;
    /// IEEE 802.1Q customer VLAN tag.
    pub const VLAN: u16 = 0x8100;
    /// Internet Protocol version 6.
    pub const IPV6: u16 = 0x86dd;
    /// IEEE 802.1ad service VLAN tag.
    pub const SERVICE_VLAN: u16 = 0x88a8;
    /// The least EtherType: what is less is the length of an IEEE 802.3 frame.
    pub const LEAST: u16 = 0x0600;
    /// Stands for the EtherType of a frame that has none.
    pub const NONE: u16 = 0x05ff;
}

/// IP protocol numbers that the pipeline knows (IANA).
pub mod ip_protocol {
    /// Internet Control Message Protocol.
    pub const ICMP: u8 = 1;
    /// Internet Group Management Protocol.
    pub const IGMP: u8 = 2;
    /// Transmission Control Protocol.
    pub const TCP: u8 = 6;
    /// User Datagram Protocol.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// Stream Control Transmission Protocol.
    pub const SCTP: u8 = 132;
}

/// True for the protocol numbers of IPv6 extension headers that may stand before the transport header (IANA).
pub const fn is_ipv6_extension(protocol: u8) -> bool {
    matches!(protocol, 0 | 43 | 44 | 51 | 60)
}

/// The headers of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Source station.
    pub eth_src: Mac,
    /// Destination station.
    pub eth_dst: Mac,
    /// The outermost customer or service tag, if there is one.
    pub vlan: Option<VlanTag>,
    /// The EtherType after the tag; [`ether_type::NONE`] for IEEE 802.3 frames.
    pub eth_type: u16,
    /// What the EtherType announces.
    pub network: Network,
    /// Bytes from the network header to the end of the packet, padding excluded: what an MTU limits.
    pub length: u32,
}

/// An IEEE 802.1Q tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VlanTag {
    /// The VLAN, `0..=4095`; 0 is a priority tag.
    pub id: u16,
    /// Priority code point, `0..=7`.
    pub priority: u8,
}

impl VlanTag {
    /// From the 16 bits on the wire; the drop eligible bit is ignored.
    pub const fn from_control(control: u16) -> VlanTag {
        VlanTag {
            id: control & 0x0fff,
            priority: (control >> 13) as u8,
        }
    }

    /// The 16 bits on the wire, drop eligible clear.
    pub const fn control(self) -> u16 {
        (self.priority as u16 & 7) << 13 | self.id & 0x0fff
    }
}

/// The network layer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// Something the pipeline forwards by MAC address only.
    Other,
    /// ARP or RARP over Ethernet and IPv4 (RFC 826).
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip),
}

/// An ARP packet for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arp {
    /// 1 request, 2 reply, 3 and 4 reverse.
    pub operation: u16,
    /// Sender hardware address.
    pub sha: Mac,
    /// Sender protocol address.
    pub spa: Ipv4Addr,
    /// Target hardware address.
    pub tha: Mac,
    /// Target protocol address.
    pub tpa: Ipv4Addr,
}

/// An IPv4 or IPv6 header; source and destination are always of one family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ip {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Protocol of the payload, after IPv6 extension headers.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Differentiated services code point, 6 bits.
    pub dscp: u8,
    /// Explicit congestion notification, 2 bits.
    pub ecn: u8,
    /// The flow label, 20 bits; 0 for IPv4.
    pub label: u32,
    /// Which fragment it is, if it is one.
    pub fragment: Fragment,
    /// IPv4's DF bit; always true for IPv6, whose routers never fragment.
    pub dont_fragment: bool,
    /// The layer above, as far as this packet holds it.
    pub transport: Transport,
}

/// Where a packet stands in a fragmented datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fragment {
    /// Not fragmented.
    Whole,
    /// The first fragment, with the transport header.
    First,
    /// A later fragment, without it.
    Later,
}

/// The transport layer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Another protocol, a later fragment, or a header that is cut short.
    Other,
    /// TCP, with its ports and the 12 flag bits (RFC 9293 section 3.1).
    Tcp {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
        /// Flags, FIN in bit 0.
        flags: u16,
    },
    /// UDP.
    Udp {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
    },
    /// SCTP.
    Sctp {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
    },
    /// ICMP (with IPv4) or ICMPv6 (with IPv6).
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Identifier of an echo request or reply, else 0.
        identifier: u16,
        /// The neighbour discovery fields of ICMPv6 types 135 and 136.
        discovery: Option<Discovery>,
        /// The packet that an error is about, if it can be read.
        quoted: Option<Box<Quoted>>,
    },
}

/// The packet that an ICMP error quotes (RFC 792, RFC 4443 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quoted {
    /// Source address.
    pub src: IpAddr,
    /// Destination address, of the same family.
    pub dst: IpAddr,
    /// Protocol of the payload, after IPv6 extension headers.
    pub protocol: u8,
    /// Source port; of an echo request the identifier, of an echo reply the request's type in the upper half.
    pub src_port: u16,
    /// Destination port; of an echo reply the identifier, of an echo request its type in the upper half.
    pub dst_port: u16,
}

/// The fields of a neighbour solicitation or advertisement (RFC 4861 sections 4.3, 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Discovery {
    /// Target address.
    pub target: Ipv6Addr,
    /// Source link-layer address option.
    pub source_mac: Option<Mac>,
    /// Target link-layer address option.
    pub target_mac: Option<Mac>,
    /// Flags of an advertisement: router, solicited, override in the three top bits.
    pub flags: u8,
}

/// Where the headers of a packet stand, in bytes from the start of the Ethernet frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The network header.
    pub network: u16,
    /// The transport header, after IP options and IPv6 extension headers. 0 when there is none.
    pub transport: u16,
}
