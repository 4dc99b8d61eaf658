//! Work on a packet that is left for later: a transport checksum to be finished, and segments to be cut.
//!
//! A *super-packet* is a TCP or UDP packet that stands for several: all have its headers but for what numbers them,
//! and each a part of its payload. [`cut`] makes the packets of it, [`merge`] makes it of packets; what is cut from
//! what was merged are the same bytes. An unfinished checksum, called *partial*, is the sum over the pseudo header alone, and
//! stands where the checksum will: whoever finishes it adds the packet's bytes.

pub mod cut;
pub mod group;
pub mod merge;

use zerocopy::FromBytes;

use crate::flow::{Flow, Fragment, Network, Transport, ip_protocol};
use crate::header::{ETHERNET_LENGTH, Tcp, Udp};
use crate::{Layout, checksum};

/// Where the checksum stands in a TCP header.
const TCP_CHECKSUM: u16 = 16;
/// Where the checksum stands in a UDP header.
const UDP_CHECKSUM: u16 = 6;

/// What kind of packets a super-packet stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Segmentation {
    /// It is no super-packet.
    #[default]
    None,
    /// TCP over IPv4.
    TcpIpv4,
    /// TCP over IPv6.
    TcpIpv6,
    /// UDP over either, cut into datagrams.
    Udp,
}

/// Which work may be left on packets for whoever gets them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offloads {
    /// None: every packet is complete, and stands for itself.
    #[default]
    None,
    /// Checksums, and segments of TCP to be cut.
    Tcp,
    /// Checksums, and segments of TCP and of UDP.
    All,
}

impl Offloads {
    /// True if this work may be left on a packet.
    #[inline]
    pub fn include(self, offload: &Offload) -> bool {
        match self {
            Offloads::None => *offload == Offload::NONE,
            Offloads::Tcp => offload.segmentation != Segmentation::Udp,
            Offloads::All => true,
        }
    }
}

/// Where a checksum is still to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialChecksum {
    /// First byte that is summed, from the start of the frame.
    pub start: u16,
    /// Where the sum goes, from `start`.
    pub offset: u16,
}

impl PartialChecksum {
    /// The packet's own TCP or UDP checksum, wherever it stands: said of a packet whose headers have not been read. To be
    /// [admitted](admit) before anything else.
    pub const OWN: PartialChecksum = PartialChecksum {
        start: 0,
        offset: 0,
    };
}

/// Work on a packet that was left for later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// How the packet is to be cut.
    pub segmentation: Segmentation,
    /// Payload bytes in each segment but the last; 0 without segmentation.
    pub segment_size: u16,
    /// Bytes of the headers that every segment repeats; 0 without segmentation.
    pub header_length: u16,
    /// The checksum to be computed, if one is. A super-packet always has one.
    pub checksum: Option<PartialChecksum>,
}

/// What the checksum field of a TCP or UDP header holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TransportSum {
    /// The checksum.
    #[default]
    Complete,
    /// The sum over the pseudo header, not inverted.
    Partial,
}

/// What is said of a frame cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is left to do on the frame contradicts the frame")]
pub struct Contradiction;

impl Offload {
    /// Nothing is left to do: the packet is complete as it stands.
    pub const NONE: Offload = Offload {
        segmentation: Segmentation::None,
        segment_size: 0,
        header_length: 0,
        checksum: None,
    };

    /// True if the packet stands for several.
    pub fn is_super(&self) -> bool {
        self.segmentation != Segmentation::None
    }

    /// How many packets an admitted frame of so many bytes stands for, and their bytes together.
    pub fn stands_for(&self, frame_bytes: usize) -> (u64, u64) {
        let header_bytes = usize::from(self.header_length);
        let payload_bytes = frame_bytes.saturating_sub(header_bytes);
        let packets = match self.is_super() {
            true => payload_bytes
                .div_ceil(usize::from(self.segment_size.max(1)))
                .max(1),
            false => 1,
        };
        let bytes = frame_bytes + (packets - 1) * header_bytes;
        (packets as u64, bytes as u64)
    }

    /// What the transport checksum field of an admitted packet holds, see [`admit`].
    pub fn transport_sum(&self) -> TransportSum {
        match self.checksum {
            Some(_) => TransportSum::Partial,
            None => TransportSum::Complete,
        }
    }

    /// The same work when `count` bytes have been put before the frame, or with a negative one taken from it.
    pub fn moved(mut self, count: isize) -> Offload {
        let moved = |at: u16| u16::try_from(isize::try_from(at).unwrap_or_default() + count);
        if let Some(checksum) = &mut self.checksum {
            checksum.start = moved(checksum.start).unwrap_or(u16::MAX);
        }
        if self.is_super() {
            self.header_length = moved(self.header_length).unwrap_or(u16::MAX);
        }
        self
    }

    /// The L3 length of the longest packet that an admitted one, of this L3 length itself, stands for.
    #[inline]
    pub fn longest(&self, length: u32, layout: &Layout) -> u32 {
        match self.is_super() {
            true => u32::from(self.header_length - layout.network) + u32::from(self.segment_size),
            false => length,
        }
    }
}

/// The checksum that is left to finish in a whole TCP or UDP packet whose field holds a partial one; `None` for any other
/// packet.
pub fn partial_checksum(flow: &Flow, layout: &Layout) -> Option<PartialChecksum> {
    let Network::Ip(ip) = &flow.network else {
        return None;
    };
    let protocol = match ip.transport {
        _ if ip.fragment != Fragment::Whole => return None,
        Transport::Tcp { .. } => ip_protocol::TCP,
        Transport::Udp { .. } => ip_protocol::UDP,
        _ => return None,
    };
    Some(PartialChecksum {
        start: layout.transport,
        offset: checksum_offset(protocol)?,
    })
}

/// Where the checksum stands in the header of TCP or UDP.
#[inline]
pub(crate) fn checksum_offset(protocol: u8) -> Option<u16> {
    match protocol {
        ip_protocol::TCP => Some(TCP_CHECKSUM),
        ip_protocol::UDP => Some(UDP_CHECKSUM),
        _ => None,
    }
}

/// Compares what is said to be left with the frame, and brings it to its plainest form: an unfinished checksum is the
/// packet's own TCP or UDP checksum, and a super-packet stands for at least two packets. `flow` and `layout` are those of
/// the frame.
///
/// Another checksum than the packet's own is finished here and now, and nothing is left to do then. It stands wherever the
/// sender says, so that the frame has to be parsed again.
pub fn admit(
    frame: &mut [u8],
    offload: Offload,
    flow: &Flow,
    layout: &Layout,
) -> Result<Offload, Contradiction> {
    let Some(partial) = offload.checksum else {
        return match offload.is_super() {
            true => Err(Contradiction),
            false => Ok(Offload::NONE),
        };
    };
    let partial = match partial {
        PartialChecksum::OWN => partial_checksum(flow, layout).ok_or(Contradiction)?,
        other => other,
    };
    let offload = Offload {
        checksum: Some(partial),
        ..offload
    };
    let end = usize::from(partial.start) + usize::from(partial.offset) + 2;
    if usize::from(partial.start) < ETHERNET_LENGTH || end > frame.len() {
        return Err(Contradiction);
    }
    let is_own = partial_checksum(flow, layout) == Some(partial);
    if offload.is_super() {
        let headers = Headers::of(flow, *layout).filter(|_| is_own);
        return admit_super(frame, offload, headers.ok_or(Contradiction)?);
    }
    if !is_own {
        complete(frame, partial);
        return Ok(Offload::NONE);
    }
    Ok(Offload {
        checksum: offload.checksum,
        ..Offload::NONE
    })
}

/// What the work that may be left on a packet depends on.
#[derive(Clone, Copy)]
pub(crate) struct Headers {
    pub(crate) layout: Layout,
    pub(crate) is_ipv6: bool,
    /// That of the transport, as [`ip_protocol`] has it.
    pub(crate) protocol: u8,
    /// Bytes from the network header to the end of the packet.
    pub(crate) length: usize,
}

impl Headers {
    /// Those of an IP packet.
    fn of(flow: &Flow, layout: Layout) -> Option<Headers> {
        let Network::Ip(ip) = &flow.network else {
            return None;
        };
        Some(Headers {
            layout,
            is_ipv6: ip.src.is_ipv6(),
            protocol: ip.protocol,
            length: flow.length as usize,
        })
    }

    /// Bytes of all headers of a super-packet, those of its TCP options included; `None` if it cannot be one of this kind.
    #[inline]
    fn bytes(&self, frame: &[u8], segmentation: Segmentation) -> Option<u16> {
        let transport = match (segmentation, self.protocol, self.is_ipv6) {
            (Segmentation::TcpIpv4, ip_protocol::TCP, false)
            | (Segmentation::TcpIpv6, ip_protocol::TCP, true) => {
                let segment = frame.get(self.layout.transport.into()..)?;
                let (tcp, _) = Tcp::ref_from_prefix(segment).ok()?;
                let length = (tcp.offset_flags.get() >> 12) * 4;
                (usize::from(length) >= size_of::<Tcp>()).then_some(length)?
            }
            (Segmentation::Udp, ip_protocol::UDP, _) => size_of::<Udp>() as u16,
            _ => return None,
        };
        self.layout.transport.checked_add(transport)
    }
}

/// As [`admit`], for a super-packet whose unfinished checksum is its own.
#[inline]
pub(crate) fn admit_super(
    frame: &[u8],
    offload: Offload,
    headers: Headers,
) -> Result<Offload, Contradiction> {
    let header_length = headers
        .bytes(frame, offload.segmentation)
        .ok_or(Contradiction)?;
    let end = usize::from(headers.layout.network) + headers.length;
    let payload = end.checked_sub(header_length.into());
    let payload = payload.ok_or(Contradiction)?;
    if end != frame.len() || offload.segment_size == 0 {
        return Err(Contradiction);
    }
    Ok(match payload > usize::from(offload.segment_size) {
        true => Offload {
            header_length,
            ..offload
        },
        false => Offload {
            checksum: offload.checksum,
            ..Offload::NONE
        },
    })
}

/// Finishes a checksum. One that does not fit the frame is left alone.
pub fn complete(frame: &mut [u8], partial: PartialChecksum) {
    let start = usize::from(partial.start);
    let at = start + usize::from(partial.offset);
    if frame.len() < at + 2 {
        return;
    }
    let sum = checksum::sum(&frame[start..]);
    let field = checksum_field(sum, partial.offset == UDP_CHECKSUM);
    frame[at..at + 2].copy_from_slice(&field.to_be_bytes());
}

/// The checksum field of bytes with this sum; that of UDP is never zero (RFC 768).
fn checksum_field(sum: u16, is_udp: bool) -> u16 {
    match !sum {
        0 if is_udp => u16::MAX,
        field => field,
    }
}
