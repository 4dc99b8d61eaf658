//! Input: super-packets. Output: what would have come of the packets that they stand for, one by one.

mod common;

use common::*;
use packet::offload::{Offload, Offloads, PartialChecksum};
use pipeline::DropReason;
use pipeline::object::{AclAction, AclStage, Object, PortRef};
use vswitch::port::Loose;

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
fn a_super_packet_of_udp_is_cut_for_a_port_that_takes_only_those_of_tcp() {
    for stream in streams() {
        let mut node = Node::new("one", network());
        node.plug_with(c(), Offloads::Tcp);
        let packets = packets(stream, a(), c());
        for _ in 0..2 {
            let (whole, offload) = merged(&packets);
            node.send_loose(a(), whole.clone(), offload);
            match stream.is_udp {
                true => assert_eq!(node.received(c()), packets),
                false => assert_eq!(node.received(c()), [whole]),
            }
        }
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
    for is_ipv6 in [false, true] {
        let stream = Stream {
            is_ipv6,
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
fn nodes_that_say_so_leave_checksums_to_each_other() {
    let mut objects = network();
    for object in &mut objects {
        if let Object::Chassis(chassis) = object {
            chassis.takes_partial = true;
        }
    }
    for stream in streams() {
        let packets = packets(stream, a(), b());
        let (mut one, mut two) = (
            Node::new("one", objects.clone()),
            Node::new("two", objects.clone()),
        );
        two.plug_offload(b());
        let (frame, offload) = merged(&packets);
        one.send_loose(a(), frame, offload);
        // What has a complete checksum is not said to have none.
        one.send(a(), &packets[0]);
        carry(&mut one, &mut two);
        let arrived = two.received_loose(b());
        let is_partial: Vec<_> = arrived
            .iter()
            .map(|frame| frame.offload.checksum.is_some())
            .collect();
        assert_eq!(is_partial, [true, true, true, true, true, false]);
        let arrived: Vec<_> = arrived.iter().flat_map(cut).collect();
        assert_eq!(arrived[..5], packets);
        assert_eq!(arrived[5], packets[0]);
        two.check_sum();
    }
}

/// Compares what comes of a packet by a verdict that was just made, and by the same verdict remembered.
fn check_remembered(node: &mut Node, frame: &Loose) {
    let send = |node: &mut Node| {
        node.send_loose(a(), frame.bytes.clone(), frame.offload);
        node.output_loose()
    };
    let hits = node.totals().hits;
    let fresh = send(node);
    assert!(!fresh.is_empty());
    assert_eq!(send(node), fresh);
    assert_eq!(node.totals().hits, hits + 1);
    node.check_sum();
}

#[test]
fn a_remembered_verdict_makes_of_what_is_left_to_do_what_a_fresh_one_makes() {
    for takes_partial in [false, true] {
        let mut objects = network();
        for object in &mut objects {
            if let Object::Chassis(chassis) = object {
                chassis.takes_partial = takes_partial;
            }
        }
        for (stream, to) in streams().flat_map(|stream| [b(), c(), d()].map(|to| (stream, to))) {
            let packets = packets(stream, a(), to);
            let (whole, parts) = merged(&packets);
            let (single, _) = merged(&packets[..1]);
            let partial = Offload {
                checksum: parts.checksum,
                ..Offload::NONE
            };
            let all = [
                (whole, parts),
                (single, partial),
                (packets[0].clone(), Offload::NONE),
            ];
            let offloading = Node::with_offload("one", objects.clone());
            for mut node in [offloading, Node::new("one", objects.clone())] {
                for (bytes, offload) in all.clone() {
                    node.forget_flows();
                    let frame = Loose {
                        bytes,
                        offload,
                        outer: None,
                    };
                    check_remembered(&mut node, &frame);
                }
            }
        }
    }
}

#[test]
fn a_partial_checksum_is_of_a_packet_that_has_one() {
    let mut two = Node::new("two", network());
    let header = packet::geneve::Header {
        vni: 1,
        ingress: 1,
        egress: 2,
    };
    let mut payload = header
        .encode(packet::offload::TransportSum::Partial)
        .to_vec();
    payload.extend(sctp4_to_router(a(), 3));
    two.send_tunnel(&payload, encap_ip("one"), 0);
    assert_eq!(two.counters.dropped(DropReason::OffloadInvalid), 1);
    two.check_sum();
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

#[test]
fn a_packet_is_judged_by_what_a_checksum_makes_of_its_headers() {
    // Only datagrams from port 4000 may go, and what is left to do on this one makes it one from another port.
    let mut objects = network();
    let stage = AclStage::FromLport;
    objects.push(acl(
        1,
        stage,
        2,
        "udp.src == 4000",
        AclAction::AllowStateless,
    ));
    objects.push(acl(2, stage, 1, "ip", AclAction::Drop));
    let mut node = Node::new("one", objects);
    let frame = udp4(a(), c(), Shape::default());
    let sent = |offset| Offload {
        checksum: Some(PartialChecksum { start: 34, offset }),
        ..Offload::NONE
    };
    node.send_loose(a(), frame.clone(), sent(0));
    assert_eq!(node.received(c()), Vec::<Vec<u8>>::new());
    assert_eq!(node.counters.dropped(DropReason::AclDrop), 1);
    // In the payload it may be: that is another header's.
    node.send_loose(a(), frame, sent(20));
    assert_eq!(node.received(c()).len(), 1);
    node.check_sum();
}
