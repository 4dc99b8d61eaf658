//! `options:add_route`: addresses of translations and load balancers that neighbouring routers reach without a route of
//! their own and without asking for the station: a `Route` and a `Neighbor` at each router port of the same switch.
//!
//! As in OVN, it is the switches of distributed gateway ports whose routers are told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::lb::{self, LoadBalancer};
use model::{Id, nb};
use packet::Mac;
use pipeline::object::{
    Balancers, FixedBinding, Neighbor, NextHop, Object, PortRef, Route, RouteKey, RouteOrigin,
    RoutePolicy,
};
use uuid::Uuid;

use super::index::Lookup;
use super::networks::Networks;
use super::{Output, Reader, gateway};

/// Lets the neighbours of a router reach the virtual addresses of its load balancers that want that.
pub(super) fn virtual_addresses(
    reader: &mut Reader<'_>,
    router: Uuid,
    balancers: &Balancers,
    out: &mut Output,
) {
    let wanted = reader.lookup(Lookup::BalancersWithRoutes);
    if wanted.is_empty() {
        return;
    }
    type Members = BTreeSet<Id<nb::LoadBalancer>>;
    let mut own: BTreeSet<Uuid> = balancers.own.iter().copied().collect();
    for group in &balancers.groups {
        let members = reader.column::<nb::LoadBalancerGroup, Members>(*group, "load_balancer");
        own.extend(members.into_iter().flatten().map(|id| id.uuid()));
    }
    let mut addresses = BTreeSet::new();
    for balancer in wanted.into_iter().filter(|balancer| own.contains(balancer)) {
        let row = reader.row::<nb::LoadBalancer>(balancer);
        let row = row.map(|row| lb::expand(&row, &BTreeMap::new()));
        let parsed = row.and_then(|row| LoadBalancer::parse(&row).ok());
        let vips = parsed.into_iter().flat_map(|balancer| balancer.vips);
        addresses.extend(vips.map(|vip| vip.endpoint.ip));
    }
    for ip in addresses {
        announce(reader, router, (ip, None), out);
    }
}

/// Lets the neighbours of a router's gateway ports reach an address at this station, or else at the port.
pub(super) fn announce(
    reader: &mut Reader<'_>,
    router: Uuid,
    (ip, station): (IpAddr, Option<Mac>),
    out: &mut Output,
) {
    type Ports = BTreeSet<Id<nb::LogicalRouterPort>>;
    let ports = reader.column::<nb::LogicalRouter, Ports>(router, "ports");
    for port in ports.into_iter().flatten() {
        if gateway::port_chassis(reader, port.uuid()).is_none() {
            continue;
        }
        let Some(port) = reader.row::<nb::LogicalRouterPort>(port.uuid()) else {
            continue;
        };
        let Some(mac) = station.or_else(|| port.mac.parse().ok()) else {
            continue;
        };
        for (at, source) in neighbours(reader, &port, ip.is_ipv4()) {
            out.object(route(at, ip, source));
            out.object(Object::Neighbor(Neighbor {
                port: at,
                ip,
                fixed: Some(FixedBinding {
                    mac,
                    overrides_learned: true,
                }),
                learned: None,
            }));
        }
    }
}

/// The other router ports of the switch that a router port is joined to, with an address of theirs.
fn neighbours(
    reader: &mut Reader<'_>,
    port: &nb::LogicalRouterPort,
    is_ipv4: bool,
) -> Vec<(PortRef, IpAddr)> {
    type Ports = BTreeSet<Id<nb::LogicalSwitchPort>>;
    let joined = reader.find(Lookup::JoinedTo(port.name.clone()));
    let switch = joined.and_then(|joined| reader.find(Lookup::SwitchOf(joined)));
    let ports = switch
        .and_then(|switch| reader.column::<nb::LogicalSwitch, Ports>(switch, "ports"))
        .unwrap_or_default();
    let others = ports.into_iter().map(|id| id.uuid());
    let others = others.filter(|other| Some(*other) != joined);
    let others = others.filter_map(|other| {
        let peer = router_port(reader, other)?;
        let networks = Networks::parse(peer.mac.parse().ok()?, &peer.networks);
        Some((reader.port_ref(peer.id.uuid())?, networks.first(is_ipv4)?))
    });
    others.collect()
}

/// The router port that a switch port joins, if it does.
fn router_port(reader: &mut Reader<'_>, port: Uuid) -> Option<nb::LogicalRouterPort> {
    let kind: String = reader.column::<nb::LogicalSwitchPort, _>(port, "type")?;
    if kind != "router" {
        return None;
    }
    type Options = BTreeMap<String, String>;
    let options = reader.column::<nb::LogicalSwitchPort, Options>(port, "options")?;
    reader.router_port(options.get("router-port")?)
}

fn route(at: PortRef, ip: IpAddr, source: IpAddr) -> Object {
    Object::Route(Route {
        router: at.datapath,
        key: RouteKey {
            table: String::new(),
            policy: RoutePolicy::Destination,
            prefix: ip.into(),
            origin: RouteOrigin::Connected,
            inport: None,
        },
        discards: 0,
        next_hops: vec![NextHop {
            port: at.port,
            gateway: None,
            source,
        }],
    })
}
