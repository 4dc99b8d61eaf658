//! Drops as `vsctl node drops` shows them: each with its last packet, in words and in bytes.

use std::fmt::Write;

use packet::{Flow, flow};
use pipeline::Tables;
use pipeline::object::{DatapathKey, PortKey, PortRef};
use southbound_proto::node as wire;

use super::rules::{self, Names};
use super::unix_ms_ago;
use crate::credit::{Credit, Map, Rule};
use crate::stats::{Drops, LastPacket};
use crate::worker::Place;

/// The message of one drop reason.
pub(super) fn drop_message(
    drops: &Drops,
    tables: &Tables,
    names: &Names,
    sums: &Map<Rule, Credit>,
) -> wire::Drop {
    let last = drops.last.as_ref();
    let bytes = last.map(|last| last.bytes.as_slice()).unwrap_or_default();
    wire::Drop {
        reason: drops.reason.name().to_owned(),
        description: drops.reason.description().to_owned(),
        packets: drops.count,
        last_packet: bytes.to_vec().into(),
        last_packet_length: bytes.len() as u32,
        last_port: last.map_or_else(String::new, |last| place(last, tables)),
        last_unix_ms: last.map_or(0, |last| unix_ms_ago(last.age_ms)),
        last_summary: last.map_or_else(String::new, |last| summary(&last.bytes)),
        last_rule: last
            .and_then(|last| last.rule)
            .map_or_else(String::new, |rule| names.get(rule)),
        rules: rules::drops(drops.reason, sums, names),
    }
}

/// Where a packet came in, with the names that people gave.
fn place(last: &LastPacket, tables: &Tables) -> String {
    match last.place {
        Some(Place::Port(at)) => port_name(at, tables),
        Some(Place::Tunnel(header)) => {
            let datapath = DatapathKey::new(header.vni).ok();
            let port = PortKey::new(header.ingress.into()).ok();
            let name = datapath.zip(port).map(|(datapath, port)| {
                let at = PortRef { datapath, port };
                port_name(at, tables)
            });
            let name = name.unwrap_or_else(|| format!("{}/{}", header.vni, header.ingress));
            format!("tunnel, from {name}")
        }
        Some(Place::Underlay) => "tunnel".to_owned(),
        None => "unknown".to_owned(),
    }
}

fn port_name(at: PortRef, tables: &Tables) -> String {
    let port = tables.port(at);
    port.map_or_else(
        || format!("{}/{}", at.datapath, at.port),
        |port| port.name.clone(),
    )
}

/// A packet in one line, as far as its headers can be read.
fn summary(bytes: &[u8]) -> String {
    match packet::parse(bytes) {
        Ok((flow, _)) => describe(&flow),
        Err(error) => format!("{} bytes: {error}", bytes.len()),
    }
}

fn describe(flow: &Flow) -> String {
    let mut text = format!("{} > {}", flow.eth_src, flow.eth_dst);
    if let Some(tag) = &flow.vlan {
        let _ = write!(text, " vlan {}", tag.id);
    }
    let _ = match &flow.network {
        flow::Network::Other => write!(text, " type {:#06x}", flow.eth_type),
        flow::Network::Arp(arp) => match arp.operation {
            1 => write!(text, " arp who-has {} tell {}", arp.tpa, arp.spa),
            2 => write!(text, " arp {} is-at {}", arp.spa, arp.sha),
            other => write!(text, " arp operation {other}"),
        },
        flow::Network::Ip(ip) => write!(text, " {}", describe_ip(ip)),
    };
    text
}

fn describe_ip(ip: &flow::Ip) -> String {
    let (src, dst) = (ip.src, ip.dst);
    let with_ports = |name: &str, from: u16, to: u16| match src {
        std::net::IpAddr::V4(_) => format!("{name} {src}:{from} > {dst}:{to}"),
        std::net::IpAddr::V6(_) => format!("{name} [{src}]:{from} > [{dst}]:{to}"),
    };
    let what = match &ip.transport {
        flow::Transport::Tcp { src, dst, .. } => with_ports("tcp", *src, *dst),
        flow::Transport::Udp { src, dst } => with_ports("udp", *src, *dst),
        flow::Transport::Sctp { src, dst } => with_ports("sctp", *src, *dst),
        flow::Transport::Icmp { kind, code, .. } => {
            let name = if src.is_ipv4() { "icmp" } else { "icmp6" };
            format!("{name} {kind}/{code} {src} > {dst}")
        }
        flow::Transport::Other => format!("ip protocol {} {src} > {dst}", ip.protocol),
    };
    format!("{what} ttl {}", ip.ttl)
}
