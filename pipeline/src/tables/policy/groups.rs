//! The port groups that a switch's ports belong to.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::object::{PortGroup, PortKey};

/// The members of port groups in one switch.
#[derive(Clone, Debug, Default)]
pub(crate) struct SwitchGroups {
    members: BTreeMap<Arc<str>, Vec<PortKey>>,
    of: HashMap<PortKey, Vec<Arc<str>>, crate::seed::Seed>,
}

impl SwitchGroups {
    /// The groups that a port is in.
    pub(crate) fn of(&self, port: PortKey) -> &[Arc<str>] {
        self.of.get(&port).map_or(&[], Vec::as_slice)
    }

    /// The groups that have members in the switch.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.members.keys()
    }

    /// Whether a group has members in the switch.
    pub(crate) fn has(&self, group: &str) -> bool {
        self.members.contains_key(group)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn replace(&mut self, group: PortGroup) {
        self.remove(&group.name);
        if group.members.is_empty() {
            return;
        }
        for port in &group.members {
            let groups = self.of.entry(*port).or_default();
            if !groups.contains(&group.name) {
                groups.push(group.name.clone());
            }
        }
        self.members.insert(group.name, group.members);
    }

    pub(crate) fn remove(&mut self, group: &str) {
        for port in self.members.remove(group).unwrap_or_default() {
            if let Some(groups) = self.of.get_mut(&port) {
                groups.retain(|other| &**other != group);
                if groups.is_empty() {
                    self.of.remove(&port);
                }
            }
        }
    }
}
