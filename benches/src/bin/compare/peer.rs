//! What is compared: systems that carry packets between stations, each set up in namespaces of its own.

use std::any::Any;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Result;
use ground::namespace::Namespace;

/// Where packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Two stations of one switch on one node.
    Switched,
    /// To a service's address, by way of a router and 100 ACLs (where the system has them), on one node.
    Served,
    /// Two stations of one switch on two nodes.
    SwitchedAcross,
    /// Like [`Lane::Served`], on two nodes.
    ServedAcross,
}

impl Lane {
    /// Whether packets meet a router, policies and a service.
    pub(crate) fn is_served(self) -> bool {
        matches!(self, Lane::Served | Lane::ServedAcross)
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Lane::Switched => "same node, switched",
            Lane::Served => "same node, router + ACLs + service",
            Lane::SwitchedAcross => "across nodes, switched",
            Lane::ServedAcross => "across nodes, router + ACLs + service",
        })
    }
}

/// An end of traffic: a namespace with one interface that counts.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) namespace: Namespace,
    pub(crate) interface: String,
    pub(crate) address: Ipv4Addr,
}

/// A way from one station to another.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) lane: Lane,
    pub(crate) client: Arc<Station>,
    pub(crate) server: Arc<Station>,
    /// Where the client sends to: the server's own address, or a service's.
    pub(crate) to: Ipv4Addr,
    /// The station or router whose MAC address the client sends to.
    pub(crate) next_hop: Ipv4Addr,
}

/// A system that is up. Dropping it ends its programs.
pub(crate) struct Standing {
    pub(crate) paths: Vec<Path>,
    /// The processes that carry packets and those that control them.
    pub(crate) processes: Vec<u32>,
    /// What keeps it up.
    pub(crate) _alive: Box<dyn Any>,
}

impl Standing {
    /// Whether one of its processes has ended by itself.
    pub(crate) fn has_died(&self) -> bool {
        self.processes.iter().any(|process| {
            let status = std::fs::read_to_string(format!("/proc/{process}/status"));
            status.map_or(true, |text| text.contains("State:\tZ"))
        })
    }
}

/// A system that can be set up.
pub(crate) trait Peer {
    /// A short name, of letters, digits and `-`.
    fn name(&self) -> &'static str;

    /// What it is, for people.
    fn about(&self) -> &'static str;

    /// The programs that it takes, which may not be installed.
    fn programs(&self) -> &'static [&'static str];

    /// Its version, in a line.
    fn version(&self) -> Result<String>;

    /// Sets it up in namespaces whose names begin with `prefix`, of eight bytes at most.
    fn set_up(&self, prefix: &str) -> Result<Standing>;
}
