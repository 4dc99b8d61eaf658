//! The QoS rules of a switch, in the order in which they are asked. A switch has few of them, so that they are asked
//! one by one.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::subject::Subject;
use crate::object::{Qos, QosDirection};

/// What a rule is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QosPurpose {
    /// A mark.
    Mark,
    /// A limit on the rate.
    Limit,
}

impl QosPurpose {
    const ALL: [QosPurpose; 2] = [Self::Mark, Self::Limit];

    fn concerns(self, rule: &Qos) -> bool {
        match self {
            Self::Mark => rule.dscp.is_some(),
            Self::Limit => rule.limit.is_some(),
        }
    }
}

/// The rules of one switch.
#[derive(Clone, Debug, Default)]
pub(crate) struct QosRules {
    rows: BTreeMap<Uuid, Arc<Qos>>,
    /// By direction and purpose, the greatest priority first. Of equal ones the lesser UUID counts.
    lists: [[Vec<Arc<Qos>>; 2]; 2],
}

impl QosRules {
    pub(super) fn insert(&mut self, rule: Qos) {
        self.rows.insert(rule.uuid, Arc::new(rule));
    }

    pub(super) fn remove(&mut self, uuid: Uuid) {
        self.rows.remove(&uuid);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Arc<Qos>> {
        self.rows.values()
    }

    /// Puts the rules in their order.
    pub(super) fn compile(&mut self) {
        self.lists = QosDirection::ALL.map(|direction| {
            QosPurpose::ALL.map(|purpose| {
                let rules = self.rows.values();
                let rules = rules.filter(|rule| rule.direction == direction);
                let rules = rules.filter(|rule| purpose.concerns(rule));
                let mut list: Vec<_> = rules.cloned().collect();
                list.sort_by_key(|rule| (Reverse(rule.priority), rule.uuid));
                list
            })
        });
    }

    /// The rules of a direction for a purpose, in order.
    pub(crate) fn list(&self, direction: QosDirection, purpose: QosPurpose) -> &[Arc<Qos>] {
        &self.lists[direction as usize][purpose as usize]
    }

    /// The first rule that matches.
    pub(crate) fn decide(
        &self,
        direction: QosDirection,
        purpose: QosPurpose,
        subject: &Subject<'_>,
    ) -> Option<&Arc<Qos>> {
        let mut list = self.list(direction, purpose).iter();
        list.find(|rule| subject.satisfies(&rule.matches))
    }
}
