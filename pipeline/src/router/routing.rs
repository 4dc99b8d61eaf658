//! `lr_in_ip_routing`, `lr_in_ip_routing_ecmp`: the next hop.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use packet::flow::{Fragment, Ip, Network, Transport};

use super::Visit;
use crate::drop::DropReason;
use crate::object::{NextHop, PortRef, Route, RouteKey, RoutePolicy};
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::tables::{MAIN, RouterTables, Table, route_priority};
use crate::view;
use crate::walk::{In, Packet, Walk};

/// Makes all nodes choose alike.
const HASH_SEED: u64 = 0x7765_6674;

/// Where a packet leaves the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) outport: PortRef,
    pub(super) next_hop: IpAddr,
    /// What the router asks for the next hop with.
    pub(super) source: IpAddr,
}

/// Chooses the next hop, and makes the packet one that the router sends.
pub(super) fn choose<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    visit: Visit<'t>,
) -> Result<Hop, DropReason> {
    let router = visit.router;
    let Network::Ip(ip) = &mut packet.flow.network else {
        return Err(DropReason::NotIp);
    };
    let table = visit.kind.route_table.as_str();
    let routes = &router.tables.routes;
    let found = routes.lookup(table, Some(visit.inport.at.port), ip.src, ip.dst);
    depend(walk, router, (ip.src, ip.dst), found);
    let Some(route) = found else {
        walk.hit(Stage::InIpRouting, || Entry::new(0, "1", ["drop;"]));
        return Err(DropReason::NoRoute);
    };
    walk.hit(Stage::InIpRouting, || entry(router, route));
    walk.made_by().route = Some(route.key.clone());
    let member = pick(route, ip);
    if is_group(route) {
        walk.hit(Stage::InIpRoutingEcmp, || ecmp_entry(router, route, member));
    }
    let Some(hop) = route.next_hops.get(member) else {
        return Err(DropReason::RouteDiscards);
    };
    let Some((_, outport)) = router.datapath.router_port(hop.port) else {
        return Err(DropReason::RoutePortMissing);
    };
    let next_hop = hop.gateway.unwrap_or(ip.dst);
    ip.ttl = ip.ttl.saturating_sub(1);
    packet.flow.eth_src = outport.mac;
    packet.loopback = true;
    walk.modify(|| "ip.ttl--".to_owned());
    walk.modify(|| format!("eth.src = {}", outport.mac));
    Ok(Hop {
        outport: PortRef {
            datapath: router.key,
            port: hop.port,
        },
        next_hop,
        source: hop.source,
    })
}

/// Notes which routes could have been chosen: none that is shorter than the one that was.
fn depend<R: Recorder>(
    walk: &mut Walk<'_, R>,
    router: In<'_, RouterTables>,
    (src, dst): (IpAddr, IpAddr),
    found: Option<&Arc<Route>>,
) {
    let least = found.map_or(0, |route| route.key.prefix.prefix_len());
    let slot = router.datapath.slots.configured;
    walk.depend_on_prefixes(Table::Routes(slot), dst, least);
    if router.tables.routes.has_sources() {
        walk.depend_on_prefixes(Table::Sources(slot), src, least);
    }
}

/// True if flows are shared out over the route's members: the next hops first, then the discards.
fn is_group(route: &Route) -> bool {
    members(route) > 1
}

fn members(route: &Route) -> usize {
    route.next_hops.len() + usize::from(route.discards)
}

/// One of the members, the same for all packets of a flow.
fn pick(route: &Route, ip: &Ip) -> usize {
    match is_group(route) {
        true => (flow_hash(ip) % members(route) as u64) as usize,
        false => 0,
    }
}

/// Fragments of one datagram hash alike: only the first of them has ports.
fn flow_hash(ip: &Ip) -> u64 {
    let mut hasher = foldhash::quality::FixedState::with_seed(HASH_SEED).build_hasher();
    (ip.src, ip.dst, ip.protocol).hash(&mut hasher);
    if ip.fragment == Fragment::Whole {
        ports(&ip.transport).hash(&mut hasher);
    }
    hasher.finish()
}

fn ports(transport: &Transport) -> (u16, u16) {
    match *transport {
        Transport::Tcp { src, dst, .. }
        | Transport::Udp { src, dst }
        | Transport::Sctp { src, dst } => (src, dst),
        Transport::Icmp { identifier, .. } => (identifier, 0),
        Transport::Other => (0, 0),
    }
}

// === in words ===

pub(crate) fn entry(router: In<'_, RouterTables>, route: &Route) -> Entry {
    let actions = match &route.next_hops[..] {
        _ if is_group(route) => forwarding(vec![selection(members(route))]),
        [hop, ..] => forwarding(hop_actions(router, hop)),
        [] => vec!["drop;".to_owned()],
    };
    Entry {
        priority: route_priority(&route.key),
        matches: matches(router, &route.key),
        actions,
    }
}

fn forwarding(mut actions: Vec<String>) -> Vec<String> {
    actions.insert(0, "ip.ttl--;".to_owned());
    actions.push("flags.loopback = 1;".to_owned());
    actions.push("next;".to_owned());
    actions
}

fn selection(members: usize) -> String {
    let choices: Vec<_> = (1..=members).map(|member| member.to_string()).collect();
    format!("select({});", choices.join(", "))
}

fn hop_actions(router: In<'_, RouterTables>, hop: &NextHop) -> Vec<String> {
    let (next, source) = match hop.source {
        IpAddr::V4(_) => ("reg0", "reg1"),
        IpAddr::V6(_) => ("xxreg0", "xxreg1"),
    };
    let dst = format!("{}.dst", view::family(hop.source));
    let next_hop = hop.gateway.map_or(dst, |gateway| gateway.to_string());
    let (name, mac) = match router.datapath.router_port(hop.port) {
        Some((port, kind)) => (port.name.clone(), kind.mac.to_string()),
        None => (hop.port.to_string(), "none".to_owned()),
    };
    vec![
        format!("{next} = {next_hop};"),
        format!("{source} = {};", hop.source),
        format!("eth.src = {mac};"),
        format!("outport = \"{name}\";"),
    ]
}

fn ecmp_entry(router: In<'_, RouterTables>, route: &Route, member: usize) -> Entry {
    let actions = match route.next_hops.get(member) {
        Some(hop) => {
            let mut actions = hop_actions(router, hop);
            actions.push("next;".to_owned());
            actions
        }
        None => vec!["drop;".to_owned()],
    };
    let matches = format!("{} && member {}", matches(router, &route.key), member + 1);
    Entry {
        priority: 100,
        matches,
        actions,
    }
}

/// The members of all hash groups, for listings.
pub(crate) fn ecmp_entries(router: In<'_, RouterTables>) -> Vec<Entry> {
    let groups = router
        .datapath
        .routes
        .values()
        .filter(|route| is_group(route));
    let members = |route: &Arc<Route>| {
        let entry = |member| ecmp_entry(router, route, member);
        (0..members(route)).map(entry).collect::<Vec<_>>()
    };
    groups
        .flat_map(members)
        .chain([Entry::new(0, "1", ["next;"])])
        .collect()
}

fn matches(router: In<'_, RouterTables>, key: &RouteKey) -> String {
    let mut words = Vec::new();
    if let Some(port) = key.inport {
        let name = router.datapath.port(port).map(|port| port.name.clone());
        words.push(format!(
            "inport == \"{}\"",
            name.unwrap_or_else(|| port.to_string())
        ));
    }
    if key.table != MAIN {
        words.push(format!("route table \"{}\"", key.table));
    }
    let side = match key.policy {
        RoutePolicy::Destination => "dst",
        RoutePolicy::Source => "src",
    };
    words.push(format!(
        "{}.{side} == {}",
        view::family(key.prefix.addr()),
        key.prefix
    ));
    words.join(" && ")
}
