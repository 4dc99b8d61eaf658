//! The objects as they should be in force, each encoded once, with who needs which.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use pipeline::object::{ChassisName, DatapathKey, Object, ObjectKey, PortRef, ProbeKey};
use southbound_proto::convert::encode_object;
use southbound_proto::southbound as wire;

use crate::relevance::{NeedsChange, Relevance, Shared};

/// What all nodes together should have in force.
#[derive(Debug, Default)]
pub struct World {
    objects: BTreeMap<ObjectKey, wire::Object>,
    of_datapath: BTreeMap<DatapathKey, BTreeSet<ObjectKey>>,
    of_shared: BTreeMap<Shared, BTreeSet<ObjectKey>>,
    relevance: Relevance,
    /// The revision of the database that this was compiled from.
    pub revision: u64,
    /// The `NB_Global.nb_cfg` of that revision.
    pub nb_cfg: i64,
}

/// Which objects of a node may differ from what it was sent.
pub type Marks = BTreeMap<ChassisName, BTreeSet<ObjectKey>>;

impl World {
    /// Takes in changed objects. Returns, besides the changed ones themselves, those that nodes began or
    /// ceased to need.
    pub fn apply(&mut self, changed: &BTreeMap<ObjectKey, Option<Arc<Object>>>) -> Marks {
        for (key, object) in changed {
            self.put(key, object.as_deref());
        }
        let changes = self.relevance.apply(changed);
        self.marks(changes)
    }

    /// Notes whether a node has an interface for the localport of this name. Returns what it began or ceased
    /// to need.
    pub fn set_interest(
        &mut self,
        chassis: &ChassisName,
        localport: &str,
        is_interested: bool,
    ) -> Marks {
        let relevance = &mut self.relevance;
        let changes = relevance.set_interest(chassis, localport, is_interested);
        self.marks(changes)
    }

    fn marks(&self, changes: BTreeMap<ChassisName, NeedsChange>) -> Marks {
        let mut marks = Marks::new();
        for (chassis, change) in changes {
            let datapaths = change.datapaths.iter();
            let inside = datapaths.flat_map(|datapath| self.of_datapath.get(datapath));
            let mut keys: BTreeSet<_> = inside.flatten().cloned().collect();
            let shared = change.shared.iter();
            let shared = shared.filter_map(|shared| self.of_shared.get(shared));
            keys.extend(shared.flatten().cloned());
            let probes = change.ports.iter().flat_map(|port| self.probes_of(*port));
            keys.extend(probes.cloned());
            keys.extend(change.chassis.into_iter().map(ObjectKey::Chassis));
            marks.insert(chassis, keys);
        }
        marks
    }

    fn put(&mut self, key: &ObjectKey, object: Option<&Object>) {
        match object {
            Some(object) => self.objects.insert(key.clone(), encode_object(object)),
            None => self.objects.remove(key),
        };
        if let Some(datapath) = key.datapath() {
            list(&mut self.of_datapath, datapath, key, object.is_some());
        } else if let Some(shared) = Shared::of(key) {
            list(&mut self.of_shared, shared, key, object.is_some());
        }
    }

    /// The probes of the backends behind a port.
    fn probes_of(&self, port: PortRef) -> impl Iterator<Item = &ObjectKey> {
        let first = ObjectKey::Probe(ProbeKey {
            port,
            ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            protocol: 0,
            transport_port: 0,
        });
        let inside = self.of_datapath.get(&port.datapath).into_iter();
        let from_first = inside.flat_map(move |keys| keys.range(first.clone()..));
        from_first
            .take_while(move |key| matches!(key, ObjectKey::Probe(probe) if probe.port == port))
    }

    /// The object of this key, if it is there and the node needs it.
    pub fn object_for(&self, chassis: &ChassisName, key: &ObjectKey) -> Option<&wire::Object> {
        let object = self.objects.get(key)?;
        self.relevance.is_relevant(chassis, key).then_some(object)
    }

    /// Whether a node needs what this key names.
    pub fn is_relevant(&self, chassis: &ChassisName, key: &ObjectKey) -> bool {
        self.relevance.is_relevant(chassis, key)
    }

    /// The keys of all objects that a node needs.
    pub fn keys_for(&self, chassis: &ChassisName) -> BTreeSet<ObjectKey> {
        let mut keys = BTreeSet::new();
        if self.objects.contains_key(&ObjectKey::Global) {
            keys.insert(ObjectKey::Global);
        }
        if let Some(needs) = self.relevance.needs(chassis) {
            let inside = needs
                .datapaths
                .iter()
                .filter_map(|key| self.of_datapath.get(key));
            let shared = needs.shared.iter();
            let shared = shared.filter_map(|shared| self.of_shared.get(shared));
            let wanted = inside.chain(shared).flatten();
            keys.extend(wanted.filter(|key| self.is_relevant(chassis, key)).cloned());
            let chassis = needs.chassis.iter().cloned().map(ObjectKey::Chassis);
            keys.extend(chassis.filter(|key| self.objects.contains_key(key)));
        }
        keys
    }
}

/// Lists a key under what it belongs to, or takes it off the list.
fn list<K: Ord>(
    lists: &mut BTreeMap<K, BTreeSet<ObjectKey>>,
    owner: K,
    key: &ObjectKey,
    is_there: bool,
) {
    if is_there {
        lists.entry(owner).or_default().insert(key.clone());
    } else if let Some(keys) = lists.get_mut(&owner) {
        keys.remove(key);
        if keys.is_empty() {
            lists.remove(&owner);
        }
    }
}
