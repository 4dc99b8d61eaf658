//! What a port may send (`qos_max_rate`): who has sent more waits.
//!
//! A batch is taken whole, whatever it comes to. When that is more than the rate has granted, the port's queue is not
//! read again before it has. So the packets wait where they come from, whose sender feels it, and none is lost here. All
//! workers that read from the port owe to one bucket, and each waits for what all of them have taken. The slower a port
//! is, the smaller are its batches, so that it does not wait long for one.

use std::sync::Arc;

use pipeline::Metered;
use pipeline::object::{PortKind, PortRef, SwitchPort};
use uuid::Uuid;

use super::ports::Door;
use super::{Forwarder, Moment};
use crate::meter::{Bucket, Meters, Purpose, Terms, Turn};
use crate::port::BATCH;

/// How long the rate takes for the packets of a batch, in milliseconds, if they are of a usual length.
const PORTION_MS: u64 = 4;
/// Bytes of a long packet.
const USUAL_BYTES: u64 = 1_500;

/// What a port may send and can count on, as the tables of a number have it.
#[derive(Debug)]
pub(super) struct SendRate {
    known: Option<(u64, Option<Terms>)>,
    bucket: Option<Arc<Bucket>>,
    promise: Option<Arc<Bucket>>,
    /// Frames of a batch, at most.
    pub(super) portion: usize,
    turn: Turn,
}

impl Default for SendRate {
    fn default() -> Self {
        SendRate {
            known: None,
            bucket: None,
            promise: None,
            portion: BATCH,
            turn: Turn::default(),
        }
    }
}

impl SendRate {
    /// Takes note of bytes that the port has sent to other nodes. Returns until when it has to wait for the uplink.
    pub(super) fn sent_over(
        &mut self,
        bytes: u64,
        uplink: &Bucket,
        terms: Terms,
        now_ms: u64,
    ) -> u64 {
        let buckets = (uplink, self.promise.as_deref());
        self.turn
            .sent(bytes, buckets, terms.quantum_bytes(), now_ms)
    }

    fn set(&mut self, port: Option<(Uuid, &SwitchPort)>, terms: Option<Terms>, meters: &Meters) {
        let bucket = |purpose, rule, limit| meters.bucket(purpose, Metered { rule, limit });
        let max = port.and_then(|(rule, port)| Some((rule, port.max_rate?)));
        let min = port.and_then(|(rule, port)| Some((rule, port.min_rate?)));
        self.bucket = max.map(|(rule, limit)| bucket(Purpose::Most, rule, limit));
        let promise = terms.zip(min);
        self.promise =
            promise.map(|(terms, (rule, min))| bucket(Purpose::Promise, rule, terms.promise(min)));
        let rates = [
            max.map(|(_, limit)| limit.rate),
            terms.map(|terms| terms.kilobits),
        ];
        let least = rates.into_iter().flatten().min();
        self.portion = least.map_or(BATCH, portion);
    }
}

/// Frames of a batch of a port that sends so many kilobits a second.
fn portion(kilobits: u32) -> usize {
    let frames = u64::from(kilobits) * PORTION_MS / 8 / USUAL_BYTES;
    usize::try_from(frames).unwrap_or(BATCH).clamp(1, BATCH)
}

impl Forwarder {
    /// Notes what a port has sent. The batch holds it.
    pub(super) fn hold_back(&mut self, door: Door, moment: Moment<'_>) {
        let Door::Port(id) = door else {
            return;
        };
        self.renew_rate(id, moment);
        let Some(plugged) = self.ports.plugged_mut(id) else {
            return;
        };
        let Some(bucket) = &plugged.rate.bucket else {
            return;
        };
        let frames = self.batch.frames.iter();
        let bytes = frames.map(|frame| frame.packet.offload.stands_for(frame.packet.len()).1);
        let wait_ms = bucket.owe(bytes.sum(), moment.now_ms);
        if wait_ms > 0 {
            plugged.device.counters.rate_waits.add(1);
        }
        plugged.allowance.hold_back(moment.now_ms + wait_ms);
    }

    /// Looks the port's rates up where the tables or the uplink are new.
    fn renew_rate(&mut self, id: usize, moment: Moment<'_>) {
        let snapshot = moment.snapshot;
        let Some(plugged) = self.ports.plugged_mut(id) else {
            return;
        };
        let terms = self.meters.uplink().terms();
        let known = Some((snapshot.tables_number, terms));
        if plugged.rate.known == known {
            return;
        }
        plugged.rate.known = known;
        let port = switch_port(plugged.at, moment);
        plugged.rate.set(port, terms, &self.meters);
    }
}

fn switch_port(at: PortRef, moment: Moment<'_>) -> Option<(Uuid, &SwitchPort)> {
    let port = moment.snapshot.tables.port(at)?;
    match &port.kind {
        PortKind::Switch(kind) => Some((port.uuid, kind)),
        PortKind::Router(_) => None,
    }
}
