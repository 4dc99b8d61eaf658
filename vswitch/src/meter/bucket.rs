//! A token bucket in one word.
//!
//! The word is the sum of all bytes that were ever taken, raised whenever some are taken and it had fallen too far behind
//! what the rate had granted by then. How far it is ahead of what the rate has granted by now is what the bucket lacks.
//! So filling needs no write, and taking is one exchange, exact to the byte whoever takes at once.

use std::sync::atomic::{AtomicU64, Ordering};

use pipeline::object::MeterBand;

/// The least burst, in milliseconds of the rate. A worker may have to wait for its processor, and what came meanwhile is
/// asked for at once: a bucket that holds less than that is full too soon, and grants less than its rate.
const LEAST_BURST_MS: u64 = 20;
/// More than all workers together owe at once. A bucket that lacks more than its capacity and this has not been used for
/// so long that the word means nothing any more, and is full.
const OWED_MAX: u64 = 1 << 32;

/// How far behind a word is taken to be at most, in bytes: more than any bucket holds.
const UNUSED: i64 = -(1 << 48);

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

    /// Takes `wanted` bytes or what the rate grants in so many milliseconds, whichever is more; what is there, if that
    /// is less; and `least` or nothing. Returns how many.
    ///
    /// What came together waited for each other: so the bucket holds all that is wanted, and twice the least, even if its
    /// capacity is less. Else what it gains between packets that are too long for it would be lost.
    pub fn take(&self, (least, wanted): (u64, u64), slice_ms: u64, now_ms: u64) -> Option<u64> {
        let slice = self.bits_per_ms * slice_ms / 8;
        let holds = self.capacity.max(wanted).max(2 * least);
        let ahead_min = self.capacity.cast_signed() - holds.cast_signed();
        self.change(now_ms, |ahead| {
            let ahead = ahead.max(ahead_min);
            let there = self.capacity.saturating_sub_signed(ahead).min(holds);
            if there < least {
                return None;
            }
            let taken = wanted.max(slice).min(there);
            Some((ahead + taken.cast_signed(), taken))
        })
    }

    /// Gives back what was taken and not spent.
    pub fn give_back(&self, bytes: u64, now_ms: u64) {
        self.change(now_ms, |ahead| {
            Some((ahead.saturating_sub_unsigned(bytes), ()))
        });
    }

    /// Takes bytes whether they are there or not. Returns how many milliseconds later they will have been.
    pub fn owe(&self, bytes: u64, now_ms: u64) -> u64 {
        let owed = self.change(now_ms, |ahead| {
            let ahead = ahead.max(0).saturating_add_unsigned(bytes);
            Some((ahead, ahead.cast_unsigned().saturating_sub(self.capacity)))
        });
        let owed_bits = owed.unwrap_or(0) * 8;
        owed_bits.div_ceil(self.bits_per_ms.max(1))
    }

    /// Changes how many bytes the word is ahead of what the rate has granted; behind it if that is less than 0.
    fn change<T>(&self, now_ms: u64, mut change: impl FnMut(i64) -> Option<(i64, T)>) -> Option<T> {
        let granted = (u128::from(self.bits_per_ms) * u128::from(now_ms) / 8) as u64;
        let mut taken = self.taken.load(Ordering::Relaxed);
        loop {
            let (ahead, result) = change(self.ahead(taken, granted))?;
            let new = granted.wrapping_add_signed(ahead);
            let exchanged =
                self.taken
                    .compare_exchange_weak(taken, new, Ordering::Relaxed, Ordering::Relaxed);
            match exchanged {
                Ok(_) => return Some(result),
                Err(found) => taken = found,
            }
        }
    }

    fn ahead(&self, taken: u64, granted: u64) -> i64 {
        let ahead = taken.wrapping_sub(granted).cast_signed();
        match ahead <= (self.capacity + OWED_MAX).cast_signed() {
            true => ahead.max(UNUSED),
            false => UNUSED,
        }
    }
}
