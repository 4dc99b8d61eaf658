//! The compiled tables: an immutable snapshot of all objects, indexed for the pipeline.
//!
//! [`Tables::apply`] makes the next snapshot from the last one. It copies only what changed and compiles
//! only the datapaths concerned; the result is the same as that of building the tables from nothing. What
//! an object names need not exist: a packet that gets there is dropped with that reason.

mod apply;
mod balancing;
mod datapath;
mod generation;
mod nats;
mod places;
mod policy;
mod prefixes;
mod router;
mod routes;
mod sharded;
mod switch;

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use packet::Flow;
use uuid::Uuid;

pub use apply::ApplyError;
pub use balancing::Ended;
pub(crate) use balancing::{Balancing, Service, Whereabouts};
pub(crate) use datapath::{Compiled, DatapathTables};
pub(crate) use generation::Table;
pub use generation::{Deps, Ends, Slot};
pub(crate) use places::Places;
pub(crate) use policy::{Policies, QosPurpose, Question, Sets, Subject, SwitchPolicy};
pub(crate) use router::RouterTables;
pub(crate) use routes::{MAIN, priority as route_priority};
pub(crate) use switch::{Responder, SwitchTables};

use crate::object::{
    Acl, Attachment, Balancer, Chassis, ChassisName, Datapath, DatapathKey, FdbEntry, Global,
    Meter, Nat, Neighbor, Object, ObjectKey, PolicyOwner, Port, PortKind, PortRef, SwitchPort,
};
use crate::verdict::Verdict;
use crate::view;

/// A snapshot of the compiled tables. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Tables {
    home: Option<ChassisName>,
    epoch: u64,
    global: Global,
    generations: Arc<generation::Generations>,
    datapaths: Arc<HashMap<DatapathKey, Arc<DatapathTables>, crate::seed::Seed>>,
    places: Places,
    policies: Policies,
    balancing: Balancing,
}

/// Where a switch port's frames come out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this node, at the interface of this port.
    Here(PortRef),
    /// On another node.
    There(ChassisName),
    /// Nowhere: no node has bound it.
    Unbound,
    /// Nowhere: its parent does not exist.
    Orphaned,
}

impl Tables {
    /// No objects. `home` is the node whose tables they are; `None` sees every port as on this node.
    pub fn new(home: Option<ChassisName>) -> Self {
        Self {
            home,
            epoch: 0,
            global: Global::default(),
            generations: Arc::default(),
            datapaths: Arc::default(),
            places: Places::default(),
            policies: Policies::default(),
            balancing: Balancing::default(),
        }
    }

    /// The tables after `removals` and then `upserts`. On an error nothing has happened.
    pub fn apply(
        &self,
        upserts: impl IntoIterator<Item = Object>,
        removals: impl IntoIterator<Item = ObjectKey>,
    ) -> Result<Tables, ApplyError> {
        apply::apply(self, upserts, removals)
    }

    /// The node whose tables they are.
    pub fn home(&self) -> Option<&ChassisName> {
        self.home.as_ref()
    }

    /// How many times [`Tables::apply`] made this out of nothing.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A number that is the same as long as nothing has changed that `deps` names, for a flow with the addresses `ends`.
    pub fn generation_sum(&self, deps: &Deps, ends: Ends) -> u64 {
        self.generations.sum(deps, ends)
    }

    /// True if nothing has changed that a verdict on `flow` was made of.
    pub fn uphold(&self, verdict: &Verdict, flow: &Flow) -> bool {
        self.generation_sum(&verdict.deps, view::ends(flow)) == verdict.generation
    }

    /// Settings of the whole network.
    pub fn global(&self) -> &Global {
        &self.global
    }

    /// An ACL.
    pub fn acl(&self, owner: &PolicyOwner, uuid: Uuid) -> Option<&Arc<Acl>> {
        self.policies.acl(owner, uuid)
    }

    /// All ACLs.
    pub fn all_acls(&self) -> impl Iterator<Item = &Arc<Acl>> {
        self.policies.acls()
    }

    /// A load balancer.
    pub fn balancer(&self, uuid: Uuid) -> Option<&Balancer> {
        self.balancing.balancer(uuid).map(|balancer| &**balancer)
    }

    /// All load balancers.
    pub fn balancers(&self) -> impl Iterator<Item = &Balancer> {
        self.balancing.balancers()
    }

    /// Whose connections end because the tables become `after`.
    pub fn ended(&self, after: &Tables) -> Vec<Ended> {
        self.balancing.ended(&after.balancing)
    }

    /// All NATs.
    pub fn all_nats(&self) -> impl Iterator<Item = &Arc<Nat>> {
        self.datapaths.values().flat_map(|dp| dp.nats.values())
    }

    /// A meter.
    pub fn meter(&self, name: &str) -> Option<&Meter> {
        self.policies.meter(name)
    }

    /// A node.
    pub fn chassis(&self, name: &str) -> Option<&Chassis> {
        self.places.chassis.get(name)
    }

    /// All nodes, by name.
    pub fn all_chassis(&self) -> impl Iterator<Item = &Chassis> {
        self.places.chassis.values()
    }

    /// A logical port.
    pub fn port(&self, at: PortRef) -> Option<&Arc<Port>> {
        self.datapaths.get(&at.datapath)?.port(at.port)
    }

    /// The logical port with this name.
    pub fn port_named(&self, name: &str) -> Option<&Arc<Port>> {
        self.port(self.places.named(name)?)
    }

    /// The row of a datapath.
    pub fn datapath(&self, key: DatapathKey) -> Option<&Arc<Datapath>> {
        self.datapaths.get(&key)?.row.as_ref()
    }

    /// The rows of all datapaths, by key.
    pub fn all_datapaths(&self) -> Vec<&Arc<Datapath>> {
        let mut rows: Vec<_> = self
            .datapaths
            .values()
            .filter_map(|dp| dp.row.as_ref())
            .collect();
        rows.sort_by_key(|row| row.key);
        rows
    }

    /// The ports of a datapath, by key.
    pub fn ports(&self, key: DatapathKey) -> impl Iterator<Item = &Arc<Port>> {
        self.datapaths
            .get(&key)
            .into_iter()
            .flat_map(|dp| dp.ports.values())
    }

    /// The binding of a neighbour.
    pub fn neighbor(&self, port: PortRef, ip: IpAddr) -> Option<&Neighbor> {
        self.datapaths
            .get(&port.datapath)?
            .neighbors
            .get(&(port.port, ip))
    }

    /// The learned place of a station.
    pub fn station(&self, switch: DatapathKey, mac: packet::Mac) -> Option<FdbEntry> {
        let port = *self.datapaths.get(&switch)?.fdb.get(&mac)?;
        Some(FdbEntry { switch, mac, port })
    }

    /// The port nested in the port named `parent` with this tag.
    pub fn nested_port(&self, parent: &str, tag: u16) -> Option<PortRef> {
        self.places.nested(parent, tag)
    }

    /// The port whose interface carries the frames of a switch port, if that is on this node. `None` for
    /// what has no interface: router ports.
    pub fn interface(&self, at: PortRef) -> Option<PortRef> {
        let port = self.port(at)?;
        let PortKind::Switch(kind) = &port.kind else {
            return None;
        };
        if matches!(kind.attachment, Attachment::Router(_)) {
            return None;
        }
        match self.place(port, kind) {
            Place::Here(interface) => Some(interface),
            _ => None,
        }
    }

    /// All address sets.
    pub(crate) fn address_sets(&self) -> &Sets {
        self.policies.sets()
    }

    /// All load balancers.
    pub(crate) fn balancing(&self) -> &Balancing {
        &self.balancing
    }

    /// The zone that a node is in; empty if that is not known.
    pub(crate) fn zone(&self, node: &ChassisName) -> &str {
        self.chassis(node).map_or("", |chassis| &chassis.zone)
    }

    pub(crate) fn datapath_tables(&self, key: DatapathKey) -> Option<&Arc<DatapathTables>> {
        self.datapaths.get(&key)
    }

    /// Where the frames of a switch port come out.
    pub(crate) fn place(&self, port: &Port, kind: &SwitchPort) -> Place {
        let Attachment::Nested { parent, .. } = &kind.attachment else {
            return self.place_bound(port.at, kind, self.node_of(kind));
        };
        let parent = self.port_named(parent);
        let bound = match parent.map(|parent| (parent, &parent.kind)) {
            Some((parent, PortKind::Switch(parent_kind))) => {
                let chassis = kind.chassis.as_ref().or(parent_kind.chassis.as_ref());
                return self.place_bound(parent.at, kind, chassis);
            }
            _ => kind.chassis.as_ref(),
        };
        match bound {
            Some(chassis) if !self.is_home(chassis) => Place::There(chassis.clone()),
            _ => Place::Orphaned,
        }
    }

    /// The one node that a port is on: where it is bound, or where the gateway is that it joins.
    pub(crate) fn node_of<'a>(&'a self, kind: &'a SwitchPort) -> Option<&'a ChassisName> {
        let gateway = || match kind.attachment {
            Attachment::Router(Some(at)) => {
                let datapath = self.datapaths.get(&at.datapath)?;
                let router = datapath.router().and_then(|router| router.chassis.as_ref());
                let port = datapath.router_port(at.port);
                router.or_else(|| port?.1.gateway.as_ref())
            }
            _ => None,
        };
        kind.chassis.as_ref().or_else(gateway)
    }

    fn place_bound(
        &self,
        interface: PortRef,
        kind: &SwitchPort,
        chassis: Option<&ChassisName>,
    ) -> Place {
        let is_everywhere = match kind.attachment {
            Attachment::Localport => true,
            Attachment::Router(_) => chassis.is_none(),
            Attachment::Vif | Attachment::Nested { .. } => false,
        };
        if is_everywhere || self.home.is_none() {
            return Place::Here(interface);
        }
        let is_allowed = |chassis: &ChassisName| {
            kind.requested_chassis
                .as_ref()
                .is_none_or(|requested| requested == chassis)
        };
        match chassis.filter(|chassis| is_allowed(chassis)) {
            None => Place::Unbound,
            Some(chassis) if self.is_home(chassis) => Place::Here(interface),
            Some(chassis) => Place::There(chassis.clone()),
        }
    }

    fn is_home(&self, chassis: &ChassisName) -> bool {
        self.home.as_ref().is_none_or(|home| home == chassis)
    }
}
