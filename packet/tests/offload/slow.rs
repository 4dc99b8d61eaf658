//! Super-packets, and what they stand for, byte by byte.

use packet::offload::{Offload, PartialChecksum, Segmentation};
use proptest::prelude::*;

pub(crate) const FIN: u16 = 0x001;
pub(crate) const PSH: u16 = 0x008;
pub(crate) const CWR: u16 = 0x080;

/// What a super-packet is made of.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub is_ipv6: bool,
    pub(crate) is_udp: bool,
    pub(crate) is_tagged: bool,
    pub(crate) is_atomic: bool,
    pub(crate) ecn: u8,
    pub(crate) identification: u16,
    /// Words of IPv4 options; an IPv6 packet with any has a hop-by-hop header of 8 bytes.
    pub(crate) ip_options: usize,
    /// Words of TCP options.
    pub(crate) options: usize,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) segment_size: u16,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn shape() -> impl Strategy<Value = Shape> {
    let kinds = any::<(bool, bool, bool, bool)>();
    let network = (0..4u8, prop_oneof![any::<u16>(), Just(u16::MAX)], 0..3usize);
    let flags = proptest::sample::subsequence(vec![FIN, PSH, CWR, 0x040], 0..=4);
    let transport = (
        0..=10usize,
        flags,
        prop_oneof![any::<u32>(), Just(u32::MAX - 100)],
    );
    let payload = (1..60u16, 2..500usize, any::<u8>());
    (kinds, network, transport, payload).prop_map(
        |(
            (is_ipv6, is_udp, is_tagged, is_atomic),
            (ecn, identification, ip_options),
            (options, flags, sequence),
            (segment_size, length, seed),
        )| {
            let length = length.clamp(
                usize::from(segment_size) + 1,
                usize::from(segment_size) * 64,
            );
            Shape {
                is_ipv6,
                is_udp,
                is_tagged,
                is_atomic,
                ecn,
                identification,
                ip_options,
                options,
                flags: 0x010 | flags.iter().sum::<u16>(),
                sequence,
                segment_size,
                payload: (0..length)
                    .map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed))
                    .collect(),
            }
        },
    )
}

impl Shape {
    /// TCP over IPv4 without options: 54 bytes of headers, then 250 bytes in segments of 100.
    pub(crate) fn plain() -> Shape {
        Shape {
            is_ipv6: false,
            is_udp: false,
            is_tagged: false,
            is_atomic: true,
            ecn: 0,
            identification: 7,
            ip_options: 0,
            options: 0,
            flags: 0x018,
            sequence: 1_000,
            segment_size: 100,
            payload: (0..250).map(|byte| byte as u8).collect(),
        }
    }

    /// Its packets, with complete checksums.
    pub(crate) fn packets(&self) -> Vec<Vec<u8>> {
        let size = usize::from(self.segment_size);
        let count = self.payload.len().div_ceil(size);
        let parts = self.payload.chunks(size).enumerate();
        parts
            .map(|(index, part)| {
                let mut flags = self.flags;
                if index > 0 {
                    flags &= !CWR;
                }
                if index + 1 < count {
                    flags &= !(FIN | PSH);
                }
                let sequence = self.sequence.wrapping_add((index * size) as u32);
                let identification = self.identification.wrapping_add(index as u16);
                let (mut packet, start) = self.packet(identification, sequence, flags, part);
                let sum = !sum_above(&packet, self.network(), start);
                let (at, sum) = match (self.is_udp, sum) {
                    (true, 0) => (start + 6, 0xffff),
                    (true, sum) => (start + 6, sum),
                    (false, sum) => (start + 16, sum),
                };
                packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
                packet
            })
            .collect()
    }

    /// The super-packet, with a partial checksum.
    pub(crate) fn super_packet(&self) -> (Vec<u8>, Offload) {
        let (mut packet, start) = self.packet(
            self.identification,
            self.sequence,
            self.flags,
            &self.payload,
        );
        let pseudo = sum(&pseudo_header(&packet, self.network(), start));
        let offset = if self.is_udp { 6 } else { 16 };
        packet[start + offset..start + offset + 2].copy_from_slice(&pseudo.to_be_bytes());
        let segmentation = match (self.is_udp, self.is_ipv6) {
            (true, _) => Segmentation::Udp,
            (false, false) => Segmentation::TcpIpv4,
            (false, true) => Segmentation::TcpIpv6,
        };
        let offload = Offload {
            segmentation,
            segment_size: self.segment_size,
            header_length: (packet.len() - self.payload.len()) as u16,
            checksum: Some(PartialChecksum {
                start: start as u16,
                offset: offset as u16,
            }),
        };
        (packet, offload)
    }

    pub(crate) fn network(&self) -> usize {
        if self.is_tagged { 18 } else { 14 }
    }

    /// A packet with an empty transport checksum, and where its transport header stands.
    fn packet(
        &self,
        identification: u16,
        sequence: u32,
        flags: u16,
        part: &[u8],
    ) -> (Vec<u8>, usize) {
        let above = self.above(sequence, flags, part);
        let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        if self.is_tagged {
            bytes.extend([0x81, 0, 0, 5]);
        }
        if self.is_ipv6 {
            let extension: &[u8] = match self.ip_options {
                0 => &[],
                _ => &[if self.is_udp { 17 } else { 6 }, 0, 1, 4, 0, 0, 0, 0],
            };
            let next = match self.ip_options {
                0 if self.is_udp => 17,
                0 => 6,
                _ => 0,
            };
            bytes.extend([0x86, 0xdd, 0x60, self.ecn << 4, 0, 9]);
            bytes.extend(((extension.len() + above.len()) as u16).to_be_bytes());
            bytes.extend([next, 60]);
            bytes.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
            bytes.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
            bytes.extend(extension);
        } else {
            bytes.extend([8, 0]);
            let start = bytes.len();
            let header_length = 20 + 4 * self.ip_options;
            bytes.extend([0x40 | (header_length / 4) as u8, self.ecn]);
            bytes.extend(((header_length + above.len()) as u16).to_be_bytes());
            bytes.extend(identification.to_be_bytes());
            bytes.extend([if self.is_atomic { 0x40 } else { 0 }, 0, 60]);
            bytes.extend([if self.is_udp { 17 } else { 6 }, 0, 0]);
            bytes.extend([10, 0, 0, 1, 10, 0, 0, 2]);
            bytes.extend(std::iter::repeat_n(1, 4 * self.ip_options));
            let checksum = !sum(&bytes[start..]);
            bytes[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
        }
        let start = bytes.len();
        bytes.extend(above);
        (bytes, start)
    }

    fn above(&self, sequence: u32, flags: u16, part: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, 0x56, 0x78];
        if self.is_udp {
            bytes.extend(((8 + part.len()) as u16).to_be_bytes());
            bytes.extend([0, 0]);
        } else {
            bytes.extend(sequence.to_be_bytes());
            bytes.extend(77u32.to_be_bytes());
            bytes.extend((((5 + self.options) as u16) << 12 | flags).to_be_bytes());
            bytes.extend([1, 0, 0, 0, 0, 0]);
            bytes.extend(std::iter::repeat_n(1, 4 * self.options));
        }
        bytes.extend(part);
        bytes
    }
}

/// The ones' complement sum of 16-bit words (RFC 1071 section 1).
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The pseudo header of the packet at `network`, whose transport header stands at `start`.
fn pseudo_header(packet: &[u8], network: usize, start: usize) -> Vec<u8> {
    let addresses = match packet[network] >> 4 {
        4 => &packet[network + 12..network + 20],
        _ => &packet[network + 8..network + 40],
    };
    let (flow, _) = packet::parse(packet).unwrap();
    let packet::flow::Network::Ip(ip) = flow.network else {
        panic!("an IP packet");
    };
    let length = ((packet.len() - start) as u32).to_be_bytes();
    [addresses, &length, &[0, 0, 0, ip.protocol]].concat()
}

fn sum_above(packet: &[u8], network: usize, start: usize) -> u16 {
    let pseudo = pseudo_header(packet, network, start);
    // The pseudo header has whole words.
    sum(&[&pseudo, &packet[start..]].concat())
}

/// Whether the checksums of a whole packet are right; says which is not.
pub(crate) fn is_good(frame: &[u8]) -> Result<(), &'static str> {
    let (_, layout) = packet::parse(frame).map_err(|_| "unreadable")?;
    let (network, start) = (usize::from(layout.network), usize::from(layout.transport));
    let header = usize::from(frame[network] & 0xf) * 4;
    if frame[network] >> 4 == 4 && sum(&frame[network..network + header]) != 0xffff {
        return Err("IPv4");
    }
    match sum_above(frame, network, start) {
        0xffff => Ok(()),
        _ => Err("transport"),
    }
}
