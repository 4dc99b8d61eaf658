//! TCP resets (RFC 9293 section 3.10.7.1).

use zerocopy::{FromBytes, IntoBytes};

use super::{RESET_TTL, back, ip, is_host};
use crate::build::IpHeader;
use crate::flow::{Transport, ip_protocol};
use crate::header::Tcp;
use crate::{Flow, Layout, checksum};

/// TCP's flag bits, as in [`Transport::Tcp`].
mod flag {
    pub(super) const FIN: u16 = 0x01;
    pub(super) const SYN: u16 = 0x02;
    pub(super) const RST: u16 = 0x04;
    pub(super) const ACK: u16 = 0x10;
}

/// Words of a TCP header without options, in their place beside the flags.
const HEADER_WORDS: u16 = 5 << 12;

/// The reset that a closed port answers a segment with. `None` for resets, for what is no sound TCP segment
/// and for what was sent to more than one station.
pub fn tcp_reset(frame: &[u8], flow: &Flow, layout: Layout) -> Option<Vec<u8>> {
    let segment_ip = ip(flow)?;
    let Transport::Tcp { src, dst, flags } = segment_ip.transport else {
        return None;
    };
    let is_to_many = flow.eth_dst.is_multicast() || !is_host(segment_ip.dst);
    if flags & flag::RST != 0 || is_to_many {
        return None;
    }
    let end = usize::from(layout.network) + flow.length as usize;
    let segment = frame.get(usize::from(layout.transport)..end)?;
    let (tcp, _) = Tcp::ref_from_prefix(segment).ok()?;
    let header_length = usize::from(tcp.offset_flags.get() >> 12) * 4;
    let data_length = segment.len().checked_sub(header_length)? as u32;

    let (sequence, acknowledgment, reset_flags) = if flags & flag::ACK != 0 {
        (tcp.acknowledgment.get(), 0, flag::RST)
    } else {
        let controls = u32::from(flags & flag::SYN != 0) + u32::from(flags & flag::FIN != 0);
        let next = tcp.sequence.get().wrapping_add(data_length + controls);
        (0, next, flag::RST | flag::ACK)
    };
    let mut reset = Tcp {
        src: dst.into(),
        dst: src.into(),
        sequence: sequence.into(),
        acknowledgment: acknowledgment.into(),
        offset_flags: (HEADER_WORDS | reset_flags).into(),
        ..Tcp::default()
    };
    let header = IpHeader {
        src: segment_ip.dst,
        dst: segment_ip.src,
        protocol: ip_protocol::TCP,
        ttl: RESET_TTL,
    };
    let checksum =
        checksum::with_pseudo_header(header.src, header.dst, header.protocol, reset.as_bytes());
    reset.checksum = checksum.into();
    Some(back(flow).frame(header.eth_type(), &header.packet(reset.as_bytes())))
}
