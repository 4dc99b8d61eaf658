//! Input: frames for the tunnel, super-packets among them. Output: the datagrams that arrive at a plain socket, as at
//! another Geneve implementation, and the frames that arrive at another tunnel port.

mod common;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use common::*;
use packet::geneve;
use packet::offload::Offload;
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

fn transmit(port: &mut TunnelPort, sent: &[Sent], to: SocketAddr) {
    let mut pool = Pool::new(128, 32);
    let outer = Outer {
        remote: to,
        ecn: 2,
        entropy: 3,
    };
    let frame = |(bytes, offload): &Sent| {
        let mut packet = pool.copy(bytes).expect("a buffer");
        packet.offload = *offload;
        packet.push_front(&HEADER.encode()).expect("room");
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
            transmit(&mut port, &sent, receiver.local_addr().expect("an address"));
            for expected in complete_packets(&sent) {
                let mut datagram = [0; 2048];
                let length = receiver.recv(&mut datagram).expect("a datagram");
                let (header, inner) = geneve::Header::decode(&datagram[..length]).expect("Geneve");
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

#[test]
fn what_was_sent_as_one_is_received_as_one_and_all_packets_arrive_as_they_were() {
    for is_ipv6 in [false, true] {
        let mut from = TunnelPort::bind(loopback(is_ipv6)).expect("a port");
        let mut to = TunnelPort::bind(loopback(is_ipv6)).expect("a port");
        let mut pool = Pool::new(256, 64);
        for stream in streams() {
            let sent = all_of(stream);
            transmit(&mut from, &sent, to.local_address().expect("an address"));
            let expected = complete_packets(&sent);
            let mut arrived = Vec::new();
            let frames = receive(&mut to, &mut pool, expected.len());
            let supers = frames
                .iter()
                .filter(|frame| frame.packet.offload.is_super())
                .count();
            for mut frame in frames {
                assert_eq!(frame.outer.map(|outer| outer.ecn), Some(2));
                frame.packet.pull_front(geneve::HEADER_LENGTH);
                arrived.extend(cut(&Loose {
                    bytes: frame.packet.bytes().to_vec(),
                    offload: frame.packet.offload,
                    outer: None,
                }));
                pool.give(frame.packet);
            }
            assert_eq!(arrived, expected);
            assert_eq!(
                supers, 3,
                "two sent whole, and one of packets of one length"
            );
        }
        assert_eq!(pool.free(), (256, 64));
    }
}
