//! The fields that expressions read, and the packet that they read them from.

use std::net::IpAddr;

use packet::flow::{Arp, Discovery, Flow, Fragment, Ip, Network, Transport};
use packet::{Mac, icmp_type};

/// A field that holds the name of a logical port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortField {
    /// Where the packet entered.
    Inport,
    /// Where it is to leave.
    Outport,
}

/// A field that holds an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "named as in expressions")]
pub enum Field {
    /// `reg0`...`reg3`, or `xreg0` and `xreg1`: OVN's own memory, which nothing writes here.
    Xxreg0,
    /// `reg4`...`reg7`, or `xreg2` and `xreg3`; likewise.
    Xxreg1,
    /// `reg8` and `reg9`; likewise.
    Xreg4,
    Flags,
    /// The mark of the packet in its node, which nothing writes here.
    PktMark,
    CtMark,
    CtLabel,
    CtState,
    EthSrc,
    EthDst,
    EthType,
    VlanTci,
    IpProto,
    IpDscp,
    IpEcn,
    IpTtl,
    IpFrag,
    Ip4Src,
    Ip4Dst,
    Ip6Src,
    Ip6Dst,
    Ip6Label,
    Icmp4Type,
    Icmp4Code,
    Icmp6Type,
    Icmp6Code,
    ArpOp,
    ArpSpa,
    ArpSha,
    ArpTpa,
    ArpTha,
    NdTarget,
    NdSll,
    NdTll,
    TcpSrc,
    TcpDst,
    TcpFlags,
    UdpSrc,
    UdpDst,
    SctpSrc,
    SctpDst,
}

/// Bits of [`Field::VlanTci`] and [`Field::IpFrag`].
pub(crate) mod bit {
    /// The frame is tagged.
    pub(crate) const VLAN_PRESENT: u16 = 0x1000;
    /// Any fragment.
    pub(crate) const FRAGMENT: u8 = 1;
    /// A fragment other than the first.
    pub(crate) const LATER_FRAGMENT: u8 = 2;
}

/// A packet on its way through a logical datapath: what an expression is evaluated on.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its headers.
    pub flow: &'a Flow,
    /// The logical port where it entered.
    pub inport: &'a str,
    /// The logical port or multicast group where it is to leave; empty before that is known.
    pub outport: &'a str,
    /// OVN's `flags`.
    pub flags: u32,
    /// Connection tracking state, with OVN's bits.
    pub ct_state: u32,
    /// The mark of its connection.
    pub ct_mark: u32,
    /// The label of its connection.
    pub ct_label: u128,
}

impl<'a> Packet<'a> {
    /// A packet that has just entered: no other port, no flags, no connection.
    pub fn entering(flow: &'a Flow, inport: &'a str) -> Packet<'a> {
        Packet {
            flow,
            inport,
            outport: "",
            flags: 0,
            ct_state: 0,
            ct_mark: 0,
            ct_label: 0,
        }
    }

    pub(crate) fn port(&self, field: PortField) -> &'a str {
        match field {
            PortField::Inport => self.inport,
            PortField::Outport => self.outport,
        }
    }

    /// The value of a field; 0 where the packet has no such header.
    pub fn read(&self, field: Field) -> u128 {
        self.read_own(field).unwrap_or(0)
    }

    fn read_own(&self, field: Field) -> Option<u128> {
        let flow = self.flow;
        Some(match field {
            Field::Flags => self.flags.into(),
            Field::CtMark => self.ct_mark.into(),
            Field::CtLabel => self.ct_label,
            Field::CtState => self.ct_state.into(),
            Field::EthSrc => from_mac(flow.eth_src),
            Field::EthDst => from_mac(flow.eth_dst),
            Field::EthType => flow.eth_type.into(),
            Field::VlanTci => (flow.vlan?.control() | bit::VLAN_PRESENT).into(),
            _ => match &flow.network {
                Network::Other => return None,
                Network::Arp(arp) => return read_arp(arp, field),
                Network::Ip(ip) => return read_ip(ip, field),
            },
        })
    }
}

fn read_arp(arp: &Arp, field: Field) -> Option<u128> {
    Some(match field {
        Field::ArpOp => arp.operation.into(),
        Field::ArpSpa => u32::from(arp.spa).into(),
        Field::ArpSha => from_mac(arp.sha),
        Field::ArpTpa => u32::from(arp.tpa).into(),
        Field::ArpTha => from_mac(arp.tha),
        _ => return None,
    })
}

fn read_ip(ip: &Ip, field: Field) -> Option<u128> {
    Some(match (field, ip.src, ip.dst) {
        (Field::IpProto, ..) => ip.protocol.into(),
        (Field::IpDscp, ..) => ip.dscp.into(),
        (Field::IpEcn, ..) => ip.ecn.into(),
        (Field::IpTtl, ..) => ip.ttl.into(),
        (Field::IpFrag, ..) => match ip.fragment {
            Fragment::Whole => 0,
            Fragment::First => bit::FRAGMENT.into(),
            Fragment::Later => (bit::FRAGMENT | bit::LATER_FRAGMENT).into(),
        },
        (Field::Ip4Src, IpAddr::V4(src), _) => u32::from(src).into(),
        (Field::Ip4Dst, _, IpAddr::V4(dst)) => u32::from(dst).into(),
        (Field::Ip6Src, IpAddr::V6(src), _) => src.into(),
        (Field::Ip6Dst, _, IpAddr::V6(dst)) => dst.into(),
        (Field::Ip6Label, IpAddr::V6(_), _) => ip.label.into(),
        _ => return read_transport(&ip.transport, field),
    })
}

fn read_transport(transport: &Transport, field: Field) -> Option<u128> {
    Some(match (transport, field) {
        (Transport::Tcp { src, .. }, Field::TcpSrc) => (*src).into(),
        (Transport::Tcp { dst, .. }, Field::TcpDst) => (*dst).into(),
        (Transport::Tcp { flags, .. }, Field::TcpFlags) => (*flags).into(),
        (Transport::Udp { src, .. }, Field::UdpSrc) => (*src).into(),
        (Transport::Udp { dst, .. }, Field::UdpDst) => (*dst).into(),
        (Transport::Sctp { src, .. }, Field::SctpSrc) => (*src).into(),
        (Transport::Sctp { dst, .. }, Field::SctpDst) => (*dst).into(),
        (Transport::Icmp { kind, .. }, Field::Icmp4Type | Field::Icmp6Type) => (*kind).into(),
        (Transport::Icmp { code, .. }, Field::Icmp4Code | Field::Icmp6Code) => (*code).into(),
        (
            Transport::Icmp {
                discovery: Some(discovery),
                ..
            },
            field,
        ) => return read_discovery(discovery, field),
        _ => return None,
    })
}

fn read_discovery(discovery: &Discovery, field: Field) -> Option<u128> {
    Some(match field {
        Field::NdTarget => discovery.target.into(),
        Field::NdSll => from_mac(discovery.source_mac?),
        Field::NdTll => from_mac(discovery.target_mac?),
        _ => return None,
    })
}

/// True for the ICMPv6 types that carry the fields of neighbour discovery.
pub(crate) fn is_discovery(kind: u8) -> bool {
    matches!(
        kind,
        icmp_type::NEIGHBOR_SOLICITATION | icmp_type::NEIGHBOR_ADVERTISEMENT
    )
}

pub(crate) fn from_mac(mac: Mac) -> u128 {
    let [a, b, c, d, e, f] = mac.0;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f]).into()
}

pub(crate) fn to_mac(value: u128) -> Mac {
    let [.., a, b, c, d, e, f] = value.to_be_bytes();
    Mac([a, b, c, d, e, f])
}
