//! The policies of a switch: those of its own and those of the port groups with members in it, as one list.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::classifier::{Candidates, Classifier, order};
use super::necessary::PortCondition;
use super::program::{Program, Question};
use super::qos::QosRules;
use super::subject::Subject;
use crate::object::{Acl, AclAction, AclStage};
use crate::tables::generation::Slot;

/// How many owners a verdict depends on one by one in a stage; on the whole switch's policy if there are more.
const MAX_OWNERS: usize = 8;

/// All ACLs that concern a switch: references into the programs of their owners.
#[derive(Clone, Debug, Default)]
pub(crate) struct SwitchPolicy {
    has_acls: bool,
    keeps_connections: bool,
    parts: [Parts; 5],
    /// ACLs whose replies are logged, by the label that their connections keep.
    logging: BTreeMap<(bool, u32), Arc<Acl>>,
    /// Its QoS rules, with the slot of their owner, the switch itself.
    qos: Option<(Slot, Arc<QosRules>)>,
    /// The owners' slots, sorted.
    owners: Vec<Slot>,
}

/// The rules for a question, by the port that they need. What no rule needs costs nothing to look up.
#[derive(Clone, Debug, Default)]
struct Parts {
    any: Vec<Part>,
    named: ByName,
    groups: ByName,
}

type ByName = HashMap<Arc<str>, Vec<Part>, crate::seed::Seed>;

/// The rules of one owner for a question and a port.
#[derive(Clone, Debug)]
struct Part {
    owner: Slot,
    rules: Arc<Classifier>,
}

/// The answer to a question about a packet.
#[derive(Default)]
pub(crate) struct Decision<'a> {
    /// The rule that counts.
    pub(crate) rule: Option<&'a Arc<Acl>>,
    /// The rules that left it to the tiers below.
    pub(crate) passed: SmallVec<[&'a Arc<Acl>; 2]>,
    owners: SmallVec<[Slot; MAX_OWNERS]>,
}

impl Parts {
    fn is_empty(&self) -> bool {
        self.any.is_empty() && self.named.is_empty() && self.groups.is_empty()
    }

    fn entry(&mut self, port: &PortCondition) -> &mut Vec<Part> {
        match port {
            PortCondition::Any => &mut self.any,
            PortCondition::Named(name) => self.named.entry(name.clone()).or_default(),
            PortCondition::InGroup(group) => self.groups.entry(group.clone()).or_default(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Part> {
        let by_port = self.named.values().chain(self.groups.values()).flatten();
        self.any.iter().chain(by_port)
    }

    /// Those that may concern packets of a port with this name, in these groups.
    fn for_port<'s>(
        &'s self,
        (name, groups): (&str, &[Arc<str>]),
        each: &mut impl FnMut(&'s Part),
    ) {
        self.any.iter().for_each(&mut *each);
        self.named
            .get(name)
            .into_iter()
            .flatten()
            .for_each(&mut *each);
        for group in groups {
            self.groups
                .get(group)
                .into_iter()
                .flatten()
                .for_each(&mut *each);
        }
    }

    /// True if both ask the same owners about the same ports.
    fn has_shape_of(&self, other: &Parts) -> bool {
        fn owners(parts: &[Part]) -> impl Iterator<Item = Slot> {
            parts.iter().map(|part| part.owner)
        }
        let are_alike = |mine: &[Part], theirs: &[Part]| owners(mine).eq(owners(theirs));
        let are_all_alike = |mine: &ByName, theirs: &ByName| {
            let is_alike = |(port, parts): (&Arc<str>, &Vec<Part>)| {
                let others = theirs.get(port);
                others.is_some_and(|others| are_alike(parts, others))
            };
            mine.len() == theirs.len() && mine.iter().all(is_alike)
        };
        are_alike(&self.any, &other.any)
            && are_all_alike(&self.named, &other.named)
            && are_all_alike(&self.groups, &other.groups)
    }
}

impl Decision<'_> {
    /// What the answer depends on; `whole` stands for the policy of the switch.
    pub(crate) fn deps<'s>(&'s self, whole: &'s Slot) -> &'s [Slot] {
        match self.owners.len() > MAX_OWNERS {
            true => std::slice::from_ref(whole),
            false => &self.owners,
        }
    }
}

impl SwitchPolicy {
    pub(super) fn new<'a>(programs: impl Iterator<Item = &'a Program>) -> Self {
        let mut policy = Self::default();
        for program in programs {
            policy.add(program);
        }
        policy.owners.sort_unstable();
        policy
    }

    fn add(&mut self, program: &Program) {
        self.has_acls |= !program.rules.is_empty();
        self.keeps_connections |= program.keeps_connections;
        self.owners.push(program.slot);
        if !program.qos.is_empty() {
            self.qos = Some((program.slot, program.qos.clone()));
        }
        for (mine, theirs) in self.parts.iter_mut().zip(program.parts.iter()) {
            for (port, rules) in theirs {
                mine.entry(port).push(Part {
                    owner: program.slot,
                    rules: rules.clone(),
                });
            }
        }
        for acl in program.logging.iter() {
            let key = (acl.stage == AclStage::ToLport, acl.label);
            self.logging.entry(key).or_insert_with(|| acl.clone());
        }
    }

    /// Whether there are any ACLs at all.
    pub(crate) fn has_acls(&self) -> bool {
        self.has_acls
    }

    /// Whether there is any rule for a question.
    pub(crate) fn answers(&self, question: Question) -> bool {
        !self.parts[question.index()].is_empty()
    }

    /// Whether an ACL has connections kept, so that all IP traffic of the switch is tracked.
    pub(crate) fn keeps_connections(&self) -> bool {
        self.keeps_connections
    }

    /// The ACL that has the replies of connections with this label logged; they go the other way than what it is
    /// asked for.
    pub(crate) fn logs_replies(&self, is_to_lport: bool, label: u32) -> Option<&Arc<Acl>> {
        self.logging.get(&(is_to_lport, label))
    }

    /// The QoS rules, if there are any, with the slot that their answers depend on.
    pub(crate) fn qos(&self) -> Option<&(Slot, Arc<QosRules>)> {
        self.qos.as_ref()
    }

    /// True if the policy is, in part, that of the owner with this slot.
    pub(super) fn is_of(&self, owner: Slot) -> bool {
        self.owners.binary_search(&owner).is_ok()
    }

    /// True if both ask the same owners about the same ports: what has been decided by the one depends on what it
    /// would by the other.
    pub(crate) fn has_shape_of(&self, other: &SwitchPolicy) -> bool {
        let qos = |policy: &SwitchPolicy| policy.qos.as_ref().map(|(slot, _)| *slot);
        self.has_acls == other.has_acls
            && qos(self) == qos(other)
            && self.keeps_connections == other.keeps_connections
            && self
                .parts
                .iter()
                .zip(&other.parts)
                .all(|(mine, theirs)| mine.has_shape_of(theirs))
    }

    /// The first rule, in order, that matches and that `counts`. A rule that passes leaves out the rest of its tier.
    pub(crate) fn decide(
        &self,
        question: Question,
        subject: &Subject<'_>,
        counts: impl Fn(&Acl) -> bool,
    ) -> Decision<'_> {
        let parts = &self.parts[question.index()];
        let mut candidates = Candidates::default();
        let mut decision = Decision::default();
        parts.for_port(subject.port(), &mut |part| {
            if !decision.owners.contains(&part.owner) && decision.owners.len() <= MAX_OWNERS {
                decision.owners.push(part.owner);
            }
            part.rules.candidates(subject, &mut candidates);
        });
        while let Some(acl) = candidates.next() {
            let passed = decision.passed.last();
            let is_over = passed.is_some_and(|passed| passed.tier == acl.tier);
            if is_over || !counts(acl) || !subject.satisfies(&acl.matches) {
                continue;
            }
            if acl.action != AclAction::Pass {
                decision.rule = Some(acl);
                break;
            }
            decision.passed.push(acl);
        }
        decision
    }

    /// All rules of a stage, in order.
    pub(crate) fn rules(&self, stage: AclStage) -> Vec<&Arc<Acl>> {
        let parts = self.parts[Question::Stage(stage).index()].all();
        let mut rules: Vec<_> = parts.flat_map(|part| part.rules.rules()).collect();
        rules.sort_by(|a, b| order(a).cmp(&order(b)));
        rules.dedup_by(|a, b| Arc::ptr_eq(a, b));
        rules
    }
}
