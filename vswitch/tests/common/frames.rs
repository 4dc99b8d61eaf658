//! Frames that stations send.

use etherparse::{IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder};
use packet::Mac;
use pipeline::object::PortRef;

use super::{ipv4, ipv6, mac, router_port};

/// How an IP packet is to be.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub ttl: u8,
    pub dont_fragment: bool,
    pub ecn: u8,
    /// Bytes of UDP payload.
    pub payload: usize,
    pub port: u16,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            ttl: 64,
            dont_fragment: true,
            ecn: 0,
            payload: 32,
            port: 4000,
        }
    }
}

/// The station that a frame is sent to: itself on one switch, else the router's port on the sender's.
fn next_mac(from: PortRef, to: PortRef) -> Mac {
    if from.datapath == to.datapath {
        mac(to)
    } else {
        mac(router_port(from.datapath.get()))
    }
}

/// A UDP packet from one station to another.
pub fn udp4(from: PortRef, to: PortRef, shape: Shape) -> Vec<u8> {
    let length = 8 + shape.payload as u16;
    let (src, dst) = (ipv4(from).octets(), ipv4(to).octets());
    let mut header = Ipv4Header::new(length, shape.ttl, IpNumber::UDP, src, dst).expect("a header");
    header.dont_fragment = shape.dont_fragment;
    header.ecn = shape.ecn.try_into().expect("two bits");
    finish(
        from,
        next_mac(from, to),
        IpHeaders::Ipv4(header, Default::default()),
        shape,
    )
}

/// An SCTP packet from a station to the router, with one chunk that has no body.
pub fn sctp4_to_router(from: PortRef, chunk_type: u8) -> Vec<u8> {
    let router = router_port(from.datapath.get());
    let (src, dst) = (ipv4(from).octets(), [10, 0, from.datapath.get() as u8, 1]);
    let sctp = [0, 1, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, chunk_type, 0, 0, 4];
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(mac(from).0, mac(router).0)
        .ipv4(src, dst, 64)
        .write(&mut frame, IpNumber::SCTP, &sctp)
        .expect("a frame");
    frame
}

/// The same over IPv6.
pub fn udp6(from: PortRef, to: PortRef, shape: Shape) -> Vec<u8> {
    let header = Ipv6Header {
        traffic_class: shape.ecn,
        hop_limit: shape.ttl,
        source: ipv6(from).octets(),
        destination: ipv6(to).octets(),
        ..Ipv6Header::default()
    };
    finish(
        from,
        next_mac(from, to),
        IpHeaders::Ipv6(header, Default::default()),
        shape,
    )
}

fn finish(from: PortRef, to: Mac, ip: IpHeaders, shape: Shape) -> Vec<u8> {
    let payload: Vec<u8> = (0..shape.payload).map(|byte| byte as u8).collect();
    let builder = PacketBuilder::ethernet2(mac(from).0, to.0)
        .ip(ip)
        .udp(shape.port, 5000);
    let mut frame = Vec::new();
    builder.write(&mut frame, &payload).expect("a frame");
    frame
}
