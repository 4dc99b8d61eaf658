//! The uplink: what this node can send to the others, and what of that ports can count on (`qos_min_rate`).
//!
//! Ports share the uplink by turns. What a port has put into the tunnel is owed to the uplink's bucket. When a port has sent
//! a [quantum](Terms::quantum_bytes) in its turn, it waits until what everybody owes by then is made up for: so all of
//! them together send at the uplink's rate, those that want more than the others wait for each other, and nobody waits
//! who sends less than would fill the uplink.
//!
//! A port to which a part is promised has a bucket of that rate besides. While it is not its turn, it goes on with what
//! that grants. This is owed to the uplink too, so that the others' next turns are later: the promise is kept at their
//! cost, and if it is not used, their turns come sooner.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use pipeline::object::MeterBand;

use super::Bucket;

/// What may be promised of an uplink, in hundredths: all others together keep the rest.
const PROMISED_MAX_PERCENT: u64 = 95;
/// How long the uplink takes for what a port sends in its turn, in milliseconds.
const QUANTUM_MS: u64 = 4;
/// Bytes that a port may send in its turn whatever the uplink's rate, at least and at most.
const QUANTUM_BYTES: (u64, u64) = (2 << 10, 8 << 20);

/// The uplink as it is now. The control side writes it, workers read it.
#[derive(Debug, Default)]
pub struct Uplink {
    kilobits: AtomicU32,
    promised_kilobits: AtomicU64,
}

/// An uplink of which parts are promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What it carries, in kilobits a second; not 0.
    pub kilobits: u32,
    /// What all ports of this node can count on together; not 0.
    pub promised_kilobits: u64,
}

impl Uplink {
    /// Takes note of how many kilobits a second it carries; 0 if that is not known. Returns whether it is another number.
    pub fn set_rate(&self, kilobits: u32) -> bool {
        self.kilobits.swap(kilobits, Ordering::Relaxed) != kilobits
    }

    /// Takes note of how many kilobits a second are promised to ports. Returns whether it is another number.
    pub fn set_promised(&self, kilobits: u64) -> bool {
        self.promised_kilobits.swap(kilobits, Ordering::Relaxed) != kilobits
    }

    /// What it carries and what of that is promised, in kilobits a second; 0 for what is not known, or nothing.
    pub fn numbers(&self) -> (u32, u64) {
        (
            self.kilobits.load(Ordering::Relaxed),
            self.promised_kilobits.load(Ordering::Relaxed),
        )
    }

    /// How it is shared. While nothing is promised, or its rate is not known, nobody waits for it.
    pub fn terms(&self) -> Option<Terms> {
        let (kilobits, promised_kilobits) = self.numbers();
        (kilobits > 0 && promised_kilobits > 0).then_some(Terms {
            kilobits,
            promised_kilobits,
        })
    }
}

impl Terms {
    /// True if more is promised than can be kept.
    pub fn is_overbooked(self) -> bool {
        self.promised_kilobits > self.promised_max()
    }

    fn promised_max(self) -> u64 {
        (u64::from(self.kilobits) * PROMISED_MAX_PERCENT / 100).max(1)
    }

    /// The limit on what all send together.
    pub fn whole(self) -> MeterBand {
        band(self.kilobits.into())
    }

    /// What a port gets to which so much was promised: its part, if all of them were promised too much.
    pub fn promise(self, kilobits: u32) -> MeterBand {
        let wanted = u64::from(kilobits);
        if !self.is_overbooked() {
            return band(wanted);
        }
        let part = u128::from(wanted) * u128::from(self.promised_max());
        let part = part / u128::from(self.promised_kilobits);
        band(u64::try_from(part).unwrap_or(wanted))
    }

    /// Bytes that a port may send in its turn.
    pub fn quantum_bytes(self) -> u64 {
        let (least, most) = QUANTUM_BYTES;
        (u64::from(self.kilobits) * QUANTUM_MS / 8).clamp(least, most)
    }
}

/// So many kilobits a second, with the least burst.
fn band(kilobits: u64) -> MeterBand {
    MeterBand {
        rate: u32::try_from(kilobits).unwrap_or(u32::MAX).max(1),
        burst: 1,
    }
}

/// A port's place among those that share the uplink, at one worker.
#[derive(Debug, Default)]
pub struct Turn {
    sent_bytes: u64,
    next_ms: u64,
    promise_ms: u64,
}

impl Turn {
    /// Takes note of bytes that the port has sent. Returns until when it has to wait.
    pub fn sent(
        &mut self,
        bytes: u64,
        (uplink, promise): (&Bucket, Option<&Bucket>),
        quantum_bytes: u64,
        now_ms: u64,
    ) -> u64 {
        let wait_ms = uplink.owe(bytes, now_ms);
        if now_ms >= self.next_ms {
            self.sent_bytes += bytes;
            if wait_ms == 0 || self.sent_bytes >= quantum_bytes {
                self.sent_bytes = 0;
                self.next_ms = now_ms + wait_ms;
            }
        } else if let Some(promise) = promise {
            self.promise_ms = now_ms + promise.owe(bytes, now_ms);
        }
        match promise {
            Some(_) => self.next_ms.min(self.promise_ms),
            None => self.next_ms,
        }
    }
}
