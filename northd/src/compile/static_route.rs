//! `Logical_Router_Static_Route` → `Route`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use model::nb;
use model::table::Id;
use pipeline::object::{NextHop, Object, PortKey, Route, RouteKey, RouteOrigin, RoutePolicy};
use uuid::Uuid;

use super::address::network;
use super::index::Lookup;
use super::networks::{Networks, is_link_local};
use super::options::Options;
use super::{Output, Reader};

/// The `nexthop` of a route that drops its packets.
const DISCARD: &str = "discard";

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(route) = reader.row::<nb::LogicalRouterStaticRoute>(row) else {
        return;
    };
    out.name(&route.ip_prefix);
    Options::new("options", &route.options, &[], out);
    let router = reader.find(Lookup::RouterOf(row));
    let Some((router, key)) =
        router.and_then(|router| Some((router, reader.datapath_key(router)?)))
    else {
        return;
    };
    let Some(prefix) = network(&route.ip_prefix) else {
        let message = format!("{:?} is neither an address nor a network", route.ip_prefix);
        out.warn("ip_prefix", message);
        return;
    };
    let Some(way) = way(reader, &route, router, prefix, out) else {
        return;
    };
    let inport = is_link_local(prefix.addr()).then(|| way.as_ref().map(|way| way.port));
    out.object(Object::Route(Route {
        router: key,
        key: RouteKey {
            table: route.route_table,
            policy: match route.policy.as_deref() {
                Some("src-ip") => RoutePolicy::Source,
                _ => RoutePolicy::Destination,
            },
            prefix: prefix.trunc(),
            origin: RouteOrigin::Static,
            inport: inport.flatten(),
        },
        discards: u16::from(way.is_none()),
        next_hops: way.into_iter().collect(),
    }));
}

/// The route's way out; `Some(None)` for none on purpose, `None`, with a warning, for none to be found.
fn way(
    reader: &mut Reader<'_>,
    route: &nb::LogicalRouterStaticRoute,
    router: Uuid,
    prefix: IpNet,
    out: &mut Output,
) -> Option<Option<NextHop>> {
    if route.nexthop == DISCARD {
        return Some(None);
    }
    let gateway = gateway(route, prefix, out)?;
    match route.output_port.as_deref() {
        Some(port) if !port.is_empty() => out_of(reader, router, port, prefix, gateway, out),
        _ => search(reader, router, gateway, out),
    }
    .map(Some)
}

/// The next hop's address; `Some(None)` when it is left out, which an output port makes up for.
fn gateway(
    route: &nb::LogicalRouterStaticRoute,
    prefix: IpNet,
    out: &mut Output,
) -> Option<Option<IpAddr>> {
    if route.nexthop.is_empty() {
        return Some(None);
    }
    let host = network(&route.nexthop).filter(|hop| hop.prefix_len() == hop.max_prefix_len());
    let Some(gateway) = host.map(|hop| hop.addr()) else {
        let message = format!("{:?} is neither an address nor \"discard\"", route.nexthop);
        out.warn("nexthop", message);
        return None;
    };
    if gateway.is_ipv4() != prefix.addr().is_ipv4() {
        let message = format!("{gateway} and {prefix} are of different address families");
        out.warn("nexthop", message);
        return None;
    }
    Some(Some(gateway))
}

/// The way out of a port that the row names. An address that is on none of the port's networks is spoken to
/// from the port's first one, for hosts that are given a /32 each.
fn out_of(
    reader: &mut Reader<'_>,
    router: Uuid,
    name: &str,
    prefix: IpNet,
    gateway: Option<IpAddr>,
    out: &mut Output,
) -> Option<NextHop> {
    let port = ports(reader, router)
        .into_iter()
        .find(|port| port.name == name);
    let Some(port) = port else {
        let message = format!("{name:?} is no port of the router that is in force");
        out.warn("output_port", message);
        return None;
    };
    let source = gateway.and_then(|gateway| port.networks.towards(gateway));
    let source = source.or_else(|| port.networks.first(prefix.addr().is_ipv4()));
    let Some(source) = source else {
        out.warn(
            "output_port",
            format!("{name:?} has no address of the route's family"),
        );
        return None;
    };
    Some(NextHop {
        port: port.key,
        gateway,
        source,
    })
}

/// The way out of the port whose networks have the next hop.
fn search(
    reader: &mut Reader<'_>,
    router: Uuid,
    gateway: Option<IpAddr>,
    out: &mut Output,
) -> Option<NextHop> {
    let Some(gateway) = gateway else {
        out.warn("nexthop", "a route needs a next hop or an output port");
        return None;
    };
    if is_link_local(gateway) {
        out.warn(
            "output_port",
            format!("the link-local next hop {gateway} needs one"),
        );
        return None;
    }
    let hop = ports(reader, router).into_iter().find_map(|port| {
        Some(NextHop {
            port: port.key,
            gateway: Some(gateway),
            source: port.networks.towards(gateway)?,
        })
    });
    if hop.is_none() {
        let message = format!("{gateway} is on no network of the router, or is its own");
        out.warn("nexthop", message);
    }
    hop
}

/// A port of a router, as far as routes care.
struct RouterPort {
    key: PortKey,
    name: String,
    networks: Networks,
}

/// The ports of a router that are in force, in the order of their tunnel keys.
fn ports(reader: &mut Reader<'_>, router: Uuid) -> Vec<RouterPort> {
    type Ports = BTreeSet<Id<nb::LogicalRouterPort>>;
    let ids = reader.column::<nb::LogicalRouter, Ports>(router, "ports");
    let ids = ids.into_iter().flatten();
    let mut ports: Vec<_> = ids.filter_map(|id| port(reader, id.uuid())).collect();
    ports.sort_by_key(|port| port.key);
    ports
}

fn port(reader: &mut Reader<'_>, uuid: Uuid) -> Option<RouterPort> {
    let port = reader.row::<nb::LogicalRouterPort>(uuid)?;
    let mac = port.mac.parse().ok()?;
    Some(RouterPort {
        key: reader.port_ref(uuid)?.port,
        networks: Networks::parse(mac, &port.networks),
        name: port.name,
    })
}
