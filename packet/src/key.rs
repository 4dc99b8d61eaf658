//! The exact-match key of a flow: what the verdict on a packet may depend on, in 64 bytes.
//!
//! Two packets with one key get one verdict. What varies within a flow is left out and judged when a
//! cached verdict is met: TTL, length and TCP flags. Packets whose verdict depends on more than the key
//! can hold have none: ARP, neighbour discovery and ICMP errors.

mod glimpse;

use std::fmt;
use std::net::IpAddr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Mac;
use crate::flow::{Flow, Fragment, Ip, Network, Transport, ether_type};
use crate::header::icmp_type;

pub use glimpse::Glimpse;

/// The exact-match key of a flow at the port where it enters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FlowKey {
    /// The low half of the ingress number.
    ingress: u32,
    eth_src: Mac,
    eth_dst: Mac,
    /// Tag control information; [`VLAN_PRESENT`] tells VLAN 0 from no tag.
    vlan: u16,
    eth_type: u16,
    ip_src: [u8; 16],
    ip_dst: [u8; 16],
    protocol: u8,
    /// DSCP and ECN as in the traffic class.
    traffic_class: u8,
    bits: u8,
    reserved: u8,
    /// Source port, or ICMP type and code.
    transport_src: u16,
    /// Destination port, or ICMP identifier.
    transport_dst: u16,
    /// The high half of the ingress number.
    ingress_high: u32,
}

const _: () = assert!(size_of::<FlowKey>() == 64);

/// In [`FlowKey::vlan`]: the frame is tagged. (The bit of the wire format means "drop eligible".)
const VLAN_PRESENT: u16 = 0x1000;

/// What [`FlowKey::bits`] means.
mod bit {
    pub(super) const FIRST_FRAGMENT: u8 = 1;
    pub(super) const LATER_FRAGMENT: u8 = 2;
    pub(super) const DONT_FRAGMENT: u8 = 4;
    /// The transport fields are those of a header, not zero for want of one.
    pub(super) const TRANSPORT_KNOWN: u8 = 8;
}

impl FlowKey {
    /// The key of nothing, to be filled in.
    const EMPTY: FlowKey = FlowKey {
        ingress: 0,
        eth_src: Mac([0; 6]),
        eth_dst: Mac([0; 6]),
        vlan: 0,
        eth_type: 0,
        ip_src: [0; 16],
        ip_dst: [0; 16],
        protocol: 0,
        traffic_class: 0,
        bits: 0,
        reserved: 0,
        transport_src: 0,
        transport_dst: 0,
        ingress_high: 0,
    };

    /// The key of a packet that enters at `ingress`, the caller's number for the port or tunnel.
    ///
    /// `None` for ARP, RARP, neighbour discovery and ICMP errors: verdicts on them are never cached.
    #[inline]
    pub fn of(ingress: u64, flow: &Flow) -> Option<FlowKey> {
        let mut key = FlowKey {
            ingress: ingress as u32,
            eth_src: flow.eth_src,
            eth_dst: flow.eth_dst,
            vlan: flow.vlan.map_or(0, |tag| tag.control() | VLAN_PRESENT),
            eth_type: flow.eth_type,
            ingress_high: (ingress >> 32) as u32,
            ..Self::EMPTY
        };
        match &flow.network {
            Network::Other => Some(key),
            Network::Arp(_) => None,
            Network::Ip(ip) => key.set_ip(ip).then_some(key),
        }
    }

    /// The number of the port or tunnel where the packet entered.
    pub fn ingress(&self) -> u64 {
        u64::from(self.ingress_high) << 32 | u64::from(self.ingress)
    }

    /// The addresses of an IP flow: source and destination.
    pub fn ends(&self) -> Option<(IpAddr, IpAddr)> {
        let narrow: fn([u8; 16]) -> IpAddr = match self.eth_type {
            ether_type::IPV6 => |wide| IpAddr::from(wide),
            ether_type::IPV4 => |[a, b, c, d, ..]| IpAddr::from([a, b, c, d]),
            _ => return None,
        };
        Some((narrow(self.ip_src), narrow(self.ip_dst)))
    }

    /// The key with these machine words.
    #[inline]
    pub fn from_words(words: [u64; 8]) -> FlowKey {
        zerocopy::transmute!(words)
    }

    /// The key as eight machine words, for hashing.
    #[inline]
    pub fn words(&self) -> [u64; 8] {
        zerocopy::transmute!(*self)
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

fn is_discovery(kind: u8) -> bool {
    (icmp_type::ROUTER_SOLICITATION..=icmp_type::V6_REDIRECT).contains(&kind)
}

/// IPv6 as it is, IPv4 in the first four bytes; the EtherType tells them apart.
#[inline]
fn widen(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V6(ip) => ip.octets(),
        IpAddr::V4(ip) => {
            let mut wide = [0; 16];
            wide[..4].copy_from_slice(&ip.octets());
            wide
        }
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FlowKey(")?;
        for byte in self.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ")")
    }
}
