//! Routes of logical routers.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{DatapathKey, PortKey};

/// Which route of a router: its table, what it matches and, where several routes match the same, its origin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey {
    /// The route table. Empty is the main one.
    pub table: String,
    /// Which address of the packet is compared.
    pub policy: RoutePolicy,
    /// What it is compared with.
    pub prefix: IpNet,
    /// How the route came to be. At equal length, `Connected` wins over `Static`.
    pub origin: RouteOrigin,
    /// The route holds only for packets that entered by this port (link-local prefixes).
    pub inport: Option<PortKey>,
}

/// Which address of the packet a route compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoutePolicy {
    /// `dst-ip`.
    Destination,
    /// `src-ip`.
    Source,
}

/// How a route came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteOrigin {
    /// From a port's networks.
    Connected,
    /// From `Logical_Router_Static_Route`.
    Static,
}

/// A route of a router.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// The router.
    pub router: DatapathKey,
    /// What it matches.
    pub key: RouteKey,
    /// Where its packets go: several next hops share them by flow hash, none discards them.
    pub next_hops: Vec<NextHop>,
    /// How many shares beside those of the next hops are discarded: one for each `discard` of this prefix.
    pub discards: u16,
}

/// One way out of a router.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// The port to leave by.
    pub port: PortKey,
    /// The next router; `None` when the destination itself is on the link.
    pub gateway: Option<IpAddr>,
    /// The port's own address that neighbour discovery speaks with.
    pub source: IpAddr,
}
