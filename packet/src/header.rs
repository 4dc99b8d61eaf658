//! The fixed part of each header as it stands on the wire, for zero-copy reading and for writing.

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Mac;

/// Bytes of an Ethernet header without tags.
pub const ETHERNET_LENGTH: usize = size_of::<Ethernet>();
/// Bytes of one 802.1Q tag.
pub const VLAN_TAG_LENGTH: usize = size_of::<Vlan>();
/// Bytes of an IPv4 header without options.
pub const IPV4_LENGTH: usize = size_of::<Ipv4>();
/// Bytes of an IPv6 header without extension headers.
pub const IPV6_LENGTH: usize = size_of::<Ipv6>();

/// Declares header structs that can be viewed in place in any bytes that are long enough.
macro_rules! wire {
    ($($(#[$doc:meta])* struct $name:ident { $($field:ident: $kind:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
        #[repr(C)]
        pub(crate) struct $name { $(pub(crate) $field: $kind,)* }
    )*};
}

wire! {
    /// IEEE 802.3, after the preamble.
    struct Ethernet {
        dst: Mac,
        src: Mac,
        eth_type: U16,
    }

    /// What follows a tag's EtherType: 3 bits priority, 1 bit drop eligible, 12 bits VLAN; then the next type.
    struct Vlan {
        control: U16,
        eth_type: U16,
    }

    /// RFC 826, for Ethernet and IPv4.
    struct ArpPacket {
        hardware: U16,
        protocol: U16,
        hardware_length: u8,
        protocol_length: u8,
        operation: U16,
        sha: Mac,
        spa: [u8; 4],
        tha: Mac,
        tpa: [u8; 4],
    }

    /// RFC 791 section 3.1.
    struct Ipv4 {
        version_length: u8,
        tos: u8,
        total_length: U16,
        identification: U16,
        fragment: U16,
        ttl: u8,
        protocol: u8,
        checksum: U16,
        src: [u8; 4],
        dst: [u8; 4],
    }

    /// RFC 8200 section 3.
    struct Ipv6 {
        version_class_label: U32,
        payload_length: U16,
        next_header: u8,
        hop_limit: u8,
        src: [u8; 16],
        dst: [u8; 16],
    }

    /// The start of every IPv6 extension header but the fragment header (RFC 6564 section 4).
    struct Extension {
        next_header: u8,
        length: u8,
    }

    /// RFC 8200 section 4.5.
    struct FragmentExtension {
        next_header: u8,
        reserved: u8,
        offset_more: U16,
        identification: U32,
    }

    /// RFC 9293 section 3.1.
    struct Tcp {
        src: U16,
        dst: U16,
        sequence: U32,
        acknowledgment: U32,
        offset_flags: U16,
        window: U16,
        checksum: U16,
        urgent: U16,
    }

    /// RFC 768.
    struct Udp {
        src: U16,
        dst: U16,
        length: U16,
        checksum: U16,
    }

    /// RFC 9260 section 3.1.
    struct Sctp {
        src: U16,
        dst: U16,
        verification_tag: U32,
        checksum: [u8; 4],
    }

    /// RFC 9260 section 3.2.
    struct SctpChunk {
        kind: u8,
        flags: u8,
        length: U16,
    }

    /// RFC 9260 section 3.3.2, after the chunk's header.
    struct SctpInitiation {
        initiate_tag: U32,
        receiver_window: U32,
        outbound_streams: U16,
        inbound_streams: U16,
        initial_tsn: U32,
    }

    /// RFC 792 and RFC 4443 section 2.1, without the word whose meaning depends on the type.
    struct Icmp {
        kind: u8,
        code: u8,
        checksum: U16,
    }

    /// A neighbour solicitation or advertisement after the common part (RFC 4861 sections 4.3, 4.4).
    struct NeighborMessage {
        flags: u8,
        reserved: [u8; 3],
        target: [u8; 16],
    }

    /// A source or target link-layer address option (RFC 4861 section 4.6.1).
    struct LinkLayerOption {
        kind: u8,
        length: u8,
        mac: Mac,
    }
}

/// Bits of [`Ipv4::fragment`].
pub(crate) mod ipv4_fragment {
    /// Don't fragment.
    pub(crate) const DONT: u16 = 0x4000;
    /// More fragments follow.
    pub(crate) const MORE: u16 = 0x2000;
    /// Where the fragment stands, in units of 8 bytes.
    pub(crate) const OFFSET: u16 = 0x1fff;
}

/// Bits of [`FragmentExtension::offset_more`].
pub(crate) mod ipv6_fragment {
    /// More fragments follow.
    pub(crate) const MORE: u16 = 0x0001;
    /// Where the fragment stands, in bytes.
    pub(crate) const OFFSET: u16 = 0xfff8;
}

impl Ipv4 {
    /// Bytes of the header with its options, as the header says.
    pub(crate) fn header_length(&self) -> usize {
        usize::from(self.version_length & 0x0f) * 4
    }
}

/// ICMP and ICMPv6 types (IANA).
pub mod icmp_type {
    /// ICMP echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// ICMP destination unreachable.
    pub const UNREACHABLE: u8 = 3;
    /// ICMP source quench (deprecated).
    pub const SOURCE_QUENCH: u8 = 4;
    /// ICMP redirect.
    pub const REDIRECT: u8 = 5;
    /// ICMP echo request.
    pub const ECHO_REQUEST: u8 = 8;
    /// ICMP time exceeded.
    pub const TIME_EXCEEDED: u8 = 11;
    /// ICMP parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 12;
    /// ICMPv6 destination unreachable.
    pub const V6_UNREACHABLE: u8 = 1;
    /// ICMPv6 packet too big.
    pub const V6_PACKET_TOO_BIG: u8 = 2;
    /// ICMPv6 time exceeded.
    pub const V6_TIME_EXCEEDED: u8 = 3;
    /// ICMPv6 parameter problem.
    pub const V6_PARAMETER_PROBLEM: u8 = 4;
    /// The first ICMPv6 type that is no error message (RFC 4443 section 2.1).
    pub const V6_FIRST_INFORMATIONAL: u8 = 128;
    /// ICMPv6 echo request.
    pub const V6_ECHO_REQUEST: u8 = 128;
    /// ICMPv6 echo reply.
    pub const V6_ECHO_REPLY: u8 = 129;
    /// Router solicitation.
    pub const ROUTER_SOLICITATION: u8 = 133;
    /// Router advertisement.
    pub const ROUTER_ADVERTISEMENT: u8 = 134;
    /// Neighbour solicitation.
    pub const NEIGHBOR_SOLICITATION: u8 = 135;
    /// Neighbour advertisement.
    pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
    /// Redirect of neighbour discovery.
    pub const V6_REDIRECT: u8 = 137;

    /// True if a message of this type tells of an error in the packet that it quotes, or redirects it.
    pub const fn quotes(is_ipv6: bool, kind: u8) -> bool {
        match is_ipv6 {
            false => matches!(
                kind,
                UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM
            ),
            true => kind < V6_FIRST_INFORMATIONAL,
        }
    }
}
