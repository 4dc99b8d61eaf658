//! Step 6, before the bytes are touched: which of the packets that come of one exceed the limit on a rate?

use std::slice;
use std::sync::Arc;

use packet::offload::cut;
use pipeline::{Branch, Destination, DropReason, Rewrite};
use smallvec::{SmallVec, smallvec};
use uuid::Uuid;

use super::parse::Subject;
use super::{Forwarder, Moment};
use crate::buffer::Packet;
use crate::meter::{Meter, Train};

impl Forwarder {
    /// Carries out a verdict, but for the branches that exceed one of its limits: these end. Of a super-packet that goes
    /// one way as many packets pass as the limits allow.
    pub(super) fn execute_within(
        &mut self,
        meters: &[Arc<Meter>],
        subject: Subject<'_>,
        branches: &[Branch],
        moment: Moment<'_>,
    ) {
        if meters.is_empty() {
            return self.execute(subject, branches, moment);
        }
        if let [branch] = branches {
            return self.execute_first(meters, subject, branch, moment);
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

    /// Carries out a verdict's only branch for the first packets of one, as many as all limits allow; the rest ends. What
    /// one limit has let through counts for it, whatever the next one says.
    fn execute_first(
        &mut self,
        meters: &[Arc<Meter>],
        mut subject: Subject<'_>,
        branch: &Branch,
        moment: Moment<'_>,
    ) {
        let whole = Train::of(&subject.packet.offload, subject.packet.len());
        let mut passing = whole;
        for place in &branch.meters {
            let Some(meter) = meters.get(*place as usize) else {
                continue;
            };
            let count = meter.admit(self.credits.worker, passing, moment.now_ms);
            if count == passing.packets {
                continue;
            }
            passing = passing.first(count);
            let rule = meter.metered().rule;
            if count == 0 {
                return self.execute(subject, &[end(branch, rule)], moment);
            }
            self.lose_rest(&subject, rule, moment);
        }
        if passing.packets < whole.packets && !keep_first(&mut subject.packet, passing.packets) {
            let (packet, about) = (subject.packet, &*subject.about);
            return self.discard(packet, DropReason::OffloadInvalid, about, moment);
        }
        self.execute(subject, slice::from_ref(branch), moment);
    }

    /// Counts the end of what is cut off a packet.
    fn lose_rest(&mut self, subject: &Subject<'_>, rule: Uuid, moment: Moment<'_>) {
        let Subject { packet, about } = subject;
        self.counters.totals.copied.add(1);
        self.ports.count_drop(about.door);
        let why = (DropReason::QosLimit, Some(rule));
        let place = about.place.number();
        self.counters
            .count_drop_by(why, moment.now_ms, place, packet.bytes());
    }

    /// For each branch the rule that it comes to exceed, if there is one. A limit is asked once.
    fn exceeded(
        &self,
        meters: &[Arc<Meter>],
        subject: &Subject<'_>,
        branches: &[Branch],
        moment: Moment<'_>,
    ) -> SmallVec<[Option<Uuid>; 4]> {
        let packet = &subject.packet;
        let train = Train::of(&packet.offload, packet.len()).together();
        let worker = self.credits.worker;
        let mut answers: SmallVec<[Option<bool>; 4]> = smallvec![None; meters.len()];
        let mut refuses = |place: usize| {
            let (meter, answer) = (meters.get(place)?, answers.get_mut(place)?);
            let admits =
                *answer.get_or_insert_with(|| meter.admit(worker, train, moment.now_ms) > 0);
            (!admits).then_some(meter.metered().rule)
        };
        let exceeded = |branch: &Branch| {
            let mut places = branch.meters.iter();
            places.find_map(|place| refuses(*place as usize))
        };
        branches.iter().map(exceeded).collect()
    }
}

/// Shortens a super-packet; false if that cannot be done.
fn keep_first(packet: &mut Packet, count: u64) -> bool {
    let offload = packet.offload;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let Some((length, left)) = cut::keep_first(packet.bytes_mut(), &offload, count) else {
        return false;
    };
    packet.truncate(length);
    packet.offload = left;
    true
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
