//! The work that time brings, in bounded portions between batches.

use std::time::Duration;

use packet::FlowKey;

use super::{Action, Moment, Place, Turns, Worker};
use crate::connection::{IDLE_EXPIRY_MS, Key, Turn};

/// Entries that are looked at in one turn, at most, for each purpose: what a turn's packets wait for behind it.
const STEP: u32 = 256;
/// Time between two portions that look for idle flows, in milliseconds.
const IDLE_INTERVAL_MS: u64 = 1_000;
/// Entries of the connection table in such a portion.
const IDLE_PORTION: u32 = 4_096;
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
    idle: Portions,
    cursor: u32,
    expiry: Portions,
    purges: Vec<Purge>,
    /// The control side has not heard everything that it must.
    pub(super) has_untold: bool,
}

/// Work that falls due in portions and is done in steps.
struct Portions {
    interval_ms: u64,
    portion: u32,
    next_ms: u64,
    /// Entries of the last portion that are still to be looked at.
    left: u32,
}

impl Portions {
    fn new(interval_ms: u64, portion: u32) -> Portions {
        Portions {
            interval_ms,
            portion,
            next_ms: 0,
            left: 0,
        }
    }

    /// How many entries to look at now. What was not done when the next portion is due is left out.
    fn step(&mut self, now_ms: u64) -> Option<u32> {
        if now_ms >= self.next_ms {
            self.next_ms = now_ms + self.interval_ms;
            self.left = self.portion;
        }
        let step = self.left.min(STEP);
        self.left -= step;
        (step > 0).then_some(step)
    }

    /// When there is something to do.
    fn next_ms(&self) -> u64 {
        match self.left {
            0 => self.next_ms,
            _ => 0,
        }
    }
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
            idle: Portions::new(IDLE_INTERVAL_MS, IDLE_PORTION),
            cursor: 0,
            expiry: Portions::new(EXPIRY_INTERVAL_MS, EXPIRY_PORTION),
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

    /// Does a step of what is due.
    pub(super) fn work(&mut self, turns: &mut Turns<'_>, moment: Moment<'_>) {
        let turn = &mut turns.flows;
        self.purge(turn, moment);
        if let Some(step) = self.expiry.step(moment.now_ms) {
            turns.tracked.sweep(step, moment.now_ms);
        }
        if let Some(step) = self.idle.step(moment.now_ms) {
            let idle = (moment.now_ms, IDLE_EXPIRY_MS);
            if let Ok(cursor) = turn.sweep(self.cursor, step, idle, |_| false) {
                self.cursor = cursor;
            }
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
        if turn.sweep(purge.done, STEP, idle, is_doomed).is_ok() {
            purge.done += STEP;
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
        let upkeep_ms = is_needed.then_some(self.upkeep.idle.next_ms());
        let is_tracking = self.tracked.has_connections();
        let expiry_ms = is_tracking.then_some(self.upkeep.expiry.next_ms());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_is_done_in_steps_and_the_next_one_waits_for_its_time() {
        let mut portions = Portions::new(100, 2 * STEP + 1);
        for (now_ms, step, next_ms) in [
            (5, Some(STEP), 0),
            (6, Some(STEP), 0),
            (7, Some(1), 105),
            (104, None, 105),
            (105, Some(STEP), 0),
            (300, Some(STEP), 0),
            (300, Some(STEP), 0),
            (300, Some(1), 400),
        ] {
            assert_eq!(portions.step(now_ms), step, "at {now_ms}");
            assert_eq!(portions.next_ms(), next_ms, "at {now_ms}");
        }
    }
}
