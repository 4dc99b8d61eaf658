//! The objects that the node holds: northd's, what was learned here on top of them, and the tables they make.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use pipeline::object::{
    ChassisName, DatapathKey, FdbEntry, Neighbor, Object, ObjectKey, PortKey, PortRef, Probe,
    ProbeKey,
};
use pipeline::{ApplyError, Learn, LearnedKey, Tables};

use super::assembly::Step;

/// The objects of one node.
///
/// Invariant: what northd gave and what was learned here are kept apart, so that the inventory never claims
/// to hold what northd did not send. Where both speak of one key, the younger word is in the tables.
#[derive(Debug)]
pub struct Objects {
    revision: u64,
    given: BTreeMap<ObjectKey, (u64, Object)>,
    learned: BTreeMap<LearnedKey, Learn>,
    tables: Tables,
}

/// Objects as they are saved and restored: those of northd at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The revision.
    pub revision: u64,
    /// The objects, each with northd's version; 0 where it is not known any more.
    pub objects: Vec<(u64, Object)>,
}

impl Objects {
    /// No objects, on the node called `home`.
    pub fn new(home: ChassisName) -> Self {
        Self {
            revision: 0,
            given: BTreeMap::new(),
            learned: BTreeMap::new(),
            tables: Tables::new(Some(home)),
        }
    }

    /// The objects that were saved.
    pub fn restore(home: ChassisName, saved: Saved) -> Result<Self, ApplyError> {
        let mut objects = Self::new(home);
        objects.apply(Step {
            to_revision: saved.revision,
            snapshot: true,
            upserts: saved.objects,
            ..Step::default()
        })?;
        Ok(objects)
    }

    /// What is to be saved.
    pub fn saved(&self) -> Saved {
        Saved {
            revision: self.revision,
            objects: self.given.values().cloned().collect(),
        }
    }

    /// The revision that the node is on; 0 for none.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The tables that the objects make.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The number of objects that northd gave.
    pub fn count(&self) -> usize {
        self.given.len()
    }

    /// Keys and versions of all that northd gave.
    pub fn inventory(&self) -> impl Iterator<Item = (&ObjectKey, u64)> {
        self.given.iter().map(|(key, (version, _))| (key, *version))
    }

    /// The probes of backends that northd gave.
    pub fn probes(&self) -> impl Iterator<Item = &Probe> {
        let from = ObjectKey::Probe(least_probe());
        let kind = |object| match object {
            &(_, Object::Probe(ref probe)) => Some(probe),
            _ => None,
        };
        self.given
            .range(from..)
            .map_while(move |(_, object)| kind(object))
    }

    /// Takes a whole step, or on an error nothing of it. northd's word replaces what was learned here.
    ///
    /// Returns the learned keys that the step spoke of or left without their port.
    pub fn apply(&mut self, step: Step) -> Result<Vec<LearnedKey>, ApplyError> {
        let mut removals: BTreeSet<ObjectKey> = step.removals.into_iter().collect();
        let upserts: BTreeMap<ObjectKey, (u64, Object)> = step
            .upserts
            .into_iter()
            .map(|(version, object)| (object.key(), (version, object)))
            .collect();
        if step.snapshot {
            let stale = self.given.keys().filter(|key| !upserts.contains_key(*key));
            removals.extend(stale.cloned());
            removals.extend(self.learned.keys().map(object_key));
        }
        removals.retain(|key| !upserts.contains_key(key));
        let objects = upserts.values().map(|(_, object)| object.clone());
        self.tables = self.tables.apply(objects, removals.iter().cloned())?;
        let mut overruled: Vec<LearnedKey> = Vec::new();
        overruled.extend(upserts.keys().chain(&removals).filter_map(learned_key));
        for key in &removals {
            self.given.remove(key);
        }
        self.given.extend(upserts);
        overruled.retain(|key| self.learned.remove(key).is_some());
        overruled.extend(self.drop_homeless());
        self.revision = step.to_revision;
        Ok(overruled)
    }

    /// Puts what was learned here in place. False when the tables say it all already, or have no such ports.
    pub fn learn(&mut self, learned: &[Learn]) -> bool {
        let mut news = BTreeMap::new();
        for learn in learned {
            if let Some(object) = self.learned_object(*learn) {
                news.insert(learn.key(), (*learn, object));
            }
        }
        if news.is_empty() {
            return false;
        }
        let objects = news.values().map(|(_, object)| object.clone());
        let Ok(tables) = self.tables.apply(objects, []) else {
            return false;
        };
        self.tables = tables;
        self.learned
            .extend(news.into_iter().map(|(key, (learn, _))| (key, learn)));
        true
    }

    /// True while an entry is only this node's: northd has not said it.
    pub fn is_own(&self, key: &LearnedKey) -> bool {
        self.learned.contains_key(key)
    }

    /// Takes a learned entry out of force, whoever learned it. False when there was none.
    pub fn forget(&mut self, key: &LearnedKey) -> bool {
        let was_learned = self.learned.remove(key).is_some();
        let object_key = object_key(key);
        let given = self.given.get(&object_key).map(|(_, object)| object);
        let remainder = match given {
            // A static binding stays when what was learned beside it goes.
            Some(Object::Neighbor(neighbor)) if neighbor.fixed.is_some() => {
                Some(Object::Neighbor(Neighbor {
                    learned: None,
                    ..neighbor.clone()
                }))
            }
            Some(_) => None,
            None if was_learned => None,
            None => return false,
        };
        let removal = remainder.is_none().then_some(object_key);
        let Ok(tables) = self.tables.apply(remainder, removal) else {
            return false;
        };
        self.tables = tables;
        true
    }

    fn learned_object(&self, learn: Learn) -> Option<Object> {
        let (Learn::Station { port, mac } | Learn::Neighbor { port, mac, .. }) = learn;
        if mac.is_multicast() {
            return None;
        }
        self.tables.port(port)?;
        match learn {
            Learn::Station { port, mac } => {
                let entry = FdbEntry {
                    switch: port.datapath,
                    mac,
                    port: port.port,
                };
                let known = self.tables.station(port.datapath, mac);
                (known.as_ref() != Some(&entry)).then_some(Object::Fdb(entry))
            }
            Learn::Neighbor { port, ip, mac } => {
                let known = self.tables.neighbor(port, ip);
                let neighbor = Neighbor {
                    port,
                    ip,
                    fixed: known.and_then(|known| known.fixed),
                    learned: Some(mac),
                };
                (known != Some(&neighbor)).then_some(Object::Neighbor(neighbor))
            }
        }
    }

    /// Forgets what was learned at ports that are gone.
    fn drop_homeless(&mut self) -> Vec<LearnedKey> {
        let homeless: Vec<LearnedKey> = self
            .learned
            .iter()
            .filter(|(_, learn)| match learn {
                Learn::Station { port, .. } | Learn::Neighbor { port, .. } => {
                    self.tables.port(*port).is_none()
                }
            })
            .map(|(key, _)| *key)
            .collect();
        for key in &homeless {
            self.forget(key);
        }
        homeless
    }
}

/// The key of the object that a learned entry is.
pub(super) fn object_key(key: &LearnedKey) -> ObjectKey {
    match *key {
        LearnedKey::Station(switch, mac) => ObjectKey::Fdb(switch, mac),
        LearnedKey::Neighbor(port, ip) => ObjectKey::Neighbor(port, ip),
    }
}

/// The learned entry that an object is, if it is one.
pub(super) fn learned_key(key: &ObjectKey) -> Option<LearnedKey> {
    match *key {
        ObjectKey::Fdb(switch, mac) => Some(LearnedKey::Station(switch, mac)),
        ObjectKey::Neighbor(port, ip) => Some(LearnedKey::Neighbor(port, ip)),
        _ => None,
    }
}

/// What no probe's key is less than.
fn least_probe() -> ProbeKey {
    ProbeKey {
        port: PortRef {
            datapath: DatapathKey::FIRST,
            port: PortKey::FIRST,
        },
        ip: Ipv4Addr::UNSPECIFIED.into(),
        protocol: 0,
        transport_port: 0,
    }
}
