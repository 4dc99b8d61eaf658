//! Internet checksums (RFC 1071): computed over bytes by smoltcp, and adjusted in place (RFC 1624).

use std::net::IpAddr;

use smoltcp::wire::{IpProtocol, checksum};

/// The checksum field of an IPv4 header or ICMP message, whose own checksum field must be zero.
pub(crate) fn of(bytes: &[u8]) -> u16 {
    !checksum::data(bytes)
}

/// The checksum field of a TCP segment or ICMPv6 message, whose own checksum field must be zero.
pub(crate) fn with_pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, bytes: &[u8]) -> u16 {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let protocol = IpProtocol::from(protocol);
    let pseudo = checksum::pseudo_header(&src.into(), &dst.into(), protocol, length);
    !checksum::combine(&[pseudo, checksum::data(bytes)])
}

/// The checksum field after one 16-bit word of what it covers has changed (RFC 1624 equation 3).
pub(crate) fn adjusted(field: u16, from: u16, to: u16) -> u16 {
    !checksum::combine(&[!field, !from, to])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
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
