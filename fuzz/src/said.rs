//! What stations say to each other: packets, the answers to them, and errors about them.

use std::net::IpAddr;

use etherparse::{PacketBuilder, TcpHeader};
use packet::flow::{Fragment, Ip, Network, Transport, ip_protocol};
use packet::{Mac, Segment, TcpSegment};

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const PSH: u8 = 8;
pub(super) const ACK: u8 = 16;

/// A packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// Source and destination, as everywhere here.
    pub(super) macs: (Mac, Mac),
    /// Of one family.
    pub(super) ips: (IpAddr, IpAddr),
    pub(super) ports: (u16, u16),
    pub(super) kind: Kind,
    /// Bytes of payload.
    pub(super) payload: u8,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Tcp {
        flags: u8,
        sequence: u32,
        acknowledgment: u32,
    },
    Udp,
    /// The identifier is the first port.
    EchoRequest,
    EchoReply,
}

impl Said {
    pub(super) fn frame(&self) -> Vec<u8> {
        let payload: Vec<u8> = (0..self.payload).collect();
        let link = PacketBuilder::ethernet2(self.macs.0.0, self.macs.1.0);
        let (ip, is_ipv6) = match self.ips {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                (link.ipv4(src.octets(), dst.octets(), 64), false)
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => (link.ipv6(src.octets(), dst.octets(), 64), true),
            ips => panic!("two families: {ips:?}"),
        };
        let (src, dst) = self.ports;
        let mut frame = Vec::new();
        let written = match self.kind {
            Kind::Tcp {
                flags,
                sequence,
                acknowledgment,
            } => {
                let mut header = TcpHeader::new(src, dst, sequence, 1_000);
                header.acknowledgment_number = acknowledgment;
                header.fin = flags & FIN != 0;
                header.syn = flags & SYN != 0;
                header.rst = flags & RST != 0;
                header.psh = flags & PSH != 0;
                header.ack = flags & ACK != 0;
                ip.tcp_header(header).write(&mut frame, &payload)
            }
            Kind::Udp => ip.udp(src, dst).write(&mut frame, &payload),
            Kind::EchoRequest if is_ipv6 => {
                ip.icmpv6_echo_request(src, 1).write(&mut frame, &payload)
            }
            Kind::EchoRequest => ip.icmpv4_echo_request(src, 1).write(&mut frame, &payload),
            Kind::EchoReply if is_ipv6 => ip.icmpv6_echo_reply(src, 1).write(&mut frame, &payload),
            Kind::EchoReply => ip.icmpv4_echo_reply(src, 1).write(&mut frame, &payload),
        };
        written.expect("a frame");
        frame
    }
}

/// A whole IP packet in a frame, with its Ethernet addresses as the answer has them.
fn ip_of(frame: &[u8]) -> Option<(Ip, (Mac, Mac))> {
    let (flow, _) = packet::parse(frame).ok()?;
    match flow.network {
        Network::Ip(ip) if ip.fragment == Fragment::Whole && flow.vlan.is_none() => {
            Some((ip, (flow.eth_dst, flow.eth_src)))
        }
        _ => None,
    }
}

/// What its receiver says to what is in a frame; `None` if there is nothing to be said.
pub(super) fn answer(frame: &[u8]) -> Option<Said> {
    let (ip, macs) = ip_of(frame)?;
    let (flow, layout) = packet::parse(frame).ok()?;
    let (ports, kind) = match ip.transport {
        Transport::Tcp { src, dst, .. } => {
            let segment = Segment::of(frame, &flow, &layout, flow.length as usize);
            let Segment::Tcp(segment) = segment else {
                return None;
            };
            ((dst, src), answer_to(&segment))
        }
        Transport::Udp { src, dst } => ((dst, src), Kind::Udp),
        Transport::Icmp {
            kind: packet::icmp_type::ECHO_REQUEST | packet::icmp_type::V6_ECHO_REQUEST,
            identifier,
            ..
        } => ((identifier, 0), Kind::EchoReply),
        _ => return None,
    };
    Some(Said {
        macs,
        ips: (ip.dst, ip.src),
        ports,
        kind,
        payload: 0,
    })
}

/// What a server that was never spoken to says to a segment (RFC 9293 section 3.5).
fn answer_to(segment: &TcpSegment) -> Kind {
    let is_opening = segment.flags & u16::from(SYN | FIN) != 0;
    let acknowledgment = segment.sequence.wrapping_add(segment.length);
    let (flags, sequence) = match segment.flags & u16::from(ACK) {
        0 => (SYN | ACK, 500),
        _ => (ACK, segment.acknowledgment),
    };
    Kind::Tcp {
        flags,
        sequence,
        acknowledgment: acknowledgment.wrapping_add(is_opening.into()),
    }
}

/// What its receiver says of a packet that it cannot take, with so many bytes of it. `None` for what no error is said of.
pub(super) fn error(frame: &[u8], quoted_bytes: usize) -> Option<Vec<u8>> {
    const UNREACHABLE: (u8, u8) = (3, 3);
    const V6_UNREACHABLE: (u8, u8) = (1, 4);
    let (ip, macs) = ip_of(frame)?;
    if let Transport::Icmp {
        quoted: Some(_), ..
    } = ip.transport
    {
        return None;
    }
    let (flow, layout) = packet::parse(frame).ok()?;
    let packet = &frame[usize::from(layout.network)..][..flow.length as usize];
    let quoted = &packet[..packet.len().min(quoted_bytes)];
    let link = PacketBuilder::ethernet2(macs.0.0, macs.1.0);
    let mut error = Vec::new();
    let written = match (ip.dst, ip.src) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => link
            .ipv4(src.octets(), dst.octets(), 64)
            .icmpv4_raw(UNREACHABLE.0, UNREACHABLE.1, [0; 4])
            .write(&mut error, quoted),
        (IpAddr::V6(src), IpAddr::V6(dst)) => link
            .ipv6(src.octets(), dst.octets(), 64)
            .icmpv6_raw(V6_UNREACHABLE.0, V6_UNREACHABLE.1, [0; 4])
            .write(&mut error, quoted),
        _ => return None,
    };
    written.expect("a frame");
    Some(error)
}

/// Whether the checksums of an IP packet are right, as far as it is whole.
pub(super) fn is_good(frame: &[u8]) -> bool {
    let Some((ip, _)) = ip_of(frame) else {
        return true;
    };
    let Ok((flow, layout)) = packet::parse(frame) else {
        return false;
    };
    let (network, transport) = (usize::from(layout.network), usize::from(layout.transport));
    let end = network + flow.length as usize;
    let is_header_good = match ip.src.is_ipv4() {
        true => sum(&[&frame[network..network + usize::from(frame[network] & 15) * 4]]) == 0xffff,
        false => true,
    };
    let octets = |ip| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (src, dst) = (octets(ip.src), octets(ip.dst));
    let message = &frame[transport..end];
    let has_none = ip.src.is_ipv4() && message.get(6..8) == Some(&[0, 0]);
    let length = (message.len() as u32).to_be_bytes();
    let pseudo = [&src[..], &dst, &length, &[0, ip.protocol]].concat();
    let is_transport_good = match ip.protocol {
        ip_protocol::UDP if has_none => true,
        ip_protocol::TCP | ip_protocol::UDP | ip_protocol::ICMPV6 => {
            sum(&[&pseudo, message]) == 0xffff
        }
        ip_protocol::ICMP => sum(&[message]) == 0xffff,
        _ => true,
    };
    is_header_good && is_transport_good
}

/// The sum of RFC 1071 over all these bytes, each part but the last of even length.
fn sum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let word = |bytes: &[u8]| u64::from(bytes[0]) << 8 | u64::from(*bytes.get(1).unwrap_or(&0));
    let mut sum: u64 = words.map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
