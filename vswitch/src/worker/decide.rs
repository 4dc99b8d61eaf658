//! Step 5: the logical pipeline, and remembering what it said.

use pipeline::{Ingress, Silent, Verdict, process};

use super::action::Decided;
use super::parse::Subject;
use super::{Forwarder, Moment, Turns};
use crate::connection::{Fresh, Key};
use crate::conntrack::{Looked, Tracker};

impl Forwarder {
    /// Runs the packet through the logical pipeline, and tells what it taught. Says which connections it met.
    pub(super) fn decide(
        &mut self,
        subject: &Subject<'_>,
        ingress: Ingress,
        turns: &mut Turns<'_>,
        moment: Moment<'_>,
    ) -> (Box<Verdict>, Looked) {
        let tables = &moment.snapshot.tables;
        let packet = (&subject.about.flow, &subject.segment());
        let mut tracker = Tracker::new(&mut turns.tracked, moment.now_ms);
        let verdict = Box::new(process(tables, &mut tracker, ingress, packet, &mut Silent));
        let looked = tracker.looked(verdict.holds_once_answered);
        self.events.learned(&verdict.learned, moment.now_ms);
        self.events.used(&verdict.used, moment.now_ms);
        let unserved = verdict.unserved.as_ref();
        self.events
            .unserved(unserved, subject.packet.len(), moment.now_ms);
        (verdict, looked)
    }

    /// Remembers a verdict, if it holds for other packets of the flow: not one that was made of the want of a
    /// connection. One that began connections is kept aside until they are answered, if it holds then.
    pub(super) fn remember(
        &mut self,
        turns: &mut Turns<'_>,
        key: &Key,
        decided: Decided,
        looked: &Looked,
        moment: Moment<'_>,
    ) {
        let verdict = &decided.verdict;
        let (Some(limits), Some(references)) = (verdict.reusable, looked.words()) else {
            return;
        };
        let is_kept_aside = verdict.holds_once_answered;
        let fresh = Fresh {
            generation: verdict.generation,
            snapshot: moment.snapshot.tables_number,
            ttl_min: limits.ttl_min,
            length_max: limits.length_max,
            references,
            action: decided,
        };
        if is_kept_aside {
            return self.begun.keep(key, fresh);
        }
        if turns.flows.insert(key, fresh, moment.now_ms).is_err() {
            self.counters.totals.not_remembered.add(1);
        }
    }
}
