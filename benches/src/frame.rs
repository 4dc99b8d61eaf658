//! Frames of 60 bytes, the least that Ethernet carries: a TCP segment with 6 bytes of data, or none.

use std::net::{IpAddr, Ipv4Addr};

use etherparse::PacketBuilder;
use packet::flow::{Network, Transport};
use packet::{Flow, Mac};

/// TCP flags.
pub mod flag {
    /// Opens a connection.
    pub const SYN: u16 = 2;
    /// Acknowledges.
    pub const ACK: u16 = 16;
}

/// The client's first sequence number.
const CLIENT_SEQUENCE: u32 = 100;
/// The server's first sequence number.
const SERVER_SEQUENCE: u32 = 500;
/// What every segment offers.
const WINDOW: u16 = 60_000;

/// Who speaks with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Source station.
    pub eth_src: Mac,
    /// Destination station.
    pub eth_dst: Mac,
    /// Source address and port.
    pub src: (Ipv4Addr, u16),
    /// Destination address and port.
    pub dst: (Ipv4Addr, u16),
}

impl Ends {
    /// The ends of a TCP segment over IPv4; `None` for any other frame.
    pub fn of(flow: &Flow) -> Option<Ends> {
        let Network::Ip(ip) = &flow.network else {
            return None;
        };
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (ip.src, ip.dst) else {
            return None;
        };
        let Transport::Tcp {
            src: src_port,
            dst: dst_port,
            ..
        } = ip.transport
        else {
            return None;
        };
        Some(Ends {
            eth_src: flow.eth_src,
            eth_dst: flow.eth_dst,
            src: (src, src_port),
            dst: (dst, dst_port),
        })
    }

    /// The same, seen from the other end.
    pub fn reversed(self) -> Ends {
        Ends {
            eth_src: self.eth_dst,
            eth_dst: self.eth_src,
            src: self.dst,
            dst: self.src,
        }
    }

    /// The client's first segment.
    pub fn opening(&self) -> Vec<u8> {
        self.segment(flag::SYN, CLIENT_SEQUENCE, 0, &[])
    }

    /// The server's answer to that; `self` is as the server sends.
    pub fn accepting(&self) -> Vec<u8> {
        let flags = flag::SYN | flag::ACK;
        self.segment(flags, SERVER_SEQUENCE, CLIENT_SEQUENCE + 1, &[])
    }

    /// The client's data.
    pub fn data(&self) -> Vec<u8> {
        let (sequence, acknowledgment) = (CLIENT_SEQUENCE + 1, SERVER_SEQUENCE + 1);
        self.segment(flag::ACK, sequence, acknowledgment, &[0; 6])
    }

    fn segment(&self, flags: u16, sequence: u32, acknowledgment: u32, data: &[u8]) -> Vec<u8> {
        let mut builder = PacketBuilder::ethernet2(self.eth_src.0, self.eth_dst.0)
            .ipv4(self.src.0.octets(), self.dst.0.octets(), 64)
            .tcp(self.src.1, self.dst.1, sequence, WINDOW);
        if flags & flag::SYN != 0 {
            builder = builder.syn();
        }
        if flags & flag::ACK != 0 {
            builder = builder.ack(acknowledgment);
        }
        let mut frame = Vec::with_capacity(builder.size(data.len()));
        builder
            .write(&mut frame, data)
            .expect("a vector takes all that is written");
        frame
    }
}
