//! What a logical router looks things up in.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use uuid::Uuid;

use super::nats::Nats;
use super::routes::Routes;
use crate::object::{Nat, Port, PortKey, PortKind, Route, RouteKey};

/// The compiled tables of a logical router: functions of its ports and routes.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouterTables {
    /// The router's own addresses, and the port each is of (the lowest key, if several have it).
    pub(crate) addresses: HashMap<IpAddr, PortKey, crate::seed::Seed>,
    /// The broadcast addresses of its ports' networks.
    pub(crate) broadcasts: HashSet<Ipv4Addr, crate::seed::Seed>,
    /// `lr_in_ip_routing`.
    pub(crate) routes: Routes,
    /// Its translations.
    pub(crate) nats: Nats,
    /// Its distributed gateway ports.
    pub(crate) gateways: Vec<PortKey>,
}

impl RouterTables {
    pub(crate) fn compile(
        ports: &BTreeMap<PortKey, Arc<Port>>,
        routes: &BTreeMap<RouteKey, Arc<Route>>,
        nats: &BTreeMap<Uuid, Arc<Nat>>,
    ) -> Self {
        let mut tables = RouterTables {
            routes: Routes::compile(routes),
            nats: Nats::compile(nats),
            ..RouterTables::default()
        };
        for (key, port) in ports {
            let PortKind::Router(port) = &port.kind else {
                continue;
            };
            tables.gateways.extend(port.gateway.as_ref().map(|_| *key));
            for ip in port.addresses() {
                tables.addresses.entry(ip).or_insert(*key);
            }
            // RFC 3021: networks of two hosts have no broadcast address.
            let networks = port.ipv4.iter().filter(|net| net.prefix_len() < 31);
            tables
                .broadcasts
                .extend(networks.map(|net| net.broadcast()));
        }
        tables
    }
}
