//! A classifier: few of many rules for a packet, in the order in which they are to be asked.
//!
//! A rule is found by what a packet must have to match it ([`super::necessary`]): a service and an address, or a member of an
//! address set. Of a rule's addresses those count that the fewest other rules share. A packet is looked up under
//! its service and its addresses, and what is found is evaluated from the greatest priority on; that the classifier
//! finds too much costs time, and never changes the answer.

use std::cmp::Reverse;
use std::sync::Arc;

use expr::Field;
use hashbrown::HashMap;
use smallvec::SmallVec;
use uuid::Uuid;

use super::addresses::SetId;
use super::necessary::{AddressCondition, Service};
use super::program::Rule;
use super::subject::Subject;
use crate::object::{Acl, PolicyOwner};

type Exact<K, V> = HashMap<K, V, crate::seed::Seed>;

/// Where a rule stands in the one list that all rules of a stage form: lower tiers first, and then the greatest
/// priority. OVN leaves open what comes of equal priorities; here the lesser UUID counts, and then the owner.
pub(super) type Order<'a> = (u8, Reverse<u16>, Uuid, &'a PolicyOwner);

pub(super) fn order(acl: &Acl) -> Order<'_> {
    (acl.tier, Reverse(acl.priority), acl.uuid, &acl.owner)
}

/// Rules, to be looked up.
#[derive(Debug, Default)]
pub(super) struct Classifier {
    /// In their order.
    rules: Vec<Arc<Acl>>,
    services: Exact<Service, Addressed>,
    /// The lengths of the prefixes of ports among `services`: bit 1 for 1 and so on.
    port_lengths: u32,
}

/// Rules that have something in common, in their order: mostly few.
type Few = SmallVec<[u32; 4]>;

/// The rules for a service, by address.
#[derive(Debug, Default)]
struct Addressed {
    /// Rules without an address.
    any: Few,
    hosts: Exact<(Field, u128, u128), Few>,
    sets: Exact<(Field, SetId), Few>,
    /// The fields of `sets`: the verdict depends on those addresses.
    set_fields: Vec<Field>,
    /// The fields and masks of `hosts`, and how many of them there are.
    shapes: Vec<(Field, u128)>,
}

impl Classifier {
    /// `number` gives the numbers of address sets.
    pub(super) fn new(mut rules: Vec<Arc<Rule>>, number: &impl Fn(&str) -> Option<SetId>) -> Self {
        rules.sort_by(|a, b| order(&a.acl).cmp(&order(&b.acl)));
        let mut uses: Exact<&AddressCondition, usize> = Exact::default();
        for condition in rules
            .iter()
            .flat_map(|rule| rule.addresses.iter().flatten())
        {
            *uses.entry(condition).or_default() += 1;
        }
        let crowd = |alternatives: &&Vec<AddressCondition>| -> usize {
            alternatives.iter().map(|condition| uses[condition]).sum()
        };
        let mut services: Exact<Service, Addressed> = Exact::default();
        for (index, rule) in rules.iter().enumerate() {
            let chosen = rule.addresses.iter().min_by_key(crowd);
            for service in &rule.services {
                let beside = services.entry(*service).or_default();
                beside.add(index as u32, chosen.map_or(&[][..], Vec::as_slice), number);
            }
        }
        let length = |service: &Service| match service {
            Service::Ports(_, _, length) => 1 << length,
            Service::Protocol(_) | Service::Any => 0,
        };
        Self {
            rules: rules.iter().map(|rule| rule.acl.clone()).collect(),
            port_lengths: services.keys().map(length).fold(0, |all, one| all | one),
            services,
        }
    }

    pub(super) fn rules(&self) -> &[Arc<Acl>] {
        &self.rules
    }

    /// Collects the lists of rules that may match.
    pub(super) fn candidates<'a>(&'a self, subject: &Subject<'_>, found: &mut Candidates<'a>) {
        for service in subject.services(self.port_lengths) {
            if let Some(addressed) = self.services.get(&service) {
                addressed.candidates(subject, &mut |list| found.push(&self.rules, list));
            }
        }
    }
}

impl Addressed {
    fn add(
        &mut self,
        rule: u32,
        addresses: &[AddressCondition],
        number: &impl Fn(&str) -> Option<SetId>,
    ) {
        if addresses.is_empty() {
            self.any.push(rule);
        }
        for address in addresses {
            match address {
                AddressCondition::Is(field, value, mask) => {
                    if !self.shapes.contains(&(*field, *mask)) {
                        self.shapes.push((*field, *mask));
                    }
                    let key = (*field, *value, *mask);
                    self.hosts.entry(key).or_default().push(rule);
                }
                AddressCondition::InSet(field, set) => {
                    if let Some(set) = number(set) {
                        if !self.set_fields.contains(field) {
                            self.set_fields.push(*field);
                        }
                        self.sets.entry((*field, set)).or_default().push(rule);
                    }
                }
            }
        }
    }

    fn candidates<'a>(&'a self, subject: &Subject<'_>, found: &mut impl FnMut(&'a [u32])) {
        if !self.any.is_empty() {
            found(&self.any);
        }
        for (field, mask) in &self.shapes {
            let key = (*field, subject.packet().read(*field) & mask, *mask);
            if let Some(list) = self.hosts.get(&key) {
                found(list);
            }
        }
        for field in &self.set_fields {
            for set in subject.sets(*field) {
                if let Some(list) = self.sets.get(&(*field, *set)) {
                    found(list);
                }
            }
        }
    }
}

/// Some of a classifier's rules, in their order: all of its rules, and which of them.
type List<'a> = (&'a [Arc<Acl>], &'a [u32]);

/// Rules that may match, to be taken in their order.
#[derive(Default)]
pub(super) struct Candidates<'a> {
    lists: SmallVec<[List<'a>; 16]>,
}

impl<'a> Candidates<'a> {
    fn push(&mut self, rules: &'a [Arc<Acl>], list: &'a [u32]) {
        self.lists.push((rules, list));
    }

    /// The next rule; each comes once.
    pub(super) fn next(&mut self) -> Option<&'a Arc<Acl>> {
        if let [(rules, list)] = self.lists.as_mut_slice() {
            let (first, rest) = list.split_first()?;
            *list = rest;
            return rules.get(*first as usize);
        }
        let heads = self.lists.iter().filter_map(|(rules, list)| {
            let first = *list.first()?;
            rules.get(first as usize)
        });
        let next = heads.min_by_key(|acl| order(acl))?;
        for (rules, list) in &mut self.lists {
            if let Some((first, rest)) = list.split_first()
                && rules
                    .get(*first as usize)
                    .is_some_and(|acl| Arc::ptr_eq(acl, next))
            {
                *list = rest;
            }
        }
        Some(next)
    }
}
