//! ARP (RFC 826).

use std::net::Ipv4Addr;

use zerocopy::IntoBytes;

use crate::build::Link;
use crate::flow::{Network, ether_type};
use crate::header::ArpPacket;
use crate::{Flow, Mac};

const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// A broadcast request by the station `mac` with address `ip` for the owner of `target`.
pub fn arp_request(mac: Mac, ip: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    broadcast(mac, packet(REQUEST, (mac, ip), (Mac::ZERO, target)))
}

/// An announcement that `mac` owns `ip` (RFC 5227 section 3: a request for the own address).
pub fn gratuitous_arp(mac: Mac, ip: Ipv4Addr) -> Vec<u8> {
    broadcast(mac, packet(REQUEST, (mac, ip), (Mac::ZERO, ip)))
}

/// The answer to a request: `mac` owns the address asked for. `None` if the packet is no request.
pub fn arp_reply(request: &Flow, mac: Mac) -> Option<Vec<u8>> {
    let Network::Arp(arp) = &request.network else {
        return None;
    };
    if arp.operation != REQUEST {
        return None;
    }
    let link = Link {
        src: mac,
        dst: request.eth_src,
        vlan: request.vlan,
    };
    let reply = packet(REPLY, (mac, arp.tpa), (arp.sha, arp.spa));
    Some(link.frame(ether_type::ARP, reply.as_bytes()))
}

fn broadcast(src: Mac, packet: ArpPacket) -> Vec<u8> {
    let link = Link {
        src,
        dst: Mac::BROADCAST,
        vlan: None,
    };
    link.frame(ether_type::ARP, packet.as_bytes())
}

fn packet(operation: u16, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> ArpPacket {
    ArpPacket {
        hardware: 1.into(),
        protocol: ether_type::IPV4.into(),
        hardware_length: 6,
        protocol_length: 4,
        operation: operation.into(),
        sha: sender.0,
        spa: sender.1.octets(),
        tha: target.0,
        tpa: target.1.octets(),
    }
}
