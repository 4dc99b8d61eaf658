//! Relevance: which objects a node needs.
//!
//! A node needs the datapaths that are reachable, over any number of joined ports, from the ports bound to
//! it; the nodes that have a port on one of them; and the settings of the whole network. A `localport` is
//! bound to no node; it counts for those that have an interface for it.

mod graph;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pipeline::object::{ChassisName, DatapathKey, Object, ObjectKey};

use graph::Graph;

/// What each node needs, kept up to date change by change.
#[derive(Debug, Default)]
pub struct Relevance {
    graph: Graph,
    needs: BTreeMap<ChassisName, Needs>,
}

/// What one node needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The datapaths.
    pub datapaths: BTreeSet<DatapathKey>,
    /// The nodes that have a port on one of them, itself included.
    pub chassis: BTreeSet<ChassisName>,
}

/// How the needs of a node changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeedsChange {
    /// The datapaths that it began or ceased to need.
    pub datapaths: BTreeSet<DatapathKey>,
    /// The nodes that it began or ceased to need.
    pub chassis: BTreeSet<ChassisName>,
}

impl Relevance {
    /// Takes in changed objects and says whose needs changed, and how.
    pub fn apply(
        &mut self,
        changed: &BTreeMap<ObjectKey, Option<Arc<Object>>>,
    ) -> BTreeMap<ChassisName, NeedsChange> {
        let mut touched = graph::Touched::default();
        for (key, object) in changed {
            if let ObjectKey::Port(at) = key {
                self.graph.set_port(*at, object.as_deref(), &mut touched);
            }
        }
        self.update(&touched)
    }

    /// Notes whether a node has an interface for the localport of this name, which need not exist yet, and
    /// says how its needs changed.
    pub fn set_interest(
        &mut self,
        chassis: &ChassisName,
        localport: &str,
        is_interested: bool,
    ) -> BTreeMap<ChassisName, NeedsChange> {
        let mut touched = graph::Touched::default();
        self.graph
            .set_interest(chassis, localport, is_interested, &mut touched);
        self.update(&touched)
    }

    fn update(&mut self, touched: &graph::Touched) -> BTreeMap<ChassisName, NeedsChange> {
        let mut changes = BTreeMap::new();
        for chassis in self.affected(touched) {
            let needs = self.graph.needs(&chassis);
            let old = match needs.datapaths.is_empty() {
                true => self.needs.remove(&chassis),
                false => self.needs.insert(chassis.clone(), needs.clone()),
            };
            let change = difference(&old.unwrap_or_default(), &needs);
            if change != NeedsChange::default() {
                changes.insert(chassis, change);
            }
        }
        changes
    }

    /// Whether a node needs the object of this key.
    pub fn is_relevant(&self, chassis: &ChassisName, key: &ObjectKey) -> bool {
        let needs = self.needs.get(chassis);
        match key {
            ObjectKey::Global => true,
            ObjectKey::Chassis(name) => needs.is_some_and(|needs| needs.chassis.contains(name)),
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
    fn affected(&self, touched: &graph::Touched) -> BTreeSet<ChassisName> {
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
    }
}
