//! Packets of one stream, and the super-packets that stand for them.

use etherparse::PacketBuilder;
use packet::offload::cut::Cut;
use packet::offload::group::{Groups, Packet};
use packet::offload::{Offload, TransportSum, complete};
use pipeline::object::PortRef;
use vswitch::port::Loose;

use super::{VIP, VIP6, ipv4, ipv6, mac, router_port};

/// What the packets of a super-packet have in common.
#[derive(Clone, Copy)]
pub struct Stream {
    pub is_ipv6: bool,
    pub is_udp: bool,
    pub ttl: u8,
    /// To a service, and not to its receiver.
    pub is_to_vip: bool,
    pub dont_fragment: bool,
    /// Bytes of payload in each but the last.
    pub size: usize,
}

pub const STREAM: Stream = Stream {
    is_ipv6: false,
    is_udp: false,
    ttl: 64,
    is_to_vip: false,
    dont_fragment: true,
    size: 1000,
};

/// All protocols that there are super-packets of.
pub fn streams() -> impl Iterator<Item = Stream> {
    [(false, false), (false, true), (true, false), (true, true)]
        .into_iter()
        .map(|(is_ipv6, is_udp)| Stream {
            is_ipv6,
            is_udp,
            ..STREAM
        })
}

/// Five packets of a stream, the last of 300 bytes.
pub fn packets(stream: Stream, from: PortRef, to: PortRef) -> Vec<Vec<u8>> {
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
        true => {
            let dst = if stream.is_to_vip { VIP6 } else { ipv6(to) };
            link.ipv6(ipv6(from).octets(), dst.octets(), stream.ttl)
        }
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
pub fn merged(packets: &[Vec<u8>]) -> (Vec<u8>, Offload) {
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
pub fn cut(frame: &Loose) -> Vec<Vec<u8>> {
    if let Some(cut) = Cut::new(&frame.bytes, 0, &frame.offload, TransportSum::Complete) {
        return (0..cut.count()).map(|index| cut.packet(index)).collect();
    }
    let mut bytes = frame.bytes.clone();
    if let Some(checksum) = frame.offload.checksum {
        complete(&mut bytes, checksum);
    }
    vec![bytes]
}
