//! The Geneve header (RFC 8926) as OVN writes it: the VNI names the logical datapath, and one option the
//! logical ports where the packet entered and where it is to leave.
//!
//! ```text
//! +---+--------+-+-+------+------------------+
//! |Ver| Options|O|C| Rsvd | Protocol 0x6558  |
//! +---+--------+-+-+------+----------+-------+
//! | Virtual network identifier (VNI) | Rsvd  |
//! +-------------------+---------+-+--+-------+
//! | Class 0x0102      | Type 0x80 | R | Len 1|
//! +-+-----------------+---------+------------+
//! |0| Ingress port (15 bits)    | Egress (16)|
//! +-+---------------------------+------------+
//! ```
//!
//! Where the inner TCP or UDP checksum is left partial, the option is of class 0xff57 (experimental, RFC 8926 section
//! 7) with the same type and value. It is critical: an end that does not know it drops the packet, and never passes a
//! checksum on that is none. It is sent only to nodes that have said that they know it.

use crate::offload::TransportSum;
use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The UDP port of Geneve (IANA).
pub const GENEVE_PORT: u16 = 6081;
/// Bytes of the header that [`Header::encode`] writes, option included.
pub const HEADER_LENGTH: usize = size_of::<Fixed>() + size_of::<OptionHeader>() + PORTS_LENGTH;
/// What a tunnel over IPv4 adds to the L3 length of a packet: IPv4, UDP, Geneve, inner Ethernet.
pub const OVERHEAD_IPV4: u16 = 20 + 8 + HEADER_LENGTH as u16 + 14;
/// What a tunnel over IPv6 adds to the L3 length of a packet: IPv6, UDP, Geneve, inner Ethernet.
pub const OVERHEAD_IPV6: u16 = 40 + 8 + HEADER_LENGTH as u16 + 14;
/// The greatest VNI.
pub const MAX_VNI: u32 = 0x00ff_ffff;
/// The greatest ingress port.
pub const MAX_INGRESS: u16 = 0x7fff;

/// Transparent Ethernet bridging (IANA).
const PROTOCOL_ETHERNET: u16 = 0x6558;
/// The option class registered for OVN.
const OVN_CLASS: u16 = 0x0102;
/// The option's class if the inner transport checksum is partial.
const PARTIAL_CLASS: u16 = 0xff57;
/// The option's type: 0, with the critical bit.
const OVN_PORTS: u8 = CRITICAL;
/// In an option's type: who does not know the option must drop the packet (RFC 8926 section 3.5).
const CRITICAL: u8 = 0x80;
/// Bytes of the option's value.
const PORTS_LENGTH: usize = 4;
/// In the second byte of the header: a control packet.
const FLAG_CONTROL: u8 = 0x80;
/// In the second byte of the header: there are critical options.
const FLAG_CRITICAL: u8 = 0x40;
/// Bytes that a unit of the length fields counts.
const LENGTH_UNIT: usize = 4;

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Fixed {
    version_length: u8,
    flags: u8,
    protocol: U16,
    vni: [u8; 3],
    reserved: u8,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct OptionHeader {
    class: U16,
    kind: u8,
    length: u8,
}

/// What the header of a tunnelled packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The tunnel key of the logical datapath, `0..=MAX_VNI`.
    pub vni: u32,
    /// The tunnel key of the logical port where the packet entered, `0..=MAX_INGRESS`.
    pub ingress: u16,
    /// The tunnel key of the logical port or multicast group where it is to leave.
    pub egress: u16,
}

/// Why a tunnelled packet is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum GeneveError {
    /// Fewer bytes than the header and its options have.
    #[error("Geneve header is cut short")]
    Truncated,
    /// The version is not 0.
    #[error("Geneve header has another version")]
    BadVersion,
    /// A control packet, which is not for tenants (RFC 8926 section 3.4).
    #[error("Geneve control packet")]
    Control,
    /// The payload is no Ethernet frame.
    #[error("Geneve payload is no Ethernet frame")]
    NotEthernet,
    /// The lengths of the options do not add up, or OVN's has not 4 bytes.
    #[error("Geneve option has a bad length")]
    BadOptionLength,
    /// A critical option that is not OVN's (RFC 8926 section 3.5 has it dropped).
    #[error("Geneve critical option is unknown")]
    UnknownCriticalOption,
    /// OVN's option stands twice.
    #[error("Geneve option with the logical ports stands twice")]
    DuplicatePorts,
    /// OVN's option is missing.
    #[error("Geneve option with the logical ports is missing")]
    MissingPorts,
}

impl GeneveError {
    /// Every error.
    pub const ALL: [GeneveError; 8] = [
        Self::Truncated,
        Self::BadVersion,
        Self::Control,
        Self::NotEthernet,
        Self::BadOptionLength,
        Self::UnknownCriticalOption,
        Self::DuplicatePorts,
        Self::MissingPorts,
    ];

    /// The name of its drop counter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "geneve_truncated",
            Self::BadVersion => "geneve_bad_version",
            Self::Control => "geneve_control",
            Self::NotEthernet => "geneve_not_ethernet",
            Self::BadOptionLength => "geneve_bad_option_length",
            Self::UnknownCriticalOption => "geneve_unknown_critical_option",
            Self::DuplicatePorts => "geneve_duplicate_ports",
            Self::MissingPorts => "geneve_missing_ports",
        }
    }
}

impl Header {
    /// The header as it stands before an inner frame whose transport checksum is `sum`. Bits beyond a field's width are
    /// cut off.
    pub fn encode(&self, sum: TransportSum) -> [u8; HEADER_LENGTH] {
        let class = match sum {
            TransportSum::Complete => OVN_CLASS,
            TransportSum::Partial => PARTIAL_CLASS,
        };
        let options = HEADER_LENGTH - size_of::<Fixed>();
        let [_, vni @ ..] = self.vni.to_be_bytes();
        let fixed = Fixed {
            version_length: (options / LENGTH_UNIT) as u8,
            flags: FLAG_CRITICAL,
            protocol: PROTOCOL_ETHERNET.into(),
            vni,
            reserved: 0,
        };
        let option = OptionHeader {
            class: class.into(),
            kind: OVN_PORTS,
            length: (PORTS_LENGTH / LENGTH_UNIT) as u8,
        };
        let ports = [U16::new(self.ingress & MAX_INGRESS), U16::new(self.egress)];
        let mut bytes = [0; HEADER_LENGTH];
        bytes[..8].copy_from_slice(fixed.as_bytes());
        bytes[8..12].copy_from_slice(option.as_bytes());
        bytes[12..].copy_from_slice(ports.as_bytes());
        bytes
    }

    /// Reads the payload of a UDP datagram: the header, what the inner transport checksum is, and the inner frame.
    ///
    /// Options other than OVN's are passed over unless they are critical.
    pub fn decode(datagram: &[u8]) -> Result<(Header, TransportSum, &[u8]), GeneveError> {
        let (fixed, rest) = Fixed::ref_from_prefix(datagram).map_err(|_| GeneveError::Truncated)?;
        if fixed.version_length >> 6 != 0 {
            return Err(GeneveError::BadVersion);
        }
        let length = usize::from(fixed.version_length & 0x3f) * LENGTH_UNIT;
        let (options, frame) = rest
            .split_at_checked(length)
            .ok_or(GeneveError::Truncated)?;
        if fixed.flags & FLAG_CONTROL != 0 {
            return Err(GeneveError::Control);
        }
        if fixed.protocol.get() != PROTOCOL_ETHERNET {
            return Err(GeneveError::NotEthernet);
        }
        let ([ingress, egress], sum) = find_ports(options)?;
        let [a, b, c] = fixed.vni;
        let header = Header {
            vni: u32::from_be_bytes([0, a, b, c]),
            ingress: ingress.get() & MAX_INGRESS,
            egress: egress.get(),
        };
        Ok((header, sum, frame))
    }
}

/// Walks all options, and takes the logical ports from OVN's, or from ours in its place.
fn find_ports(mut options: &[u8]) -> Result<([U16; 2], TransportSum), GeneveError> {
    let mut ports = None;
    while !options.is_empty() {
        let (option, rest) =
            OptionHeader::ref_from_prefix(options).map_err(|_| GeneveError::BadOptionLength)?;
        let length = usize::from(option.length & 0x1f) * LENGTH_UNIT;
        let (value, rest) = rest
            .split_at_checked(length)
            .ok_or(GeneveError::BadOptionLength)?;
        options = rest;
        let sum = match (option.class.get(), option.kind) {
            (OVN_CLASS, OVN_PORTS) => TransportSum::Complete,
            (PARTIAL_CLASS, OVN_PORTS) => TransportSum::Partial,
            (_, kind) if kind & CRITICAL != 0 => return Err(GeneveError::UnknownCriticalOption),
            _ => continue,
        };
        let found = <[U16; 2]>::read_from_bytes(value).map_err(|_| GeneveError::BadOptionLength)?;
        if ports.replace((found, sum)).is_some() {
            return Err(GeneveError::DuplicatePorts);
        }
    }
    ports.ok_or(GeneveError::MissingPorts)
}
