//! The headers of most packets, read straight into the key.
//!
//! Most packets are whole TCP segments or UDP datagrams over untagged IP without options. Of these the key of the flow and
//! the little that varies within it can be read from fixed places; [`parse`](crate::parse()) reads everything of any packet,
//! and what both read of a packet is the same.

use zerocopy::FromBytes;

use super::{Fields, FlowKey, bit, bits};
use crate::flow::{ether_type, ip_protocol};
use crate::header::{ETHERNET_LENGTH, Ethernet, Ipv4, Ipv6, Tcp, Udp, ipv4_fragment};
use crate::offload::{self, Headers, Offload, PartialChecksum};
use crate::segment::{self, Segment};
use crate::{IPV4_LENGTH, IPV6_LENGTH, Layout};

/// What the headers of a packet say, as far as that is needed to know its flow and to find nothing unusual in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
        let mut fields = Fields {
            eth_src: bits(ethernet.src),
            eth_dst: bits(ethernet.dst),
            eth_type: ethernet.eth_type.get(),
            ..Fields::default()
        };
        let (ttl, length, payload) = match fields.eth_type {
            ether_type::IPV4 => read_ipv4(&mut fields, packet)?,
            ether_type::IPV6 => read_ipv6(&mut fields, packet)?,
            _ => return None,
        };
        read_ports(&mut fields, payload)?;
        Some(Glimpse {
            key: fields.pack(ingress),
            ttl,
            length,
        })
    }

    /// True over IPv4, false over IPv6.
    #[inline]
    pub fn is_ipv4(&self) -> bool {
        self.key.eth_type() == ether_type::IPV4
    }

    /// TCP or UDP, as [`ip_protocol`] has it.
    #[inline]
    pub fn protocol(&self) -> u8 {
        self.key.protocol()
    }

    /// The explicit congestion notification bits.
    #[inline]
    pub fn ecn(&self) -> u8 {
        self.key.traffic_class() & 3
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

    /// What is left to do on the packet, in its plainest form, as [`offload::admit`] has it; `None` where only that can tell.
    /// `frame` is the one that was read.
    #[inline]
    pub fn admit(&self, frame: &[u8], offload: Offload) -> Option<Offload> {
        let Some(partial) = offload.checksum else {
            return (!offload.is_super()).then_some(Offload::NONE);
        };
        let layout = self.layout();
        let own = PartialChecksum {
            start: layout.transport,
            offset: offload::checksum_offset(self.protocol())?,
        };
        if partial != own && partial != PartialChecksum::OWN {
            return None;
        }
        let checksum = Some(own);
        if !offload.is_super() {
            return Some(Offload {
                checksum,
                ..Offload::NONE
            });
        }
        let headers = Headers {
            layout,
            is_ipv6: !self.is_ipv4(),
            protocol: self.protocol(),
            length: self.length.into(),
        };
        offload::admit_super(
            frame,
            Offload {
                checksum,
                ..offload
            },
            headers,
        )
        .ok()
    }

    /// Bytes of the longest packet that it stands for, from the network header on: what an MTU limits.
    #[inline]
    pub fn longest(&self, admitted: &Offload) -> u32 {
        admitted.longest(self.length.into(), &self.layout())
    }

    /// What the packet says of its connection's progress. `frame` is the one that was read.
    #[inline]
    pub fn segment(&self, frame: &[u8]) -> Segment {
        if self.key.protocol() != ip_protocol::TCP {
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

/// Returns the TTL, the length, and what is above the header.
#[inline]
fn read_ipv4<'a>(fields: &mut Fields, packet: &'a [u8]) -> Option<(u8, u16, &'a [u8])> {
    let (header, rest) = Ipv4::ref_from_prefix(packet).ok()?;
    let fragment = header.fragment.get();
    if header.version_length != IPV4_WITHOUT_OPTIONS
        || fragment & (ipv4_fragment::MORE | ipv4_fragment::OFFSET) != 0
    {
        return None;
    }
    fields.ip_src = u32::from_be_bytes(header.src).into();
    fields.ip_dst = u32::from_be_bytes(header.dst).into();
    fields.protocol = header.protocol;
    fields.traffic_class = header.tos;
    if fragment & ipv4_fragment::DONT != 0 {
        fields.bits = bit::DONT_FRAGMENT;
    }
    let length = header.total_length.get();
    let payload = rest.get(..usize::from(length).checked_sub(IPV4_LENGTH)?)?;
    Some((header.ttl, length, payload))
}

/// Returns the hop limit, the length, and what is above the header.
#[inline]
fn read_ipv6<'a>(fields: &mut Fields, packet: &'a [u8]) -> Option<(u8, u16, &'a [u8])> {
    let (header, rest) = Ipv6::ref_from_prefix(packet).ok()?;
    let first = header.version_class_label.get();
    if first >> 28 != 6 {
        return None;
    }
    fields.ip_src = u128::from_be_bytes(header.src);
    fields.ip_dst = u128::from_be_bytes(header.dst);
    fields.protocol = header.next_header;
    fields.traffic_class = (first >> 20) as u8;
    fields.bits = bit::DONT_FRAGMENT;
    let length = header.payload_length.get();
    let payload = rest.get(..usize::from(length))?;
    let length = length.checked_add(IPV6_LENGTH as u16)?;
    Some((header.hop_limit, length, payload))
}

#[inline]
fn read_ports(fields: &mut Fields, payload: &[u8]) -> Option<()> {
    let (src, dst) = match fields.protocol {
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
    fields.bits |= bit::TRANSPORT_KNOWN;
    (fields.transport_src, fields.transport_dst) = (src.get(), dst.get());
    Some(())
}
