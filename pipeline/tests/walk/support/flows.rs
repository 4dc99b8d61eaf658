//! Packets.

use std::net::IpAddr;

use packet::flow::*;
use packet::{Flow, Mac, icmp_type};

pub(crate) fn mac(text: &str) -> Mac {
    text.parse().unwrap()
}

/// A frame that is nothing but a frame.
pub(crate) fn frame(src: &str, dst: &str) -> Flow {
    Flow {
        eth_src: mac(src),
        eth_dst: mac(dst),
        vlan: None,
        eth_type: 0x88b5,
        network: Network::Other,
        length: 46,
    }
}

/// An IP packet of 100 bytes with TTL 64.
pub(crate) fn ip(eth: (&str, &str), src: &str, dst: &str, transport: Transport) -> Flow {
    let (src, dst): (IpAddr, IpAddr) = (src.parse().unwrap(), dst.parse().unwrap());
    let is_ipv6 = src.is_ipv6();
    let protocol = match (&transport, is_ipv6) {
        (Transport::Tcp { .. }, _) => ip_protocol::TCP,
        (Transport::Udp { .. }, _) => ip_protocol::UDP,
        (Transport::Sctp { .. }, _) => ip_protocol::SCTP,
        (Transport::Icmp { .. }, false) => ip_protocol::ICMP,
        (Transport::Icmp { .. }, true) => ip_protocol::ICMPV6,
        (Transport::Other, _) => 253,
    };
    Flow {
        eth_type: if is_ipv6 {
            ether_type::IPV6
        } else {
            ether_type::IPV4
        },
        network: Network::Ip(Ip {
            src,
            dst,
            protocol,
            ttl: 64,
            dscp: 0,
            ecn: 0,
            label: 0,
            fragment: Fragment::Whole,
            dont_fragment: is_ipv6,
            transport,
        }),
        length: 100,
        ..frame(eth.0, eth.1)
    }
}

pub(crate) fn udp(eth: (&str, &str), src: &str, dst: &str) -> Flow {
    ip(
        eth,
        src,
        dst,
        Transport::Udp {
            src: 1000,
            dst: 2000,
        },
    )
}

pub(crate) fn tcp(eth: (&str, &str), src: &str, dst: &str, flags: u16) -> Flow {
    ip(
        eth,
        src,
        dst,
        Transport::Tcp {
            src: 1000,
            dst: 2000,
            flags,
        },
    )
}

pub(crate) fn icmp(eth: (&str, &str), src: &str, dst: &str, kind: u8) -> Flow {
    let transport = Transport::Icmp {
        kind,
        code: 0,
        identifier: 7,
        discovery: None,
        quoted: None,
    };
    ip(eth, src, dst, transport)
}

pub(crate) fn echo(eth: (&str, &str), src: &str, dst: &str) -> Flow {
    let is_ipv6 = src.contains(':');
    icmp(
        eth,
        src,
        dst,
        if is_ipv6 {
            icmp_type::V6_ECHO_REQUEST
        } else {
            icmp_type::ECHO_REQUEST
        },
    )
}

pub(crate) fn arp(operation: u16, eth: (&str, &str), sha: &str, spa: &str, tpa: &str) -> Flow {
    Flow {
        eth_type: ether_type::ARP,
        network: Network::Arp(Arp {
            operation,
            sha: mac(sha),
            spa: spa.parse().unwrap(),
            tha: Mac::ZERO,
            tpa: tpa.parse().unwrap(),
        }),
        length: 28,
        ..frame(eth.0, eth.1)
    }
}

/// A broadcast ARP request.
pub(crate) fn who_has(sha: &str, spa: &str, tpa: &str) -> Flow {
    arp(1, (sha, "ff:ff:ff:ff:ff:ff"), sha, spa, tpa)
}

/// A solicitation sent to the target's group.
pub(crate) fn solicit(src_mac: &str, src: &str, target: &str) -> Flow {
    let group = packet::solicited_node(target.parse().unwrap());
    let eth_dst = Mac::of_multicast(group.into()).to_string();
    let source_mac = (src != "::").then(|| mac(src_mac));
    discovery(
        (src_mac, &eth_dst),
        src,
        &group.to_string(),
        135,
        target,
        source_mac,
        None,
    )
}

/// An advertisement.
pub(crate) fn advertise(eth: (&str, &str), src: &str, dst: &str, target_mac: &str) -> Flow {
    discovery(eth, src, dst, 136, src, None, Some(mac(target_mac)))
}

pub(crate) fn discovery(
    eth: (&str, &str),
    src: &str,
    dst: &str,
    kind: u8,
    target: &str,
    source_mac: Option<Mac>,
    target_mac: Option<Mac>,
) -> Flow {
    let discovery = Discovery {
        target: target.parse().unwrap(),
        source_mac,
        target_mac,
        flags: 0,
    };
    let transport = Transport::Icmp {
        kind,
        code: 0,
        identifier: 0,
        discovery: Some(discovery),
        quoted: None,
    };
    with_ttl(255, ip(eth, src, dst, transport))
}

pub(crate) fn with_ttl(ttl: u8, flow: Flow) -> Flow {
    with_ip(flow, |ip| ip.ttl = ttl)
}

pub(crate) fn with_length(length: u32, flow: Flow) -> Flow {
    Flow { length, ..flow }
}

pub(crate) fn with_ip(mut flow: Flow, change: impl FnOnce(&mut Ip)) -> Flow {
    match &mut flow.network {
        Network::Ip(ip) => change(ip),
        _ => panic!("no IP packet"),
    }
    flow
}

pub(crate) fn tagged(id: u16, flow: Flow) -> Flow {
    Flow {
        vlan: Some(VlanTag { id, priority: 0 }),
        ..flow
    }
}

/// A packet in a few words.
pub(crate) fn in_words(flow: &Flow) -> String {
    match &flow.network {
        Network::Other => format!("frame {}>{}", flow.eth_src, flow.eth_dst),
        Network::Arp(arp) if arp.operation == 1 => format!("who-has {} tell {}", arp.tpa, arp.spa),
        Network::Arp(arp) => format!("{} is-at {}", arp.spa, arp.sha),
        Network::Ip(ip) => {
            let (src, dst) = (ip.src, ip.dst);
            match &ip.transport {
                Transport::Icmp {
                    discovery: Some(nd),
                    kind: 135,
                    ..
                } => {
                    format!("solicit {} tell {src}", nd.target)
                }
                Transport::Icmp {
                    discovery: Some(nd),
                    ..
                } => {
                    let router = if nd.flags & 0x80 == 0 { "" } else { " router" };
                    let mac = nd.target_mac.map_or("?".to_owned(), |mac| mac.to_string());
                    format!("{} is-at {mac}{router} >{dst}", nd.target)
                }
                Transport::Icmp { kind, code, .. } => {
                    format!("icmp{kind}/{code} {src}>{dst} ttl {}", ip.ttl)
                }
                Transport::Tcp { flags, .. } => {
                    format!("tcp {flags:#x} {src}>{dst} ttl {}", ip.ttl)
                }
                _ => format!("ip{} {src}>{dst} ttl {}", ip.protocol, ip.ttl),
            }
        }
    }
}
