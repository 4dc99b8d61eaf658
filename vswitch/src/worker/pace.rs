//! When a worker looks for packets, and when it sleeps until it is woken.
//!
//! To be woken costs some microseconds, which a packet waits for. So a worker that has just had work looks for more
//! for a moment before it sleeps, if the last pauses between packets were short enough for that to pay. It sleeps at once
//! where packets are rare, and where others need the processor: who loses it while it looks in vain stops looking for a
//! while.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Deserialize;

/// How workers wait for packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Polling {
    /// Look for more for some microseconds after each packet where that pays, then sleep
    Adaptive,
    /// Look for packets all the time: a processor for each worker, and the least delay
    Busy,
    /// Sleep until there are packets
    #[default]
    Interrupt,
}

/// The longest that a worker looks for packets in vain.
const LOOK_MAX: Duration = Duration::from_micros(50);
/// For how long it does not look after it has lost the processor.
const BACK_OFF: Duration = Duration::from_millis(20);
/// The share of the newest pause in their average is one in so many.
const WEIGHT: u32 = 8;

/// Whether to look or to sleep.
#[derive(Debug)]
pub(super) struct Pace {
    polling: Polling,
    /// When there was work last.
    busy_at: Instant,
    /// The average of the last pauses, each taken for two of [`LOOK_MAX`] at most.
    pause: Duration,
    sleeps_until: Option<Instant>,
    /// It looks, and has not slept since.
    is_looking: bool,
    /// How often the processor was taken from the worker so far.
    losses: u64,
}

impl Pace {
    pub(super) fn new(polling: Polling, now: Instant) -> Pace {
        Pace {
            polling,
            busy_at: now,
            pause: 2 * LOOK_MAX,
            sleeps_until: None,
            is_looking: false,
            losses: 0,
        }
    }

    /// True if the worker is to look for packets, false if it is to sleep until there are some. `losses` says how often
    /// the processor was taken from it so far.
    pub(super) fn looks(&mut self, now: Instant, losses: impl Fn() -> u64) -> bool {
        let looks = match self.polling {
            Polling::Busy => true,
            Polling::Interrupt => false,
            Polling::Adaptive => {
                self.pause <= LOOK_MAX
                    && now.saturating_duration_since(self.busy_at) <= LOOK_MAX
                    && self.sleeps_until.is_none_or(|until| until <= now)
            }
        };
        if !looks && self.is_looking {
            let losses = losses();
            if std::mem::replace(&mut self.losses, losses) != losses {
                self.sleeps_until = Some(now + BACK_OFF);
            }
        }
        self.is_looking = looks;
        looks
    }

    /// A step found something to do, and did it.
    pub(super) fn found(&mut self, began: Instant, ended: Instant) {
        let pause = began.saturating_duration_since(self.busy_at);
        self.pause = (self.pause * (WEIGHT - 1) + pause.min(2 * LOOK_MAX)) / WEIGHT;
        self.busy_at = ended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(count: u64) -> Duration {
        Duration::from_micros(count)
    }

    /// A pace that has had packets at these distances from each other, each in no time; and when that was.
    fn after(polling: Polling, pauses: &[u64]) -> (Pace, Instant) {
        let mut now = Instant::now();
        let mut pace = Pace::new(polling, now);
        for pause in pauses {
            now += us(*pause);
            pace.found(now, now);
        }
        (pace, now)
    }

    #[test]
    fn a_worker_looks_for_a_moment_where_packets_are_dense_and_sleeps_where_they_are_rare() {
        let (dense, rare) = ([10; 20], [1_000; 20]);
        for (polling, pauses, idle_us, expected) in [
            (Polling::Adaptive, dense, 0, true),
            (Polling::Adaptive, dense, 50, true),
            (Polling::Adaptive, dense, 51, false),
            (Polling::Adaptive, rare, 0, false),
            (Polling::Busy, rare, 1_000_000, true),
            (Polling::Interrupt, dense, 0, false),
        ] {
            let (mut pace, now) = after(polling, &pauses);
            let looks = pace.looks(now + us(idle_us), || 0);
            assert_eq!(looks, expected, "{polling:?} {pauses:?} {idle_us}");
        }
    }

    #[test]
    fn one_long_pause_does_not_end_the_looking() {
        let (mut pace, now) = after(
            Polling::Adaptive,
            &[[10; 20].as_slice(), &[1_000_000]].concat(),
        );
        assert!(pace.looks(now, || 0));
    }

    #[test]
    fn who_loses_the_processor_while_it_looks_sleeps_for_a_while() {
        let (mut pace, mut now) = after(Polling::Adaptive, &[10; 20]);
        assert!(pace.looks(now, || 0));
        assert!(!pace.looks(now + us(60), || 1));
        now += us(60);
        pace.found(now, now);
        assert!(!pace.looks(now, || 1));
        now += BACK_OFF;
        pace.found(now, now);
        assert!(pace.looks(now, || 1));
    }
}
