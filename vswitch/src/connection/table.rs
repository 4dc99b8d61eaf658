//! Buckets and entries, and which of them are free. The essay is in [`super`].

use std::hash::Hash;
use std::sync::Arc;

use super::turn::Member;
use crate::table::arena::{Arena, Linked};
use crate::table::buckets::{Buckets, Place, hash_words};
use crate::table::interner::{Id, Interner};
use crate::table::memory::boxed;
use crate::table::quiescence::Quiescence;
use crate::table::sync::{AtomicU32, AtomicU64, HasherSeed, Ordering};

/// A flow's key as machine words.
pub type Key = [u64; 8];
/// What a verdict refers to in another table, in words that mean nothing here. Those that are not used are the last, and
/// [`NO_REFERENCE`]: the fewer are used, the better, as only [`NEAR`] of them stand in the entry itself.
pub type References = [u64; 6];
/// Stands in the place of a reference that is not used.
pub const NO_REFERENCE: u64 = u64::MAX;

/// References in the entry.
pub(super) const NEAR: usize = 3;
/// References beside it.
pub(super) const FAR: usize = 3;
const _: () = assert!(NEAR + FAR == size_of::<References>() / 8);

/// There is at most one action for so many entries; flows that are treated alike share one.
const ENTRIES_PER_ACTION: u32 = 4;
/// A table always has room for so many actions.
const MIN_ACTIONS: u32 = 256;

/// How full the table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableCounts {
    /// Flows remembered now.
    pub connections: u32,
    /// Flows that can be.
    pub capacity: u32,
    /// Different actions now.
    pub actions: usize,
}

/// A flow's state. Two cache lines: a hit reads both, and writes the second once in a millisecond.
#[repr(C, align(64))]
pub(super) struct Entry {
    pub(super) key: [AtomicU64; 8],
    pub(super) generation: AtomicU64,
    /// The snapshot for which the generation was last found to hold.
    pub(super) snapshot: AtomicU64,
    pub(super) last_seen_ms: AtomicU64,
    /// The first of what the verdict refers to.
    pub(super) near: [AtomicU64; NEAR],
    /// The action's number; in the free list, that of the next entry plus one.
    pub(super) action: AtomicU32,
    pub(super) length_max: AtomicU32,
    /// The least TTL, and above that how many references are used: who follows no more than [`NEAR`] needs not look beside
    /// the entry.
    ttl_and_references: AtomicU32,
    /// 1 while the entry stands in a slot or is about to.
    pub(super) is_live: AtomicU32,
}

/// The table. Workers reach it through a [`Member`] each.
pub struct ConnectionTable<A> {
    pub(super) buckets: Buckets,
    pub(super) entries: Arena<Entry>,
    /// What the verdicts of the entries of the same numbers refer to beyond that.
    pub(super) far: Box<[[AtomicU64; FAR]]>,
    pub(super) live: AtomicU32,
    /// Where eviction goes on.
    pub(super) hand: AtomicU32,
    pub(super) actions: Interner<A>,
    pub(super) quiescence: Quiescence,
    hasher: HasherSeed,
}

impl<A: Hash + Eq> ConnectionTable<A> {
    /// An empty table for `capacity` flows (at least one), and a member for each of `workers`.
    pub fn new(capacity: u32, workers: usize) -> (Arc<ConnectionTable<A>>, Vec<Member<A>>) {
        let capacity = capacity.clamp(1, u32::MAX / 2);
        let table = Arc::new(ConnectionTable {
            buckets: Buckets::new(capacity),
            entries: Arena::new(capacity, Entry::free),
            far: boxed(capacity, |_| std::array::from_fn(|_| AtomicU64::new(0))),
            live: AtomicU32::new(0),
            hand: AtomicU32::new(0),
            actions: Interner::new((capacity / ENTRIES_PER_ACTION).max(MIN_ACTIONS)),
            quiescence: Quiescence::new(workers),
            hasher: HasherSeed::default(),
        });
        let member = |reader| Member::new(table.clone(), reader);
        let members = (0..workers).map(member).collect();
        (table, members)
    }

    /// How full the table is.
    pub fn counts(&self) -> TableCounts {
        TableCounts {
            connections: self.live.load(Ordering::Relaxed),
            capacity: self.entries.capacity(),
            actions: self.actions.len(),
        }
    }

    /// Bytes that the table occupies whatever it holds; actions are not among them.
    pub fn size_bytes(&self) -> usize {
        self.buckets.size_bytes()
            + self.entries.size_bytes()
            + size_of_val::<[[AtomicU64; FAR]]>(&self.far)
    }

    pub(super) fn place(&self, key: &Key) -> Place {
        self.buckets.place(hash_words(&self.hasher, key))
    }

    /// Frees an entry that nobody can see, with its reference to the action.
    pub(super) fn free_entry(&self, index: u32) {
        let action = self.entries.get(index).action.load(Ordering::Relaxed);
        self.actions.release(Id(action));
        self.entries.push_free(index);
    }
}

impl Linked for Entry {
    fn next_free(&self) -> &AtomicU32 {
        &self.action
    }
}

impl Entry {
    fn free(next_free: u32) -> Entry {
        let zero = || AtomicU64::new(0);
        Entry {
            key: std::array::from_fn(|_| zero()),
            generation: zero(),
            snapshot: zero(),
            last_seen_ms: zero(),
            near: [zero(), zero(), zero()],
            action: AtomicU32::new(next_free),
            length_max: AtomicU32::new(0),
            ttl_and_references: AtomicU32::new(0),
            is_live: AtomicU32::new(0),
        }
    }

    #[inline]
    pub(super) fn has_key(&self, key: &Key) -> bool {
        let words = self.key.iter().zip(key);
        // Without a branch for each word.
        let difference = |(word, value): (&AtomicU64, &u64)| word.load(Ordering::Relaxed) ^ value;
        words.map(difference).fold(0, |all, bits| all | bits) == 0
    }

    pub(super) fn key(&self) -> Key {
        std::array::from_fn(|at| self.key[at].load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn ttl_min(&self) -> u8 {
        self.ttl_and_references.load(Ordering::Relaxed) as u8
    }

    /// How many references are used.
    #[inline]
    pub(super) fn references(&self) -> usize {
        (self.ttl_and_references.load(Ordering::Relaxed) >> u8::BITS) as usize
    }

    pub(super) fn set_ttl_and_references(&self, ttl_min: u8, references: usize) {
        let word = (references as u32) << u8::BITS | u32::from(ttl_min);
        self.ttl_and_references.store(word, Ordering::Relaxed);
    }

    pub(super) fn is_live(&self) -> bool {
        self.is_live.load(Ordering::Relaxed) == 1
    }
}
