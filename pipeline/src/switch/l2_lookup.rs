//! `ls_in_l2_lkup`, `ls_in_l2_unknown`: the port or group that a frame is for.

use std::net::IpAddr;

use packet::Mac;
use packet::flow::{Transport, ip_protocol};

use super::fdb;
use crate::balance;
use crate::drop::DropReason;
use crate::object::{MulticastGroup, NeighborResponder, Port, PortKey};
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::tables::SwitchTables;
use crate::view;
use crate::walk::{In, Packet, Walk};

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Port(PortKey),
    Group(MulticastGroup),
    /// A question for a router's address: to the router, and to whoever else may want to hear it.
    RouterAndFloodL2(PortKey),
    /// The node itself, whose probe it answers.
    Monitor,
}

pub(super) fn choose<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    switch: In<'t, SwitchTables>,
    inport: &'t Port,
) -> Result<Choice, DropReason> {
    let tables = switch.tables;
    let eth_dst = packet.flow.eth_dst;
    let probes = walk.global().probe_mac;
    if eth_dst == probes && !probes.is_zero() && answers_probe(packet) {
        walk.hit(Stage::InL2Lkup, monitor_entry);
        return Ok(Choice::Monitor);
    }
    if let Some(target) = question(packet)
        && let Some(router) = answerer(walk, packet, switch, target)
    {
        walk.hit(Stage::InL2Lkup, || {
            router_entry(target, &name(switch, router))
        });
        return Ok(Choice::RouterAndFloodL2(router));
    }
    if is_discovery(packet) && tables.router_macs.contains(&packet.flow.eth_src) {
        walk.hit(Stage::InL2Lkup, || own_discovery_entry(packet.flow.eth_src));
        return Ok(Choice::Group(MulticastGroup::FloodL2));
    }
    if eth_dst.is_multicast() {
        walk.hit(Stage::InL2Lkup, flood_entry);
        return Ok(Choice::Group(MulticastGroup::Flood));
    }
    if let Some(port) = tables.stations.get(&eth_dst) {
        let is_enabled = is_enabled(switch, *port);
        walk.hit(Stage::InL2Lkup, || {
            station_entry(eth_dst, &name(switch, *port), is_enabled)
        });
        return match is_enabled {
            true => Ok(Choice::Port(*port)),
            false => Err(DropReason::ToDisabledPort),
        };
    }
    choose_unknown(walk, switch, inport, eth_dst)
}

fn choose_unknown<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    switch: In<'t, SwitchTables>,
    inport: &'t Port,
    eth_dst: Mac,
) -> Result<Choice, DropReason> {
    walk.hit(Stage::InL2Lkup, learned_entry);
    let learned = fdb::lookup(walk, switch, eth_dst);
    if let Some(port) = learned.filter(|port| switch.datapath.switch_port(*port).is_some()) {
        if !is_enabled(switch, port) {
            walk.hit(Stage::InL2Unknown, || {
                Entry::new(
                    50,
                    format!("outport == \"{}\"", name(switch, port)),
                    ["drop;"],
                )
            });
            return Err(DropReason::ToDisabledPort);
        }
        walk.hit(Stage::InL2Unknown, || Entry::new(0, "1", ["output;"]));
        return Ok(Choice::Port(port));
    }
    let has_receivers = !switch.tables.unknown.is_empty();
    walk.hit(Stage::InL2Unknown, || unknown_entry(has_receivers));
    let is_only_sender = switch.tables.unknown == [inport.at.port];
    match has_receivers && !is_only_sender {
        true => Ok(Choice::Group(MulticastGroup::Unknown)),
        false => Err(DropReason::UnknownDestination),
    }
}

/// TCP and ICMP answer probes; nobody waits for an answer to a UDP probe.
fn answers_probe(packet: &Packet) -> bool {
    let is_icmp = |protocol| [ip_protocol::ICMP, ip_protocol::ICMPV6].contains(&protocol);
    view::ip(&packet.flow).is_some_and(|ip| match ip.transport {
        Transport::Tcp { .. } => true,
        _ => is_icmp(ip.protocol),
    })
}

/// The address that an ARP request or neighbour solicitation asks for, wherever it is sent to.
fn question(packet: &Packet) -> Option<IpAddr> {
    let arp = view::arp_request(&packet.flow).map(|arp| arp.tpa.into());
    arp.or_else(|| view::solicitation(&packet.flow).map(|nd| nd.discovery.target.into()))
}

/// The router that answers for an address: its own, one that it translates, or a VIP in the network of its port.
fn answerer<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    switch: In<'t, SwitchTables>,
    target: IpAddr,
) -> Option<PortKey> {
    let tables = switch.tables;
    let known = tables.router_addresses.get(&target);
    if let Some(router) = known.or_else(|| tables.translated.get(&target)) {
        return Some(*router);
    }
    for (behind, at) in &tables.routers {
        let Some(datapath) = walk.datapath(at.datapath) else {
            continue;
        };
        let port = datapath.router_port(at.port);
        if port.is_some_and(|(_, kind)| kind.is_on_link(target))
            && let Some(responder) = balance::responder(walk, packet, datapath, target)
            && responder != NeighborResponder::None
        {
            return Some(*behind);
        }
    }
    None
}

fn is_discovery(packet: &Packet) -> bool {
    let flow = &packet.flow;
    let is_rarp = matches!(&flow.network, packet::flow::Network::Arp(arp)
        if arp.operation == view::RARP_REQUEST && view::arp(flow).is_none());
    is_rarp || view::arp_request(flow).is_some() || view::solicitation(flow).is_some()
}

fn is_enabled(switch: In<'_, SwitchTables>, port: PortKey) -> bool {
    switch.datapath.port(port).is_some_and(|port| port.enabled)
}

fn name(switch: In<'_, SwitchTables>, port: PortKey) -> String {
    switch
        .datapath
        .port(port)
        .map_or_else(|| port.to_string(), |port| port.name.clone())
}

// === in words ===

pub(crate) fn monitor_entry() -> Entry {
    let matches = "eth.dst == $svc_monitor_mac && (tcp || icmp || icmp6)";
    Entry::new(110, matches, ["handle_svc_check(inport);"])
}

pub(crate) fn router_entry(target: IpAddr, router: &str) -> Entry {
    let matches = match target {
        IpAddr::V4(ip) => format!("arp.op == 1 && arp.tpa == {ip}"),
        IpAddr::V6(ip) => format!("nd_ns && nd.target == {ip}"),
    };
    let clone = format!("clone {{outport = \"{router}\"; output; }};");
    Entry::new(
        80,
        matches,
        [&clone, "outport = \"_MC_flood_l2\";", "output;"],
    )
}

pub(crate) fn own_discovery_entry(mac: Mac) -> Entry {
    let matches = format!("eth.src == {{{mac}}} && (arp.op == 1 || rarp.op == 3 || nd_ns)");
    Entry::new(75, matches, ["outport = \"_MC_flood_l2\";", "output;"])
}

pub(crate) fn flood_entry() -> Entry {
    Entry::new(70, "eth.mcast", ["outport = \"_MC_flood\";", "output;"])
}

pub(crate) fn station_entry(mac: Mac, port: &str, is_enabled: bool) -> Entry {
    let matches = format!("eth.dst == {mac}");
    match is_enabled {
        true => Entry::new(50, matches, [&format!("outport = \"{port}\";"), "output;"]),
        false => Entry::new(50, matches, ["drop;"]),
    }
}

pub(crate) fn learned_entry() -> Entry {
    Entry::new(0, "1", ["outport = get_fdb(eth.dst);", "next;"])
}

pub(crate) fn unknown_entry(has_receivers: bool) -> Entry {
    let matches = "outport == \"none\"";
    match has_receivers {
        true => Entry::new(50, matches, ["outport = \"_MC_unknown\";", "output;"]),
        false => Entry::new(50, matches, ["drop;"]),
    }
}
