//! Frames made by hand, and what a captured frame says. Encoding and decoding are another project's
//! (etherparse), so that our own code does not judge itself.

use std::net::IpAddr;

use etherparse::{
    IpFragOffset, IpHeaders, IpNumber, Ipv4Header, Ipv6Header, NetSlice, PacketBuilder,
    SlicedPacket, TransportSlice, VlanId,
};

/// A UDP datagram in an Ethernet frame; change what a story is about.
#[derive(Clone, Debug)]
pub struct Udp {
    /// Source and destination MAC address.
    pub mac: ([u8; 6], [u8; 6]),
    /// Source and destination IP address, of one family.
    pub ip: (IpAddr, IpAddr),
    /// Source and destination port.
    pub port: (u16, u16),
    /// TTL or hop limit.
    pub ttl: u8,
    /// IPv4's DF bit.
    pub dont_fragment: bool,
    /// An 802.1Q tag.
    pub vlan: Option<u16>,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Udp {
    /// A short datagram with TTL 64 and no tag.
    pub fn new(mac: (&str, &str), ip: (&str, &str)) -> Self {
        let address = |text: &str| {
            text.parse()
                .unwrap_or_else(|_| panic!("{text} is no IP address"))
        };
        Self {
            mac: (parse_mac(mac.0), parse_mac(mac.1)),
            ip: (address(ip.0), address(ip.1)),
            port: (4000, 5000),
            ttl: 64,
            dont_fragment: true,
            vlan: None,
            payload: b"a datagram made by hand".to_vec(),
        }
    }

    /// The frame.
    pub fn frame(&self) -> Vec<u8> {
        let link = PacketBuilder::ethernet2(self.mac.0, self.mac.1);
        let network = self.network();
        let with_ip = match self.vlan {
            Some(tag) => link
                .single_vlan(VlanId::try_new(tag).expect("a VLAN has 12 bits"))
                .ip(network),
            None => link.ip(network),
        };
        let mut frame = Vec::new();
        let built = with_ip
            .udp(self.port.0, self.port.1)
            .write(&mut frame, &self.payload);
        built.expect("a datagram of this length fits");
        frame
    }

    fn network(&self) -> IpHeaders {
        match self.ip {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let addresses = (source.octets(), destination.octets());
                let mut header =
                    Ipv4Header::new(0, self.ttl, IpNumber::UDP, addresses.0, addresses.1)
                        .expect("an empty payload fits");
                header.dont_fragment = self.dont_fragment;
                header.fragment_offset = IpFragOffset::ZERO;
                IpHeaders::Ipv4(header, Default::default())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let header = Ipv6Header {
                    hop_limit: self.ttl,
                    source: source.octets(),
                    destination: destination.octets(),
                    next_header: IpNumber::UDP,
                    ..Default::default()
                };
                IpHeaders::Ipv6(header, Default::default())
            }
            _ => panic!("source and destination are of one family"),
        }
    }
}

/// `0a:00:00:00:01:0b` as bytes.
pub fn parse_mac(text: &str) -> [u8; 6] {
    let bytes: Vec<u8> = text
        .split(':')
        .filter_map(|part| u8::from_str_radix(part, 16).ok())
        .collect();
    bytes
        .try_into()
        .unwrap_or_else(|_| panic!("{text} is no MAC address"))
}

/// An ICMP or ICMPv6 message that was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Who sent it.
    pub source: IpAddr,
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The four bytes after the checksum; an MTU in the errors about one.
    pub rest: u32,
}

/// The ICMP message in a frame, if it is one.
pub fn icmp(frame: &[u8]) -> Option<Icmp> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let source = source(packet.net.as_ref()?)?;
    let message = match packet.transport? {
        TransportSlice::Icmpv4(message) => message.slice(),
        TransportSlice::Icmpv6(message) => message.slice(),
        _ => return None,
    };
    let rest = u32::from_be_bytes(message.get(4..8)?.try_into().ok()?);
    Some(Icmp {
        source,
        kind: message[0],
        code: message[1],
        rest,
    })
}

/// Source address, hop limit and payload of the UDP datagram in a frame, if it is one.
pub fn udp(frame: &[u8]) -> Option<(IpAddr, u8, Vec<u8>)> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let network = packet.net.as_ref()?;
    let ttl = match network {
        NetSlice::Ipv4(v4) => v4.header().ttl(),
        NetSlice::Ipv6(v6) => v6.header().hop_limit(),
        _ => return None,
    };
    let source = source(network)?;
    match packet.transport? {
        TransportSlice::Udp(datagram) => Some((source, ttl, datagram.payload().to_vec())),
        _ => None,
    }
}

fn source(network: &NetSlice<'_>) -> Option<IpAddr> {
    match network {
        NetSlice::Ipv4(v4) => Some(v4.header().source_addr().into()),
        NetSlice::Ipv6(v6) => Some(v6.header().source_addr().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_datagram_is_read_back() {
        for ip in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")] {
            let mut made = Udp::new(("02:00:00:00:00:01", "02:00:00:00:00:02"), ip);
            made.ttl = 7;
            for vlan in [None, Some(30)] {
                made.vlan = vlan;
                assert_eq!(
                    udp(&made.frame()),
                    Some((made.ip.0, 7, made.payload.clone()))
                );
            }
            assert_eq!(icmp(&made.frame()), None);
        }
    }
}
