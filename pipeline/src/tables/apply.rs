//! From one snapshot to the next.

mod changing;
mod translating;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use expr::Constant;
use packet::Mac;

use changing::RouteChange;

use super::generation::Slots;
use super::policy::{Policies, SetId};
use super::switch::Nats;
use super::{DatapathTables, Slot, Tables};
use crate::object::{
    Attachment, DatapathKey, Global, NextHop, Object, ObjectKey, PolicyOwner, Port, PortKind,
    PortRef, ProbeKey, Route, RouteKey, RouterPort,
};

/// A change that does not make sense whatever else there is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A learned station or neighbour has a group address.
    #[error("{0:?}: a group address belongs to no station")]
    GroupAddress(ObjectKey),
    /// A nested port's tag is outside `1..=4094`.
    #[error("{0:?}: tag {1} is outside 1..=4094")]
    Tag(ObjectKey, u16),
    /// A route's next hop speaks another address family than its prefix.
    #[error("{0:?}: the next hop is of another address family than the prefix")]
    Family(ObjectKey),
}

/// What a change touched and must be compiled or counted as new.
#[derive(Default)]
struct Touched {
    /// Datapaths whose rows, ports or translations changed.
    configured: BTreeSet<DatapathKey>,
    /// Routers with the routes that changed.
    routes: BTreeMap<DatapathKey, Vec<RouteChange>>,
    /// Datapaths whose learned entries changed.
    learned: BTreeSet<DatapathKey>,
    /// Router ports that changed: the switches joined to them are compiled too.
    router_ports: BTreeSet<PortRef>,
    /// Those whose ACLs or QoS rules changed.
    owners: BTreeSet<PolicyOwner>,
    /// The members that address sets got or lost.
    members: BTreeMap<SetId, Vec<Constant>>,
    /// And their names, for those who ask for them by these.
    set_names: BTreeSet<Arc<str>>,
    /// Switches whose port groups changed.
    grouped: BTreeSet<DatapathKey>,
    /// Datapaths that were not known before.
    new: BTreeSet<DatapathKey>,
    global: bool,
    /// Routers whose translations changed: the switches joined to them are compiled too.
    routers: BTreeSet<DatapathKey>,
    /// Addresses at which packets may find another service than before.
    services: Vec<IpAddr>,
    /// Some load balancer changed.
    is_rebalanced: bool,
    chassis: bool,
    names: bool,
    datapaths: bool,
}

pub(super) fn apply(
    before: &Tables,
    upserts: impl IntoIterator<Item = Object>,
    removals: impl IntoIterator<Item = ObjectKey>,
) -> Result<Tables, ApplyError> {
    let mut tables = before.clone();
    tables.epoch += 1;
    let mut touched = Touched::default();
    for key in removals {
        tables.remove(&key, &mut touched);
    }
    for object in upserts {
        check(&object)?;
        tables.upsert(object, &mut touched);
    }
    tables.compile(touched);
    Ok(tables)
}

fn check(object: &Object) -> Result<(), ApplyError> {
    let key = || object.key();
    match object {
        Object::Port(port) => match &port.kind {
            PortKind::Switch(kind) => match kind.attachment {
                Attachment::Nested { tag, .. } if !(1..=4094).contains(&tag) => {
                    Err(ApplyError::Tag(key(), tag))
                }
                _ => Ok(()),
            },
            PortKind::Router(_) => Ok(()),
        },
        Object::Route(route) if !is_of_one_family(route) => Err(ApplyError::Family(key())),
        Object::Neighbor(neighbor) if neighbor.mac().is_some_and(|mac| mac.is_multicast()) => {
            Err(ApplyError::GroupAddress(key()))
        }
        Object::Fdb(entry) if entry.mac.is_multicast() => Err(ApplyError::GroupAddress(key())),
        _ => Ok(()),
    }
}

fn is_of_one_family(route: &Route) -> bool {
    let is_ipv4 = route.key.prefix.addr().is_ipv4();
    let fits = |ip: &IpAddr| ip.is_ipv4() == is_ipv4;
    let hop_fits = |hop: &NextHop| fits(&hop.source) && hop.gateway.as_ref().is_none_or(fits);
    route.next_hops.iter().all(hop_fits)
}

/// What [`super::Places`] knows of a port.
fn named_as(port: &Port) -> (&str, Option<&Attachment>) {
    match &port.kind {
        PortKind::Switch(kind) => (&port.name, Some(&kind.attachment)),
        PortKind::Router(_) => (&port.name, None),
    }
}

impl Tables {
    fn upsert(&mut self, object: Object, touched: &mut Touched) {
        let key = object.key();
        match object {
            Object::Global(global) => self.set_global(global, touched),
            Object::Chassis(chassis) => {
                touched.chassis = true;
                let name = chassis.name.clone();
                if self.home() == Some(&name) && self.zone(&name) != chassis.zone {
                    self.balancing.leave_zone();
                }
                Arc::make_mut(&mut self.places.chassis).insert(name, chassis);
            }
            Object::Datapath(row) => {
                let row = Arc::new(row);
                self.edit(row.key, touched).row = Some(row.clone());
                touched.datapaths = true;
                touched.configured.insert(row.key);
            }
            Object::Port(port) => self.set_port(port.at, Some(Arc::new(port)), touched),
            Object::Route(route) => {
                let (router, key) = (route.router, route.key.clone());
                self.set_route(router, &key, Some(Arc::new(route)), touched);
            }
            Object::Neighbor(neighbor) => {
                let datapath = self.edit(neighbor.port.datapath, touched);
                Arc::make_mut(&mut datapath.neighbors)
                    .insert((neighbor.port.port, neighbor.ip), neighbor);
            }
            Object::Fdb(entry) => {
                let datapath = self.edit(entry.switch, touched);
                Arc::make_mut(&mut datapath.fdb).insert(entry.mac, entry.port);
            }
            Object::AddressSet(set) => {
                touched.set_names.insert(set.name.clone());
                let (set, members) = self.policies.edit_sets().replace(set);
                touched.members.entry(set).or_default().extend(members);
            }
            Object::PortGroup(group) => {
                let datapath = self.edit(group.datapath, touched);
                touched.grouped.insert(group.datapath);
                Arc::make_mut(&mut datapath.groups).replace(group);
            }
            Object::Acl(acl) => {
                touched.owners.insert(acl.owner.clone());
                self.policies
                    .set_acl(acl, Arc::make_mut(&mut self.generations));
            }
            Object::Qos(rule) => {
                touched.owners.insert(PolicyOwner::Switch(rule.switch));
                self.policies
                    .set_qos(rule, Arc::make_mut(&mut self.generations));
            }
            Object::Meter(meter) => self.policies.set_meter(meter),
            Object::Probe(probe) => {
                let source = (probe.source_ip, probe.source_mac);
                self.set_probe_source(probe.key, Some(source), touched);
            }
            Object::Balancer(balancer) => {
                let uuid = balancer.uuid;
                touched.rebalance(self.balancing.set_balancer(uuid, Some(balancer)));
            }
            Object::BalancerGroup(group) => {
                let uuid = group.uuid;
                touched.rebalance(self.balancing.set_group(uuid, Some(group)));
            }
            Object::Vip(vip) => {
                let key = vip.key.clone();
                touched.rebalance(self.balancing.set_vip(&key, Some(vip)));
            }
            Object::Nat(nat) => {
                let datapath = self.edit(nat.router, touched);
                Arc::make_mut(&mut datapath.nats).insert(nat.uuid, Arc::new(nat));
            }
        }
        touched.note(&key);
    }

    fn remove(&mut self, key: &ObjectKey, touched: &mut Touched) {
        let is_policy = matches!(key, ObjectKey::Acl(..) | ObjectKey::Qos(..));
        if let Some(datapath) = key.datapath()
            && !is_policy
            && !self.datapaths.contains_key(&datapath)
        {
            return;
        }
        match key {
            ObjectKey::Global => self.set_global(Global::default(), touched),
            ObjectKey::Chassis(name) => {
                touched.chassis = true;
                Arc::make_mut(&mut self.places.chassis).remove(name);
            }
            ObjectKey::Datapath(datapath) => {
                self.edit(*datapath, touched).row = None;
                touched.datapaths = true;
            }
            ObjectKey::Port(at) => self.set_port(*at, None, touched),
            ObjectKey::Route(router, route) => {
                self.set_route(*router, route, None, touched);
            }
            ObjectKey::Neighbor(at, ip) => {
                let datapath = self.edit(at.datapath, touched);
                Arc::make_mut(&mut datapath.neighbors).remove(&(at.port, *ip));
            }
            ObjectKey::Fdb(switch, mac) => {
                Arc::make_mut(&mut self.edit(*switch, touched).fdb).remove(mac);
            }
            ObjectKey::AddressSet(name, bucket) => {
                touched.set_names.insert(name.clone());
                if let Some((set, gone)) = self.policies.edit_sets().remove(name, *bucket) {
                    touched.members.entry(set).or_default().extend(gone);
                }
            }
            ObjectKey::PortGroup(group, datapath) => {
                touched.grouped.insert(*datapath);
                Arc::make_mut(&mut self.edit(*datapath, touched).groups).remove(group);
            }
            ObjectKey::Acl(owner, uuid) => {
                touched.owners.insert(owner.clone());
                self.policies.remove_acl(owner, *uuid);
            }
            ObjectKey::Qos(switch, uuid) => {
                let owner = PolicyOwner::Switch(*switch);
                self.policies.remove_qos(&owner, *uuid);
                touched.owners.insert(owner);
            }
            ObjectKey::Meter(name) => self.policies.remove_meter(name),
            ObjectKey::Probe(probe) => self.set_probe_source(probe.clone(), None, touched),
            ObjectKey::Balancer(uuid) => {
                touched.rebalance(self.balancing.set_balancer(*uuid, None));
            }
            ObjectKey::BalancerGroup(uuid) => {
                touched.rebalance(self.balancing.set_group(*uuid, None));
            }
            ObjectKey::Vip(key) => touched.rebalance(self.balancing.set_vip(key, None)),
            ObjectKey::Nat(router, uuid) => {
                Arc::make_mut(&mut self.edit(*router, touched).nats).remove(uuid);
            }
        }
        touched.note(key);
    }

    /// Where a backend is probed from; how is nothing that packets feel.
    fn set_probe_source(
        &mut self,
        key: ProbeKey,
        source: Option<(IpAddr, Mac)>,
        touched: &mut Touched,
    ) {
        let switch = key.port.datapath;
        let probes = Arc::make_mut(&mut self.edit(switch, touched).probes);
        let before = match source {
            Some(source) => probes.insert(key, source),
            None => probes.remove(&key),
        };
        if before != source {
            touched.configured.insert(switch);
        }
    }

    /// Only what packets feel counts as a change: a new `nb_cfg` is none.
    fn set_global(&mut self, global: Global, touched: &mut Touched) {
        let felt = |global: &Global| (global.default_acl_drop, global.probe_mac);
        touched.global |= felt(&self.global) != felt(&global);
        self.global = global;
    }

    fn set_port(&mut self, at: PortRef, port: Option<Arc<Port>>, touched: &mut Touched) {
        let ports = Arc::make_mut(&mut self.edit(at.datapath, touched).ports);
        let old = match port.clone() {
            Some(port) => ports.insert(at.port, port),
            None => ports.remove(&at.port),
        };
        if old == port {
            return;
        }
        for (port, is_new) in [(&old, false), (&port, true)] {
            let Some(port) = port else { continue };
            if matches!(port.kind, PortKind::Router(_)) {
                touched.router_ports.insert(at);
            }
            match is_new {
                true => self.places.add(port),
                false => self.places.remove(port),
            }
        }
        touched.names |= old.as_deref().map(named_as) != port.as_deref().map(named_as);
    }

    /// A route that stays what it is changes nothing.
    fn set_route(
        &mut self,
        router: DatapathKey,
        key: &RouteKey,
        route: Option<Arc<Route>>,
        touched: &mut Touched,
    ) {
        let routes = &mut self.edit(router, touched).routes;
        if routes.get(key) == route.as_ref() {
            return;
        }
        let routes = Arc::make_mut(routes);
        match route {
            Some(route) => drop(routes.insert(key.clone(), route)),
            None => drop(routes.remove(key)),
        }
        let changes = touched.routes.entry(router).or_default();
        changes.push((key.policy, key.prefix));
    }

    /// The datapath, made if need be, as this snapshot's own copy.
    fn edit(&mut self, key: DatapathKey, touched: &mut Touched) -> &mut DatapathTables {
        let generations = &mut self.generations;
        let datapath = Arc::make_mut(&mut self.datapaths)
            .entry(key)
            .or_insert_with(|| {
                touched.datapaths = true;
                touched.new.insert(key);
                Arc::new(DatapathTables::new(Slots::take(Arc::make_mut(generations))))
            });
        Arc::make_mut(datapath)
    }

    fn compile(&mut self, mut touched: Touched) {
        self.note_sets(&mut touched);
        self.note_joined(&mut touched);
        self.note_balancing(&mut touched);
        for port in &touched.router_ports {
            let joined = self.places.joined(*port).map(|at| at.datapath);
            touched.configured.extend(joined);
        }
        self.compile_policies(&mut touched);
        self.drop_empty(&mut touched);
        let routed = touched.routes.keys().copied().collect();
        let compiled: Vec<_> = touched
            .configured
            .union(&routed)
            .filter_map(|key| {
                let datapath = self.datapaths.get(key)?;
                Some((*key, datapath.compile(|at| self.router_port(at))))
            })
            .collect();
        let generations = Arc::make_mut(&mut self.generations);
        let datapaths = Arc::make_mut(&mut self.datapaths);
        for (key, compiled) in compiled {
            if let Some(datapath) = datapaths.get_mut(&key) {
                touched.note_routes(key, datapath, &compiled, generations);
                Arc::make_mut(datapath).compiled = compiled;
            }
        }
        self.count(&touched);
    }

    /// Compiles the rules that changed and gives them to the switches concerned.
    fn compile_policies(&mut self, touched: &mut Touched) {
        let is_touched = !touched.owners.is_empty()
            || !touched.members.is_empty()
            || !touched.grouped.is_empty()
            || !touched.new.is_empty();
        if !is_touched {
            return;
        }
        let generations = Arc::make_mut(&mut self.generations);
        let mut voided = BTreeSet::new();
        for owner in &touched.owners {
            voided.extend(self.policies.compile(owner, generations));
        }
        for (set, members) in &touched.members {
            let naming = self.policies.naming(*set);
            changing::note_members(members, naming, generations, &mut voided);
        }
        let concerned = self.datapaths.iter().filter(|(key, datapath)| {
            touched.grouped.contains(key)
                || touched.new.contains(key)
                || touched
                    .owners
                    .iter()
                    .any(|owner| datapath.is_subject_to(**key, owner))
        });
        let concerned: Vec<_> = concerned.map(|(key, _)| *key).collect();
        for (_, datapath) in self.datapaths.iter() {
            if Policies::concerns(&datapath.policy, &voided) {
                generations.bump(datapath.slots.policy);
            }
        }
        for key in concerned {
            self.set_policy(key, touched);
        }
    }

    fn set_policy(&mut self, key: DatapathKey, touched: &mut Touched) {
        let Some(datapath) = self.datapaths.get(&key) else {
            return;
        };
        let policy = self.policies.of_switch(key, &datapath.groups);
        let generations = Arc::make_mut(&mut self.generations);
        if touched.grouped.contains(&key) || !policy.has_shape_of(&datapath.policy) {
            generations.bump(datapath.slots.configured);
        }
        generations.bump(datapath.slots.policy);
        self.edit(key, touched).policy = Arc::new(policy);
    }

    fn router_port(&self, at: PortRef) -> Option<(&RouterPort, &Nats)> {
        let datapath = self.datapath_tables(at.datapath)?;
        let (_, kind) = datapath.router_port(at.port)?;
        Some((kind, &datapath.nats))
    }

    /// Bumps the generation of what changed.
    fn count(&mut self, touched: &Touched) {
        let generations = Arc::make_mut(&mut self.generations);
        for (keys, is_learned) in [(&touched.configured, false), (&touched.learned, true)] {
            for datapath in keys.iter().filter_map(|key| self.datapaths.get(key)) {
                generations.bump(match is_learned {
                    false => datapath.slots.configured,
                    true => datapath.slots.learned,
                });
            }
        }
        for ip in &touched.services {
            generations.bump(Slot::of_vip(*ip));
        }
        for (is_touched, slot) in [
            (touched.global, Slot::GLOBAL),
            (touched.chassis, Slot::CHASSIS),
            (touched.names, Slot::NAMES),
            (touched.datapaths, Slot::DATAPATHS),
        ] {
            if is_touched {
                generations.bump(slot);
            }
        }
    }

    fn drop_empty(&mut self, touched: &mut Touched) {
        let learned_or_grouped = touched.learned.union(&touched.grouped);
        let configured = touched.configured.iter().chain(touched.routes.keys());
        for key in configured.chain(learned_or_grouped) {
            let is_empty = self
                .datapaths
                .get(key)
                .is_some_and(|datapath| datapath.is_empty());
            if is_empty && let Some(gone) = Arc::make_mut(&mut self.datapaths).remove(key) {
                gone.slots.give_back(Arc::make_mut(&mut self.generations));
                touched.datapaths = true;
            }
        }
    }
}

impl Touched {
    fn rebalance(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.services.extend(addresses);
        self.is_rebalanced = true;
    }

    fn note(&mut self, key: &ObjectKey) {
        match key {
            ObjectKey::Global
            | ObjectKey::Chassis(_)
            | ObjectKey::AddressSet(..)
            | ObjectKey::PortGroup(..)
            | ObjectKey::Acl(..)
            | ObjectKey::Qos(..)
            | ObjectKey::Meter(_)
            | ObjectKey::Balancer(_)
            | ObjectKey::BalancerGroup(_)
            | ObjectKey::Vip(_)
            | ObjectKey::Route(..)
            | ObjectKey::Probe(_) => {}
            ObjectKey::Nat(router, _) => {
                self.configured.insert(*router);
                self.routers.insert(*router);
            }
            ObjectKey::Datapath(datapath) => {
                self.configured.insert(*datapath);
            }
            ObjectKey::Port(at) => {
                self.configured.insert(at.datapath);
            }
            ObjectKey::Neighbor(at, _) => {
                self.learned.insert(at.datapath);
            }
            ObjectKey::Fdb(switch, _) => {
                self.learned.insert(*switch);
            }
        }
    }
}
