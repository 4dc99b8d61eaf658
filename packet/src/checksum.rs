//! Internet checksums (RFC 1071): computed over bytes, and adjusted in place (RFC 1624); and the CRC32c of SCTP
//! (RFC 9260 appendix A).

use std::net::IpAddr;

use smoltcp::wire::{IpProtocol, checksum};

/// The sum over 16-bit words, an odd last byte padded with zero.
///
/// Whatever the order of the bytes in a word, the sum is the same but for that order (RFC 1071 section 2 B): words are
/// added as the machine reads them, many at a time.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    let mut lanes = [0_u64; 16];
    let chunks = bytes.chunks_exact(4 * lanes.len());
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, word) in lanes.iter_mut().zip(chunk.as_chunks::<4>().0) {
            *lane += u64::from(u32::from_ne_bytes(*word));
        }
    }
    let (pairs, odd) = rest.as_chunks::<2>();
    let pairs = pairs
        .iter()
        .map(|pair| u64::from(u16::from_ne_bytes(*pair)));
    let odd = odd.first().map_or(0, |byte| u16::from_ne_bytes([*byte, 0]));
    let lanes = lanes.iter().map(|lane| (lane & 0xffff_ffff) + (lane >> 32));
    u16::from_be(fold(lanes.chain(pairs).sum::<u64>() + u64::from(odd)))
}

/// The sum of sums.
pub(crate) fn combine(sums: &[u16]) -> u16 {
    fold(sums.iter().map(|sum| u64::from(*sum)).sum())
}

/// The sum over the pseudo header of a TCP segment, UDP datagram or ICMPv6 message.
pub(crate) fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, length: u32) -> u16 {
    let protocol = IpProtocol::from(protocol);
    checksum::pseudo_header(&src.into(), &dst.into(), protocol, length)
}

#[inline]
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The checksum field of an IPv4 header or ICMP message, whose own checksum field must be zero.
pub(crate) fn of(bytes: &[u8]) -> u16 {
    !sum(bytes)
}

/// The checksum field of a TCP segment or ICMPv6 message, whose own checksum field must be zero.
pub(crate) fn with_pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, bytes: &[u8]) -> u16 {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    !combine(&[pseudo_header(src, dst, protocol, length), sum(bytes)])
}

/// The checksum field after one 16-bit word of what it covers has changed (RFC 1624 equation 3).
pub(crate) fn adjusted(field: u16, from: u16, to: u16) -> u16 {
    !combine(&[!field, !from, to])
}

/// The CRC32c of an SCTP packet, whose own checksum field must be zero. It stands there with its least
/// significant byte first.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        crc >> 8 ^ CRC32C_OF_BYTE[usize::from(crc as u8 ^ byte)]
    })
}

/// The remainder that each byte leaves.
static CRC32C_OF_BYTE: [u32; 256] = {
    /// The generator of Castagnoli, reflected.
    const GENERATOR: u32 = 0x82f6_3b78;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { GENERATOR } else { 0 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// By how much the sum over 16-bit words changes when bytes are exchanged for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delta(u64);

impl Delta {
    /// The change from `old` to `new`, which have equal, even lengths and begin at a word.
    pub(crate) fn between(old: &[u8], new: &[u8]) -> Delta {
        let word = |pair: &[u8]| u16::from_be_bytes([pair[0], pair[1]]);
        let pairs = old.chunks_exact(2).zip(new.chunks_exact(2));
        Delta(
            pairs
                .map(|(old, new)| u64::from(!word(old)) + u64::from(word(new)))
                .sum(),
        )
    }

    /// As [`Delta::between`], for at most eight bytes.
    #[inline]
    pub(crate) fn of<const N: usize>(old: [u8; N], new: [u8; N]) -> Delta {
        if old == new {
            return Delta::default();
        }
        // Halves of a word are sums of 16-bit words as well, but for carries that come back when the sum is folded.
        let halves = |word: u64| (word >> 32) + (word & 0xffff_ffff);
        Delta(halves(!word(old)) + halves(word(new)))
    }

    /// Both changes.
    #[inline]
    pub(crate) fn and(self, other: Delta) -> Delta {
        Delta(self.0 + other.0)
    }

    /// The checksum field after the change (RFC 1624 equation 3).
    #[inline]
    pub(crate) fn applied_to(self, field: u16) -> u16 {
        !self.added_to(!field)
    }

    /// A sum after the change.
    #[inline]
    pub(crate) fn added_to(self, sum: u16) -> u16 {
        fold(u64::from(sum) + self.0)
    }
}

/// Bytes as they stand on the wire, as the end of a word.
#[inline]
fn word<const N: usize>(bytes: [u8; N]) -> u64 {
    let mut word = [0; 8];
    word[8 - N..].copy_from_slice(&bytes);
    u64::from_be_bytes(word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_crc_of_known_bytes_is_known() {
        let ascending: Vec<u8> = (0..32).collect();
        for (bytes, expected) in [
            (&b""[..], 0),
            (b"123456789", 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
        ] {
            assert_eq!(crc32c(bytes), expected, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_the_slow_way(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            prop_assert_eq!(sum(&bytes), checksum::data(&bytes));
        }

        #[test]
        fn an_adjusted_checksum_is_that_of_the_changed_bytes(
            mut bytes in proptest::collection::vec(any::<u8>(), 4..64), word: u16,
        ) {
            // A header is never all zero, which is the one case where the two forms of zero differ.
            bytes[0] |= 1;
            let before = of(&bytes);
            let from = u16::from_be_bytes([bytes[2], bytes[3]]);
            bytes[2..4].copy_from_slice(&word.to_be_bytes());
            prop_assert_eq!(adjusted(before, from, word), of(&bytes));
        }
    }
}
