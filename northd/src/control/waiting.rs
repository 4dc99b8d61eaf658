//! Nodes that have an interface for a port that they may not have yet: they need not ask again when the port appears.

use std::collections::BTreeMap;

use model::{Changes, Table, nb};
use pipeline::object::ChassisName;

/// The most ports that are waited for; for others, nodes ask again from time to time.
const WAITING_MAX: usize = 65_536;

/// The ports that are waited for, each with the node that asked for it last.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    nodes: BTreeMap<String, ChassisName>,
}

impl Waiting {
    /// A node asked for a port that it has an interface for, and did not get it.
    pub(super) fn note(&mut self, port: &str, node: &ChassisName) {
        if self.nodes.len() < WAITING_MAX || self.nodes.contains_key(port) {
            self.nodes.insert(port.to_owned(), node.clone());
        }
    }

    /// The node has the port, or wants it no more.
    pub(super) fn forget(&mut self, port: &str, node: &ChassisName) {
        if self.nodes.get(port) == Some(node) {
            self.nodes.remove(port);
        }
    }

    /// The node is gone, or has not yet said what it has interfaces for.
    pub(super) fn forget_all(&mut self, node: &ChassisName) {
        self.nodes.retain(|_, waiting| waiting != node);
    }

    /// The ports whose rows have changed, with the nodes that wait for them.
    pub(super) fn concerned(&self, changes: &Changes) -> Vec<(String, ChassisName)> {
        if self.nodes.is_empty() {
            return Vec::new();
        }
        let rows = changes.of(nb::LogicalSwitchPort::NAME).iter();
        let rows = rows.filter_map(|change| change.new.as_ref());
        let names = rows.filter_map(|row| {
            let name = row.get(nb::LogicalSwitchPort::SCHEMA, "name")?;
            self.nodes.get_key_value(name.as_str()?)
        });
        names
            .map(|(port, node)| (port.clone(), node.clone()))
            .collect()
    }
}
