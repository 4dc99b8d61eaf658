//! Which socket the kernel hands a Geneve packet to. Input: packets of flows, from several source ports, to sockets that
//! share an address on the loopback interface. Output: the socket at which each arrives.

mod common;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};

use common::*;
use nix::sys::socket::{MsgFlags, recv};
use packet::flow::VlanTag;
use packet::geneve;
use packet::offload::TransportSum;
use packet::rewrite::push_vlan;
use vswitch::sys::udp::{Socket, flow_number, socket_of};

/// Frames of all kinds, many flows each.
fn frames() -> Vec<Vec<u8>> {
    let shape = |number: u16| Shape {
        port: 4_000 + number,
        ..Shape::default()
    };
    let mut frames = Vec::new();
    for number in 0..16 {
        frames.push(udp4(a(), c(), shape(number)));
        frames.push(udp6(a(), c(), shape(number)));
    }
    for stream in streams() {
        frames.extend(packets(stream, a(), c()));
        frames.extend(packets(stream, c(), a()));
    }
    let mut tagged = [&[0; packet::VLAN_TAG_LENGTH][..], &frames[0]].concat();
    assert!(push_vlan(&mut tagged, VlanTag { id: 5, priority: 0 }));
    frames.push(tagged);
    let mut fragment = frames[0].clone();
    // The rest of a datagram, of a longer header.
    (fragment[20], fragment[21]) = (0, 9);
    frames.push(fragment);
    let mut first = frames[0].clone();
    first[20] = 0x20;
    frames.push(first);
    // Others, and what ends too soon.
    frames.push(vec![0xff; 60]);
    frames.extend([0, 13, 20, 30, 36].map(|length| frames[0][..length].to_vec()));
    frames
}

/// The number of the socket that has something to read; it is read.
fn arrived(sockets: &[Socket]) -> Vec<usize> {
    let has_some = |socket: &Socket| {
        let fd = socket.as_fd().as_raw_fd();
        recv(fd, &mut [0; 2_048], MsgFlags::empty()).is_ok()
    };
    let mut found = Vec::new();
    for (number, socket) in sockets.iter().enumerate() {
        while has_some(socket) {
            found.push(number);
        }
    }
    found
}

#[test]
fn the_kernel_chooses_by_the_flow_inside_whatever_port_it_comes_from() {
    let senders = [(); 4].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket"));
    let header = geneve::Header {
        vni: 7,
        ingress: 1,
        egress: 2,
    };
    let header = header.encode(TransportSum::Complete);
    for count in [1, 2, 3, 4, 8, 11] {
        let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let sockets: Vec<_> = (0..count)
            .map(|_| {
                let socket = Socket::receiver(address).expect("a socket");
                address = socket.local_address().expect("an address");
                socket
            })
            .collect();
        sockets[count - 1]
            .steer(count)
            .expect("a kernel that steers");
        let mut met = vec![false; count];
        for frame in frames() {
            let expected = socket_of(flow_number(&frame), count);
            met[expected] = true;
            let datagram = [&header[..], &frame].concat();
            for sender in &senders {
                sender.send_to(&datagram, address).expect("sent");
                assert_eq!(arrived(&sockets), [expected], "of {count}: {frame:02x?}");
            }
        }
        assert!(met.iter().all(|met| *met), "all of {count} get some");
    }
}

#[test]
fn all_fragments_of_a_datagram_are_of_one_flow() {
    let whole = udp4(a(), c(), Shape::default());
    let fragment = |offset: u16| {
        let mut frame = whole.clone();
        frame[20..22].copy_from_slice(&offset.to_be_bytes());
        flow_number(&frame)
    };
    assert_eq!(fragment(0x2000), fragment(100));
    assert_ne!(fragment(0), fragment(100));
    assert_eq!(
        fragment(0x4000),
        fragment(0),
        "what may not be cut is whole"
    );
}
