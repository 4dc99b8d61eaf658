//! Limits on rates: how many bytes may pass, together, on all workers of a node.
//!
//! # Why
//!
//! A limit is one number for all workers, and a number that everybody takes from for every packet is a number that
//! everybody waits for. So workers take from it by the slice: what the limit grants in [`SLICE_MS`], or one packet if
//! that is more. A worker spends its slice in memory of its own, and the limit itself is touched as often in a second as
//! a slice has time in it, however many packets that is.
//!
//! # What
//!
//! - [`bucket::Bucket`]: what is shared, a token bucket in a single word.
//! - [`Meter`]: a rule's bucket, and the slice that each worker has of it.
//! - The bucket of a port whose rate is limited: workers owe to it what they take from the port, by the batch.
//! - [`uplink`]: the bucket of all that goes to other nodes, and those of what is promised to ports of it, by the batch too.
//! - [`Meters`]: all of them, found by rule and limit when a verdict is fresh. A remembered verdict refers to its meters.
//!
//! # Invariants
//!
//! 1. From any time on at most `rate * time + burst` passes, and what workers had in hand: a slice each. From a bucket
//!    that nobody has used, at most `rate * time + burst`. The burst is that of the limit, what the rate is in 20 ms (for
//!    so long a worker may be away), two packets or one super-packet, whichever is most.
//! 2. Nothing that is granted is lost but for what a worker has in hand when its packets cease: a slice, once. Who takes
//!    another slice later than the last one's time gives back what is left of that.
//! 3. A slice is written by its worker alone.
//!
//! A packet is as long as on the wire. A super-packet is asked for as the packets that it stands for, of which the first
//! ones may pass.

mod bucket;
mod train;
mod uplink;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam::utils::CachePadded;
use hashbrown::HashMap;
use pipeline::{DropReason, Metered, Verdict};

use crate::counter::Counter;
use crate::credit::{Account, Ledger, Rule};

pub use bucket::Bucket;
pub use train::Train;
pub use uplink::{Terms, Turn, Uplink};

/// What a slice is worth, in milliseconds of the rate; and until when a worker may keep it.
pub const SLICE_MS: u64 = 1;
/// Limits whose use is shared by all flows, at most. Further ones are kept by each verdict for itself.
pub const METERS: usize = 1 << 16;

/// A limit in use.
#[derive(Debug)]
pub struct Meter {
    metered: Metered,
    bucket: Bucket,
    /// One a worker.
    slices: Box<[CachePadded<Slice>]>,
    /// Where what exceeds it is counted.
    refused: Option<Arc<Account>>,
}

/// What a worker has in hand.
#[derive(Debug, Default)]
struct Slice {
    bytes: Counter,
    until_ms: Counter,
}

impl PartialEq for Meter {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Meter {}

impl Meter {
    /// A limit that nobody has used yet, for this many workers.
    pub fn new(metered: Metered, workers: usize, refused: Option<Arc<Account>>) -> Meter {
        Meter {
            metered,
            bucket: Bucket::new(metered.limit),
            slices: (0..workers).map(|_| CachePadded::default()).collect(),
            refused,
        }
    }

    /// The rule, and its limit.
    pub fn metered(&self) -> Metered {
        self.metered
    }

    /// How many packets of a train may pass now, from its first on; takes them off. Only the worker itself may ask.
    pub fn admit(&self, worker: usize, train: Train, now_ms: u64) -> u64 {
        let passing = match self.slices.get(worker) {
            Some(slice) => self.spend(slice, train, now_ms),
            None => 0,
        };
        if passing < train.packets
            && let Some(account) = &self.refused
        {
            let rest = (
                train.packets - passing,
                train.bytes - train.first(passing).bytes,
            );
            account.add(worker, rest, now_ms);
        }
        passing
    }

    fn spend(&self, slice: &Slice, train: Train, now_ms: u64) -> u64 {
        let mut in_hand = slice.bytes.get();
        if in_hand > 0 && now_ms > slice.until_ms.get() {
            self.bucket.give_back(in_hand, now_ms);
            in_hand = 0;
        }
        if in_hand < train.bytes {
            let least = train.first(1).bytes.saturating_sub(in_hand);
            let wanted = (least, train.bytes - in_hand);
            if let Some(taken) = self.bucket.take(wanted, SLICE_MS, now_ms) {
                in_hand += taken;
                slice.until_ms.set(now_ms + SLICE_MS);
            }
        }
        let passing = train.within(in_hand);
        slice.bytes.set(in_hand - train.first(passing).bytes);
        passing
    }
}

/// What a bucket is for that is owed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// What a port may send.
    Most,
    /// What is promised to a port of the uplink.
    Promise,
    /// What the uplink carries.
    Uplink,
}

/// All limits in use on a node.
#[derive(Debug)]
pub struct Meters {
    workers: usize,
    ledger: Arc<Ledger>,
    open: Mutex<HashMap<Metered, Arc<Meter>, foldhash::fast::RandomState>>,
    buckets: Mutex<HashMap<(Purpose, Metered), Arc<Bucket>, foldhash::fast::RandomState>>,
    uplink: Uplink,
}

impl Meters {
    /// No limits, for this many workers; what exceeds them is counted in `ledger`.
    pub fn new(workers: usize, ledger: Arc<Ledger>) -> Meters {
        Meters {
            workers,
            ledger,
            open: Mutex::default(),
            buckets: Mutex::default(),
            uplink: Uplink::default(),
        }
    }

    /// The limits that a verdict names, in its order.
    pub fn of(&self, verdict: &Verdict) -> Box<[Arc<Meter>]> {
        verdict.meters.iter().map(|one| self.get(*one)).collect()
    }

    /// A bucket that is owed to. The workers share it.
    pub fn bucket(&self, purpose: Purpose, metered: Metered) -> Arc<Bucket> {
        let key = (purpose, metered);
        let mut buckets = lock(&self.buckets);
        buckets.retain(|other, bucket| *other == key || Arc::get_mut(bucket).is_none());
        let bucket = buckets.entry(key);
        let new = || Arc::new(Bucket::new(metered.limit));
        bucket.or_insert_with(new).clone()
    }

    /// What this node can send to the others.
    pub fn uplink(&self) -> &Uplink {
        &self.uplink
    }

    fn get(&self, metered: Metered) -> Arc<Meter> {
        let mut open = lock(&self.open);
        if let Some(meter) = open.get(&metered) {
            return meter.clone();
        }
        if open.len() >= METERS {
            // Nobody can begin to use one meanwhile: that takes the lock.
            open.retain(|_, meter| Arc::get_mut(meter).is_none());
        }
        let rule = Rule::Drop(DropReason::QosLimit, metered.rule);
        let refused = self.ledger.account_of(rule);
        let meter = Arc::new(Meter::new(metered, self.workers, refused));
        if open.len() < METERS {
            open.insert(metered, meter.clone());
        }
        meter
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
