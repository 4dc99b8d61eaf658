//! The headers of most packets, read straight into the key.
//!
//! Most packets are whole TCP segments or UDP datagrams over untagged IP without options. Of these the key of the flow and
//! the little that varies within it can be read from fixed places; [`parse`](crate::parse()) reads everything of any packet,
//! and what both read of a packet is the same.

use zerocopy::FromBytes;

use super::{FlowKey, bit};
use crate::flow::{ether_type, ip_protocol};
use crate::header::{ETHERNET_LENGTH, Ethernet, Ipv4, Ipv6, Tcp, Udp, ipv4_fragment};
use crate::segment::{self, Segment};
use crate::{IPV4_LENGTH, IPV6_LENGTH, Layout};

/// What the headers of a packet say, as far as that is needed to know its flow and to find nothing unusual in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glimpse {
    /// The key of its flow.
    pub key: FlowKey,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Bytes from the network header to the end of the packet, padding excluded.
    pub length: u16,
}

/// The first byte of an IPv4 header of 20 bytes.
const IPV4_WITHOUT_OPTIONS: u8 = 0x45;

impl Glimpse {
    /// Reads the headers of a frame that enters at `ingress`; `None` if they are not of the usual kind, be they sound or not.
    #[inline]
    pub fn of(frame: &[u8], ingress: u64) -> Option<Glimpse> {
        let (ethernet, packet) = Ethernet::ref_from_prefix(frame).ok()?;
        let eth_type = ethernet.eth_type.get();
        let mut glimpse = Glimpse {
            key: FlowKey {
                ingress: ingress as u32,
                eth_src: ethernet.src,
                eth_dst: ethernet.dst,
                eth_type,
                ingress_high: (ingress >> 32) as u32,
                ..FlowKey::EMPTY
            },
            ttl: 0,
            length: 0,
        };
        let payload = match eth_type {
            ether_type::IPV4 => glimpse.read_ipv4(packet)?,
            ether_type::IPV6 => glimpse.read_ipv6(packet)?,
            _ => return None,
        };
        glimpse.read_ports(payload)?;
        Some(glimpse)
    }

    /// Returns what is above the header.
    #[inline]
    fn read_ipv4<'a>(&mut self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let (header, rest) = Ipv4::ref_from_prefix(packet).ok()?;
        let fragment = header.fragment.get();
        if header.version_length != IPV4_WITHOUT_OPTIONS
            || fragment & (ipv4_fragment::MORE | ipv4_fragment::OFFSET) != 0
        {
            return None;
        }
        let key = &mut self.key;
        key.ip_src[..4].copy_from_slice(&header.src);
        key.ip_dst[..4].copy_from_slice(&header.dst);
        key.protocol = header.protocol;
        key.traffic_class = header.tos;
        if fragment & ipv4_fragment::DONT != 0 {
            key.bits = bit::DONT_FRAGMENT;
        }
        self.ttl = header.ttl;
        self.length = header.total_length.get();
        rest.get(..usize::from(self.length).checked_sub(IPV4_LENGTH)?)
    }

    /// Returns what is above the header.
    #[inline]
    fn read_ipv6<'a>(&mut self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let (header, rest) = Ipv6::ref_from_prefix(packet).ok()?;
        let first = header.version_class_label.get();
        if first >> 28 != 6 {
            return None;
        }
        let key = &mut self.key;
        key.ip_src = header.src;
        key.ip_dst = header.dst;
        key.protocol = header.next_header;
        key.traffic_class = (first >> 20) as u8;
        key.bits = bit::DONT_FRAGMENT;
        self.ttl = header.hop_limit;
        let length = header.payload_length.get();
        self.length = length.checked_add(IPV6_LENGTH as u16)?;
        rest.get(..usize::from(length))
    }

    #[inline]
    fn read_ports(&mut self, payload: &[u8]) -> Option<()> {
        let (src, dst) = match self.key.protocol {
            ip_protocol::TCP => {
                let (tcp, _) = Tcp::ref_from_prefix(payload).ok()?;
                (tcp.src, tcp.dst)
            }
            ip_protocol::UDP => {
                let (udp, _) = Udp::ref_from_prefix(payload).ok()?;
                (udp.src, udp.dst)
            }
            _ => return None,
        };
        self.key.bits |= bit::TRANSPORT_KNOWN;
        (self.key.transport_src, self.key.transport_dst) = (src.get(), dst.get());
        Some(())
    }

    /// True over IPv4, false over IPv6.
    #[inline]
    pub fn is_ipv4(&self) -> bool {
        self.key.eth_type == ether_type::IPV4
    }

    /// TCP or UDP, as [`ip_protocol`] has it.
    #[inline]
    pub fn protocol(&self) -> u8 {
        self.key.protocol
    }

    /// The explicit congestion notification bits.
    #[inline]
    pub fn ecn(&self) -> u8 {
        self.key.traffic_class & 3
    }

    /// Where the headers stand.
    #[inline]
    pub fn layout(&self) -> Layout {
        let header = match self.is_ipv4() {
            true => IPV4_LENGTH,
            false => IPV6_LENGTH,
        };
        Layout {
            network: ETHERNET_LENGTH as u16,
            transport: (ETHERNET_LENGTH + header) as u16,
        }
    }

    /// What the packet says of its connection's progress. `frame` is the one that was read.
    #[inline]
    pub fn segment(&self, frame: &[u8]) -> Segment {
        if self.key.protocol != ip_protocol::TCP {
            return Segment::Unknown;
        }
        let Layout { network, transport } = self.layout();
        let end = usize::from(network) + usize::from(self.length);
        let bytes = frame.get(usize::from(transport)..end);
        bytes
            .and_then(segment::tcp)
            .map_or(Segment::Unknown, Segment::Tcp)
    }
}
