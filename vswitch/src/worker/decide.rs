//! Step 5: the logical pipeline, and remembering what it said.

use std::sync::Arc;

use packet::Segment;
use pipeline::conntrack::Untracked;
use pipeline::{Ingress, Silent, Verdict, process};

use super::parse::About;
use super::{Action, Forwarder, Moment};
use crate::connection::{Fresh, Key, Turn};
use crate::credit::Account;

impl Forwarder {
    /// Runs the packet through the logical pipeline, and tells what it taught.
    pub(super) fn decide(
        &mut self,
        about: &About,
        ingress: Ingress,
        moment: Moment<'_>,
    ) -> Verdict {
        let packet = (&about.flow, &Segment::Unknown);
        let tables = &moment.snapshot.tables;
        let verdict = process(tables, &mut Untracked, ingress, packet, &mut Silent);
        self.events.learned(&verdict.learned, moment.now_ms);
        self.events.used(&verdict.used, moment.now_ms);
        verdict
    }

    /// Remembers a verdict, if it holds for other packets of the flow.
    pub(super) fn remember(
        &mut self,
        turn: &mut Turn<'_, Action>,
        key: &Key,
        (verdict, account): (Verdict, Option<Arc<Account>>),
        moment: Moment<'_>,
    ) {
        let Some(limits) = verdict.reusable else {
            return;
        };
        if !verdict.learned.is_empty() {
            return;
        }
        let fresh = Fresh {
            generation: verdict.generation,
            snapshot: moment.snapshot.tables_number,
            ttl_min: limits.ttl_min,
            length_max: limits.length_max,
            action: Action::new(verdict, account),
        };
        if turn.insert(key, fresh, moment.now_ms).is_err() {
            self.counters.totals.not_remembered.add(1);
        }
    }
}
