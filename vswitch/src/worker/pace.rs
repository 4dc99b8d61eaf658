//! When a worker looks for packets, and when it sleeps until it is woken.
//!
//! To be woken costs some microseconds, which a packet waits for. So a worker that has just had work looks for more
//! for a moment before it sleeps, if the last pauses between packets were short enough for that to pay. After each look in
//! vain it lets others have the processor. It sleeps at once where packets are rare, and where others keep the processor
//! for long: they would do so when there are packets, too.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Deserialize;

/// How workers wait for packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Polling {
    /// Look for more for some microseconds after each packet where that pays, then sleep
    #[default]
    Adaptive,
    /// Look for packets all the time: a processor for each worker, and the least delay
    Busy,
    /// Sleep until there are packets
    Interrupt,
}

/// The longest that a worker looks for packets in vain.
const LOOK_MAX: Duration = Duration::from_micros(100);
/// Others keep the processor for long if they do for more than this.
const LONG: Duration = Duration::from_micros(50);
/// For how long a worker does not look after that.
const BACK_OFF: Duration = Duration::from_millis(2);
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
}

impl Pace {
    pub(super) fn new(polling: Polling, now: Instant) -> Pace {
        Pace {
            polling,
            busy_at: now,
            pause: 2 * LOOK_MAX,
            sleeps_until: None,
        }
    }

    /// True if the worker is to look for packets, false if it is to sleep until there are some.
    pub(super) fn looks(&self, now: Instant) -> bool {
        match self.polling {
            Polling::Busy => true,
            Polling::Interrupt => false,
            Polling::Adaptive => {
                self.pause <= LOOK_MAX
                    && now.saturating_duration_since(self.busy_at) <= LOOK_MAX
                    && self.sleeps_until.is_none_or(|until| until <= now)
            }
        }
    }

    /// True if others may have the processor between two looks.
    pub(super) fn gives_way(&self) -> bool {
        self.polling == Polling::Adaptive
    }

    /// It looked in vain, and others had the processor then until `now`.
    pub(super) fn gave_way(&mut self, since: Instant, now: Instant) {
        if now.saturating_duration_since(since) > LONG {
            self.sleeps_until = Some(now + BACK_OFF);
        }
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
            (Polling::Adaptive, dense, 100, true),
            (Polling::Adaptive, dense, 101, false),
            (Polling::Adaptive, rare, 0, false),
            (Polling::Busy, rare, 1_000_000, true),
            (Polling::Interrupt, dense, 0, false),
        ] {
            let (pace, now) = after(polling, &pauses);
            let looks = pace.looks(now + us(idle_us));
            assert_eq!(looks, expected, "{polling:?} {pauses:?} {idle_us}");
        }
    }

    #[test]
    fn one_long_pause_does_not_end_the_looking() {
        let (pace, now) = after(
            Polling::Adaptive,
            &[[10; 20].as_slice(), &[1_000_000]].concat(),
        );
        assert!(pace.looks(now));
    }

    #[test]
    fn who_lets_others_have_the_processor_and_gets_it_back_late_sleeps_for_a_while() {
        for (away_us, looks_on) in [(50, true), (51, false)] {
            let (mut pace, mut now) = after(Polling::Adaptive, &[10; 20]);
            pace.gave_way(now, now + us(away_us));
            now += us(away_us);
            pace.found(now, now);
            assert_eq!(pace.looks(now), looks_on, "{away_us}");
            now += BACK_OFF;
            pace.found(now, now);
            assert!(pace.looks(now), "{away_us}");
        }
    }
}
