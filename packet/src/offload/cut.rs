//! Cutting a super-packet into the packets that it stands for.
//!
//! All packets have the super-packet's headers, but for: lengths; IPv4's identification, which counts up, and
//! header checksum; TCP's sequence number; FIN and PSH, which the last one has, and CWR, which the first one has
//! (RFC 3168 section 6.1.2); and the transport checksum. The payload is not copied: whoever sends the packets puts
//! each header before its part.

use zerocopy::FromBytes;

use super::{Offload, Segmentation, TransportSum, checksum_field};
use crate::checksum;
use crate::header::{IPV6_LENGTH, Ipv4, Ipv6, Tcp, Udp};
use crate::parse::parse;

/// Shortens a super-packet to the first `count` of the packets that it stands for: returns its new length, and what is
/// left to do on it, a partial checksum at least. What it stands for then are the same packets as before.
///
/// `None`, and nothing is changed, if it stands for no more than that, if that is none, or if it cannot be cut.
pub fn keep_first(frame: &mut [u8], offload: &Offload, count: usize) -> Option<(usize, Offload)> {
    let mut headers = [0; MAX_HEADERS];
    let cut = Cut::new(frame, 0, offload, TransportSum::Partial)?;
    if count == 0 || count >= cut.count() {
        return None;
    }
    let headers = &mut headers[..cut.header_length];
    let (length, left) = cut.write_first(count, offload, headers);
    frame[..headers.len()].copy_from_slice(headers);
    Some((headers.len() + length, left))
}

/// TCP flags of the first or the last segment only.
pub(super) mod flag {
    pub(in crate::offload) const FIN: u16 = 0x001;
    pub(in crate::offload) const PSH: u16 = 0x008;
    pub(in crate::offload) const CWR: u16 = 0x080;
}

/// The most packets that one super-packet stands for: the kernel's own bound for UDP (`UDP_MAX_SEGMENTS`).
pub const MAX_SEGMENTS: usize = 128;
/// The longest headers that are repeated, tunnel header included.
pub const MAX_HEADERS: usize = 512;

/// A super-packet and how it is cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut<'a> {
    frame: &'a [u8],
    network: usize,
    transport: usize,
    header_length: usize,
    segment_size: usize,
    is_ipv6: bool,
    is_udp: bool,
    sum: TransportSum,
    /// The sum over the pseudo header without the length.
    pseudo: u16,
}

impl<'a> Cut<'a> {
    /// Prepares to cut `frame`, whose Ethernet header stands after `prefix` bytes that every packet repeats too.
    /// `offload` counts from the prefix on, and is that of an admitted packet. The packets' checksums will be `sum`.
    ///
    /// `None` if the frame is no super-packet, or one of more than [`MAX_SEGMENTS`] packets or with headers of more than
    /// [`MAX_HEADERS`] bytes.
    pub fn new(
        frame: &'a [u8],
        prefix: usize,
        offload: &Offload,
        sum: TransportSum,
    ) -> Option<Cut<'a>> {
        let checksum = offload.checksum.filter(|_| offload.is_super())?;
        let (_, layout) = parse(frame.get(prefix..)?).ok()?;
        let network = prefix + usize::from(layout.network);
        let transport = usize::from(checksum.start);
        let header_length = usize::from(offload.header_length);
        let segment_size = usize::from(offload.segment_size);
        let is_in_order = network < transport && transport < header_length;
        if !is_in_order
            || header_length >= frame.len()
            || header_length > MAX_HEADERS
            || segment_size == 0
        {
            return None;
        }
        let is_udp = offload.segmentation == Segmentation::Udp;
        let field = transport + usize::from(checksum.offset);
        let field = frame[..header_length].get(field..field + 2)?;
        let length = u16::try_from(frame.len() - transport).ok()?;
        let cut = Cut {
            frame,
            network,
            transport,
            header_length,
            segment_size,
            is_ipv6: frame[network] >> 4 == 6,
            is_udp,
            sum,
            pseudo: checksum::combine(&[u16::from_be_bytes([field[0], field[1]]), !length]),
        };
        (cut.count() <= MAX_SEGMENTS).then_some(cut)
    }

    /// How many packets there are.
    pub fn count(&self) -> usize {
        (self.frame.len() - self.header_length).div_ceil(self.segment_size)
    }

    /// Bytes of the headers of every packet, prefix included.
    pub fn header_length(&self) -> usize {
        self.header_length
    }

    /// Bytes of every packet but the last, prefix included.
    pub fn packet_length(&self) -> usize {
        self.header_length + self.segment_size
    }

    /// The payload of the packet with this index.
    pub fn payload(&self, index: usize) -> &'a [u8] {
        let payload = &self.frame[self.header_length..];
        let from = (index * self.segment_size).min(payload.len());
        &payload[from..payload.len().min(from + self.segment_size)]
    }

    /// Writes the headers of the packet with this index to `headers`, which has room for exactly them.
    pub fn write_headers(&self, index: usize, headers: &mut [u8]) {
        headers.copy_from_slice(&self.frame[..self.header_length]);
        self.write(index, self.payload(index), headers);
    }

    /// Makes a copy of the super-packet's headers those of a packet from this index on, with this payload.
    fn write(&self, index: usize, payload: &[u8], headers: &mut [u8]) {
        let (outer, transport) = headers.split_at_mut(self.transport);
        let transport_length = transport.len() + payload.len();
        self.write_network(index, transport_length, &mut outer[self.network..]);
        // Lengths of what is shorter than a super-packet fit their fields.
        let length = transport_length as u16;
        let partial = checksum::combine(&[self.pseudo, length]);
        if self.is_udp {
            self.write_udp(length, partial, transport);
        } else {
            self.write_tcp(index, partial, transport);
        }
        if self.sum == TransportSum::Complete {
            let sum = checksum::combine(&[checksum::sum(transport), checksum::sum(payload)]);
            let at = if self.is_udp { 6 } else { 16 };
            let field = checksum_field(sum, self.is_udp);
            transport[at..at + 2].copy_from_slice(&field.to_be_bytes());
        }
    }

    /// The packet with this index.
    pub fn packet(&self, index: usize) -> Vec<u8> {
        let mut packet = vec![0; self.header_length];
        self.write_headers(index, &mut packet);
        packet.extend_from_slice(self.payload(index));
        packet
    }

    /// The first `count` packets as one, with a partial checksum, its headers in `headers`: how long its payload is, and
    /// what is left to do on it. `count` is less than [`Cut::count`], and not 0.
    fn write_first(&self, count: usize, offload: &Offload, headers: &mut [u8]) -> (usize, Offload) {
        let payload = &self.frame[self.header_length..];
        let length = payload.len().min(count * self.segment_size);
        headers.copy_from_slice(&self.frame[..self.header_length]);
        self.write(0, &payload[..length], headers);
        let left = match count {
            1 => Offload {
                checksum: offload.checksum,
                ..Offload::NONE
            },
            _ => *offload,
        };
        (length, left)
    }

    fn write_network(&self, index: usize, transport_length: usize, bytes: &mut [u8]) {
        let length = bytes.len() + transport_length;
        if self.is_ipv6 {
            if let Ok((header, _)) = Ipv6::mut_from_prefix(bytes) {
                header.payload_length.set((length - IPV6_LENGTH) as u16);
            }
            return;
        }
        if let Ok((header, _)) = Ipv4::mut_from_prefix(bytes) {
            header.total_length.set(length as u16);
            let identification = header.identification.get().wrapping_add(index as u16);
            header.identification.set(identification);
            header.checksum.set(0);
        }
        let checksum = checksum::of(bytes);
        if let Ok((header, _)) = Ipv4::mut_from_prefix(bytes) {
            header.checksum.set(checksum);
        }
    }

    fn write_udp(&self, length: u16, partial: u16, bytes: &mut [u8]) {
        if let Ok((header, _)) = Udp::mut_from_prefix(bytes) {
            header.length.set(length);
            header.checksum.set(partial);
        }
    }

    fn write_tcp(&self, index: usize, partial: u16, bytes: &mut [u8]) {
        let Ok((header, _)) = Tcp::mut_from_prefix(bytes) else {
            return;
        };
        let before = (index * self.segment_size) as u32;
        header
            .sequence
            .set(header.sequence.get().wrapping_add(before));
        let mut flags = header.offset_flags.get();
        if index > 0 {
            flags &= !flag::CWR;
        }
        if index + 1 < self.count() {
            flags &= !(flag::FIN | flag::PSH);
        }
        header.offset_flags.set(flags);
        header.checksum.set(partial);
    }
}
