//! The exact-match key of a flow: what the verdict on a packet may depend on, in 64 bytes.
//!
//! Two packets with one key get one verdict. What varies within a flow is left out and judged when a
//! cached verdict is met: TTL, length and TCP flags. Packets whose verdict depends on more than the key
//! can hold have none: ARP, neighbour discovery and ICMP errors.

mod glimpse;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Mac;
use crate::flow::{Flow, Fragment, Ip, Network, Transport, ether_type};
use crate::header::icmp_type;

pub use glimpse::Glimpse;

/// The exact-match key of a flow at the port where it enters, in eight words.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FlowKey([u64; 8]);

/// What a key is made of, beside the number of the port or tunnel.
#[derive(Clone, Copy, Default)]
struct Fields {
    /// The link addresses, 48 bits each.
    eth_src: u64,
    eth_dst: u64,
    /// Tag control information; [`VLAN_PRESENT`] tells VLAN 0 from no tag.
    vlan: u16,
    eth_type: u16,
    /// IPv4 in the lower 32 bits; the EtherType tells the families apart.
    ip_src: u128,
    ip_dst: u128,
    protocol: u8,
    /// DSCP and ECN as in the traffic class.
    traffic_class: u8,
    bits: u8,
    /// Source port, or ICMP type and code.
    transport_src: u16,
    /// Destination port, or ICMP identifier.
    transport_dst: u16,
}

/// In [`Fields::vlan`]: the frame is tagged. (The bit of the wire format means "drop eligible".)
const VLAN_PRESENT: u16 = 0x1000;

/// What [`Fields::bits`] means.
mod bit {
    pub(super) const FIRST_FRAGMENT: u8 = 1;
    pub(super) const LATER_FRAGMENT: u8 = 2;
    pub(super) const DONT_FRAGMENT: u8 = 4;
    /// The transport fields are those of a header, not zero for want of one.
    pub(super) const TRANSPORT_KNOWN: u8 = 8;
}

/// Words of a key, and where fields begin in them.
mod at {
    pub(super) const INGRESS: usize = 0;
    /// Destination address and EtherType, after source address and tag.
    pub(super) const DESTINATION: usize = 2;
    pub(super) const IP_SRC: usize = 3;
    pub(super) const IP_DST: usize = 5;
    /// What is above the addresses: protocol, traffic class, bits, 8 that are not used, and ports.
    pub(super) const ABOVE: usize = 7;
    pub(super) const PROTOCOL_SHIFT: u32 = 56;
    pub(super) const CLASS_SHIFT: u32 = 48;
    pub(super) const BITS_SHIFT: u32 = 40;
}

impl Fields {
    #[inline]
    fn pack(self, ingress: u64) -> FlowKey {
        let above = u64::from(self.protocol) << at::PROTOCOL_SHIFT
            | u64::from(self.traffic_class) << at::CLASS_SHIFT
            | u64::from(self.bits) << at::BITS_SHIFT
            | u64::from(self.transport_src) << 16
            | u64::from(self.transport_dst);
        FlowKey([
            ingress,
            self.eth_src << 16 | u64::from(self.vlan),
            self.eth_dst << 16 | u64::from(self.eth_type),
            (self.ip_src >> 64) as u64,
            self.ip_src as u64,
            (self.ip_dst >> 64) as u64,
            self.ip_dst as u64,
            above,
        ])
    }

    /// Fills in the IP part; false for what has no key.
    #[inline]
    fn set_ip(&mut self, ip: &Ip) -> bool {
        self.ip_src = widen(ip.src);
        self.ip_dst = widen(ip.dst);
        self.protocol = ip.protocol;
        self.traffic_class = ip.dscp << 2 | ip.ecn & 3;
        self.bits |= match ip.fragment {
            Fragment::Whole => 0,
            Fragment::First => bit::FIRST_FRAGMENT,
            Fragment::Later => bit::LATER_FRAGMENT,
        };
        if ip.dont_fragment {
            self.bits |= bit::DONT_FRAGMENT;
        }
        let (src, dst) = match ip.transport {
            Transport::Other => return true,
            Transport::Tcp { src, dst, .. }
            | Transport::Udp { src, dst }
            | Transport::Sctp { src, dst } => (src, dst),
            Transport::Icmp { kind, .. } if ip.src.is_ipv6() && is_discovery(kind) => {
                return false;
            }
            Transport::Icmp { kind, .. } if icmp_type::quotes(ip.src.is_ipv6(), kind) => {
                return false;
            }
            Transport::Icmp {
                kind,
                code,
                identifier,
                ..
            } => (u16::from_be_bytes([kind, code]), identifier),
        };
        self.bits |= bit::TRANSPORT_KNOWN;
        (self.transport_src, self.transport_dst) = (src, dst);
        true
    }
}

impl FlowKey {
    /// The key of a packet that enters at `ingress`, the caller's number for the port or tunnel.
    ///
    /// `None` for ARP, RARP, neighbour discovery and ICMP errors: verdicts on them are never cached.
    #[inline]
    pub fn of(ingress: u64, flow: &Flow) -> Option<FlowKey> {
        let mut fields = Fields {
            eth_src: bits(flow.eth_src),
            eth_dst: bits(flow.eth_dst),
            vlan: flow.vlan.map_or(0, |tag| tag.control() | VLAN_PRESENT),
            eth_type: flow.eth_type,
            ..Fields::default()
        };
        let has_key = match &flow.network {
            Network::Other => true,
            Network::Arp(_) => false,
            Network::Ip(ip) => fields.set_ip(ip),
        };
        has_key.then(|| fields.pack(ingress))
    }

    /// The number of the port or tunnel where the packet entered.
    pub fn ingress(&self) -> u64 {
        self.0[at::INGRESS]
    }

    /// The addresses of an IP flow: source and destination.
    pub fn ends(&self) -> Option<(IpAddr, IpAddr)> {
        let narrow: fn(u128) -> IpAddr = match self.eth_type() {
            ether_type::IPV6 => |wide| Ipv6Addr::from_bits(wide).into(),
            ether_type::IPV4 => |wide| Ipv4Addr::from_bits(wide as u32).into(),
            _ => return None,
        };
        let ip = |at: usize| narrow(u128::from(self.0[at]) << 64 | u128::from(self.0[at + 1]));
        Some((ip(at::IP_SRC), ip(at::IP_DST)))
    }

    /// The key with these words.
    #[inline]
    pub fn from_words(words: [u64; 8]) -> FlowKey {
        FlowKey(words)
    }

    /// The key as words, for hashing.
    #[inline]
    pub fn words(&self) -> &[u64; 8] {
        &self.0
    }

    #[inline]
    fn eth_type(&self) -> u16 {
        self.0[at::DESTINATION] as u16
    }

    #[inline]
    fn protocol(&self) -> u8 {
        (self.0[at::ABOVE] >> at::PROTOCOL_SHIFT) as u8
    }

    #[inline]
    fn traffic_class(&self) -> u8 {
        (self.0[at::ABOVE] >> at::CLASS_SHIFT) as u8
    }
}

fn is_discovery(kind: u8) -> bool {
    (icmp_type::ROUTER_SOLICITATION..=icmp_type::V6_REDIRECT).contains(&kind)
}

#[inline]
fn bits(mac: Mac) -> u64 {
    let [a, b, c, d, e, f] = mac.0;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

#[inline]
fn widen(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V6(ip) => ip.to_bits(),
        IpAddr::V4(ip) => ip.to_bits().into(),
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FlowKey(")?;
        for word in self.0 {
            write!(f, "{word:016x}")?;
        }
        write!(f, ")")
    }
}
