//! The nodes: who is connected, who is waited for, and how far each one is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use model::{Database, Datum, Id, Operation, Table, sb};
use pipeline::object::ChassisName;
use southbound_proto::convert::Hello;

use super::{NODE_TIMEOUT, Now, StreamId};
use crate::session::Session;

/// The most nodes that may ever register.
pub const NODES_MAX: usize = 4_096;

/// The most localports that a node may have interfaces for.
pub const LOCALPORTS_PER_NODE_MAX: usize = 4_096;

/// The nodes that configuration has to reach.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    nodes: BTreeMap<ChassisName, Node>,
}

#[derive(Debug)]
struct Node {
    presence: Presence,
    /// Since when it is connected, or is not; ms since 1970.
    since_unix_ms: i64,
    revision: u64,
    nb_cfg_in_force: i64,
    last_nack: String,
    /// The localports that it has interfaces for.
    localports: BTreeSet<String>,
    /// It had the time to claim them, from this northd.
    has_claimed: bool,
    unclaimed: Option<Unclaimed>,
}

/// What a node had when it connected and has not claimed again.
#[derive(Debug)]
struct Unclaimed {
    ports: BTreeSet<String>,
    /// When it loses them.
    until: Instant,
}

#[derive(Debug)]
enum Presence {
    Connected(StreamId),
    /// It may come back until then and find its ports where they were.
    Awaited(Instant),
    /// Its ports are released. Nothing waits for it.
    Gone,
}

/// What is known of a node, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Its underlay address.
    pub encap_ip: String,
    /// Its software.
    pub software_version: String,
    /// Whether it has a stream open.
    pub is_connected: bool,
    /// Since when that is so, ms since 1970; 0 when it was never heard of by this northd.
    pub since_unix_ms: i64,
    /// The revision that it has in force.
    pub revision: u64,
    /// The number of objects that it holds.
    pub object_count: usize,
    /// The number of ports bound to it.
    pub port_count: usize,
    /// Why it last refused a step. Empty when it did not.
    pub last_nack: String,
}

impl Nodes {
    /// The nodes of a northd that was just started: those with ports are awaited.
    pub(super) fn restore(database: &Database, until: Instant) -> Self {
        let bindings = database.table::<sb::PortBinding>().iter();
        let holders = bindings.filter_map(|binding| binding.chassis);
        let nodes = holders.map(|name| {
            let node = Node {
                presence: Presence::Awaited(until),
                since_unix_ms: 0,
                revision: 0,
                nb_cfg_in_force: 0,
                last_nack: String::new(),
                localports: BTreeSet::new(),
                has_claimed: false,
                unclaimed: None,
            };
            (name.as_str().into(), node)
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// A node said Hello, to which these ports are bound. Returns its older stream, which this one replaces.
    pub(super) fn registered(
        &mut self,
        stream: StreamId,
        name: &ChassisName,
        bound: BTreeSet<String>,
        now: Now,
    ) -> Option<StreamId> {
        let old = self.nodes.remove(name);
        let (presence, localports, has_claimed) = match old {
            Some(old) => (Some(old.presence), old.localports, old.has_claimed),
            None => (None, BTreeSet::new(), false),
        };
        let unclaimed = Unclaimed {
            ports: bound.union(&localports).cloned().collect(),
            until: now.instant + NODE_TIMEOUT,
        };
        let fresh = Node {
            presence: Presence::Connected(stream),
            since_unix_ms: now.unix_ms,
            revision: 0,
            nb_cfg_in_force: 0,
            last_nack: String::new(),
            localports,
            has_claimed,
            unclaimed: Some(unclaimed),
        };
        self.nodes.insert(name.clone(), fresh);
        match presence? {
            Presence::Connected(old) => Some(old),
            _ => None,
        }
    }

    /// A node that may not have claimed all that it has yet holds these localports: it is taken to have
    /// interfaces for them until its time to claim them is over. Returns those that it is not known for.
    pub(super) fn presume(
        &mut self,
        name: &ChassisName,
        held: BTreeSet<String>,
    ) -> BTreeSet<String> {
        let node = self.nodes.get_mut(name).filter(|node| !node.has_claimed);
        let Some((node, unclaimed)) = node.and_then(|node| {
            let unclaimed = node.unclaimed.as_mut()?;
            Some((&mut node.localports, &mut unclaimed.ports))
        }) else {
            return BTreeSet::new();
        };
        let room = LOCALPORTS_PER_NODE_MAX.saturating_sub(node.len());
        let new = held.difference(node).take(room).cloned();
        let new: BTreeSet<String> = new.collect();
        node.extend(new.iter().cloned());
        unclaimed.extend(new.iter().cloned());
        new
    }

    /// A node was granted a port.
    pub(super) fn claimed(&mut self, name: &ChassisName, port: &str, is_localport: bool) {
        let Some(node) = self.nodes.get_mut(name) else {
            return;
        };
        if let Some(unclaimed) = &mut node.unclaimed {
            unclaimed.ports.remove(port);
        }
        match is_localport {
            true => node.localports.insert(port.to_owned()),
            false => node.localports.remove(port),
        };
    }

    /// A node has a port no more.
    pub(super) fn released(&mut self, name: &ChassisName, port: &str) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.localports.remove(port);
        }
    }

    /// Whether a node may have an interface for one localport more.
    pub(super) fn has_room_for(&self, name: &ChassisName, localport: &str) -> bool {
        self.nodes.get(name).is_none_or(|node| {
            let localports = &node.localports;
            localports.len() < LOCALPORTS_PER_NODE_MAX || localports.contains(localport)
        })
    }

    /// A node's stream ended. If it was its last, the node is awaited for a while.
    pub(super) fn lost(
        &mut self,
        name: &ChassisName,
        stream: StreamId,
        session: &Session,
        now: Now,
    ) {
        if let Some(node) = self.nodes.get_mut(name)
            && matches!(node.presence, Presence::Connected(current) if current == stream)
        {
            node.presence = Presence::Awaited(now.instant + NODE_TIMEOUT);
            node.since_unix_ms = now.unix_ms;
            node.revision = session.revision();
            node.nb_cfg_in_force = session.nb_cfg_in_force();
        }
    }

    /// A node could not apply a step.
    pub(super) fn nacked(&mut self, name: &ChassisName, reason: String) {
        tracing::warn!(chassis = %name, %reason, "a node refused a revision");
        if let Some(node) = self.nodes.get_mut(name) {
            node.last_nack = reason;
        }
    }

    /// When the next node is given up, or loses what it did not claim.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.nodes.values().filter_map(|node| match node.presence {
            Presence::Awaited(until) => Some(until),
            Presence::Connected(_) => node.unclaimed.as_ref().map(|unclaimed| unclaimed.until),
            Presence::Gone => None,
        });
        deadlines.min()
    }

    /// The nodes that are given up at `now`, with the localports that they had.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(ChassisName, BTreeSet<String>)> {
        let mut given_up = Vec::new();
        for (name, node) in &mut self.nodes {
            if matches!(node.presence, Presence::Awaited(until) if until <= now) {
                node.presence = Presence::Gone;
                node.has_claimed = true;
                node.unclaimed = None;
                given_up.push((name.clone(), std::mem::take(&mut node.localports)));
            }
        }
        given_up
    }

    /// The connected nodes that have lost ports by `now` which they have not claimed, with these.
    pub(super) fn take_unclaimed(&mut self, now: Instant) -> Vec<(ChassisName, BTreeSet<String>)> {
        let mut lost = Vec::new();
        for (name, node) in &mut self.nodes {
            let is_connected = matches!(node.presence, Presence::Connected(_));
            let is_due = |unclaimed: &mut Unclaimed| is_connected && unclaimed.until <= now;
            if let Some(unclaimed) = node.unclaimed.take_if(is_due) {
                node.has_claimed = true;
                node.localports
                    .retain(|port| !unclaimed.ports.contains(port));
                lost.push((name.clone(), unclaimed.ports));
            }
        }
        lost
    }

    /// The least `nb_cfg` that the nodes have in force; `None` when there are none to wait for.
    pub(super) fn nb_cfg_in_force(&self, sessions: &BTreeMap<StreamId, Session>) -> Option<i64> {
        let nodes = self.nodes.values().filter_map(|node| match node.presence {
            Presence::Connected(stream) => sessions.get(&stream).map(Session::nb_cfg_in_force),
            Presence::Awaited(_) => Some(node.nb_cfg_in_force),
            Presence::Gone => None,
        });
        nodes.min()
    }

    /// All nodes that ever registered, by name.
    pub(super) fn statuses(
        &self,
        database: &Database,
        sessions: &BTreeMap<StreamId, Session>,
    ) -> Vec<NodeStatus> {
        let mut port_counts = BTreeMap::<String, usize>::new();
        for binding in database.table::<sb::PortBinding>().iter() {
            if let Some(name) = binding.chassis {
                *port_counts.entry(name).or_default() += 1;
            }
        }
        let chassis = database.table::<sb::Chassis>().iter();
        let mut statuses: Vec<_> = chassis
            .map(|chassis| {
                let port_count = port_counts.get(&chassis.name).copied();
                self.status(chassis, port_count.unwrap_or(0), sessions)
            })
            .collect();
        statuses.sort_by(|one, other| one.name.cmp(&other.name));
        statuses
    }

    fn status(
        &self,
        chassis: sb::Chassis,
        port_count: usize,
        sessions: &BTreeMap<StreamId, Session>,
    ) -> NodeStatus {
        let node = self.nodes.get(chassis.name.as_str());
        let session = node.and_then(|node| match node.presence {
            Presence::Connected(stream) => sessions.get(&stream),
            _ => None,
        });
        NodeStatus {
            name: chassis.name,
            encap_ip: chassis.encap_ip,
            software_version: chassis.software_version,
            is_connected: session.is_some(),
            since_unix_ms: node.map_or(0, |node| node.since_unix_ms),
            revision: match session {
                Some(session) => session.revision(),
                None => node.map_or(0, |node| node.revision),
            },
            object_count: session.map_or(0, Session::object_count),
            port_count,
            last_nack: node.map_or_else(String::new, |node| node.last_nack.clone()),
        }
    }
}

/// What writes down how a node introduced itself, if that is new. An error refuses the node.
pub(super) fn record(database: &Database, hello: &Hello) -> Result<Vec<Operation>, String> {
    let old = database.table::<sb::Chassis>().named(&hello.chassis.name);
    if old.is_none() && database.row_count(sb::Chassis::NAME) >= NODES_MAX {
        return Err(format!("{NODES_MAX} nodes have registered already"));
    }
    let row = sb::Chassis {
        id: old.as_ref().map_or_else(Id::random, |old| old.id),
        name: hello.chassis.name.to_string(),
        encap_ip: hello.chassis.encap_ip.to_string(),
        encap_port: i64::from(hello.chassis.encap_port),
        software_version: hello.software_version.clone(),
        capabilities: hello.capabilities.clone(),
    };
    Ok(match old {
        Some(old) if old == row => Vec::new(),
        Some(_) => vec![Operation::update(
            row.id,
            [
                ("encap_ip", Datum::scalar(row.encap_ip)),
                ("encap_port", Datum::scalar(row.encap_port)),
                ("software_version", Datum::scalar(row.software_version)),
                ("capabilities", Datum::set(row.capabilities)),
            ],
        )],
        None => vec![row.insert()],
    })
}
