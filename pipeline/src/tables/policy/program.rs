//! The ACLs and QoS rules of one owner, compiled: what every switch that has the owner shares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use expr::{PortField, Predicate};
use uuid::Uuid;

use super::classifier::Classifier;
use super::necessary::{self, AddressCondition, PortCondition, Service};
use super::qos::QosRules;
use super::sets::Sets;
use crate::object::{Acl, AclAction, AclStage};
use crate::tables::generation::Slot;

/// What ACLs are looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Question {
    /// Which rule of a stage counts?
    Stage(AclStage),
    /// Does a rule from-lport pass the packet by connection tracking?
    StatelessIn,
    /// Does a rule to-lport?
    StatelessOut,
}

impl Question {
    pub(super) const ALL: [Question; 5] = [
        Self::Stage(AclStage::FromLport),
        Self::Stage(AclStage::FromLportAfterLb),
        Self::Stage(AclStage::ToLport),
        Self::StatelessIn,
        Self::StatelessOut,
    ];

    pub(super) fn index(self) -> usize {
        match self {
            Self::Stage(stage) => stage as usize,
            Self::StatelessIn => 3,
            Self::StatelessOut => 4,
        }
    }

    fn concerns(self, acl: &Acl) -> bool {
        let is_stateless = acl.action == AclAction::AllowStateless;
        match self {
            Self::Stage(stage) => acl.stage == stage,
            Self::StatelessIn => is_stateless && acl.stage != AclStage::ToLport,
            Self::StatelessOut => is_stateless && acl.stage == AclStage::ToLport,
        }
    }

    /// The port by which its rules are told apart first.
    fn port(self) -> PortField {
        match self {
            Self::Stage(AclStage::ToLport) | Self::StatelessOut => PortField::Outport,
            _ => PortField::Inport,
        }
    }
}

/// An ACL, and what a packet must have to match it.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) acl: Arc<Acl>,
    /// Of each of these lists, one address.
    pub(super) addresses: Vec<Vec<AddressCondition>>,
    /// One of these services.
    pub(super) services: Vec<Service>,
    /// The address sets that it names.
    sets: Vec<Arc<str>>,
}

impl Rule {
    pub(super) fn new(acl: Acl) -> Self {
        let mut sets = Vec::new();
        sets_named(&acl.matches, &mut sets);
        Self {
            addresses: necessary::addresses(&acl.matches),
            services: necessary::services(&acl.matches),
            sets,
            acl: Arc::new(acl),
        }
    }
}

/// The rules for a question, by the port that they need.
pub(super) type Parts = BTreeMap<PortCondition, Arc<Classifier>>;

/// The compiled ACLs of one owner.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Grows when a rule changes or a set that one names.
    pub(super) slot: Slot,
    pub(super) rules: Arc<BTreeMap<Uuid, Arc<Rule>>>,
    pub(super) parts: Arc<[Parts; 5]>,
    /// Of a switch alone.
    pub(super) qos: Arc<QosRules>,
    /// The address sets that the rules name.
    pub(super) sets: Arc<BTreeSet<Arc<str>>>,
    /// Whether an ACL asks for connections to be kept.
    pub(super) keeps_connections: bool,
    /// ACLs that have replies logged.
    pub(super) logging: Arc<[Arc<Acl>]>,
}

impl Program {
    pub(super) fn new(slot: Slot) -> Self {
        Self {
            slot,
            rules: Arc::default(),
            parts: Arc::default(),
            qos: Arc::default(),
            sets: Arc::default(),
            keeps_connections: false,
            logging: Arc::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.qos.is_empty()
    }

    /// Compiles the rules anew.
    pub(super) fn compile(&mut self, sets: &mut Sets) {
        Arc::make_mut(&mut self.qos).compile();
        let named = self.rules.values().flat_map(|rule| rule.sets.iter());
        let named: BTreeSet<_> = named.cloned().chain(self.qos_sets()).collect();
        for name in &named {
            sets.take(name);
        }
        for name in self.sets.iter() {
            sets.give_back(name);
        }
        self.sets = Arc::new(named);
        self.parts = Arc::new(Question::ALL.map(|question| self.parts_of(question, sets)));
        let acls = || self.rules.values().map(|rule| &rule.acl);
        let keeps = |acl: &Arc<Acl>| acl.action == AclAction::AllowRelated;
        let logs_replies =
            |acl: &&Arc<Acl>| acl.label != 0 && acl.log.as_ref().is_some_and(|log| log.related);
        self.keeps_connections = acls().any(keeps);
        self.logging = acls().filter(logs_replies).cloned().collect();
    }

    fn qos_sets(&self) -> Vec<Arc<str>> {
        let mut named = Vec::new();
        for rule in self.qos.rows() {
            sets_named(&rule.matches, &mut named);
        }
        named
    }

    fn parts_of(&self, question: Question, sets: &Sets) -> Parts {
        let mut by_port: BTreeMap<PortCondition, Vec<Arc<Rule>>> = BTreeMap::new();
        for rule in self
            .rules
            .values()
            .filter(|rule| question.concerns(&rule.acl))
        {
            for port in necessary::ports(&rule.acl.matches, question.port()) {
                by_port.entry(port).or_default().push(rule.clone());
            }
        }
        let number = |name: &str| sets.id(name);
        by_port
            .into_iter()
            .map(|(port, rules)| (port, Arc::new(Classifier::new(rules, &number))))
            .collect()
    }
}

/// The names of the address sets that a predicate asks for.
fn sets_named(predicate: &Predicate, found: &mut Vec<Arc<str>>) {
    match predicate {
        Predicate::Test(expr::Condition::AddressSet { set, .. }, _) => found.push(set.clone()),
        Predicate::Constant(_) | Predicate::Test(..) => {}
        Predicate::All(operands) | Predicate::Any(operands) => {
            for operand in operands {
                sets_named(operand, found);
            }
        }
    }
}
