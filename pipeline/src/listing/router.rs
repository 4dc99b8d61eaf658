//! The entries of a logical router.

use std::net::IpAddr;

use packet::Mac;

use super::translating;
use crate::object::{Port, PortKind, RouterPort};
use crate::record::Entry;
use crate::router::{
    admission, arp_request, arp_resolve, delivery, ip_input, larger_packets, neighbor, routing,
};
use crate::stage::Stage;
use crate::tables::{Compiled, RouterTables, Tables};
use crate::walk::In;

pub(super) fn entries(stage: Stage, tables: &Tables, router: In<'_, RouterTables>) -> Vec<Entry> {
    match stage {
        Stage::InAdmission => {
            let both = |(port, kind)| {
                [
                    admission::unicast_entry(port, kind),
                    admission::multicast_entry(port, kind),
                ]
            };
            let ends = [admission::refusal(), Entry::new(0, "1", ["drop;"])];
            enabled(router).flat_map(both).chain(ends).collect()
        }
        Stage::InLookupNeighbor => neighbor::lookup_entries(),
        Stage::InLearnNeighbor => neighbor::learn_entries(),
        Stage::InIpInput => input(router),
        Stage::InIpRouting => {
            let routes = router.datapath.routes.values();
            let none = Entry::new(0, "1", ["drop;"]);
            routes
                .map(|route| routing::entry(router, route))
                .chain([none])
                .collect()
        }
        Stage::InIpRoutingEcmp => routing::ecmp_entries(router),
        Stage::InArpResolve => resolution(tables, router),
        Stage::InLargerPkts => limits(router),
        Stage::InArpRequest => arp_request::entries().to_vec(),
        Stage::OutDelivery => {
            let none = Entry::new(0, "1", ["drop;"]);
            enabled(router)
                .map(|(port, _)| delivery::entry(port))
                .chain([none])
                .collect()
        }
        _ => translating::of_router(stage, tables, router),
    }
}

fn ports<'t>(router: In<'t, RouterTables>) -> impl Iterator<Item = (&'t Port, &'t RouterPort)> {
    router
        .datapath
        .ports
        .keys()
        .filter_map(move |key| router.datapath.router_port(*key))
}

fn enabled<'t>(router: In<'t, RouterTables>) -> impl Iterator<Item = (&'t Port, &'t RouterPort)> {
    ports(router).filter(|(port, _)| port.enabled)
}

fn input(router: In<'_, RouterTables>) -> Vec<Entry> {
    let mut entries = ip_input::general_entries();
    entries.extend(
        router
            .tables
            .addresses
            .keys()
            .map(|ip| ip_input::echo_entry(*ip)),
    );
    for (port, kind) in ports(router) {
        entries.extend(
            kind.addresses()
                .map(|ip| ip_input::owner_entry(&port.name, ip)),
        );
        if !kind.ipv4.is_empty() {
            entries.push(ip_input::own_source_entry(kind));
        }
        entries.extend(larger_packets::arrival_entry(port, kind));
    }
    entries
}

fn limits(router: In<'_, RouterTables>) -> Vec<Entry> {
    let limited = ports(router).filter_map(|(port, kind)| larger_packets::limit_entry(port, kind));
    limited.chain([Entry::new(0, "1", ["next;"])]).collect()
}

fn resolution(tables: &Tables, router: In<'_, RouterTables>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (port, kind) in ports(router) {
        let known = known_to_peer(tables, kind);
        entries.extend(
            known
                .into_iter()
                .map(|(ip, mac)| arp_resolve::entry(&port.name, ip, mac)),
        );
    }
    for ((port, ip), neighbor) in router.datapath.neighbors.iter() {
        if let (Some((port, _)), Some(mac)) = (router.datapath.router_port(*port), neighbor.mac()) {
            entries.push(Entry {
                priority: 50,
                ..arp_resolve::entry(&port.name, *ip, mac)
            });
        }
    }
    entries.extend([
        arp_resolve::binding_entry("ip4"),
        arp_resolve::binding_entry("ip6"),
    ]);
    entries
}

/// What need not be asked for beyond a port.
fn known_to_peer(tables: &Tables, outport: &RouterPort) -> Vec<(IpAddr, Mac)> {
    let Some(peer) = outport.peer else {
        return Vec::new();
    };
    let Some(datapath) = tables.datapath_tables(peer.datapath) else {
        return Vec::new();
    };
    match &datapath.compiled {
        Compiled::Nothing => Vec::new(),
        Compiled::Router(_) => {
            let port = datapath.router_port(peer.port).map(|(_, kind)| kind);
            let known = |kind: &RouterPort| kind.addresses().map(|ip| (ip, kind.mac)).collect();
            port.map(known).unwrap_or_default()
        }
        Compiled::Switch(switch) => {
            let hosts = switch.hosts.iter().map(|(ip, mac)| (*ip, *mac));
            let hosts = hosts.filter(|(ip, _)| outport.is_on_link(*ip));
            let routers = switch
                .router_addresses
                .iter()
                .filter(|(_, port)| **port != peer.port);
            let routers =
                routers.filter_map(|(ip, _)| Some((*ip, router_mac(tables, peer.datapath, *ip)?)));
            hosts.chain(routers).collect()
        }
    }
}

/// The MAC address of the router that owns `ip` on a switch.
fn router_mac(tables: &Tables, switch: crate::object::DatapathKey, ip: IpAddr) -> Option<Mac> {
    let datapath = tables.datapath_tables(switch)?;
    let Compiled::Switch(compiled) = &datapath.compiled else {
        return None;
    };
    let (_, kind) = datapath.switch_port(*compiled.router_addresses.get(&ip)?)?;
    let crate::object::Attachment::Router(Some(at)) = kind.attachment else {
        return None;
    };
    match &tables.port(at)?.kind {
        PortKind::Router(kind) => Some(kind.mac),
        PortKind::Switch(_) => None,
    }
}
