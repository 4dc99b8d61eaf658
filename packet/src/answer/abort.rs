//! SCTP aborts (RFC 9260 section 8.4).

use zerocopy::{FromBytes, IntoBytes};

use super::{RESET_TTL, back, ip, is_host};
use crate::build::IpHeader;
use crate::flow::{Transport, ip_protocol};
use crate::header::{Sctp, SctpChunk, SctpInitiation};
use crate::{Flow, Layout, checksum};

/// Bytes of a packet of nothing but an ABORT chunk, after the IP header.
pub const ABORT_LENGTH: usize = size_of::<Sctp>() + size_of::<SctpChunk>();

/// RFC 9260 section 3.2.
mod chunk {
    pub(super) const INIT: u8 = 1;
    pub(super) const ABORT: u8 = 6;
    pub(super) const COOKIE_ACK: u8 = 11;
    pub(super) const SHUTDOWN_COMPLETE: u8 = 14;
}

/// The verification tag is that of the packet that is answered (RFC 9260 section 3.3.7: the T bit).
const TAG_IS_REFLECTED: u8 = 1;
/// Chunks start at multiples of this.
const CHUNK_ALIGNMENT: usize = 4;

/// The abort that an endpoint without an association answers a packet with. `None` for aborts and what else
/// is to be discarded silently, for what is no sound SCTP packet and for what was sent to more than one
/// station.
pub fn sctp_abort(frame: &[u8], flow: &Flow, layout: Layout) -> Option<Vec<u8>> {
    let packet_ip = ip(flow)?;
    let Transport::Sctp { src, dst } = packet_ip.transport else {
        return None;
    };
    if flow.eth_dst.is_multicast() || !is_host(packet_ip.dst) {
        return None;
    }
    let end = usize::from(layout.network) + flow.length as usize;
    let packet = frame.get(usize::from(layout.transport)..end)?;
    let (tag, flags) = verification(packet)?;
    let mut header = Sctp {
        src: dst.into(),
        dst: src.into(),
        verification_tag: tag.into(),
        ..Sctp::default()
    };
    let abort = SctpChunk {
        kind: chunk::ABORT,
        flags,
        length: (size_of::<SctpChunk>() as u16).into(),
    };
    let checksum = checksum::crc32c(&[header.as_bytes(), abort.as_bytes()].concat());
    header.checksum = checksum.to_le_bytes();
    let ip_header = IpHeader {
        src: packet_ip.dst,
        dst: packet_ip.src,
        protocol: ip_protocol::SCTP,
        ttl: RESET_TTL,
    };
    let message = [header.as_bytes(), abort.as_bytes()].concat();
    Some(back(flow).frame(ip_header.eth_type(), &ip_header.packet(&message)))
}

/// The verification tag and the flags of the abort of a packet. `None` for one that is to be discarded.
fn verification(packet: &[u8]) -> Option<(u32, u8)> {
    let (header, chunks) = Sctp::ref_from_prefix(packet).ok()?;
    let (first, body) = SctpChunk::ref_from_prefix(chunks).ok()?;
    let silencing = [chunk::ABORT, chunk::COOKIE_ACK, chunk::SHUTDOWN_COMPLETE];
    if kinds(chunks).any(|kind| silencing.contains(&kind)) {
        return None;
    }
    let tag = header.verification_tag.get();
    if first.kind == chunk::INIT && tag == 0 {
        let (initiation, _) = SctpInitiation::ref_from_prefix(body).ok()?;
        return Some((initiation.initiate_tag.get(), 0));
    }
    Some((tag, TAG_IS_REFLECTED))
}

/// The types of the chunks, as far as they can be told apart.
fn kinds(mut chunks: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (chunk, _) = SctpChunk::ref_from_prefix(chunks).ok()?;
        let length = usize::from(chunk.length.get()).max(size_of::<SctpChunk>());
        let kind = chunk.kind;
        chunks = chunks
            .get(length.next_multiple_of(CHUNK_ALIGNMENT)..)
            .unwrap_or_default();
        Some(kind)
    })
}
