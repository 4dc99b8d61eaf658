//! Where things are: nodes, port names, interfaces and joints between datapaths.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::object::{Attachment, Chassis, ChassisName, Port, PortKind, PortRef};

/// Indexes over the ports of all datapaths. They hold every port that says so, also where two contradict
/// each other, so that they do not depend on the order in which ports came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) chassis: Arc<BTreeMap<ChassisName, Chassis>>,
    names: Arc<BTreeMap<String, BTreeSet<PortRef>>>,
    /// By parent name: tag and nested port.
    nested: Arc<BTreeMap<String, BTreeSet<(u16, PortRef)>>>,
    /// By router port: the switch ports that say they are joined to it.
    joined: Arc<BTreeMap<PortRef, BTreeSet<PortRef>>>,
}

impl Places {
    /// The port with this name (the one with the lowest key, if several have it).
    pub(crate) fn named(&self, name: &str) -> Option<PortRef> {
        self.names.get(name)?.first().copied()
    }

    /// The port nested in `parent` with this tag.
    pub(crate) fn nested(&self, parent: &str, tag: u16) -> Option<PortRef> {
        let ports = self.nested.get(parent)?;
        let least = PortRef::LEAST;
        let (found, port) = ports
            .range((Bound::Included((tag, least)), Bound::Unbounded))
            .next()?;
        (*found == tag).then_some(*port)
    }

    /// The switch ports that are joined to a router port.
    pub(crate) fn joined(&self, router_port: PortRef) -> impl Iterator<Item = PortRef> {
        self.joined.get(&router_port).into_iter().flatten().copied()
    }

    pub(crate) fn add(&mut self, port: &Port) {
        insert(&mut self.names, port.name.clone(), port.at);
        match attachment(port) {
            Some(Attachment::Nested { parent, tag }) => {
                insert(&mut self.nested, parent.clone(), (*tag, port.at));
            }
            Some(Attachment::Router(Some(peer))) => insert(&mut self.joined, *peer, port.at),
            _ => {}
        }
    }

    pub(crate) fn remove(&mut self, port: &Port) {
        remove(&mut self.names, &port.name, &port.at);
        match attachment(port) {
            Some(Attachment::Nested { parent, tag }) => {
                remove(&mut self.nested, parent, &(*tag, port.at));
            }
            Some(Attachment::Router(Some(peer))) => remove(&mut self.joined, peer, &port.at),
            _ => {}
        }
    }
}

fn attachment(port: &Port) -> Option<&Attachment> {
    match &port.kind {
        PortKind::Switch(kind) => Some(&kind.attachment),
        PortKind::Router(_) => None,
    }
}

fn insert<K: Ord + Clone, V: Ord + Clone>(
    index: &mut Arc<BTreeMap<K, BTreeSet<V>>>,
    key: K,
    value: V,
) {
    Arc::make_mut(index).entry(key).or_default().insert(value);
}

fn remove<K: Ord + Clone, V: Ord + Clone>(
    index: &mut Arc<BTreeMap<K, BTreeSet<V>>>,
    key: &K,
    value: &V,
) {
    let index = Arc::make_mut(index);
    if let Some(values) = index.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            index.remove(key);
        }
    }
}
