//! Input: frames for the tunnel, super-packets among them. Output: the datagrams that arrive at a plain socket, as at
//! another Geneve implementation, and the frames that arrive at another tunnel port.

mod common;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use common::*;
use packet::geneve;
use packet::offload::{Offload, TransportSum};
use vswitch::buffer::Pool;
use vswitch::port::{Batch, Frame, Loose, Outer, Port, TunnelPort};

const HEADER: geneve::Header = geneve::Header {
    vni: 5,
    ingress: 1,
    egress: 2,
};

/// Whole or single packets of a stream.
type Sent = (Vec<u8>, Offload);

fn all_of(stream: Stream) -> Vec<Sent> {
    let single = packets(stream, a(), b());
    let mut sent = vec![merged(&single)];
    sent.extend(single.iter().map(|packet| (packet.clone(), Offload::NONE)));
    sent.push(merged(&single[1..3]));
    sent
}

fn transmit(port: &mut TunnelPort, sent: &[Sent], to: SocketAddr, sum: TransportSum) {
    let mut pool = Pool::new(128, 32);
    let outer = Outer {
        remote: to,
        ecn: 2,
        entropy: 3,
        sum,
    };
    let frame = |(bytes, offload): &Sent| {
        let mut packet = pool.copy(bytes).expect("a buffer");
        packet.offload = *offload;
        packet.push_front(&HEADER.encode(sum)).expect("room");
        Frame {
            packet,
            outer: Some(outer),
        }
    };
    let mut frames: Vec<_> = sent.iter().map(frame).collect();
    let mut fates = Vec::new();
    port.transmit(&mut frames, &mut |_, fate| fates.push(fate));
    assert_eq!(fates, vec![Ok(()); sent.len()]);
}

/// The complete packets that frames stand for.
fn complete_packets(sent: &[Sent]) -> Vec<Vec<u8>> {
    let loose = sent.iter().map(|(bytes, offload)| Loose {
        bytes: bytes.clone(),
        offload: *offload,
        outer: None,
    });
    loose.flat_map(|loose| cut(&loose)).collect()
}

fn loopback(is_ipv6: bool) -> SocketAddr {
    let ip: IpAddr = if is_ipv6 { "::1" } else { "127.0.0.1" }
        .parse()
        .expect("an address");
    SocketAddr::new(ip, 0)
}

#[test]
fn another_implementation_gets_complete_packets() {
    for is_ipv6 in [false, true] {
        let receiver = UdpSocket::bind(loopback(is_ipv6)).expect("a socket");
        receiver
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a timeout");
        let mut port = TunnelPort::bind(loopback(is_ipv6)).expect("a port");
        for stream in streams() {
            let sent = all_of(stream);
            let at = receiver.local_addr().expect("an address");
            transmit(&mut port, &sent, at, TransportSum::Complete);
            for expected in complete_packets(&sent) {
                let mut datagram = [0; 2048];
                let length = receiver.recv(&mut datagram).expect("a datagram");
                let (header, _, inner) =
                    geneve::Header::decode(&datagram[..length]).expect("Geneve");
                assert_eq!(header, HEADER);
                assert_eq!(inner, expected);
            }
        }
    }
}

/// Receives until as many packets have come as are expected, or nothing comes any more.
fn receive(port: &mut TunnelPort, pool: &mut Pool, expected: usize) -> Vec<Frame> {
    let mut batch = Batch::default();
    let mut frames: Vec<Frame> = Vec::new();
    for _ in 0..expected {
        port.receive(pool, &mut batch).expect("a socket");
        assert!(batch.refused.is_empty());
        frames.append(&mut batch.frames);
    }
    frames
}

/// Sends frames from one port to another; the complete packets that arrive, and how many were super-packets.
fn pass(sent: &[Sent], is_ipv6: bool, sum: TransportSum) -> (Vec<Vec<u8>>, usize) {
    let mut from = TunnelPort::bind(loopback(is_ipv6)).expect("a port");
    let mut to = TunnelPort::bind(loopback(is_ipv6)).expect("a port");
    let mut pool = Pool::new(256, 64);
    transmit(
        &mut from,
        sent,
        to.local_address().expect("an address"),
        sum,
    );
    let frames = receive(&mut to, &mut pool, complete_packets(sent).len());
    let mut arrived = Vec::new();
    let mut supers = 0;
    for mut frame in frames {
        assert_eq!(frame.outer.map(|outer| outer.ecn), Some(2));
        supers += usize::from(frame.packet.offload.is_super());
        frame.packet.pull_front(geneve::HEADER_LENGTH);
        arrived.extend(cut(&Loose {
            bytes: frame.packet.bytes().to_vec(),
            offload: frame.packet.offload,
            outer: None,
        }));
        pool.give(frame.packet);
    }
    assert_eq!(pool.free(), (256, 64), "all buffers come back");
    (arrived, supers)
}

#[test]
fn what_was_sent_as_one_is_received_as_one_and_all_packets_arrive_as_they_were() {
    for is_ipv6 in [false, true] {
        for stream in streams() {
            let sent = all_of(stream);
            // Two sent whole, and one of packets of one length.
            let expected = (complete_packets(&sent), 3);
            assert_eq!(pass(&sent, is_ipv6, TransportSum::Complete), expected);
        }
    }
}

#[test]
fn checksums_that_are_left_partial_are_finished_at_the_other_end() {
    for stream in streams() {
        let mut sent = all_of(stream);
        sent.retain(|(_, offload)| offload.is_super());
        let expected = (complete_packets(&sent), 2);
        assert_eq!(pass(&sent, false, TransportSum::Partial), expected);
    }
}
