//! Step 6, before the bytes are touched: which of the packets that come of one exceed the limit on a rate?

use std::sync::Arc;

use pipeline::{Branch, Destination, DropReason, Rewrite};
use smallvec::{SmallVec, smallvec};
use uuid::Uuid;

use super::parse::Subject;
use super::{Forwarder, Moment};
use crate::meter::Meter;

impl Forwarder {
    /// Carries out a verdict, but for the branches that exceed one of its limits: these end.
    pub(super) fn execute_within(
        &mut self,
        meters: &[Arc<Meter>],
        subject: Subject,
        branches: &[Branch],
        moment: Moment<'_>,
    ) {
        if meters.is_empty() {
            return self.execute(subject, branches, moment);
        }
        let exceeded = self.exceeded(meters, &subject, branches, moment);
        if exceeded.iter().all(Option::is_none) {
            return self.execute(subject, branches, moment);
        }
        let ends = branches.iter().zip(exceeded);
        let ends: SmallVec<[Branch; 1]> = ends
            .map(|(branch, exceeded)| {
                exceeded.map_or_else(|| branch.clone(), |rule| end(branch, rule))
            })
            .collect();
        self.execute(subject, &ends, moment);
    }

    /// For each branch the rule that it comes to exceed, if there is one. A limit is asked once.
    fn exceeded(
        &self,
        meters: &[Arc<Meter>],
        subject: &Subject,
        branches: &[Branch],
        moment: Moment<'_>,
    ) -> SmallVec<[Option<Uuid>; 4]> {
        let packet = &subject.packet;
        let size = packet.offload.stands_for(packet.len());
        let worker = self.credits.worker;
        let mut answers: SmallVec<[Option<bool>; 4]> = smallvec![None; meters.len()];
        let mut refuses = |place: usize| {
            let (meter, answer) = (meters.get(place)?, answers.get_mut(place)?);
            let admits = *answer.get_or_insert_with(|| meter.admit(worker, size, moment.now_ms));
            (!admits).then_some(meter.metered().rule)
        };
        let exceeded = |branch: &Branch| {
            let mut places = branch.meters.iter();
            places.find_map(|place| refuses(*place as usize))
        };
        branches.iter().map(exceeded).collect()
    }
}

/// A branch that a rule ends.
fn end(branch: &Branch, rule: Uuid) -> Branch {
    Branch {
        packet: branch.packet.clone(),
        rewrite: Rewrite::default(),
        meters: Box::default(),
        to: Destination::Drop {
            reason: DropReason::QosLimit,
            datapath: None,
            rule: Some(rule),
        },
    }
}
