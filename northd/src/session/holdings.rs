//! What a node holds, what may differ from that, and the step that is on its way.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::object::{ChassisName, ObjectKey};
use southbound_proto::southbound as wire;

use super::INVENTORY_OBJECTS_MAX;
use crate::world::World;

/// A step of a node from one revision to the next.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) from_revision: u64,
    pub(super) to_revision: u64,
    /// What the step does not name is to be removed.
    pub(super) snapshot: bool,
    pub(super) upserts: Vec<wire::Object>,
    pub(super) removals: Vec<wire::ObjectKey>,
}

/// The node's objects, as far as they are known here.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    /// The revision that the node is on.
    pub(super) revision: u64,
    /// The `nb_cfg` up to which everything is in force.
    pub(super) nb_cfg_in_force: i64,
    versions: BTreeMap<ObjectKey, u64>,
    /// Keys whose objects may differ from `versions`.
    dirty: BTreeSet<ObjectKey>,
    in_flight: Option<InFlight>,
    /// The whole inventory came.
    is_listed: bool,
    /// Steps may be sent: what the inventory means for the node's needs has been thought of.
    is_begun: bool,
    /// The node holds something that this build has no name for: only a snapshot removes it.
    needs_snapshot: bool,
    /// A step has to be sent even if it changes nothing, so that the node knows that it is up to date.
    must_confirm: bool,
    /// The last step failed: it is tried again when something changes.
    is_stuck: bool,
}

/// A step that was sent and not yet answered.
#[derive(Debug)]
struct InFlight {
    revision: u64,
    nb_cfg: i64,
    snapshot: bool,
    /// The versions that the node will hold; `None` for removed.
    versions: BTreeMap<ObjectKey, Option<u64>>,
}

impl Holdings {
    pub(super) fn len(&self) -> usize {
        self.versions.len()
    }

    /// Begins anew: the node will say what it holds.
    pub(super) fn forget(&mut self) {
        *self = Self {
            nb_cfg_in_force: self.nb_cfg_in_force,
            ..Self::default()
        };
    }

    /// Takes a part of the inventory. Keys that this build does not know lead to a snapshot.
    pub(super) fn take_inventory(&mut self, inventory: &wire::Inventory) -> Result<(), String> {
        if self.is_listed {
            self.forget();
        }
        for object in &inventory.objects {
            match object.key.as_ref().map(ObjectKey::try_from) {
                Some(Ok(key)) => drop(self.versions.insert(key, object.version)),
                _ => self.needs_snapshot = true,
            }
        }
        if self.versions.len() > INVENTORY_OBJECTS_MAX {
            return Err(format!(
                "the node holds more than {INVENTORY_OBJECTS_MAX} objects"
            ));
        }
        if inventory.complete {
            self.revision = inventory.revision;
            self.is_listed = true;
            self.must_confirm = true;
        }
        Ok(())
    }

    /// The objects that the node said it holds.
    pub(super) fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.versions.keys()
    }

    /// Lets the first step be taken.
    pub(super) fn begin(&mut self) {
        self.is_begun = self.is_listed;
    }

    /// Notes keys whose objects may differ from what the node holds.
    pub(super) fn mark<'a>(
        &mut self,
        keys: impl IntoIterator<Item = &'a ObjectKey>,
        node: &ChassisName,
        world: &World,
    ) {
        for key in keys {
            let in_flight = self.in_flight.as_ref();
            let is_held = self.versions.contains_key(key)
                || in_flight.is_some_and(|step| step.versions.contains_key(key));
            if is_held || world.is_relevant(node, key) {
                self.dirty.insert(key.clone());
                self.is_stuck = false;
            }
        }
    }

    pub(super) fn acked(&mut self, revision: u64) {
        if let Some(step) = self.in_flight.take_if(|step| step.revision == revision) {
            if step.snapshot {
                self.versions.clear();
                self.needs_snapshot = false;
            }
            for (key, version) in step.versions {
                match version {
                    Some(version) => self.versions.insert(key, version),
                    None => self.versions.remove(&key),
                };
            }
            self.revision = revision;
            self.nb_cfg_in_force = step.nb_cfg;
        }
    }

    /// The node stays where it was. What the step was about stays to be done.
    pub(super) fn nacked(&mut self, revision: u64) {
        if let Some(step) = self.in_flight.take_if(|step| step.revision == revision) {
            self.dirty.extend(step.versions.into_keys());
            self.is_stuck = true;
        }
    }

    /// The next step of the node, if there is one to take now. It is on its way from then on.
    pub(super) fn next_step(&mut self, node: &ChassisName, world: &World) -> Option<Step> {
        if !self.is_begun || self.in_flight.is_some() || self.is_stuck {
            return None;
        }
        if self.must_confirm {
            self.dirty.extend(self.versions.keys().cloned());
            self.dirty.extend(world.keys_for(node));
        }
        let dirty = std::mem::take(&mut self.dirty);
        let snapshot = self.needs_snapshot;
        let mut step = Step {
            from_revision: if snapshot { 0 } else { self.revision },
            to_revision: world.revision.max(self.revision + 1),
            snapshot,
            ..Step::default()
        };
        let versions = self.fill(&mut step, dirty, node, world);
        if versions.is_empty() && !self.must_confirm {
            self.nb_cfg_in_force = world.nb_cfg;
            return None;
        }
        self.must_confirm = false;
        self.in_flight = Some(InFlight {
            revision: step.to_revision,
            nb_cfg: world.nb_cfg,
            snapshot,
            versions,
        });
        Some(step)
    }

    /// Puts into the step what differs, and returns what the node will hold of it.
    fn fill(
        &self,
        step: &mut Step,
        dirty: BTreeSet<ObjectKey>,
        node: &ChassisName,
        world: &World,
    ) -> BTreeMap<ObjectKey, Option<u64>> {
        let mut versions = BTreeMap::new();
        for key in dirty {
            let held = self.versions.get(&key).copied();
            match world.object_for(node, &key) {
                Some(object) if step.snapshot || held != Some(object.version) => {
                    step.upserts.push(object.clone());
                    versions.insert(key, Some(object.version));
                }
                None if held.is_some() && !step.snapshot => {
                    step.removals.push((&key).into());
                    versions.insert(key, None);
                }
                _ => {}
            }
        }
        versions
    }
}
