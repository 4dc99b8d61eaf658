//! The header that stands before each frame on a TAP queue: what is left for hardware, or for us, to do.

/// Bytes of `struct virtio_net_hdr_v1`, little endian (VIRTIO 1.2 section 5.1.6).
pub const HEADER_LENGTH: usize = 12;

/// The checksum of the packet is still to be computed.
const FLAG_NEEDS_CHECKSUM: u8 = 1;

/// What kind of segments a super-packet is to be cut into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Segmentation {
    /// It is one packet.
    #[default]
    None,
    /// TCP over IPv4.
    TcpIpv4,
    /// TCP over IPv6.
    TcpIpv6,
    /// UDP over either, cut into datagrams.
    Udp,
}

impl Segmentation {
    /// `gso_type`; the ECN bit is not part of the kind.
    const CODES: [(u8, Segmentation); 4] = [
        (0, Self::None),
        (1, Self::TcpIpv4),
        (4, Self::TcpIpv6),
        (5, Self::Udp),
    ];
    const ECN_BIT: u8 = 0x80;
}

/// Where a checksum is still to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialChecksum {
    /// First byte that is summed, from the start of the frame.
    pub start: u16,
    /// Where the sum goes, from `start`.
    pub offset: u16,
}

/// Work on a packet that was left for later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// How the packet is to be cut.
    pub segmentation: Segmentation,
    /// Payload bytes in each segment; 0 without segmentation.
    pub segment_size: u16,
    /// Bytes of the headers that every segment repeats; 0 without segmentation.
    pub header_length: u16,
    /// The checksum to be computed, if one is.
    pub checksum: Option<PartialChecksum>,
}

impl Offload {
    /// Nothing is left to do: the packet is complete as it stands.
    pub const NONE: Offload = Offload {
        segmentation: Segmentation::None,
        segment_size: 0,
        header_length: 0,
        checksum: None,
    };

    /// Reads a header; `None` for a kind of segmentation that is not known.
    pub fn decode(bytes: &[u8; HEADER_LENGTH]) -> Option<Offload> {
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let kind = bytes[1] & !Segmentation::ECN_BIT;
        let (_, segmentation) = Segmentation::CODES
            .into_iter()
            .find(|(code, _)| *code == kind)?;
        let checksum = (bytes[0] & FLAG_NEEDS_CHECKSUM != 0).then(|| PartialChecksum {
            start: word(6),
            offset: word(8),
        });
        if segmentation == Segmentation::None {
            return Some(Offload {
                checksum,
                ..Offload::NONE
            });
        }
        Some(Offload {
            segmentation,
            segment_size: word(4),
            header_length: word(2),
            checksum,
        })
    }

    /// The header as the kernel reads it.
    pub fn encode(&self) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        bytes[1] = Segmentation::CODES
            .into_iter()
            .find(|(_, kind)| *kind == self.segmentation)
            .map_or(0, |(code, _)| code);
        bytes[2..4].copy_from_slice(&self.header_length.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.segment_size.to_le_bytes());
        if let Some(checksum) = self.checksum {
            bytes[0] = FLAG_NEEDS_CHECKSUM;
            bytes[6..8].copy_from_slice(&checksum.start.to_le_bytes());
            bytes[8..10].copy_from_slice(&checksum.offset.to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_read_back_says_what_was_written() {
        let checksum = Some(PartialChecksum {
            start: 34,
            offset: 16,
        });
        for segmentation in [
            Segmentation::TcpIpv4,
            Segmentation::TcpIpv6,
            Segmentation::Udp,
        ] {
            let offload = Offload {
                segmentation,
                segment_size: 1400,
                header_length: 54,
                checksum,
            };
            assert_eq!(Offload::decode(&offload.encode()), Some(offload));
        }
        assert_eq!(Offload::decode(&[0; HEADER_LENGTH]), Some(Offload::NONE));
        let partial = Offload {
            checksum,
            ..Offload::NONE
        };
        assert_eq!(Offload::decode(&partial.encode()), Some(partial));
    }

    #[test]
    fn the_ecn_bit_is_ignored_and_an_unknown_kind_refused() {
        let mut bytes = [0; HEADER_LENGTH];
        bytes[1] = 0x81;
        let kind = Offload::decode(&bytes).map(|offload| offload.segmentation);
        assert_eq!(kind, Some(Segmentation::TcpIpv4));
        bytes[1] = 3;
        assert_eq!(Offload::decode(&bytes), None);
    }
}
