//! Input: super-packets, and packets in and out of order. Output: the packets that they are cut into and what is merged of
//! them, compared byte for byte with a cutter that is slow and obvious.

mod cutting;
mod merging;
mod slow;

use packet::offload::{Offload, TransportSum, admit, complete};
use packet::offload::{PartialChecksum, Segmentation};
use packet::rewrite::{Translation, translate};
use proptest::prelude::*;
use slow::{Shape, shape};

proptest! {
    /// Translating before or after the checksum is finished comes to the same.
    #[test]
    fn a_partial_checksum_is_translated_by_the_addresses_alone(
        shape in shape(),
        ports: (u16, u16),
        address: [u8; 16],
        (changes_src, changes_dst) in any::<(bool, bool)>(),
    ) {
        let (mut partial, offload) = shape.super_packet();
        let (_, layout) = packet::parse(&partial).unwrap();
        let checksum = offload.checksum.unwrap();
        let ip = match shape.is_ipv6 {
            true => std::net::IpAddr::from(address),
            false => std::net::IpAddr::from([address[0], address[1], address[2], address[3]]),
        };
        let translation = Translation {
            ip_src: changes_src.then_some(ip),
            ip_dst: changes_dst.then_some(ip),
            port_src: Some(ports.0),
            port_dst: Some(ports.1),
            ..Translation::default()
        };
        let mut whole = partial.clone();
        complete(&mut whole, checksum);
        prop_assert!(translate(&mut whole, layout, &translation, TransportSum::Complete));
        prop_assert!(translate(&mut partial, layout, &translation, TransportSum::Partial));
        complete(&mut partial, checksum);
        prop_assert_eq!(slow::is_good(&whole), Ok(()));
        prop_assert_eq!(whole, partial);
    }

    #[test]
    fn no_frame_and_no_claim_make_it_fail(
        mut frame in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            (shape(), any::<proptest::sample::Index>(), any::<u8>()).prop_map(|(shape, at, byte)| {
                let (mut frame, _) = shape.super_packet();
                let at = at.index(frame.len().min(80));
                frame[at] = byte;
                frame
            }),
        ],
        kind in 0..4usize,
        segment_size in prop_oneof![0..4u16, any::<u16>()],
        header_length: u16,
        checksum in proptest::option::of((0..120u16, prop_oneof![Just(6u16), Just(16), any::<u16>()])),
    ) {
        let segmentation = [
            Segmentation::None, Segmentation::TcpIpv4, Segmentation::TcpIpv6, Segmentation::Udp,
        ][kind];
        let checksum = checksum.map(|(start, offset)| PartialChecksum { start, offset });
        let offload = Offload { segmentation, segment_size, header_length, checksum };
        if let Ok((flow, layout)) = packet::parse(&frame)
            && let Ok(admitted) = admit(&mut frame, offload, &flow, &layout)
            && let Some(cut) = packet::offload::cut::Cut::new(&frame, 0, &admitted, TransportSum::Complete)
        {
            let sum: usize = (0..cut.count()).map(|index| cut.packet(index).len() - cut.header_length()).sum();
            prop_assert_eq!(sum + cut.header_length(), frame.len());
        }
    }
}

#[test]
fn what_is_said_of_a_frame_is_compared_with_it() {
    let shape = Shape::plain();
    let (frame, offload) = shape.super_packet();
    let (flow, layout) = packet::parse(&frame).unwrap();
    let check = |change: fn(&mut Offload), expected: Option<Offload>| {
        let mut claimed = offload;
        change(&mut claimed);
        let admitted = admit(&mut frame.clone(), claimed, &flow, &layout);
        assert_eq!(admitted.ok(), expected, "{claimed:?}");
    };
    check(|_| (), Some(offload));
    check(|claimed| claimed.header_length = 0, Some(offload));
    check(|claimed| claimed.segmentation = Segmentation::TcpIpv6, None);
    check(|claimed| claimed.segmentation = Segmentation::Udp, None);
    check(|claimed| claimed.segment_size = 0, None);
    check(|claimed| claimed.checksum = None, None);
    let checksum = |start, offset| Some(PartialChecksum { start, offset });
    let alone = Offload {
        checksum: offload.checksum,
        ..Offload::NONE
    };
    assert_eq!(alone.checksum, checksum(34, 16));
    check(
        |claimed| {
            *claimed = Offload {
                checksum: Some(PartialChecksum::OWN),
                ..Offload::NONE
            }
        },
        Some(alone),
    );
    check(
        |claimed| claimed.segment_size = u16::MAX,
        Some(Offload {
            checksum: Some(PartialChecksum {
                start: 34,
                offset: 16,
            }),
            ..Offload::NONE
        }),
    );
    check(
        |claimed| {
            claimed.checksum = Some(PartialChecksum {
                start: 36,
                offset: 16,
            })
        },
        None,
    );
    check(
        |claimed| {
            *claimed = Offload {
                checksum: Some(PartialChecksum {
                    start: 4,
                    offset: 6,
                }),
                ..Offload::NONE
            }
        },
        None,
    );
    check(
        |claimed| {
            *claimed = Offload {
                checksum: Some(PartialChecksum {
                    start: 34,
                    offset: u16::MAX,
                }),
                ..Offload::NONE
            }
        },
        None,
    );
}

#[test]
fn a_checksum_that_is_not_the_packets_own_is_finished_at_once() {
    let (mut frame, _) = Shape::plain().super_packet();
    frame[66..68].fill(0);
    let (flow, layout) = packet::parse(&frame).unwrap();
    let foreign = PartialChecksum {
        start: 60,
        offset: 6,
    };
    let mut expected = frame.clone();
    complete(&mut expected, foreign);
    let claimed = Offload {
        checksum: Some(foreign),
        ..Offload::NONE
    };
    assert_eq!(
        admit(&mut frame, claimed, &flow, &layout),
        Ok(Offload::NONE)
    );
    assert_eq!(frame, expected);
    assert_eq!(slow::sum(&frame[60..]), 0xffff);
}
