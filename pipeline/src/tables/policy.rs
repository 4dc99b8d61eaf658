//! Policies: ACLs and QoS rules with the sets, groups and meters that they name, indexed for the first packets of flows.
//!
//! The ACLs of one owner are compiled to a [`program`], however many switches have the owner; a switch's
//! [`SwitchPolicy`] refers to the programs that concern it. Address sets are in no program: a packet's addresses are looked
//! up in all sets at once ([`addresses`]), and rules are found by the sets. So a change of a set touches the set alone,
//! and a change of an ACL its owner's program.

mod addresses;
mod classifier;
mod groups;
mod necessary;
mod program;
mod qos;
mod sets;
mod subject;
mod switch;

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use uuid::Uuid;

pub(crate) use addresses::SetId;
pub(crate) use groups::SwitchGroups;
pub(crate) use program::Question;
use program::{Program, Rule};
pub(crate) use qos::QosPurpose;
pub(crate) use sets::Sets;
pub(crate) use subject::Subject;
pub(crate) use switch::SwitchPolicy;

use super::generation::{Generations, Slot};
use super::sharded::Sharded;
use crate::object::{Acl, DatapathKey, Meter, PolicyOwner, Qos};

/// The policies of the whole network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies {
    sets: Sets,
    programs: Sharded<PolicyOwner, Program>,
    /// The owners whose ACLs name a set.
    named_by: Sharded<SetId, Arc<[PolicyOwner]>>,
    meters: Arc<HashMap<Arc<str>, Meter, crate::seed::Seed>>,
}

impl Policies {
    pub(crate) fn sets(&self) -> &Sets {
        &self.sets
    }

    pub(crate) fn edit_sets(&mut self) -> &mut Sets {
        &mut self.sets
    }

    pub(crate) fn acls(&self) -> impl Iterator<Item = &Arc<Acl>> {
        let programs = self.programs.values();
        programs.flat_map(|program| program.rules.values().map(|rule| &rule.acl))
    }

    pub(crate) fn meter(&self, name: &str) -> Option<&Meter> {
        self.meters.get(name)
    }

    pub(crate) fn set_meter(&mut self, meter: Meter) {
        Arc::make_mut(&mut self.meters).insert(meter.name.clone(), meter);
    }

    pub(crate) fn remove_meter(&mut self, name: &str) {
        Arc::make_mut(&mut self.meters).remove(name);
    }

    /// Puts an ACL beside those of its owner; it counts after [`Policies::compile`].
    pub(crate) fn set_acl(&mut self, acl: Acl, generations: &mut Generations) {
        let program = self.program(&acl.owner, generations);
        Arc::make_mut(&mut program.rules).insert(acl.uuid, Arc::new(Rule::new(acl)));
    }

    /// Puts a QoS rule beside those of its switch; it counts after [`Policies::compile`].
    pub(crate) fn set_qos(&mut self, rule: Qos, generations: &mut Generations) {
        let program = self.program(&PolicyOwner::Switch(rule.switch), generations);
        Arc::make_mut(&mut program.qos).insert(rule);
    }

    /// Takes a QoS rule from those of its switch.
    pub(crate) fn remove_qos(&mut self, owner: &PolicyOwner, uuid: Uuid) {
        if let Some(program) = self.programs.edit(owner).get_mut(owner) {
            Arc::make_mut(&mut program.qos).remove(uuid);
        }
    }

    fn program(&mut self, owner: &PolicyOwner, generations: &mut Generations) -> &mut Program {
        let beside = self.programs.edit(owner);
        beside
            .entry(owner.clone())
            .or_insert_with(|| Program::new(generations.take()))
    }

    /// Takes an ACL from those of its owner.
    pub(crate) fn remove_acl(&mut self, owner: &PolicyOwner, uuid: Uuid) {
        if let Some(program) = self.programs.edit(owner).get_mut(owner) {
            Arc::make_mut(&mut program.rules).remove(&uuid);
        }
    }

    /// Compiles an owner's rules anew. Gives its slot.
    pub(crate) fn compile(
        &mut self,
        owner: &PolicyOwner,
        generations: &mut Generations,
    ) -> Option<Slot> {
        let program = self.programs.edit(owner).get_mut(owner)?;
        let slot = program.slot;
        let numbers = |names: &BTreeSet<Arc<str>>, sets: &Sets| -> BTreeSet<SetId> {
            names.iter().filter_map(|name| sets.id(name)).collect()
        };
        let before = numbers(&program.sets, &self.sets);
        program.compile(&mut self.sets);
        let after = numbers(&program.sets, &self.sets);
        generations.bump(slot);
        if program.is_empty() {
            self.programs.edit(owner).remove(owner);
            generations.give_back(slot);
        }
        for set in before.symmetric_difference(&after) {
            self.note_naming(*set, owner, after.contains(set));
        }
        Some(slot)
    }

    fn note_naming(&mut self, set: SetId, owner: &PolicyOwner, is_named: bool) {
        let beside = self.named_by.edit(&set);
        let owners = beside.get(&set).map_or(&[][..], |owners| &owners[..]);
        let others = owners.iter().filter(|other| *other != owner).cloned();
        let owners: Arc<[_]> = others.chain(is_named.then(|| owner.clone())).collect();
        match owners.is_empty() {
            true => drop(beside.remove(&set)),
            false => drop(beside.insert(set, owners)),
        }
    }

    /// The slots of those who name a set.
    pub(crate) fn naming(&self, set: SetId) -> impl Iterator<Item = Slot> {
        let owners = self
            .named_by
            .get(&set)
            .map_or(&[][..], |owners| &owners[..]);
        owners
            .iter()
            .filter_map(|owner| self.programs.get(owner).map(|program| program.slot))
    }

    /// The policy of a switch.
    pub(crate) fn of_switch(&self, switch: DatapathKey, groups: &SwitchGroups) -> SwitchPolicy {
        let of_groups = groups.names().cloned().map(PolicyOwner::Group);
        let owners = [PolicyOwner::Switch(switch)].into_iter().chain(of_groups);
        SwitchPolicy::new(owners.filter_map(|owner| self.programs.get(&owner)))
    }

    /// Whether anything concerns a switch of which nothing else is known.
    pub(crate) fn concerns(policy: &SwitchPolicy, slots: &BTreeSet<Slot>) -> bool {
        slots.iter().any(|slot| policy.is_of(*slot))
    }

    /// The ACL with this owner and UUID.
    pub(crate) fn acl(&self, owner: &PolicyOwner, uuid: Uuid) -> Option<&Arc<Acl>> {
        Some(&self.programs.get(owner)?.rules.get(&uuid)?.acl)
    }
}
