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
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

use crate::object::{PortKey, Route, RouteKey, RouteOrigin, RoutePolicy};

/// The name of the main route table.
pub(crate) const MAIN: &str = "";

/// The routes of one router by table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    tables: HashMap<String, Table, foldhash::fast::RandomState>,
}

#[derive(Clone, Debug, Default)]
struct Table {
    destination: Tries,
    source: Tries,
}

#[derive(Clone, Debug, Default)]
struct Tries {
    ipv4: PrefixMap<Ipv4Net, Vec<Arc<Route>>>,
    ipv6: PrefixMap<Ipv6Net, Vec<Arc<Route>>>,
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
            let tries = match route.key.policy {
                RoutePolicy::Destination => &mut table.destination,
                RoutePolicy::Source => &mut table.source,
            };
            tries.insert(route.clone());
        }
        compiled
    }

    /// The route for a packet that entered by `inport` and is routed by `table`.
    pub(crate) fn lookup(
        &self,
        table: &str,
        inport: Option<PortKey>,
        src: IpAddr,
        dst: IpAddr,
    ) -> Option<&Arc<Route>> {
        let own = self.candidates(table, src, dst).map(|route| (route, true));
        let shared = (table != MAIN)
            .then(|| self.candidates(MAIN, src, dst))
            .into_iter()
            .flatten()
            .filter(|route| holds_for_all_tables(&route.key))
            .map(|route| (route, false));
        own.chain(shared)
            .filter(|(route, _)| route.key.inport.is_none_or(|port| Some(port) == inport))
            .max_by_key(|(route, is_own)| (rank(&route.key, *is_own), Reverse(&route.key)))
            .map(|(route, _)| route)
    }

    fn candidates(
        &self,
        table: &str,
        src: IpAddr,
        dst: IpAddr,
    ) -> impl Iterator<Item = &Arc<Route>> {
        self.tables
            .get(table)
            .into_iter()
            .flat_map(move |table| table.destination.cover(dst).chain(table.source.cover(src)))
    }
}

impl Tries {
    fn insert(&mut self, route: Arc<Route>) {
        match route.key.prefix {
            IpNet::V4(prefix) => self.ipv4.entry(prefix.trunc()).or_default().push(route),
            IpNet::V6(prefix) => self.ipv6.entry(prefix.trunc()).or_default().push(route),
        }
    }

    /// The routes whose prefix holds `ip`.
    fn cover(&self, ip: IpAddr) -> impl Iterator<Item = &Arc<Route>> {
        let (ipv4, ipv6) = match ip {
            IpAddr::V4(ip) => (Some(self.ipv4.cover_values(&Ipv4Net::from(ip))), None),
            IpAddr::V6(ip) => (None, Some(self.ipv6.cover_values(&Ipv6Net::from(ip)))),
        };
        let ipv4 = ipv4.into_iter().flatten().flatten();
        ipv4.chain(ipv6.into_iter().flatten().flatten())
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
