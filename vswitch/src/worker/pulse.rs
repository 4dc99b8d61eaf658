//! For how long a worker is away from its packets, and how long its turns are.
//!
//! A *pause* is what passes from the end of one turn's packets to the beginning of the next one's, without the wait between them: the
//! adoption of a snapshot, commands, expiry. It must not depend on how large tables are.

use std::time::{Duration, Instant};

use crate::counter::WorkerCounters;

/// Marks of time within a worker's loop.
pub(super) struct Pulse {
    marked: Instant,
    /// The part of the pause that passed before the wait.
    after: Duration,
}

impl Pulse {
    pub(super) fn new() -> Pulse {
        Pulse {
            marked: Instant::now(),
            after: Duration::ZERO,
        }
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.marked, now)
    }

    /// The time of the last mark.
    pub(super) fn marked(&self) -> Instant {
        self.marked
    }

    /// The wait is over.
    pub(super) fn wakes(&mut self) -> Instant {
        self.marked = Instant::now();
        self.marked
    }

    /// The packets of a turn are next.
    pub(super) fn begins(&mut self, counters: &WorkerCounters) {
        let pause = self.after + self.lap();
        counters.pause.note(pause);
    }

    /// The packets of the turn are done.
    pub(super) fn ends(&mut self, counters: &WorkerCounters) {
        counters.turn.note(self.lap());
    }

    /// The worker waits again.
    pub(super) fn rests(&mut self) -> Instant {
        self.after = self.lap();
        self.marked
    }
}
