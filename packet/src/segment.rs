//! What a transport header says of its connection's progress.

use zerocopy::FromBytes;
use zerocopy::network_endian::U32;

use crate::Layout;
use crate::flow::{Flow, Fragment, Network, Transport};
use crate::header::{Sctp, Tcp};

/// What a transport header says of its connection's progress, beyond what is in the [`Flow`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Segment {
    /// The protocol has no such thing, or the header is not in this packet.
    #[default]
    Unknown,
    /// A TCP segment.
    Tcp(TcpSegment),
    /// An SCTP packet.
    Sctp {
        /// Verification tag.
        tag: u32,
        /// Type of its first chunk (RFC 9260 section 3.2).
        chunk: u8,
        /// The initiate tag of an INIT or INIT ACK, else 0.
        initiate_tag: u32,
    },
}

/// A TCP segment (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpSegment {
    /// Flags, FIN in bit 0, 12 bits.
    pub flags: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number; it counts if ACK is set.
    pub acknowledgment: u32,
    /// Window, not scaled.
    pub window: u16,
    /// Bytes of data.
    pub length: u32,
    /// The shift of the window scale option, which only a SYN may have (RFC 7323 section 2).
    pub window_scale: Option<u8>,
}

impl Segment {
    /// Reads the transport header of `frame`, whose parsed form is `flow` and `layout`. `length` is its L3 length: that of
    /// the whole, if it stands for several packets.
    #[inline]
    pub fn of(frame: &[u8], flow: &Flow, layout: &Layout, length: usize) -> Segment {
        let Network::Ip(ip) = &flow.network else {
            return Segment::Unknown;
        };
        if ip.fragment == Fragment::Later || layout.transport == 0 {
            return Segment::Unknown;
        }
        let end = usize::from(layout.network) + length;
        let Some(bytes) = frame.get(usize::from(layout.transport)..end.min(frame.len())) else {
            return Segment::Unknown;
        };
        match ip.transport {
            Transport::Tcp { .. } => tcp(bytes).map_or(Segment::Unknown, Segment::Tcp),
            Transport::Sctp { .. } => sctp(bytes).unwrap_or(Segment::Unknown),
            _ => Segment::Unknown,
        }
    }
}

/// Reads a TCP segment from its header to its end.
#[inline]
pub(crate) fn tcp(bytes: &[u8]) -> Option<TcpSegment> {
    const SYN: u16 = 2;
    let (tcp, rest) = Tcp::ref_from_prefix(bytes).ok()?;
    let offset_flags = tcp.offset_flags.get();
    let header_length = usize::from(offset_flags >> 12) * 4;
    let length = bytes.len().checked_sub(header_length)?;
    let options = rest.get(..header_length.checked_sub(size_of::<Tcp>())?)?;
    let flags = offset_flags & 0x0fff;
    Some(TcpSegment {
        flags,
        sequence: tcp.sequence.get(),
        acknowledgment: tcp.acknowledgment.get(),
        window: tcp.window.get(),
        length: u32::try_from(length).unwrap_or(u32::MAX),
        window_scale: (flags & SYN != 0).then(|| window_scale(options)).flatten(),
    })
}

/// The shift of the window scale option, at most 14 (RFC 7323 section 2.3).
fn window_scale(mut options: &[u8]) -> Option<u8> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const WINDOW_SCALE: u8 = 3;
    const MAX_SHIFT: u8 = 14;
    loop {
        options = match options {
            [] | [END, ..] => return None,
            [NO_OPERATION, rest @ ..] => rest,
            [WINDOW_SCALE, 3, shift, ..] => return Some((*shift).min(MAX_SHIFT)),
            [_, length, ..] if *length >= 2 => options.get(usize::from(*length)..)?,
            _ => return None,
        };
    }
}

fn sctp(bytes: &[u8]) -> Option<Segment> {
    const INIT: u8 = 1;
    const INIT_ACK: u8 = 2;
    /// Type, flags and length of a chunk.
    const CHUNK_HEADER: usize = 4;
    let (sctp, chunks) = Sctp::ref_from_prefix(bytes).ok()?;
    let chunk = *chunks.first()?;
    let initiate_tag = match chunk {
        INIT | INIT_ACK => {
            let (tag, _) = U32::read_from_prefix(chunks.get(CHUNK_HEADER..)?).ok()?;
            tag.get()
        }
        _ => 0,
    };
    Some(Segment::Sctp {
        tag: sctp.verification_tag.get(),
        chunk,
        initiate_tag,
    })
}
