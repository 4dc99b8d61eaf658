//! Bytes: parsing, keys, rewriting, checksums.

use std::hint::black_box;

use benches::traffic::{To, ends};
use etherparse::PacketBuilder;
use packet::flow::VlanTag;
use packet::offload::cut::Cut;
use packet::offload::group::{Groups, Packet};
use packet::offload::{Offload, Segmentation, TransportSum, admit, complete, partial_checksum};
use packet::rewrite::{Translation, push_vlan};
use packet::{FlowKey, Mac, Segment, VLAN_TAG_LENGTH};
use pipeline::Rewrite;

use super::count;

/// Payload of each packet of a super-packet, and how many there are.
const SEGMENT: (usize, usize) = (1_400, 44);

pub(super) fn count_all() {
    headers();
    checksums();
    super_packets();
}

fn headers() {
    let tcp4 = ends(To::Servers, 5).data();
    for (name, frame) in [
        ("parse tcp over ipv4", tcp4.clone()),
        ("parse tcp over ipv4, tagged", tagged(&tcp4)),
        ("parse tcp over ipv6", tcp6()),
    ] {
        count(name, 1, || {
            let _ = black_box(packet::parse(black_box(&frame)));
        });
    }
    let (flow, layout) = packet::parse(&tcp4).expect("a frame that can be read");
    count("flow key", 1, || {
        black_box(FlowKey::of(1, black_box(&flow)));
    });
    count("tcp segment", 1, || {
        black_box(Segment::of(
            black_box(&tcp4),
            &flow,
            &layout,
            flow.length as usize,
        ));
    });
    let rewrite = Rewrite {
        eth_src: Some(Mac([2; 6])),
        eth_dst: Some(Mac([4; 6])),
        ttl_decrement: 1,
        translation: Translation {
            ip_dst: Some([10, 2, 0, 9].into()),
            port_dst: Some(8_080),
            ..Translation::default()
        },
        ..Rewrite::default()
    };
    let mut bytes = tcp4.clone();
    // Twice in the life of a packet at most: the TTL lasts.
    count("rewrite: route and translate", 1, || {
        let _ = black_box(rewrite.apply(black_box(&mut bytes), 0, &layout, TransportSum::Complete));
    });
}

fn checksums() {
    let mut whole = segment(0, 1_400);
    let (flow, layout) = packet::parse(&whole).expect("a frame that can be read");
    let partial = partial_checksum(&flow, &layout).expect("TCP has one");
    count("checksum finished, over 1,400 bytes", 1, || {
        complete(black_box(&mut whole), partial);
    });
    for length in [64, 1_400] {
        let frame = echo_request(length);
        let (flow, layout) = packet::parse(&frame).expect("a frame that can be read");
        count(
            &format!("echo reply of {length} bytes, with its checksum"),
            1,
            || {
                black_box(packet::answer::echo_reply(black_box(&frame), &flow, layout));
            },
        );
    }
}

/// A super-packet cut, and packets merged to one.
fn super_packets() {
    let (size, segments) = SEGMENT;
    let mut frame = segment(0, size * segments);
    let (flow, layout) = packet::parse(&frame).expect("a frame that can be read");
    let claimed = Offload {
        segmentation: Segmentation::TcpIpv4,
        segment_size: size as u16,
        header_length: 0,
        checksum: partial_checksum(&flow, &layout),
    };
    let offload = admit(&mut frame, claimed, &flow, &layout).expect("a super-packet");
    let mut headers = vec![0; usize::from(offload.header_length)];
    count(
        "super-packet cut, a packet of 1,400 bytes",
        segments,
        || {
            let cut = Cut::new(black_box(&frame), 0, &offload, TransportSum::Complete);
            let cut = cut.expect("a super-packet");
            (0..segments).for_each(|index| cut.write_headers(index, black_box(&mut headers)));
        },
    );
    let packets: Vec<_> = (0..segments)
        .map(|index| segment(index * size, size))
        .collect();
    for (name, sum) in [
        ("whole checksums", TransportSum::Complete),
        ("partial checksums", TransportSum::Partial),
    ] {
        let packet = |frame| Packet {
            frame,
            prefix: 0,
            sum,
        };
        let packets: Vec<_> = packets.iter().map(|frame| packet(&frame[..])).collect();
        let name = format!("packets of 1,400 bytes merged, a packet with {name}");
        count(&name, segments, || {
            assert_eq!(black_box(Groups::sort(black_box(&packets))).len(), 1);
        });
    }
}

/// So many bytes of a stream.
fn segment(from: usize, length: usize) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(1_024, 80, from as u32, 1_000)
        .ack(1);
    let data = vec![0xa5; length];
    written(builder.size(length), |frame| builder.write(frame, &data))
}

fn tagged(frame: &[u8]) -> Vec<u8> {
    let mut tagged = [&[0; VLAN_TAG_LENGTH], frame].concat();
    let tag = VlanTag { id: 5, priority: 0 };
    assert!(push_vlan(&mut tagged, tag), "there is room for a tag");
    tagged
}

fn tcp6() -> Vec<u8> {
    let address = |last| [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv6(address(1), address(2), 64)
        .tcp(1_024, 80, 1, 1_000);
    written(builder.size(6), |frame| builder.write(frame, &[0; 6]))
}

fn echo_request(length: usize) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .icmpv4_echo_request(1, 1);
    let data = vec![0xa5; length];
    written(builder.size(length), |frame| builder.write(frame, &data))
}

fn written<E: std::fmt::Debug>(
    size: usize,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(size);
    write(&mut frame).expect("a vector takes all that is written");
    frame
}
