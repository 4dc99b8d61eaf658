//! The routes of a router: longest prefix first, over destination and source routes at once.
//!
//! All routes that match a packet compete: the longer prefix wins; at equal length a connected route
//! beats a static destination route, and that a static source route. Connected routes and the main
//! table's source routes hold for packets of every table, as in OVN.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;

use super::prefixes::{Address, Prefixes};
use crate::object::{PortKey, Route, RouteKey, RouteOrigin, RoutePolicy};

/// The name of the main route table.
pub(crate) const MAIN: &str = "";

/// The routes of one router by table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    tables: HashMap<String, Table, crate::seed::Seed>,
    /// Some routes are for sources.
    has_sources: bool,
}

#[derive(Clone, Debug, Default)]
struct Table {
    destination: Side,
    source: Side,
}

#[derive(Clone, Debug, Default)]
struct Side {
    ipv4: Prefixes<u32, Vec<Arc<Route>>>,
    ipv6: Prefixes<u128, Vec<Arc<Route>>>,
}

/// How strong a route is among those that match: the greatest wins.
type Rank = (u8, RouteClass, bool);

/// What decides between routes of equal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RouteClass {
    Source,
    Static,
    Connected,
}

impl Routes {
    pub(crate) fn compile(routes: &BTreeMap<RouteKey, Arc<Route>>) -> Self {
        let mut compiled = Routes::default();
        for route in routes.values() {
            let table = compiled
                .tables
                .entry_ref(route.key.table.as_str())
                .or_default();
            compiled.has_sources |= route.key.policy == RoutePolicy::Source;
            let side = match route.key.policy {
                RoutePolicy::Destination => &mut table.destination,
                RoutePolicy::Source => &mut table.source,
            };
            side.insert(route.clone());
        }
        compiled
    }

    /// Whether the source of a packet has a say.
    pub(crate) fn has_sources(&self) -> bool {
        self.has_sources
    }

    /// The route for a packet that entered by `inport` and is routed by `table`.
    pub(crate) fn lookup(
        &self,
        table: &str,
        inport: Option<PortKey>,
        src: IpAddr,
        dst: IpAddr,
    ) -> Option<&Arc<Route>> {
        let mut best = Best {
            inport,
            found: None,
        };
        if let Some(own) = self.tables.get(table) {
            best.consider(own, (src, dst), true);
        }
        if table != MAIN
            && let Some(main) = self.tables.get(MAIN)
        {
            best.consider(main, (src, dst), false);
        }
        best.found.map(|(route, _)| route)
    }
}

/// The strongest route for a packet among those that were looked at.
struct Best<'r> {
    inport: Option<PortKey>,
    /// With whether it is of the packet's own table.
    found: Option<(&'r Arc<Route>, bool)>,
}

impl<'r> Best<'r> {
    fn consider(&mut self, table: &'r Table, (src, dst): (IpAddr, IpAddr), is_own: bool) {
        self.consider_covering(&table.destination, dst, is_own);
        self.consider_covering(&table.source, src, is_own);
    }

    fn consider_covering(&mut self, side: &'r Side, ip: IpAddr, is_own: bool) {
        match ip {
            IpAddr::V4(ip) => self.consider_all(&side.ipv4, ip.to_bits(), is_own),
            IpAddr::V6(ip) => self.consider_all(&side.ipv6, ip.to_bits(), is_own),
        }
    }

    /// Looks at the routes that hold an address, but for those that are too short to count.
    fn consider_all<A: Address>(
        &mut self,
        prefixes: &'r Prefixes<A, Vec<Arc<Route>>>,
        address: A,
        is_own: bool,
    ) {
        let least = self.length();
        for (length, routes) in prefixes.holding(address, least) {
            if length < self.length() {
                return;
            }
            for route in routes {
                self.consider_one(route, is_own);
            }
        }
    }

    fn length(&self) -> u8 {
        self.found
            .map_or(0, |(route, _)| route.key.prefix.prefix_len())
    }

    fn consider_one(&mut self, route: &'r Arc<Route>, is_own: bool) {
        let key = &route.key;
        let is_for_port = key.inport.is_none_or(|port| Some(port) == self.inport);
        if !is_for_port || !is_own && !holds_for_all_tables(key) {
            return;
        }
        let strength = |key, is_own| (rank(key, is_own), Reverse(key));
        let is_beaten = self
            .found
            .is_some_and(|(other, own)| strength(&other.key, own) > strength(key, is_own));
        if !is_beaten {
            self.found = Some((route, is_own));
        }
    }
}

impl Side {
    fn insert(&mut self, route: Arc<Route>) {
        let prefix = route.key.prefix;
        let length = prefix.prefix_len();
        let beside = match prefix.addr() {
            IpAddr::V4(ip) => self.ipv4.entry(ip.to_bits(), length),
            IpAddr::V6(ip) => self.ipv6.entry(ip.to_bits(), length),
        };
        beside.push(route);
    }
}

/// True for the routes that OVN does not bind to a route table.
pub(crate) fn holds_for_all_tables(key: &RouteKey) -> bool {
    key.origin == RouteOrigin::Connected || key.policy == RoutePolicy::Source
}

fn rank(key: &RouteKey, is_own_table: bool) -> Rank {
    let class = match (key.policy, key.origin) {
        (RoutePolicy::Source, _) => RouteClass::Source,
        (RoutePolicy::Destination, RouteOrigin::Static) => RouteClass::Static,
        (RoutePolicy::Destination, RouteOrigin::Connected) => RouteClass::Connected,
    };
    (key.prefix.prefix_len(), class, is_own_table)
}

/// OVN's priority of the route: three classes for each prefix length.
pub(crate) fn priority(key: &RouteKey) -> u16 {
    let (length, class, _) = rank(key, true);
    u16::from(length) * 3 + class as u16
}
