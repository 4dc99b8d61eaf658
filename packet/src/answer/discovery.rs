//! Neighbour discovery (RFC 4861).

use std::net::{IpAddr, Ipv6Addr};

use zerocopy::IntoBytes;

use super::{ANSWER_TTL, ip};
use crate::build::{IpHeader, Link};
use crate::flow::{Transport, ip_protocol};
use crate::header::{Icmp, LinkLayerOption, NeighborMessage, icmp_type};
use crate::{Flow, Mac, checksum, solicited_node};

const FLAG_ROUTER: u8 = 0x80;
const FLAG_SOLICITED: u8 = 0x40;
const FLAG_OVERRIDE: u8 = 0x20;
const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// A solicitation by the station `mac` with address `ip` for the owner of `target` (section 4.3).
pub fn neighbor_solicitation(mac: Mac, ip: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let dst = solicited_node(target);
    let link = Link {
        src: mac,
        dst: Mac::of_multicast(dst.into()),
        vlan: None,
    };
    let message = Message {
        kind: icmp_type::NEIGHBOR_SOLICITATION,
        flags: 0,
        target,
        option: SOURCE_LINK_LAYER_ADDRESS,
        mac,
    };
    message.frame(&link, ip, dst)
}

/// The answer to a solicitation: `mac` owns the target (section 7.2.4). `None` if the packet is none.
///
/// A solicitation without a source address, which is a test for duplicates, is answered to all nodes.
pub fn neighbor_advertisement(solicitation: &Flow, mac: Mac, is_router: bool) -> Option<Vec<u8>> {
    let request = ip(solicitation)?;
    let Transport::Icmp {
        kind: icmp_type::NEIGHBOR_SOLICITATION,
        discovery: Some(discovery),
        ..
    } = request.transport
    else {
        return None;
    };
    let IpAddr::V6(asker) = request.src else {
        return None;
    };
    let router = if is_router { FLAG_ROUTER } else { 0 };
    let (dst, eth_dst, solicited) = if asker.is_unspecified() {
        (ALL_NODES, Mac::of_multicast(ALL_NODES.into()), 0)
    } else {
        (asker, solicitation.eth_src, FLAG_SOLICITED)
    };
    let link = Link {
        src: mac,
        dst: eth_dst,
        vlan: solicitation.vlan,
    };
    let message = Message {
        kind: icmp_type::NEIGHBOR_ADVERTISEMENT,
        flags: router | solicited | FLAG_OVERRIDE,
        target: discovery.target,
        option: TARGET_LINK_LAYER_ADDRESS,
        mac,
    };
    Some(message.frame(&link, discovery.target, dst))
}

/// An announcement to all nodes that `mac` owns `ip` (section 7.2.6).
pub fn unsolicited_advertisement(mac: Mac, ip: Ipv6Addr, is_router: bool) -> Vec<u8> {
    let link = Link {
        src: mac,
        dst: Mac::of_multicast(ALL_NODES.into()),
        vlan: None,
    };
    let router = if is_router { FLAG_ROUTER } else { 0 };
    let message = Message {
        kind: icmp_type::NEIGHBOR_ADVERTISEMENT,
        flags: router | FLAG_OVERRIDE,
        target: ip,
        option: TARGET_LINK_LAYER_ADDRESS,
        mac,
    };
    message.frame(&link, ip, ALL_NODES)
}

/// A neighbour message with its one option.
struct Message {
    kind: u8,
    flags: u8,
    target: Ipv6Addr,
    option: u8,
    mac: Mac,
}

impl Message {
    fn frame(&self, link: &Link, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
        let header = IpHeader {
            src: src.into(),
            dst: dst.into(),
            protocol: ip_protocol::ICMPV6,
            ttl: ANSWER_TTL,
        };
        let mut icmp = Icmp {
            kind: self.kind,
            code: 0,
            checksum: 0.into(),
        };
        let neighbor = NeighborMessage {
            flags: self.flags,
            reserved: [0; 3],
            target: self.target.octets(),
        };
        let option = LinkLayerOption {
            kind: self.option,
            length: 1,
            mac: self.mac,
        };
        let message =
            |icmp: Icmp| [icmp.as_bytes(), neighbor.as_bytes(), option.as_bytes()].concat();
        icmp.checksum =
            checksum::with_pseudo_header(header.src, header.dst, header.protocol, &message(icmp))
                .into();
        link.frame(header.eth_type(), &header.packet(&message(icmp)))
    }
}
