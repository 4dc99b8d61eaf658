//! The ACLs of one owner, compiled: what every switch that has the owner shares.

use std::collections::BTreeMap;
use std::sync::Arc;

use expr::PortField;
use uuid::Uuid;

use super::classifier::{Classifier, sets_named};
use super::necessary::{self, PortCondition};
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

/// The rules for a question, by the port that they need.
pub(super) type Parts = BTreeMap<PortCondition, Arc<Classifier>>;

/// The compiled ACLs of one owner.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Grows when an ACL changes or a set that one names.
    pub(super) slot: Slot,
    pub(super) acls: Arc<BTreeMap<Uuid, Arc<Acl>>>,
    pub(super) parts: Arc<[Parts; 5]>,
    /// The address sets that the ACLs name, sorted.
    pub(super) sets: Arc<[Arc<str>]>,
}

impl Program {
    pub(super) fn new(slot: Slot) -> Self {
        Self {
            slot,
            acls: Arc::default(),
            parts: Arc::default(),
            sets: Arc::default(),
        }
    }

    /// Compiles the ACLs anew.
    pub(super) fn compile(&mut self, sets: &mut Sets) {
        let mut named = Vec::new();
        for acl in self.acls.values() {
            sets_named(&acl.matches, &mut named);
        }
        named.sort_unstable();
        named.dedup();
        for name in &named {
            sets.take(name);
        }
        for name in self.sets.iter() {
            sets.give_back(name);
        }
        self.sets = named.into();
        self.parts = Arc::new(Question::ALL.map(|question| self.parts_of(question, sets)));
    }

    fn parts_of(&self, question: Question, sets: &Sets) -> Parts {
        let mut by_port: BTreeMap<PortCondition, Vec<Arc<Acl>>> = BTreeMap::new();
        for acl in self.acls.values().filter(|acl| question.concerns(acl)) {
            for port in necessary::ports(&acl.matches, question.port()) {
                by_port.entry(port).or_default().push(acl.clone());
            }
        }
        let number = |name: &str| sets.id(name);
        by_port
            .into_iter()
            .map(|(port, acls)| (port, Arc::new(Classifier::new(acls, &number))))
            .collect()
    }

    /// Whether an ACL asks for connections to be kept.
    pub(super) fn keeps_connections(&self) -> bool {
        self.acls
            .values()
            .any(|acl| acl.action == AclAction::AllowRelated)
    }
}
