//! Puts together the headers of packets that the network itself sends.

use std::net::IpAddr;

use zerocopy::IntoBytes;

use crate::flow::{VlanTag, ether_type};
use crate::header::{Ethernet, Ipv4, Ipv6, Vlan, ipv4_fragment};
use crate::{Mac, checksum};

/// Where a frame that the network sends comes from and goes to on the link.
pub(crate) struct Link {
    pub(crate) src: Mac,
    pub(crate) dst: Mac,
    pub(crate) vlan: Option<VlanTag>,
}

/// What the IP header of a packet that the network sends says.
pub(crate) struct IpHeader {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
}

impl Link {
    /// A frame with this link header.
    pub(crate) fn frame(&self, eth_type: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame =
            Vec::with_capacity(size_of::<Ethernet>() + size_of::<Vlan>() + payload.len());
        let (src, dst) = (self.src, self.dst);
        let outer = match self.vlan {
            Some(_) => ether_type::VLAN,
            None => eth_type,
        };
        let ethernet = Ethernet {
            dst,
            src,
            eth_type: outer.into(),
        };
        frame.extend_from_slice(ethernet.as_bytes());
        if let Some(tag) = self.vlan {
            let control = tag.control().into();
            let eth_type = eth_type.into();
            frame.extend_from_slice(Vlan { control, eth_type }.as_bytes());
        }
        frame.extend_from_slice(payload);
        frame
    }
}

impl IpHeader {
    /// The EtherType that announces the packet.
    pub(crate) fn eth_type(&self) -> u16 {
        match self.src {
            IpAddr::V4(_) => ether_type::IPV4,
            IpAddr::V6(_) => ether_type::IPV6,
        }
    }

    /// A packet with this header. Both addresses are of one family, and the payload fits.
    pub(crate) fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let mut packet = Vec::with_capacity(size_of::<Ipv6>() + payload.len());
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let mut header = Ipv4 {
                    version_length: 0x45,
                    total_length: length(size_of::<Ipv4>() + payload.len()).into(),
                    fragment: ipv4_fragment::DONT.into(),
                    ttl: self.ttl,
                    protocol: self.protocol,
                    src: src.octets(),
                    dst: dst.octets(),
                    ..Ipv4::default()
                };
                header.checksum = checksum::of(header.as_bytes()).into();
                packet.extend_from_slice(header.as_bytes());
            }
            (src, dst) => {
                let header = Ipv6 {
                    version_class_label: (6 << 28).into(),
                    payload_length: length(payload.len()).into(),
                    next_header: self.protocol,
                    hop_limit: self.ttl,
                    src: octets(src),
                    dst: octets(dst),
                };
                packet.extend_from_slice(header.as_bytes());
            }
        }
        packet.extend_from_slice(payload);
        packet
    }
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// A length field. What the network sends is short; see the bounds where it is built.
fn length(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}
