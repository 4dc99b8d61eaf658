//! Merging packets of one flow, in order, to the super-packet that they could have been cut from.
//!
//! A packet joins a run if its headers are those of the first but for what [`cut`](super::cut) would make of them. The
//! sizes, sequence numbers and flags must fit: what is out of order, marked with urgent data or of another
//! acknowledgment, window, option or congestion mark begins another run or goes its way alone. A packet with a
//! checksum that is not good never joins one, because the super-packet's will be good.

use std::net::IpAddr;

use zerocopy::FromBytes;

use super::cut::flag;
use super::{
    Offload, PartialChecksum, Segmentation, TCP_CHECKSUM, TransportSum, UDP_CHECKSUM,
    partial_checksum,
};
use crate::checksum;
use crate::flow::{Network, Transport, ip_protocol};
use crate::header::{IPV6_LENGTH, Ipv4, Ipv6, Tcp, Udp, ipv4_fragment};
use crate::parse::parse;

/// TCP flags with which a packet stays alone: SYN, RST and URG.
const UNMERGED: u16 = 0x02 | 0x04 | 0x20;
const ACK: u16 = 0x10;
/// The 12 bits of the flags.
const FLAGS: u16 = 0x0fff;
/// The most packets of one run: as many as the kernel joins.
pub const MAX_MERGED: usize = 64;
/// The greatest L3 length.
const MAX_LENGTH: usize = 0xffff;

/// A packet that may be part of a super-packet.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    network: usize,
    transport: usize,
    header_length: usize,
    /// Bytes of the frame, prefix included.
    length: usize,
    src: IpAddr,
    dst: IpAddr,
    /// IPv4's identification.
    identification: u16,
    /// The identification means nothing: the packet is never fragmented (RFC 6864 section 4.1).
    is_atomic: bool,
    above: Above,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Above {
    Tcp { sequence: u32, flags: u16 },
    Udp,
}

impl Above {
    fn is_udp(self) -> bool {
        self == Self::Udp
    }
}

impl Part {
    /// Looks at a packet whose Ethernet header stands after `prefix` bytes. `None` if it cannot be part of a
    /// super-packet, or if its checksum is not good. A partial one is: it says nothing of the bytes.
    pub fn of(frame: &[u8], prefix: usize, sum: TransportSum) -> Option<Part> {
        let (flow, layout) = parse(frame.get(prefix..)?).ok()?;
        let Network::Ip(ip) = &flow.network else {
            return None;
        };
        let partial = partial_checksum(&flow, &layout)?;
        let network = prefix + usize::from(layout.network);
        let transport = prefix + usize::from(partial.start);
        if network + flow.length as usize != frame.len() {
            return None;
        }
        let (identification, is_atomic) = match ip.src {
            IpAddr::V4(_) => identification(&frame[network..transport])?,
            // Of extension headers only their receiver knows whether they may be repeated.
            IpAddr::V6(_) if transport != network + IPV6_LENGTH => return None,
            IpAddr::V6(_) => (0, true),
        };
        let (above, header_length) = match ip.transport {
            Transport::Tcp { .. } => tcp(&frame[transport..])?,
            _ => udp(&frame[transport..])?,
        };
        let part = Part {
            network,
            transport,
            header_length: transport + header_length,
            length: frame.len(),
            src: ip.src,
            dst: ip.dst,
            identification,
            is_atomic,
            above,
        };
        let is_good = sum == TransportSum::Partial || {
            let bytes = &frame[transport..];
            let pseudo = part.pseudo(bytes.len());
            checksum::combine(&[pseudo, checksum::sum(bytes)]) == u16::MAX
        };
        (is_good && part.payload_length() > 0).then_some(part)
    }

    /// Bytes of the headers, prefix included.
    pub fn header_length(&self) -> usize {
        self.header_length
    }

    /// Bytes after the headers.
    pub fn payload_length(&self) -> usize {
        self.length - self.header_length
    }

    fn pseudo(&self, length: usize) -> u16 {
        let protocol = match self.above {
            Above::Tcp { .. } => ip_protocol::TCP,
            Above::Udp => ip_protocol::UDP,
        };
        checksum::pseudo_header(self.src, self.dst, protocol, length as u32)
    }

    fn is_ipv6(&self) -> bool {
        self.src.is_ipv6()
    }
}

/// The identification of an IPv4 packet, and whether it means nothing; `None` if the header's checksum is not good.
fn identification(header: &[u8]) -> Option<(u16, bool)> {
    let (ipv4, _) = Ipv4::ref_from_prefix(header).ok()?;
    let is_atomic = ipv4.fragment.get() & ipv4_fragment::DONT != 0;
    let is_good = checksum::sum(header) == u16::MAX;
    is_good.then_some((ipv4.identification.get(), is_atomic))
}

fn tcp(bytes: &[u8]) -> Option<(Above, usize)> {
    let (tcp, _) = Tcp::ref_from_prefix(bytes).ok()?;
    let offset_flags = tcp.offset_flags.get();
    let flags = offset_flags & FLAGS;
    let header_length = usize::from(offset_flags >> 12) * 4;
    let is_fit = flags & (UNMERGED | ACK) == ACK
        && (size_of::<Tcp>()..=bytes.len()).contains(&header_length);
    let sequence = tcp.sequence.get();
    is_fit.then_some((Above::Tcp { sequence, flags }, header_length))
}

/// A datagram without a checksum stays alone: one that is cut from a super-packet has one.
fn udp(bytes: &[u8]) -> Option<(Above, usize)> {
    let (udp, _) = Udp::ref_from_prefix(bytes).ok()?;
    let is_fit = usize::from(udp.length.get()) == bytes.len() && udp.checksum.get() != 0;
    is_fit.then_some((Above::Udp, size_of::<Udp>()))
}

/// Packets of one flow in order.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    first: Part,
    count: usize,
    payload_length: usize,
    /// Flags that the last packet has and the first one has not.
    last_flags: u16,
    /// Whether the identifications count up; not known of one packet.
    counts_up: Option<bool>,
    is_closed: bool,
}

impl Run {
    /// A run of one packet.
    pub fn new(first: Part) -> Run {
        let is_closed =
            matches!(first.above, Above::Tcp { flags, .. } if flags & (flag::FIN | flag::PSH) != 0);
        Run {
            first,
            count: 1,
            payload_length: first.payload_length(),
            last_flags: 0,
            counts_up: None,
            is_closed,
        }
    }

    /// The first packet.
    pub fn first(&self) -> &Part {
        &self.first
    }

    /// How many packets it has.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes of the super-packet: the headers of the first packet and all payloads.
    pub fn length(&self) -> usize {
        self.first.header_length + self.payload_length
    }

    /// True if `part`, which `frame` holds, is of the run's flow. `headers` are those of the first packet.
    pub(super) fn is_of_flow(&self, headers: &[u8], frame: &[u8], part: &Part) -> bool {
        let Part {
            network, transport, ..
        } = self.first;
        let are_equal = |from: usize, to: usize| headers.get(from..to) == frame.get(from..to);
        (network, transport) == (part.network, part.transport)
            && (self.first.src, self.first.dst) == (part.src, part.dst)
            && self.first.above.is_udp() == part.above.is_udp()
            && are_equal(0, network)
            && are_equal(transport, transport + 4)
    }

    /// Lets the packet `part`, which `frame` holds, join if it continues the run. `headers` are those of the first
    /// packet as it came.
    pub(super) fn join(&mut self, headers: &[u8], frame: &[u8], part: &Part) -> bool {
        let size = self.first.payload_length();
        let length = self.length() + part.payload_length() - self.first.network;
        let is_fit = !self.is_closed
            && self.count < MAX_MERGED
            && part.payload_length() <= size
            && length <= MAX_LENGTH
            && part.header_length == self.first.header_length
            && self.has_equal_headers(headers, frame, part);
        if !is_fit {
            return false;
        }
        let Some(counts_up) = self.counting(part) else {
            return false;
        };
        if let Above::Tcp { flags, .. } = part.above {
            let ends = flags & (flag::FIN | flag::PSH);
            self.last_flags |= ends;
            self.is_closed |= ends != 0;
        }
        self.counts_up = Some(counts_up);
        self.is_closed |= part.payload_length() < size;
        self.count += 1;
        self.payload_length += part.payload_length();
        true
    }

    /// How the identification of the next packet follows; `None` if it does not.
    fn counting(&self, part: &Part) -> Option<bool> {
        if part.is_ipv6() {
            return Some(true);
        }
        let next = self.first.identification.wrapping_add(self.count as u16);
        let counts_up = part.identification == next;
        let stays = part.is_atomic && part.identification == self.first.identification;
        match self.counts_up {
            None if counts_up || stays => Some(counts_up),
            Some(true) if counts_up => Some(true),
            Some(false) if stays => Some(false),
            _ => None,
        }
    }

    /// Whether the headers differ in nothing but what numbers the packets.
    fn has_equal_headers(&self, headers: &[u8], frame: &[u8], part: &Part) -> bool {
        let (network, transport) = (self.first.network, self.first.transport);
        if (network, transport) != (part.network, part.transport) {
            return false;
        }
        let are_equal = |from: usize, to: usize| headers.get(from..to) == frame.get(from..to);
        let is_network_equal = match part.is_ipv6() {
            // Without the payload length.
            true => are_equal(0, network + 4) && are_equal(network + 6, transport),
            // Without total length, identification and checksum.
            false => {
                are_equal(0, network + 2)
                    && are_equal(network + 6, network + 10)
                    && are_equal(network + 12, transport)
            }
        };
        let is_transport_equal = match (self.first.above, part.above) {
            (Above::Udp, Above::Udp) => are_equal(transport, transport + 4),
            (
                Above::Tcp {
                    sequence: first,
                    flags: of_first,
                },
                Above::Tcp { sequence, flags },
            ) => {
                // Without sequence number, flags and checksum; the offset is known to be equal.
                are_equal(transport, transport + 4)
                    && are_equal(transport + 8, transport + 12)
                    && are_equal(transport + 14, transport + 16)
                    && are_equal(transport + 18, part.header_length)
                    && sequence == first.wrapping_add(self.payload_length as u32)
                    && flags & flag::CWR == 0
                    && (flags ^ of_first) & !(flag::CWR | flag::FIN | flag::PSH) == 0
            }
            _ => false,
        };
        is_network_equal && is_transport_equal
    }

    /// Writes the super-packet that `parts`, the packets of the run in order, make to `room`, which has place for exactly
    /// [`Run::length`] bytes.
    ///
    /// # Panics
    /// If the packets are not those of the run, or `room` is of another length.
    pub fn merge<'a>(&self, parts: impl Iterator<Item = &'a [u8]>, room: &mut [u8]) -> Offload {
        let header_length = self.first.header_length;
        let mut end = header_length;
        for (index, part) in parts.enumerate() {
            if index == 0 {
                room[..header_length].copy_from_slice(&part[..header_length]);
            }
            let payload = &part[header_length..];
            room[end..end + payload.len()].copy_from_slice(payload);
            end += payload.len();
        }
        assert_eq!(end, room.len(), "these are the packets of the run");
        self.finish(&mut room[..header_length])
    }

    /// Makes the headers of the first packet those of the super-packet. `headers` has them as they came.
    pub fn finish(&self, headers: &mut [u8]) -> Offload {
        let Part {
            network, transport, ..
        } = self.first;
        let length = self.length();
        // A run is no longer than [`MAX_LENGTH`] and so fits all fields.
        if self.first.is_ipv6() {
            if let Ok((header, _)) = Ipv6::mut_from_prefix(&mut headers[network..]) {
                header
                    .payload_length
                    .set((length - network - IPV6_LENGTH) as u16);
            }
        } else if let Ok((header, _)) = Ipv4::mut_from_prefix(&mut headers[network..]) {
            let total_length = (length - network) as u16;
            let before = header.total_length.get();
            let checksum = checksum::adjusted(header.checksum.get(), before, total_length);
            header.checksum.set(checksum);
            header.total_length.set(total_length);
        }
        let pseudo = self.first.pseudo(length - transport);
        let bytes = &mut headers[transport..];
        let (segmentation, offset) = match self.first.above {
            Above::Udp => {
                if let Ok((header, _)) = Udp::mut_from_prefix(bytes) {
                    header.length.set((length - transport) as u16);
                    header.checksum.set(pseudo);
                }
                (Segmentation::Udp, UDP_CHECKSUM)
            }
            Above::Tcp { .. } => {
                if let Ok((header, _)) = Tcp::mut_from_prefix(bytes) {
                    let flags = header.offset_flags.get() | self.last_flags;
                    header.offset_flags.set(flags);
                    header.checksum.set(pseudo);
                }
                match self.first.is_ipv6() {
                    false => (Segmentation::TcpIpv4, TCP_CHECKSUM),
                    true => (Segmentation::TcpIpv6, TCP_CHECKSUM),
                }
            }
        };
        Offload {
            segmentation,
            segment_size: self.first.payload_length() as u16,
            header_length: self.first.header_length as u16,
            checksum: Some(PartialChecksum {
                start: transport as u16,
                offset,
            }),
        }
    }
}
