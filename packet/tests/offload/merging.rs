//! What packets are merged to.

use packet::offload::cut::Cut;
use packet::offload::group::{Groups, Packet};
use packet::offload::merge::MAX_MERGED;
use packet::offload::{TransportSum, complete};
use proptest::prelude::*;

use crate::slow::{Shape, is_good, shape};

/// Merges packets; gives what comes out: super-packets cut again, so that the packets can be compared, with how many
/// packets were merged to each.
fn round(packets: &[Vec<u8>], sum: TransportSum) -> Vec<Vec<Vec<u8>>> {
    let sorted: Vec<_> = packets
        .iter()
        .map(|frame| Packet {
            frame,
            prefix: 0,
            sum,
        })
        .collect();
    let groups = Groups::sort(&sorted);
    let out = groups.iter().map(|(group, members)| {
        let members: Vec<_> = members.collect();
        assert_eq!(group.first, members[0]);
        let Some(run) = group.run.filter(|run| run.count() > 1) else {
            assert_eq!(members.len(), 1);
            return vec![packets[group.first].clone()];
        };
        assert_eq!(run.count(), members.len());
        let mut frame = vec![0; run.length()];
        let parts = members.iter().map(|member| packets[*member].as_slice());
        let offload = run.merge(parts, &mut frame);
        let (flow, layout) = packet::parse(&frame).expect("a packet");
        let admitted = packet::offload::admit(&mut frame.clone(), offload, &flow, &layout);
        assert_eq!(admitted, Ok(offload));
        let cut = Cut::new(&frame, 0, &offload, TransportSum::Complete).expect("a super-packet");
        let mut whole = frame.clone();
        complete(&mut whole, offload.checksum.expect("a checksum"));
        assert_eq!(is_good(&whole), Ok(()));
        (0..cut.count()).map(|index| cut.packet(index)).collect()
    });
    out.collect()
}

/// A packet without the identification, if it means nothing: it is not kept.
fn plain(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let network = if packet[12] == 0x81 { 18 } else { 14 };
    if packet[network] >> 4 == 4 && packet[network + 6] & 0x40 != 0 && is_good(&packet) == Ok(()) {
        packet[network + 4..network + 6].fill(0);
        packet[network + 10..network + 12].fill(0);
    }
    packet
}

proptest! {
    #[test]
    fn packets_of_a_super_packet_are_merged_to_it_again(shape in shape()) {
        let shape = Shape { ip_options: if shape.is_ipv6 { 0 } else { shape.ip_options }, ..shape };
        let packets = shape.packets();
        prop_assert_eq!(round(&packets, TransportSum::Complete), vec![packets.clone()]);
    }

    /// Packets of two flows, some lost, repeated, out of order or corrupt: nothing is made good, changed or reordered in
    /// its flow.
    #[test]
    fn what_was_merged_can_be_cut_to_the_same_packets(
        shapes in proptest::collection::vec(shape(), 2),
        order in proptest::collection::vec((0..2usize, any::<proptest::sample::Index>()), 1..MAX_MERGED),
        is_orderly: bool,
        corrupt in proptest::collection::vec((any::<proptest::sample::Index>(), 18..200usize, 1..=255u8), 0..3),
    ) {
        let flows: Vec<_> = shapes.iter().enumerate().map(|(number, shape)| {
            let mut packets = shape.packets();
            // Two flows differ in the Ethernet source.
            packets.iter_mut().for_each(|packet| packet[11] = number as u8);
            packets
        }).collect();
        let mut next = [0, 0];
        let mut packets: Vec<_> = order.iter().map(|(flow, at)| {
            let packets = &flows[*flow];
            let at = if is_orderly { next[*flow] % packets.len() } else { at.index(packets.len()) };
            next[*flow] += 1;
            packets[at].clone()
        }).collect();
        for (at, byte, change) in corrupt {
            let at = at.index(packets.len());
            if let Some(byte) = packets[at].get_mut(byte) {
                *byte ^= change;
            }
        }
        let out: Vec<Vec<u8>> = round(&packets, TransportSum::Complete).concat();
        for number in 0..2 {
            let of_flow = |packets: &[Vec<u8>]| -> Vec<Vec<u8>> {
                packets.iter().filter(|packet| packet[11] == number).map(|packet| plain(packet)).collect()
            };
            prop_assert_eq!(of_flow(&out), of_flow(&packets));
        }
    }
}

/// Merges three packets of which one was changed; the answer is how many packets went into each that came out.
fn check(shape: &Shape, change: impl Fn(&mut Vec<Vec<u8>>), expected: &[usize]) {
    let mut packets = shape.packets();
    change(&mut packets);
    let counts: Vec<_> = round(&packets, TransportSum::Partial)
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(counts, expected);
}

#[test]
fn what_differs_in_more_than_its_number_is_not_merged() {
    let shape = Shape::plain();
    check(&shape, |_| (), &[3]);
    check(&shape, |packets| packets.swap(0, 1), &[1, 1, 1]);
    let set = |at: usize, byte: u8| {
        move |packets: &mut Vec<Vec<u8>>| {
            packets[1][at] = byte;
            let checksum = !crate::slow::sum(&[&packets[1][14..24], &packets[1][26..34]].concat());
            packets[1][24..26].copy_from_slice(&checksum.to_be_bytes());
        }
    };
    for (at, byte, why) in [
        (0, 6, "Ethernet destination"),
        (15, 3, "congestion"),
        (19, 99, "identification"),
        (22, 61, "TTL"),
        (29, 9, "source address"),
        (34, 1, "port"),
        (41, 1, "sequence number"),
        (45, 1, "acknowledgment"),
        (47, 0x50, "ECN echo"),
        (47, 0x90, "reduced window"),
        (47, 0x30, "urgent"),
        (47, 0x14, "reset"),
        (49, 7, "window"),
    ] {
        let mut packets = shape.packets();
        set(at, byte)(&mut packets);
        let counts: Vec<_> = round(&packets, TransportSum::Partial)
            .iter()
            .map(Vec::len)
            .collect();
        assert!(counts != [3], "{why}");
    }
}

#[test]
fn a_bad_checksum_is_never_made_good() {
    for (at, why) in [(60, "payload"), (25, "IPv4 header"), (51, "TCP checksum")] {
        let mut packets = Shape::plain().packets();
        packets[1][at] ^= 1;
        let out = round(&packets, TransportSum::Complete);
        assert_eq!(out.concat(), packets, "{why}");
        assert!(out.contains(&vec![packets[1].clone()]), "{why}");
    }
}

#[test]
fn a_datagram_without_a_checksum_stays_without() {
    let shape = Shape {
        is_udp: true,
        ..Shape::plain()
    };
    let mut packets = shape.packets();
    for packet in &mut packets {
        packet[40..42].fill(0);
    }
    assert_eq!(round(&packets, TransportSum::Complete).len(), 3);
}

#[test]
fn atomic_packets_may_all_have_one_identification() {
    let number = |packets: &mut Vec<Vec<u8>>| {
        for packet in packets {
            packet[18..20].fill(0);
            packet[24..26].fill(0);
            let checksum = !crate::slow::sum(&packet[14..34]);
            packet[24..26].copy_from_slice(&checksum.to_be_bytes());
        }
    };
    check(&Shape::plain(), number, &[3]);
    let may_be_fragmented = Shape {
        is_atomic: false,
        ..Shape::plain()
    };
    check(&may_be_fragmented, number, &[1, 1, 1]);
}
