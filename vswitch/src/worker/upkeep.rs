//! The work that time brings, in bounded portions between batches.

use std::time::Duration;

use packet::FlowKey;

use super::{Action, Moment, Place, Turns, Worker};
use crate::connection::{IDLE_EXPIRY_MS, Key, Turn};

/// Time between two portions, in milliseconds.
const PORTION_INTERVAL_MS: u64 = 1_000;
/// Entries of the connection table in a portion that looks for idle flows.
const IDLE_PORTION: u32 = 4_096;
/// Entries of the connection table in a portion that looks for the flows of a port that is gone.
const PURGE_PORTION: u32 = 4_096;
/// Time between two portions that look for tracked connections that have expired, in milliseconds.
const EXPIRY_INTERVAL_MS: u64 = 100;
/// Entries in such a portion.
const EXPIRY_PORTION: u32 = 8_192;
/// Time until the control side is told again what it had no room for, in milliseconds.
const UNTOLD_PAUSE_MS: u64 = 10;
/// Ports whose flows are looked for at once; those of further ones expire by idleness.
const PURGES: usize = 64;

/// Where the work stands.
pub(super) struct Upkeep {
    next_ms: u64,
    next_expiry_ms: u64,
    cursor: u32,
    purges: Vec<Purge>,
    /// The control side has not heard everything that it must.
    pub(super) has_untold: bool,
}

/// The flows of a place are to be forgotten.
struct Purge {
    place: u64,
    /// Entries of the table that have been looked at.
    done: u32,
}

impl Upkeep {
    pub(super) fn new() -> Upkeep {
        Upkeep {
            next_ms: 0,
            next_expiry_ms: 0,
            cursor: 0,
            purges: Vec::new(),
            has_untold: false,
        }
    }

    pub(super) fn forget_flows_of(&mut self, place: Place) {
        if self.purges.len() < PURGES {
            self.purges.push(Purge {
                place: place.number(),
                done: 0,
            });
        }
    }

    /// Does the portions that are due.
    pub(super) fn work(&mut self, turns: &mut Turns<'_>, moment: Moment<'_>) {
        let turn = &mut turns.flows;
        self.purge(turn, moment);
        if moment.now_ms >= self.next_expiry_ms {
            self.next_expiry_ms = moment.now_ms + EXPIRY_INTERVAL_MS;
            turns.tracked.sweep(EXPIRY_PORTION, moment.now_ms);
        }
        if moment.now_ms < self.next_ms {
            return;
        }
        self.next_ms = moment.now_ms + PORTION_INTERVAL_MS;
        let idle = (moment.now_ms, IDLE_EXPIRY_MS);
        if let Ok(cursor) = turn.sweep(self.cursor, IDLE_PORTION, idle, |_| false) {
            self.cursor = cursor;
        }
    }

    fn purge(&mut self, turn: &mut Turn<'_, Action>, moment: Moment<'_>) {
        let Some(purge) = self.purges.last_mut() else {
            return;
        };
        let place = purge.place;
        let is_doomed = |key: &Key| FlowKey::from_words(*key).ingress() == place;
        let idle = (moment.now_ms, IDLE_EXPIRY_MS);
        // A portion that cannot be finished is done again when there is room for what it finds.
        if turn
            .sweep(purge.done, PURGE_PORTION, idle, is_doomed)
            .is_ok()
        {
            purge.done += PURGE_PORTION;
        }
        if purge.done >= turn.capacity() {
            self.purges.pop();
        }
    }
}

impl Worker {
    /// How long to wait for packets: until the next deadline, or `limit`, or for good.
    pub(super) fn timeout(&self, now_ms: u64, limit: Option<Duration>) -> Option<Duration> {
        let held_ms = self.forwarder.holds.next_ms();
        let fragment_ms = self.forwarder.fragments.next_ms();
        let resting_ms = self.forwarder.ports.next_ms();
        let purge_ms = (!self.upkeep.purges.is_empty()).then_some(now_ms);
        let is_needed = self.memory.has_waiting() || self.memory.has_connections();
        let untold_ms = self.upkeep.has_untold.then_some(now_ms + UNTOLD_PAUSE_MS);
        let upkeep_ms = is_needed.then_some(self.upkeep.next_ms);
        let is_tracking = self.tracked.has_connections();
        let expiry_ms = is_tracking.then_some(self.upkeep.next_expiry_ms);
        let next_ms = [
            held_ms,
            fragment_ms,
            resting_ms,
            purge_ms,
            untold_ms,
            upkeep_ms,
            expiry_ms,
        ]
        .into_iter()
        .flatten()
        .min();
        let rest = next_ms.map(|next_ms| Duration::from_millis(next_ms.saturating_sub(now_ms)));
        [rest, limit].into_iter().flatten().min()
    }
}
