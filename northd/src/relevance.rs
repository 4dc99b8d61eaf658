//! Relevance: which objects a node needs.
//!
//! A node needs the datapaths that are reachable, over any number of joined ports, from the ports bound to
//! it; the nodes that have a port on one of them; what these datapaths use; and the settings of the whole
//! network. A `localport` is bound to no node; it counts for those that have an interface for it. Of a load
//! balancer whose addresses differ from node to node it needs its own; a backend is probed by the node that
//! has its port.

mod graph;
mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pipeline::object::{ChassisName, DatapathKey, Object, ObjectKey, PortRef};

use graph::{Graph, Touched};
use shared::Uses;

pub use shared::Shared;

/// What each node needs, kept up to date change by change.
#[derive(Debug, Default)]
pub struct Relevance {
    graph: Graph,
    uses: Uses,
    needs: BTreeMap<ChassisName, Needs>,
}

/// What one node needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The datapaths.
    pub datapaths: BTreeSet<DatapathKey>,
    /// The nodes that have a port on one of them, itself included.
    pub chassis: BTreeSet<ChassisName>,
    /// What the datapaths use.
    pub shared: BTreeSet<Shared>,
}

/// How the needs of a node changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeedsChange {
    /// The datapaths that it began or ceased to need.
    pub datapaths: BTreeSet<DatapathKey>,
    /// The nodes that it began or ceased to need.
    pub chassis: BTreeSet<ChassisName>,
    /// What it began or ceased to need of what datapaths use.
    pub shared: BTreeSet<Shared>,
    /// The ports that it got or lost.
    pub ports: BTreeSet<PortRef>,
}

impl Relevance {
    /// Takes in changed objects and says whose needs changed, and how.
    pub fn apply(
        &mut self,
        changed: &BTreeMap<ObjectKey, Option<Arc<Object>>>,
    ) -> BTreeMap<ChassisName, NeedsChange> {
        let mut touched = Touched::default();
        let mut shared = BTreeSet::new();
        for (key, object) in changed {
            self.uses.set(key, object.as_deref(), &mut shared);
            if let ObjectKey::Port(at) = key {
                self.graph.set_port(*at, object.as_deref(), &mut touched);
            }
        }
        self.update(&touched, &shared)
    }

    /// Notes whether a node has an interface for the localport of this name, which need not exist yet, and
    /// says how its needs changed.
    pub fn set_interest(
        &mut self,
        chassis: &ChassisName,
        localport: &str,
        is_interested: bool,
    ) -> BTreeMap<ChassisName, NeedsChange> {
        let mut touched = Touched::default();
        self.graph
            .set_interest(chassis, localport, is_interested, &mut touched);
        self.update(&touched, &BTreeSet::new())
    }

    fn update(
        &mut self,
        touched: &Touched,
        shared: &BTreeSet<Shared>,
    ) -> BTreeMap<ChassisName, NeedsChange> {
        let mut changes: BTreeMap<ChassisName, NeedsChange> = BTreeMap::new();
        for chassis in self.affected(touched) {
            let change = self.update_reach(&chassis);
            changes.insert(chassis, change);
        }
        for (chassis, needs) in &mut self.needs {
            let change = changes.entry(chassis.clone()).or_default();
            let mut shared = shared.clone();
            shared.extend(self.uses.of_datapaths(&change.datapaths));
            change.shared.extend(self.uses.update(needs, shared));
        }
        for (port, chassis) in &touched.moved {
            let change = changes.entry(chassis.clone()).or_default();
            change.ports.insert(*port);
        }
        changes.retain(|_, change| *change != NeedsChange::default());
        changes
    }

    /// Finds the datapaths and nodes that a node needs anew. What they use is brought up to date afterwards,
    /// but for a node that has come to need nothing.
    fn update_reach(&mut self, chassis: &ChassisName) -> NeedsChange {
        let old = self.needs.remove(chassis).unwrap_or_default();
        let new = self.graph.needs(chassis);
        let mut change = difference(&old, &new);
        match new.datapaths.is_empty() {
            true => change.shared = old.shared,
            false => {
                let shared = old.shared;
                self.needs.insert(chassis.clone(), Needs { shared, ..new });
            }
        }
        change
    }

    /// Whether a node needs the object of this key.
    pub fn is_relevant(&self, chassis: &ChassisName, key: &ObjectKey) -> bool {
        let needs = self.needs.get(chassis);
        match key {
            ObjectKey::Global => true,
            ObjectKey::Chassis(name) => needs.is_some_and(|needs| needs.chassis.contains(name)),
            ObjectKey::Vip(vip) if vip.chassis.as_ref().is_some_and(|at| at != chassis) => false,
            ObjectKey::Probe(probe) => self.graph.chassis(probe.port) == Some(chassis),
            key if let Some(shared) = Shared::of(key) => {
                needs.is_some_and(|needs| needs.shared.contains(&shared))
            }
            key => key.datapath().is_some_and(|datapath| {
                needs.is_some_and(|needs| needs.datapaths.contains(&datapath))
            }),
        }
    }

    /// What a node needs; nothing when it has no port.
    pub fn needs(&self, chassis: &ChassisName) -> Option<&Needs> {
        self.needs.get(chassis)
    }

    /// The nodes whose needs may have changed.
    fn affected(&self, touched: &Touched) -> BTreeSet<ChassisName> {
        let reach = |needs: &Needs| {
            let mut datapaths = touched.datapaths.iter();
            datapaths.any(|datapath| needs.datapaths.contains(datapath))
        };
        let near = self.needs.iter().filter(|(_, needs)| reach(needs));
        let near = near.map(|(chassis, _)| chassis.clone());
        near.chain(touched.chassis.iter().cloned()).collect()
    }
}

fn difference(old: &Needs, new: &Needs) -> NeedsChange {
    let datapaths = old.datapaths.symmetric_difference(&new.datapaths);
    let chassis = old.chassis.symmetric_difference(&new.chassis);
    NeedsChange {
        datapaths: datapaths.copied().collect(),
        chassis: chassis.cloned().collect(),
        ..NeedsChange::default()
    }
}
