//! The worker's end: from packets to records.

use std::sync::Arc;

use crossbeam::channel::Sender;
use packet::Flow;
use pipeline::{Logged, Tables};

use super::Meters;
use crate::counter::WorkerCounters;
use crate::worker::Place;

/// Records that wait for the control side, at most.
pub const RECORDS: usize = 4_096;

/// A packet that an ACL logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The ACL, and what it did.
    pub logged: Logged,
    /// The packet as the ACL met it.
    pub flow: Flow,
    /// Where it had come in.
    pub place: Place,
    /// Its length.
    pub bytes: u64,
    /// When, in milliseconds since the data path was started.
    pub time_ms: u64,
}

/// Makes the records of one worker.
pub struct Logger {
    sender: Sender<Record>,
    meters: Meters,
    counters: Arc<WorkerCounters>,
}

impl Logger {
    /// A logger that has logged nothing yet.
    pub fn new(sender: Sender<Record>, counters: Arc<WorkerCounters>) -> Self {
        Self {
            sender,
            meters: Meters::default(),
            counters,
        }
    }

    /// Logs a packet that came in as `flow`, as far as the meter allows and the control side keeps up.
    pub fn log(
        &mut self,
        logged: &Logged,
        (flow, place, bytes): (&Flow, Place, u64),
        tables: &Tables,
        now_ms: u64,
    ) {
        let totals = &self.counters.totals;
        if !self.meters.admit(tables, logged, bytes, now_ms) {
            return totals.logs_limited.add(1);
        }
        let record = Record {
            flow: logged.rewrite.of(flow),
            logged: logged.clone(),
            place,
            bytes,
            time_ms: now_ms,
        };
        if self.sender.try_send(record).is_err() {
            totals.logs_lost.add(1);
        }
    }
}
