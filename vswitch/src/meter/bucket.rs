//! A token bucket in one word.
//!
//! The word is the sum of all bytes that were ever taken, raised to what the rate had granted by then whenever it had
//! fallen behind that. How far it is ahead of what the rate has granted by now is what the bucket lacks. So filling needs
//! no write, and taking is one exchange, exact to the byte whoever takes at once.

use std::sync::atomic::{AtomicU64, Ordering};

use pipeline::object::MeterBand;

/// The least burst, in milliseconds of the rate: clocks tick in milliseconds, and workers look at them when they can.
const LEAST_BURST_MS: u64 = 2;
/// More than all workers together owe at once. A bucket that lacks more than its capacity and this has not been used for
/// so long that the word means nothing any more, and is full.
const OWED_MAX: u64 = 1 << 32;

/// A token bucket, in bytes.
#[derive(Debug)]
pub struct Bucket {
    bits_per_ms: u64,
    capacity: u64,
    taken: AtomicU64,
}

impl Bucket {
    /// A full bucket. The band is in kilobits, and without a burst it has that of a second.
    pub fn new(band: MeterBand) -> Bucket {
        let bits_per_ms = u64::from(band.rate);
        let burst_kilobits = match band.burst {
            0 => band.rate,
            burst => burst,
        };
        let burst = u64::from(burst_kilobits) * 1_000 / 8;
        Bucket {
            bits_per_ms,
            capacity: burst.max(bits_per_ms * LEAST_BURST_MS / 8),
            taken: AtomicU64::new(0),
        }
    }

    /// Bytes that may come at once.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Takes `least` bytes, or more if they are there: what the rate grants in so many milliseconds. Returns how many.
    /// Of a full bucket more than it holds may be taken.
    pub fn take(&self, least: u64, slice_ms: u64, now_ms: u64) -> Option<u64> {
        let slice = self.bits_per_ms * slice_ms / 8;
        self.change(now_ms, |lacks| {
            let there = self.capacity.saturating_sub(lacks);
            if there < least.min(self.capacity) {
                return None;
            }
            let taken = least.max(slice.min(there));
            Some((lacks + taken, taken))
        })
    }

    /// Gives back what was taken and not spent.
    pub fn give_back(&self, bytes: u64, now_ms: u64) {
        self.change(now_ms, |lacks| Some((lacks.saturating_sub(bytes), ())));
    }

    /// Takes bytes whether they are there or not. Returns how many milliseconds later they will have been.
    pub fn owe(&self, bytes: u64, now_ms: u64) -> u64 {
        let owed = self.change(now_ms, |lacks| {
            let lacks = lacks + bytes;
            Some((lacks, lacks.saturating_sub(self.capacity)))
        });
        let owed_bits = owed.unwrap_or(0) * 8;
        owed_bits.div_ceil(self.bits_per_ms.max(1))
    }

    /// Changes what the bucket lacks.
    fn change<T>(&self, now_ms: u64, mut change: impl FnMut(u64) -> Option<(u64, T)>) -> Option<T> {
        let granted = (u128::from(self.bits_per_ms) * u128::from(now_ms) / 8) as u64;
        let mut taken = self.taken.load(Ordering::Relaxed);
        loop {
            let (lacks, result) = change(self.lacks(taken, granted))?;
            let new = granted.wrapping_add(lacks);
            let exchanged =
                self.taken
                    .compare_exchange_weak(taken, new, Ordering::Relaxed, Ordering::Relaxed);
            match exchanged {
                Ok(_) => return Some(result),
                Err(found) => taken = found,
            }
        }
    }

    fn lacks(&self, taken: u64, granted: u64) -> u64 {
        let ahead = taken.wrapping_sub(granted);
        match ahead <= self.capacity + OWED_MAX {
            true => ahead,
            false => 0,
        }
    }
}
