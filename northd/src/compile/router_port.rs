//! `Logical_Router_Port` → `Port` and its connected `Route`s.

use ipnet::IpNet;
use model::nb;
use packet::Mac;
use pipeline::object::{
    NextHop, Object, Port, PortKind, PortRef, Route, RouteKey, RouteOrigin, RoutePolicy, RouterPort,
};
use uuid::Uuid;

use super::gateway;
use super::index::Lookup;
use super::networks::{Networks, is_link_local};
use super::options::Options;
use super::switch::requested_key;
use super::{Output, Reader};

const OPTIONS: &[&str] = &[
    "gateway_mtu",
    REDIRECT_TYPE,
    "requested-tnl-key",
    "route_table",
];

/// How packets get to the node that the port is on.
const REDIRECT_TYPE: &str = "redirect-type";

/// The least IPv4 MTU (RFC 791): `gateway_mtu` below it would stop everything.
const LEAST_MTU: u16 = 68;

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(port) = reader.row::<nb::LogicalRouterPort>(row) else {
        return;
    };
    out.name(&port.name);
    let Some(at) = reader.port_ref(row) else {
        out.warn("name", "no tunnel key is free: the port is not in force");
        return;
    };
    requested_key(&port.options, "options", u32::from(at.port.get()), out);
    let Some(mac) = out.checked("mac", port.mac.parse::<Mac>()) else {
        return;
    };
    let networks = Networks::parse(mac, &port.networks);
    for text in &networks.invalid {
        let message = format!("{text:?} is not an address with its prefix length");
        out.warn("networks", message);
    }
    if !port.ipv6_ra_configs.is_empty() {
        out.warn(
            "ipv6_ra_configs",
            "router advertisements are not carried out",
        );
    }
    for network in networks.iter() {
        out.object(connected_route(at, network));
    }
    let options = Options::new("options", &port.options, OPTIONS, out);
    warn_of_redirect_type(&options, out);
    let peer = peer(reader, &port, out);
    let gateway_mtu = options.number("gateway_mtu", LEAST_MTU, u16::MAX, out);
    out.object(Object::Port(Port {
        at,
        uuid: row,
        enabled: port.enabled.unwrap_or(true),
        kind: PortKind::Router(RouterPort {
            mac,
            peer,
            gateway_mtu,
            route_table: options.text("route_table").unwrap_or_default().to_owned(),
            gateway: gateway::port_chassis(reader, row),
            ipv4: networks.ipv4,
            ipv6: networks.ipv6,
        }),
        name: port.name,
    }));
}

/// Nodes reach each other through tunnels, whatever else is asked for.
fn warn_of_redirect_type(options: &Options<'_>, out: &mut Output) {
    let asked = options.text(REDIRECT_TYPE);
    if let Some(word) = asked.filter(|word| !word.eq_ignore_ascii_case("overlay")) {
        let message =
            format!("{REDIRECT_TYPE}={word:?} is not carried out: packets go through tunnels");
        out.warn("options", message);
    }
}

/// What the port is joined to: the router port that `peer` names, else the switch port that names this one.
fn peer(
    reader: &mut Reader<'_>,
    port: &nb::LogicalRouterPort,
    out: &mut Output,
) -> Option<PortRef> {
    if let Some(name) = port.peer.as_deref().filter(|name| !name.is_empty()) {
        return router_peer(reader, port, name, out);
    }
    let joined = reader.lookup(Lookup::JoinedTo(port.name.clone()));
    if joined.len() > 1 {
        let message = format!("{} switch ports name it; one of them counts", joined.len());
        out.warn("name", message);
    }
    reader.port_ref(*joined.first()?)
}

fn router_peer(
    reader: &mut Reader<'_>,
    port: &nb::LogicalRouterPort,
    name: &str,
    out: &mut Output,
) -> Option<PortRef> {
    let Some(peer) = reader.router_port(name).filter(|_| name != port.name) else {
        out.warn(
            "peer",
            format!("there is no other logical router port {name:?}"),
        );
        return None;
    };
    if peer.peer.as_ref() != Some(&port.name) {
        out.warn("peer", format!("the peer of {name:?} is not this port"));
    }
    reader.port_ref(peer.id.uuid())
}

/// The route to a network of the port. A link-local one holds only for what entered by the port.
fn connected_route(at: PortRef, network: IpNet) -> Object {
    Object::Route(Route {
        router: at.datapath,
        key: RouteKey {
            table: String::new(),
            policy: RoutePolicy::Destination,
            prefix: network.trunc(),
            origin: RouteOrigin::Connected,
            inport: is_link_local(network.addr()).then_some(at.port),
        },
        discards: 0,
        next_hops: vec![NextHop {
            port: at.port,
            gateway: None,
            source: network.addr(),
        }],
    })
}
