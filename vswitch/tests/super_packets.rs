//! Input: super-packets. Output: what would have come of the packets that they stand for, one by one.

mod common;

use common::*;
use etherparse::PacketBuilder;
use packet::offload::cut::Cut;
use packet::offload::group::{Groups, Packet};
use packet::offload::{Offload, TransportSum, complete};
use pipeline::DropReason;
use pipeline::object::{Object, PortRef};
use vswitch::port::Loose;

/// What the packets of a super-packet have in common.
#[derive(Clone, Copy)]
struct Stream {
    is_ipv6: bool,
    is_udp: bool,
    ttl: u8,
    /// To a service, and not to its receiver.
    is_to_vip: bool,
    dont_fragment: bool,
    /// Bytes of payload in each but the last.
    size: usize,
}

const STREAM: Stream = Stream {
    is_ipv6: false,
    is_udp: false,
    ttl: 64,
    is_to_vip: false,
    dont_fragment: true,
    size: 1000,
};

/// All protocols that there are super-packets of.
fn streams() -> impl Iterator<Item = Stream> {
    [(false, false), (false, true), (true, false), (true, true)]
        .into_iter()
        .map(|(is_ipv6, is_udp)| Stream {
            is_ipv6,
            is_udp,
            ..STREAM
        })
}

/// Five packets of a stream, the last of 300 bytes.
fn packets(stream: Stream, from: PortRef, to: PortRef) -> Vec<Vec<u8>> {
    (0..5)
        .map(|number: usize| {
            let length = if number == 4 { 300 } else { stream.size };
            let payload: Vec<u8> = (0..length).map(|byte| (byte + number) as u8).collect();
            packet(stream, (from, to), number, &payload)
        })
        .collect()
}

fn packet(
    stream: Stream,
    (from, to): (PortRef, PortRef),
    number: usize,
    payload: &[u8],
) -> Vec<u8> {
    let next = match from.datapath == to.datapath {
        true => mac(to),
        false => mac(router_port(from.datapath.get())),
    };
    let link = PacketBuilder::ethernet2(mac(from).0, next.0);
    let ip = match stream.is_ipv6 {
        true => link.ipv6(ipv6(from).octets(), ipv6(to).octets(), stream.ttl),
        false => {
            let dst = if stream.is_to_vip {
                VIP
            } else {
                ipv4(to).octets()
            };
            let mut header = etherparse::Ipv4Header::new(
                0,
                stream.ttl,
                etherparse::IpNumber::TCP,
                ipv4(from).octets(),
                dst,
            )
            .expect("a header");
            header.dont_fragment = stream.dont_fragment;
            header.identification = number as u16;
            link.ip(etherparse::IpHeaders::Ipv4(header, Default::default()))
        }
    };
    let mut frame = Vec::new();
    if stream.is_udp {
        ip.udp(4000, 80)
            .write(&mut frame, payload)
            .expect("a frame");
        return frame;
    }
    let sequence = 1 + (number * stream.size) as u32;
    let tcp = ip.tcp(4000, 80, sequence, 1000).ack(9);
    let tcp = if number == 4 { tcp.psh() } else { tcp };
    tcp.write(&mut frame, payload).expect("a frame");
    frame
}

/// The super-packet that stands for all these packets.
fn merged(packets: &[Vec<u8>]) -> (Vec<u8>, Offload) {
    let sum = TransportSum::Complete;
    let parts: Vec<_> = packets
        .iter()
        .map(|frame| Packet {
            frame,
            prefix: 0,
            sum,
        })
        .collect();
    let groups = Groups::sort(&parts);
    let (group, _) = groups.iter().next().expect("a group");
    let run = group.run.expect("a run");
    assert_eq!(run.count(), packets.len());
    let header_length = run.first().header_length();
    let mut frame = packets[0][..header_length].to_vec();
    let offload = run.finish(&mut frame);
    packets
        .iter()
        .for_each(|packet| frame.extend_from_slice(&packet[header_length..]));
    (frame, offload)
}

/// The complete packets that a frame stands for.
fn cut(frame: &Loose) -> Vec<Vec<u8>> {
    if let Some(cut) = Cut::new(&frame.bytes, 0, &frame.offload, TransportSum::Complete) {
        return (0..cut.count()).map(|index| cut.packet(index)).collect();
    }
    let mut bytes = frame.bytes.clone();
    if let Some(checksum) = frame.offload.checksum {
        complete(&mut bytes, checksum);
    }
    vec![bytes]
}

/// Two nodes: one gets a super-packet, the other its packets one by one. Sends twice, so that remembered verdicts are
/// compared too.
fn pair(objects: &[Object], packets: &[Vec<u8>], from: PortRef) -> [Node; 2] {
    let mut nodes = [(); 2].map(|()| Node::new("one", objects.to_vec()));
    let (frame, offload) = merged(packets);
    nodes[0].send_loose(from, frame, offload);
    packets
        .iter()
        .for_each(|packet| nodes[1].send(from, packet));
    nodes
}

fn check_same_output(objects: &[Object], packets: &[Vec<u8>], from: PortRef) {
    let [whole, single] = pair(objects, packets, from);
    let output = single.output();
    assert_eq!(output.values().map(Vec::len).sum::<usize>(), 5);
    assert_eq!(whole.output(), output);
    whole.check_sum();
}

#[test]
fn a_super_packet_passes_whole_to_a_port_that_takes_it() {
    for stream in streams() {
        let mut node = Node::new("one", network());
        node.plug_offload(c());
        for _ in 0..2 {
            let (bytes, offload) = merged(&packets(stream, a(), c()));
            node.send_loose(a(), bytes.clone(), offload);
            let expected = Loose {
                bytes,
                offload,
                outer: None,
            };
            assert_eq!(node.received_loose(c()), [expected]);
        }
        assert_eq!(node.totals().copied, 0);
        node.check_sum();
    }
}

#[test]
fn an_unfinished_checksum_is_finished_for_a_port_that_takes_none() {
    for stream in streams() {
        let [first, ..] = &packets(stream, a(), c())[..] else {
            panic!("packets")
        };
        let (flow, layout) = packet::parse(first).expect("a packet");
        let checksum = packet::offload::partial_checksum(&flow, &layout);
        let (whole, _) = merged(&packets(stream, a(), c()));
        let at = usize::from(layout.transport + checksum.expect("a checksum").offset);
        let mut partial = first.clone();
        // The sum over the pseudo header of the one packet, from that of all.
        let sum = |bytes: &[u8]| u32::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let mut pseudo = sum(&whole) + 0xffff + first.len() as u32 - whole.len() as u32;
        while pseudo > 0xffff {
            pseudo = (pseudo & 0xffff) + (pseudo >> 16);
        }
        partial[at..at + 2].copy_from_slice(&(pseudo as u16).to_be_bytes());
        let mut node = Node::new("one", network());
        node.send_loose(
            a(),
            partial,
            Offload {
                checksum,
                ..Offload::NONE
            },
        );
        assert_eq!(node.received(c()), std::slice::from_ref(first));
    }
}

#[test]
fn a_super_packet_is_cut_for_a_port_and_a_tunnel_that_do_not_take_it() {
    for stream in streams() {
        check_same_output(&network(), &packets(stream, a(), c()), a());
        check_same_output(&network(), &packets(stream, a(), b()), a());
        check_same_output(&network(), &packets(stream, a(), d()), a());
    }
}

#[test]
fn a_super_packet_to_a_service_is_translated_and_its_connection_followed() {
    let stream = Stream {
        is_to_vip: true,
        ..STREAM
    };
    let packets = packets(stream, a(), c());
    check_same_output(&network_with_service(), &packets, a());

    let mut node = Node::new("one", network_with_service());
    node.plug_offload(c());
    let (frame, offload) = merged(&packets);
    node.send_loose(a(), frame, offload);
    let [translated] = &node.received_loose(c())[..] else {
        panic!("one frame")
    };
    let [_, single] = pair(&network_with_service(), &packets, a());
    assert_eq!(cut(translated), single.received(c()));
    assert_eq!(node.counters.dropped(DropReason::ConnectionInvalid), 0);
}

#[test]
fn an_error_quotes_the_first_packet() {
    for stream in streams() {
        let packets = packets(Stream { ttl: 1, ..stream }, a(), d());
        let [whole, single] = pair(&network(), &packets, a());
        let errors = single.received(a());
        assert_eq!(errors.len(), 5);
        assert_eq!(whole.received(a()), errors[..1]);
        whole.check_sum();
    }
}

#[test]
fn a_super_packet_is_too_long_if_its_packets_are() {
    for (size, fits) in [(1442 - 40, true), (1443 - 40, false)] {
        let packets = packets(Stream { size, ..STREAM }, a(), b());
        let [whole, single] = pair(&network(), &packets, a());
        if fits {
            assert_eq!(whole.tunnelled().len(), 5);
            continue;
        }
        // The last packet is short.
        assert_eq!(single.tunnelled().len(), 1);
        let errors = single.received(a());
        assert_eq!(errors.len(), 4);
        assert_eq!(whole.received(a()), errors[..1]);
        assert_eq!(whole.tunnelled(), []);
        whole.check_sum();
    }
}

#[test]
fn packets_of_a_super_packet_are_fragmented_if_their_sender_allows_it() {
    let stream = Stream {
        size: 1600,
        dont_fragment: false,
        ..STREAM
    };
    let packets = packets(stream, a(), b());
    let [whole, single] = pair(&network(), &packets, a());
    let fragments = single.tunnelled();
    assert_eq!(fragments.len(), 9);
    assert_eq!(whole.tunnelled(), fragments);
    whole.check_sum();
}

#[test]
fn a_claim_that_contradicts_the_frame_is_a_counted_drop() {
    let (frame, offload) = merged(&packets(STREAM, a(), c()));
    let mut node = Node::new("one", network());
    node.send_loose(
        a(),
        frame,
        Offload {
            segment_size: 0,
            ..offload
        },
    );
    assert_eq!(node.counters.dropped(DropReason::OffloadInvalid), 1);
    node.check_sum();
}
