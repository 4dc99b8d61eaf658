//! One datapath: the objects it is made of and the tables compiled from them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use packet::Mac;
use uuid::Uuid;

use super::generation::Slots;
use super::policy::{SwitchGroups, SwitchPolicy};
use super::router::RouterTables;
use super::switch::{Nats, SwitchTables};
use crate::object::{
    Attachment, Balancers, Datapath, DatapathKey, DatapathKind, Nat, Neighbor, PolicyOwner, Port,
    PortKey, PortKind, PortRef, ProbeKey, Route, RouteKey, Router, RouterPort, SwitchPort,
};

/// A datapath. Each part is shared with earlier snapshots until it changes.
///
/// The objects may arrive in any order: a datapath without its own row is known by its ports only, and
/// nothing passes it.
#[derive(Clone, Debug)]
pub(crate) struct DatapathTables {
    pub(crate) slots: Slots,
    pub(crate) row: Option<Arc<Datapath>>,
    pub(crate) ports: Arc<BTreeMap<PortKey, Arc<Port>>>,
    pub(crate) routes: Arc<BTreeMap<RouteKey, Arc<Route>>>,
    pub(crate) nats: Arc<BTreeMap<Uuid, Arc<Nat>>>,
    /// Its load balancers have VIPs.
    pub(crate) balances: bool,
    pub(crate) neighbors: Arc<HashMap<(PortKey, IpAddr), Neighbor, crate::seed::Seed>>,
    pub(crate) fdb: Arc<HashMap<Mac, PortKey, crate::seed::Seed>>,
    /// The stations that the backends at its ports are probed from.
    pub(crate) probes: Arc<BTreeMap<ProbeKey, (IpAddr, Mac)>>,
    pub(crate) compiled: Compiled,
    /// The port groups that its ports are in.
    pub(crate) groups: Arc<SwitchGroups>,
    /// The ACLs that concern it.
    pub(crate) policy: Arc<SwitchPolicy>,
}

/// The tables compiled from the objects.
#[derive(Clone, Debug)]
pub(crate) enum Compiled {
    /// The datapath's own row has not arrived.
    Nothing,
    Switch(Arc<SwitchTables>),
    Router(Arc<RouterTables>),
}

impl DatapathTables {
    pub(crate) fn new(slots: Slots) -> Self {
        Self {
            slots,
            row: None,
            ports: Arc::default(),
            routes: Arc::default(),
            nats: Arc::default(),
            balances: false,
            neighbors: Arc::default(),
            fdb: Arc::default(),
            probes: Arc::default(),
            compiled: Compiled::Nothing,
            groups: Arc::default(),
            policy: Arc::default(),
        }
    }

    /// True when no object is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.row.is_none()
            && self.ports.is_empty()
            && self.routes.is_empty()
            && self.nats.is_empty()
            && self.neighbors.is_empty()
            && self.fdb.is_empty()
            && self.probes.is_empty()
            && self.groups.is_empty()
    }

    /// True if the ACLs of `owner` hold here, where `key` is the datapath's own.
    pub(crate) fn is_subject_to(&self, key: DatapathKey, owner: &PolicyOwner) -> bool {
        match owner {
            PolicyOwner::Switch(switch) => *switch == key,
            PolicyOwner::Group(group) => self.groups.has(group),
        }
    }

    /// The load balancers that it refers to.
    pub(crate) fn balancers(&self) -> &Balancers {
        const NONE: &Balancers = &Balancers {
            own: Vec::new(),
            groups: Vec::new(),
        };
        match self.row.as_ref().map(|row| &row.kind) {
            Some(DatapathKind::Switch(switch)) => &switch.balancers,
            Some(DatapathKind::Router(router)) => &router.balancers,
            None => NONE,
        }
    }

    /// What only a router has, if it is one.
    pub(crate) fn router(&self) -> Option<&Router> {
        match self.row.as_ref().map(|row| &row.kind) {
            Some(DatapathKind::Router(router)) => Some(router),
            _ => None,
        }
    }

    pub(crate) fn port(&self, key: PortKey) -> Option<&Arc<Port>> {
        self.ports.get(&key)
    }

    /// A port together with what it is, if it is a router's.
    pub(crate) fn router_port(&self, key: PortKey) -> Option<(&Port, &RouterPort)> {
        let port = self.ports.get(&key)?;
        match &port.kind {
            PortKind::Router(kind) => Some((port, kind)),
            PortKind::Switch(_) => None,
        }
    }

    /// A port together with what it is, if it is a switch's.
    pub(crate) fn switch_port(&self, key: PortKey) -> Option<(&Port, &SwitchPort)> {
        let port = self.ports.get(&key)?;
        match &port.kind {
            PortKind::Switch(kind) => Some((port, kind)),
            PortKind::Router(_) => None,
        }
    }

    /// What the tables compile to. `router_port` finds the ports of other datapaths, and the NATs there.
    pub(crate) fn compile<'a>(
        &self,
        router_port: impl Fn(PortRef) -> Option<(&'a RouterPort, &'a Nats)>,
    ) -> Compiled {
        match self.row.as_ref().map(|row| &row.kind) {
            None => Compiled::Nothing,
            Some(DatapathKind::Switch(_)) => {
                let peer = |port: &SwitchPort| match port.attachment {
                    Attachment::Router(Some(at)) => router_port(at),
                    _ => None,
                };
                Compiled::Switch(Arc::new(SwitchTables::compile(
                    &self.ports,
                    &self.probes,
                    peer,
                )))
            }
            Some(DatapathKind::Router(_)) => Compiled::Router(Arc::new(RouterTables::compile(
                &self.ports,
                &self.routes,
                &self.nats,
            ))),
        }
    }
}
