//! The header that stands before each frame on a TAP queue: what is left for hardware, or for us, to do.

use packet::offload::{Offload, PartialChecksum, Segmentation};

/// Bytes of `struct virtio_net_hdr_v1`, little endian (VIRTIO 1.2 section 5.1.6).
pub const HEADER_LENGTH: usize = 12;

/// The checksum of the packet is still to be computed.
const FLAG_NEEDS_CHECKSUM: u8 = 1;
/// In `gso_type`: the first segment has TCP's CWR flag. The packet itself says so too.
const ECN_BIT: u8 = 0x80;
/// `gso_type`, without that bit.
const CODES: [(u8, Segmentation); 4] = [
    (0, Segmentation::None),
    (1, Segmentation::TcpIpv4),
    (4, Segmentation::TcpIpv6),
    (5, Segmentation::Udp),
];

/// Reads a header; `None` for a kind of segmentation that is not known.
pub fn decode(bytes: &[u8; HEADER_LENGTH]) -> Option<Offload> {
    let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let kind = bytes[1] & !ECN_BIT;
    let (_, segmentation) = CODES.into_iter().find(|(code, _)| *code == kind)?;
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

/// What was left undone on a frame, and the frame: what was read is the one behind the other. `None` if the header is not
/// complete, or of a kind that is not known.
pub fn split(bytes: &[u8]) -> Option<(Offload, &[u8])> {
    let (header, frame) = bytes.split_first_chunk()?;
    Some((decode(header)?, frame))
}

/// The header as the kernel reads it.
pub fn encode(offload: &Offload) -> [u8; HEADER_LENGTH] {
    let mut bytes = [0; HEADER_LENGTH];
    let code = CODES.iter().find(|(_, kind)| *kind == offload.segmentation);
    bytes[1] = code.map_or(0, |(code, _)| *code);
    bytes[2..4].copy_from_slice(&offload.header_length.to_le_bytes());
    bytes[4..6].copy_from_slice(&offload.segment_size.to_le_bytes());
    if let Some(checksum) = offload.checksum {
        bytes[0] = FLAG_NEEDS_CHECKSUM;
        bytes[6..8].copy_from_slice(&checksum.start.to_le_bytes());
        bytes[8..10].copy_from_slice(&checksum.offset.to_le_bytes());
    }
    bytes
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
            assert_eq!(decode(&encode(&offload)), Some(offload));
        }
        assert_eq!(decode(&[0; HEADER_LENGTH]), Some(Offload::NONE));
        let partial = Offload {
            checksum,
            ..Offload::NONE
        };
        assert_eq!(decode(&encode(&partial)), Some(partial));
    }

    #[test]
    fn the_ecn_bit_is_ignored_and_an_unknown_kind_refused() {
        let mut bytes = [0; HEADER_LENGTH];
        bytes[1] = 0x81;
        let kind = decode(&bytes).map(|offload| offload.segmentation);
        assert_eq!(kind, Some(Segmentation::TcpIpv4));
        assert_eq!(split(b"short"), None);
        let complete = [&[0; HEADER_LENGTH][..], b"frame"].concat();
        assert_eq!(split(&complete), Some((Offload::NONE, &b"frame"[..])));
        bytes[1] = 3;
        assert_eq!(decode(&bytes), None);
        assert_eq!(split(&bytes), None);
    }
}
