//! Input: Geneve headers, sound and not. Output: what they say, or why the packet is dropped.

mod support;

use packet::geneve::{GeneveError, HEADER_LENGTH, Header, MAX_INGRESS, MAX_VNI};
use packet::geneve::{OVERHEAD_IPV4, OVERHEAD_IPV6};
use packet::offload::TransportSum;
use proptest::prelude::*;
use support::hex;

#[test]
fn the_header_is_that_of_ovn() {
    let header = Header {
        vni: 0x01_0203,
        ingress: 0x0102,
        egress: 0x8005,
    };
    let bytes = hex("02 40 6558 010203 00 0102 80 01 0102 8005");
    assert_eq!(header.encode(TransportSum::Complete).to_vec(), bytes);
    assert_eq!((OVERHEAD_IPV4, OVERHEAD_IPV6), (58, 78));
}

#[test]
fn headers_are_taken_or_refused_by_name() {
    use GeneveError::*;
    let sound = Ok(Header {
        vni: 5,
        ingress: 1,
        egress: 2,
    });
    let cases = [
        ("02 40 6558 000005 00 0102 80 01 0001 0002", sound),
        // Reserved bits are ignored.
        ("02 7f 6558 000005 ff 0102 80 e1 8001 0002", sound),
        // An option that nobody must know, before and after.
        (
            "05 40 6558 000005 00 0102 80 01 0001 0002 1234 01 02 00000000 00000000",
            sound,
        ),
        (
            "03 40 6558 000005 00 1234 01 00 0102 80 01 0001 0002",
            sound,
        ),
        ("", Err(Truncated)),
        ("02 40 6558 000005", Err(Truncated)),
        ("02 40 6558 000005 00 0102 80 01 0001", Err(Truncated)),
        ("42 40 6558 000005 00 0102 80 01 0001 0002", Err(BadVersion)),
        ("02 c0 6558 000005 00 0102 80 01 0001 0002", Err(Control)),
        (
            "02 40 0800 000005 00 0102 80 01 0001 0002",
            Err(NotEthernet),
        ),
        (
            "01 40 6558 000005 00 0102 80 01 0001 0002",
            Err(BadOptionLength),
        ),
        ("01 40 6558 000005 00 0102 80 00", Err(BadOptionLength)),
        (
            "03 40 6558 000005 00 0102 80 02 0001 0002 0000 0000",
            Err(BadOptionLength),
        ),
        (
            "03 40 6558 000005 00 0102 80 01 0001 0002 1234 81 00",
            Err(UnknownCriticalOption),
        ),
        (
            "01 40 6558 000005 00 0102 81 00",
            Err(UnknownCriticalOption),
        ),
        (
            "04 40 6558 000005 00 0102 80 01 0001 0002 0102 80 01 0001 0002",
            Err(DuplicatePorts),
        ),
        (
            "04 40 6558 000005 00 0102 80 01 0001 0002 ff57 80 01 0001 0002",
            Err(DuplicatePorts),
        ),
        (
            "01 40 6558 000005 00 ff57 81 00",
            Err(UnknownCriticalOption),
        ),
        ("00 00 6558 000005 00", Err(MissingPorts)),
    ];
    for (bytes, expected) in cases {
        let bytes = hex(bytes);
        assert_eq!(
            Header::decode(&bytes).map(|(header, _, _)| header),
            expected,
            "{bytes:02x?}"
        );
    }
    let mut names: Vec<_> = GeneveError::ALL.iter().map(|error| error.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), GeneveError::ALL.len());
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        vni in 0..=MAX_VNI, ingress in 0..=MAX_INGRESS, egress: u16,
        frame in proptest::collection::vec(any::<u8>(), 0..32),
        is_partial: bool,
    ) {
        let sum = if is_partial { TransportSum::Partial } else { TransportSum::Complete };
        let header = Header { vni, ingress, egress };
        let datagram = [&header.encode(sum)[..], &frame].concat();
        prop_assert_eq!(Header::decode(&datagram), Ok((header, sum, &frame[..])));
        for length in 0..HEADER_LENGTH {
            prop_assert_eq!(Header::decode(&datagram[..length]), Err(GeneveError::Truncated));
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused(
        length in 0..8u8, mut bytes in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        if bytes.len() > 4 {
            bytes[..4].copy_from_slice(&[length, 0x40, 0x65, 0x58]);
        }
        if let Ok((header, _, _)) = Header::decode(&bytes) {
            prop_assert!(header.vni <= MAX_VNI && header.ingress <= MAX_INGRESS);
        }
    }
}
