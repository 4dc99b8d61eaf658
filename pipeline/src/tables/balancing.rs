//! Load balancers: one index for all switches and routers, which hold references only.
//!
//! A VIP is found by its address, protocol and port, whoever it belongs to; then it counts for a datapath if that
//! refers to its balancer, itself or through a group. So a service is stored once however many datapaths it is in.
//!
//! What a packet finds, or does not, depends on what is at its destination address. Addresses share a fixed number
//! of generations (`Slot::of_vip`), so that what is *not* there needs none of its own.

mod ended;
mod maglev;
mod service;

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::object::{Balancer, BalancerGroup, Balancers, ChassisName, Vip, VipKey};

pub use ended::Ended;
pub(crate) use service::{Service, Whereabouts};

type Exact<K, V> = HashMap<K, V, crate::seed::Seed>;

/// What is looked for: address, IP protocol (0 for all) and port (0 for all).
pub(crate) type Front = (IpAddr, u8, u16);

/// All load balancers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Balancing {
    balancers: Arc<Exact<Uuid, Arc<Balancer>>>,
    groups: Arc<Exact<Uuid, Arc<BalancerGroup>>>,
    services: Arc<Exact<Front, SmallVec<[Arc<Service>; 1]>>>,
    /// The fronts of each address.
    fronts: Arc<Exact<IpAddr, SmallVec<[Front; 1]>>>,
    /// The addresses of the VIPs of each balancer that has any, each as often as it has VIPs there.
    addresses: Arc<Exact<Uuid, Vec<IpAddr>>>,
    /// The sources that balancers give hairpins, and how many give each.
    hairpin_sources: Arc<Exact<IpAddr, u32>>,
}

impl Balancing {
    // === lookup ===

    /// The service of a front that counts for a datapath, if the node is the one that it is for.
    pub(crate) fn service(
        &self,
        front: Front,
        of: &Balancers,
        node: Option<&ChassisName>,
    ) -> Option<(&Arc<Service>, &Arc<Balancer>)> {
        let candidates = self.services.get(&front)?;
        let counts = |service: &&Arc<Service>| {
            let key = &service.vip.key;
            let is_here = key.chassis.is_none() || key.chassis.as_ref() == node;
            is_here && self.belongs(key.balancer, of)
        };
        let service = candidates.iter().find(counts)?;
        Some((service, self.balancers.get(&service.vip.key.balancer)?))
    }

    /// The VIPs at an address that count for a datapath, with their balancers.
    pub(crate) fn at<'a>(
        &'a self,
        ip: IpAddr,
        of: &'a Balancers,
        node: Option<&'a ChassisName>,
    ) -> impl Iterator<Item = (&'a Arc<Service>, &'a Arc<Balancer>)> {
        let fronts = self.fronts.get(&ip).into_iter().flatten();
        fronts.filter_map(move |front| self.service(*front, of, node))
    }

    /// The VIP that a connection was made by, if it is still there.
    pub(crate) fn named(&self, key: &VipKey) -> Option<&Arc<Service>> {
        let candidates = self.services.get(&front(key))?;
        candidates.iter().find(|service| service.vip.key == *key)
    }

    /// True if any of the balancers has a VIP.
    pub(crate) fn has_vips(&self, of: &Balancers) -> bool {
        let in_groups = of.groups.iter().filter_map(|group| self.groups.get(group));
        let grouped = in_groups.flat_map(|group| &group.balancers);
        of.own
            .iter()
            .chain(grouped)
            .any(|balancer| self.addresses.contains_key(balancer))
    }

    /// A balancer.
    pub(crate) fn balancer(&self, uuid: Uuid) -> Option<&Arc<Balancer>> {
        self.balancers.get(&uuid)
    }

    /// All balancers.
    pub(crate) fn balancers(&self) -> impl Iterator<Item = &Balancer> {
        self.balancers.values().map(|balancer| &**balancer)
    }

    /// True if the address is the `hairpin_snat_ip` of any balancer.
    pub(crate) fn is_hairpin_source(&self, ip: IpAddr) -> bool {
        self.hairpin_sources.contains_key(&ip)
    }

    /// All services of a datapath, for listings.
    pub(crate) fn all<'a>(
        &'a self,
        of: &'a Balancers,
    ) -> impl Iterator<Item = (&'a Arc<Service>, &'a Arc<Balancer>)> {
        let services = self.services.values().flatten();
        let own = services.filter(move |service| self.belongs(service.vip.key.balancer, of));
        own.filter_map(|service| Some((service, self.balancers.get(&service.vip.key.balancer)?)))
    }

    fn belongs(&self, balancer: Uuid, of: &Balancers) -> bool {
        of.own.binary_search(&balancer).is_ok()
            || of.groups.iter().any(|group| {
                let group = self.groups.get(group);
                group.is_some_and(|group| group.balancers.binary_search(&balancer).is_ok())
            })
    }

    // === change: each gives the addresses at which packets find something else than before ===

    pub(super) fn set_balancer(&mut self, uuid: Uuid, balancer: Option<Balancer>) -> Vec<IpAddr> {
        if self.balancers.get(&uuid).map(|before| &**before) == balancer.as_ref() {
            return Vec::new();
        }
        let balancers = Arc::make_mut(&mut self.balancers);
        let before = balancers.remove(&uuid);
        let after = balancer.map(Arc::new);
        balancers.extend(after.clone().map(|after| (uuid, after)));
        let sources = Arc::make_mut(&mut self.hairpin_sources);
        let of = |balancer: &Option<Arc<Balancer>>| {
            let balancer = balancer.as_ref();
            balancer.map_or_else(Vec::new, |balancer| balancer.hairpin_snat_ip.clone())
        };
        let (before, after) = (of(&before), of(&after));
        for ip in &after {
            *sources.entry(*ip).or_default() += 1;
        }
        for ip in &before {
            if let Some(count) = sources.get_mut(ip) {
                *count -= 1;
            }
        }
        sources.retain(|_, count| *count > 0);
        [self.addresses_of(uuid), before, after].concat()
    }

    pub(super) fn set_group(&mut self, uuid: Uuid, group: Option<BalancerGroup>) -> Vec<IpAddr> {
        let before = match group.map(Arc::new) {
            Some(group) => Arc::make_mut(&mut self.groups).insert(uuid, group),
            None => Arc::make_mut(&mut self.groups).remove(&uuid),
        };
        let none: &[Uuid] = &[];
        let before = before.as_ref().map_or(none, |group| &group.balancers);
        let after = self.groups.get(&uuid);
        let after = after.map_or(none, |group| &group.balancers);
        let changed = |balancer: &&Uuid| {
            before.binary_search(balancer).is_ok() != after.binary_search(balancer).is_ok()
        };
        let both = before.iter().chain(after).filter(changed);
        both.flat_map(|balancer| self.addresses_of(*balancer))
            .collect()
    }

    pub(super) fn set_vip(&mut self, key: &VipKey, vip: Option<Vip>) -> Option<IpAddr> {
        let was = self.named(key).map(|service| &service.vip);
        if was == vip.as_ref() {
            return None;
        }
        let (was_there, is_there) = (was.is_some(), vip.is_some());
        let front = front(key);
        let services = Arc::make_mut(&mut self.services);
        let mut at_front = services.remove(&front).unwrap_or_default();
        at_front.retain(|other| other.vip.key != *key);
        at_front.extend(vip.map(|vip| Arc::new(Service::new(vip))));
        // What holds for one node comes before what holds for all.
        at_front.sort_by_key(rank);
        self.note_front(front, at_front.is_empty());
        if !at_front.is_empty() {
            Arc::make_mut(&mut self.services).insert(front, at_front);
        }
        if was_there != is_there {
            self.count_address(key, is_there);
        }
        Some(key.ip)
    }

    /// Forgets what was made for the node's zone.
    pub(super) fn leave_zone(&mut self) {
        for service in Arc::make_mut(&mut self.services).values_mut().flatten() {
            *service = Arc::new(Service::new(service.vip.clone()));
        }
    }

    fn note_front(&mut self, front: Front, is_free: bool) {
        let fronts = Arc::make_mut(&mut self.fronts);
        let at_ip = fronts.entry(front.0).or_default();
        at_ip.retain(|other| *other != front);
        if !is_free {
            at_ip.push(front);
        } else if at_ip.is_empty() {
            fronts.remove(&front.0);
        }
    }

    fn count_address(&mut self, key: &VipKey, is_new: bool) {
        let addresses = Arc::make_mut(&mut self.addresses);
        let own = addresses.entry(key.balancer).or_default();
        if is_new {
            own.push(key.ip);
        } else if let Some(index) = own.iter().position(|ip| *ip == key.ip) {
            own.swap_remove(index);
        }
        if own.is_empty() {
            addresses.remove(&key.balancer);
        }
    }

    fn addresses_of(&self, balancer: Uuid) -> Vec<IpAddr> {
        self.addresses.get(&balancer).cloned().unwrap_or_default()
    }
}

fn front(key: &VipKey) -> Front {
    (key.ip, key.protocol, key.port)
}

fn rank(service: &Arc<Service>) -> (bool, Uuid) {
    let key = &service.vip.key;
    (key.chassis.is_none(), key.balancer)
}
