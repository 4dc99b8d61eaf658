//! What a super-packet is cut into.

use packet::offload::cut::{Cut, MAX_SEGMENTS, keep_first};
use packet::offload::{Offload, TransportSum, admit, complete};
use proptest::prelude::*;

use crate::slow::{Shape, is_good, shape};

proptest! {
    #[test]
    fn the_packets_are_those_of_the_slow_way(shape in shape(), prefix in 0..3usize) {
        let (mut frame, offload) = shape.super_packet();
        let (flow, layout) = packet::parse(&frame).unwrap();
        prop_assert_eq!(admit(&mut frame, offload, &flow, &layout), Ok(offload));

        let prefix = vec![0xee; 8 * prefix];
        let moved = offload.moved(prefix.len() as isize);
        let whole = [&prefix[..], &frame].concat();
        let expected: Vec<_> = shape.packets().iter().map(|packet| [&prefix[..], packet].concat()).collect();
        for sum in [TransportSum::Complete, TransportSum::Partial] {
            let cut = Cut::new(&whole, prefix.len(), &moved, sum).expect("a super-packet");
            let packets = (0..cut.count()).map(|index| {
                let mut packet = cut.packet(index);
                if sum == TransportSum::Partial {
                    complete(&mut packet, moved.checksum.expect("a checksum"));
                }
                packet
            });
            prop_assert_eq!(packets.collect::<Vec<_>>(), &expected[..]);
        }
        let longest = shape.packets().iter().map(Vec::len).max().unwrap() - usize::from(layout.network);
        prop_assert_eq!(offload.longest(flow.length, &layout) as usize, longest);
        let bytes: usize = shape.packets().iter().map(Vec::len).sum();
        prop_assert_eq!(offload.stands_for(frame.len()), (shape.packets().len() as u64, bytes as u64));
        for packet in shape.packets() {
            prop_assert_eq!(is_good(&packet), Ok(()));
        }
    }
}

proptest! {
    #[test]
    fn a_shortened_super_packet_stands_for_its_first_packets(shape in shape(), count in 0..6usize) {
        let (mut frame, offload) = shape.super_packet();
        let before = frame.clone();
        let expected = shape.packets();
        let Some((length, left)) = keep_first(&mut frame, &offload, count) else {
            prop_assert!(count == 0 || count >= expected.len());
            prop_assert_eq!(frame, before);
            return Ok(());
        };
        frame.truncate(length);
        let (flow, layout) = packet::parse(&frame).unwrap();
        prop_assert_eq!(admit(&mut frame, left, &flow, &layout), Ok(left));
        let found = match Cut::new(&frame, 0, &left, TransportSum::Complete) {
            Some(cut) => (0..cut.count()).map(|index| cut.packet(index)).collect(),
            None => {
                complete(&mut frame, left.checksum.expect("a checksum"));
                vec![frame]
            }
        };
        prop_assert_eq!(found, &expected[..count]);
    }
}

#[test]
fn a_packet_that_stands_for_one_is_not_cut() {
    let (frame, offload) = Shape::plain().super_packet();
    let cut = |offload: Offload| {
        Cut::new(&frame, 0, &offload, TransportSum::Complete).map(|cut| cut.count())
    };
    assert_eq!(cut(offload), Some(3));
    assert_eq!(
        cut(Offload {
            checksum: offload.checksum,
            ..Offload::NONE
        }),
        None
    );
    assert_eq!(cut(Offload::NONE), None);
}

#[test]
fn a_packet_that_stands_for_too_many_is_not_cut() {
    for (length, count) in [(MAX_SEGMENTS, Some(MAX_SEGMENTS)), (MAX_SEGMENTS + 1, None)] {
        let payload = vec![1; length];
        let shape = Shape {
            segment_size: 1,
            payload,
            ..Shape::plain()
        };
        let (frame, offload) = shape.super_packet();
        let cut = Cut::new(&frame, 0, &offload, TransportSum::Complete);
        assert_eq!(cut.map(|cut| cut.count()), count);
    }
}
