//! Buckets and entries, and which of them are free. The essay is in [`super`].

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::actions::{ActionId, Actions};
use super::quiescence::Quiescence;
use super::sync::{AtomicU32, AtomicU64, HasherSeed, Ordering};
use super::turn::Member;

/// A flow's key as machine words.
pub type Key = [u64; 8];

/// Slots in a bucket: one cache line of words.
const BUCKET_SLOTS: usize = 8;
/// Four slots for three entries: two-choice buckets of eight then hardly ever overflow.
const SLOTS_FOR_ENTRIES: (usize, usize) = (4, 3);
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

/// A flow's state. Two cache lines, of which a hit writes the second.
#[repr(C, align(64))]
pub(super) struct Entry {
    pub(super) key: [AtomicU64; 8],
    pub(super) generation: AtomicU64,
    /// The snapshot for which the generation was last found to hold.
    pub(super) snapshot: AtomicU64,
    pub(super) packets: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) last_seen_ms: AtomicU64,
    pub(super) action: AtomicU32,
    pub(super) length_max: AtomicU32,
    pub(super) ttl_min: AtomicU32,
    /// 1 while the entry stands in a slot or is about to.
    pub(super) is_live: AtomicU32,
    /// In the free list: the next one's number plus one.
    pub(super) next_free: AtomicU32,
}

/// A cache line of slots. A slot is 0 or holds a tag and an entry number plus one.
#[repr(align(64))]
struct Bucket([AtomicU64; BUCKET_SLOTS]);

/// The table. Workers reach it through a [`Member`] each.
pub struct ConnectionTable<A> {
    buckets: Box<[Bucket]>,
    pub(super) entries: Box<[Entry]>,
    /// The first free entry (low half, plus one), and a count that makes each value of the word unique.
    free: AtomicU64,
    pub(super) live: AtomicU32,
    /// Where eviction goes on.
    pub(super) hand: AtomicU32,
    pub(super) actions: Actions<A>,
    pub(super) quiescence: Quiescence,
    hasher: HasherSeed,
}

/// Where the words of a hash stand in the buckets.
#[derive(Clone, Copy)]
pub(super) struct Place {
    buckets: [usize; 2],
    pub(super) tag: u32,
}

impl<A: Hash + Eq> ConnectionTable<A> {
    /// An empty table for `capacity` flows (at least one), and a member for each of `workers`.
    pub fn new(capacity: u32, workers: usize) -> (Arc<ConnectionTable<A>>, Vec<Member<A>>) {
        let capacity = capacity.clamp(1, u32::MAX / 2);
        let (slots, entries) = SLOTS_FOR_ENTRIES;
        let buckets = (capacity as usize * slots)
            .div_ceil(entries * BUCKET_SLOTS)
            .max(2);
        let bucket = |_| Bucket(std::array::from_fn(|_| AtomicU64::new(0)));
        let table = Arc::new(ConnectionTable {
            buckets: (0..buckets).map(bucket).collect(),
            entries: (0..capacity)
                .map(|index| Entry::free((index + 2) % (capacity + 1)))
                .collect(),
            free: AtomicU64::new(1),
            live: AtomicU32::new(0),
            hand: AtomicU32::new(0),
            actions: Actions::new((capacity / ENTRIES_PER_ACTION).max(MIN_ACTIONS)),
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
            capacity: self.entries.len() as u32,
            actions: self.actions.len(),
        }
    }

    /// Bytes that the table occupies whatever it holds; actions are not among them.
    pub fn size_bytes(&self) -> usize {
        size_of_val::<[Bucket]>(&self.buckets) + size_of_val::<[Entry]>(&self.entries)
    }

    pub(super) fn place(&self, key: &Key) -> Place {
        let hash = self.hasher.hash_one(key);
        let reduce = |hash: u64| ((u128::from(hash) * self.buckets.len() as u128) >> 64) as usize;
        let first = reduce(hash);
        let second = reduce(hash.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15);
        let second = if second == first {
            (first + 1) % self.buckets.len()
        } else {
            second
        };
        Place {
            buckets: [first, second],
            tag: (hash >> 16) as u32,
        }
    }

    /// The slots where a key may stand, in the order that decides between duplicates.
    pub(super) fn slots(&self, place: Place) -> impl Iterator<Item = &AtomicU64> {
        let [a, b] = place.buckets;
        let (first, second) = (a.min(b), a.max(b));
        self.buckets[first].0.iter().chain(&self.buckets[second].0)
    }

    /// Puts a word into an empty slot of the emptier bucket, or else of the other; false if both are full.
    pub(super) fn publish(&self, place: Place, word: u64) -> bool {
        let mut buckets = place.buckets.map(|bucket| &self.buckets[bucket]);
        buckets.sort_by_key(|bucket| bucket.used());
        buckets.iter().flat_map(|bucket| &bucket.0).any(|slot| {
            slot.load(Ordering::Relaxed) == 0
                && slot
                    .compare_exchange(0, word, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
        })
    }

    pub(super) fn pop_free(&self) -> Option<u32> {
        let mut head = self.free.load(Ordering::Acquire);
        loop {
            let index = (head as u32).checked_sub(1)?;
            let next = self.entries[index as usize]
                .next_free
                .load(Ordering::Relaxed);
            let after = next_count(head) | u64::from(next);
            match self
                .free
                .compare_exchange(head, after, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Some(index),
                Err(now) => head = now,
            }
        }
    }

    pub(super) fn push_free(&self, index: u32) {
        let entry = &self.entries[index as usize];
        let mut head = self.free.load(Ordering::Relaxed);
        loop {
            entry.next_free.store(head as u32, Ordering::Relaxed);
            let after = next_count(head) | u64::from(index + 1);
            match self
                .free
                .compare_exchange(head, after, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Frees an entry that nobody can see, with its reference to the action.
    pub(super) fn free_entry(&self, index: u32) {
        let action = self.entries[index as usize].action.load(Ordering::Relaxed);
        self.actions.release(ActionId(action));
        self.push_free(index);
    }
}

impl Bucket {
    fn used(&self) -> usize {
        self.0
            .iter()
            .filter(|slot| slot.load(Ordering::Relaxed) != 0)
            .count()
    }
}

impl Entry {
    fn free(next_free: u32) -> Entry {
        let zero = || AtomicU64::new(0);
        Entry {
            key: std::array::from_fn(|_| zero()),
            generation: zero(),
            snapshot: zero(),
            packets: zero(),
            bytes: zero(),
            last_seen_ms: zero(),
            action: AtomicU32::new(0),
            length_max: AtomicU32::new(0),
            ttl_min: AtomicU32::new(0),
            is_live: AtomicU32::new(0),
            next_free: AtomicU32::new(next_free),
        }
    }

    pub(super) fn has_key(&self, key: &Key) -> bool {
        self.key
            .iter()
            .zip(key)
            .all(|(word, value)| word.load(Ordering::Relaxed) == *value)
    }

    pub(super) fn key(&self) -> Key {
        std::array::from_fn(|at| self.key[at].load(Ordering::Relaxed))
    }

    pub(super) fn is_live(&self) -> bool {
        self.is_live.load(Ordering::Relaxed) == 1
    }
}

/// The slot word of an entry.
pub(super) fn word(tag: u32, index: u32) -> u64 {
    u64::from(tag) << 32 | u64::from(index + 1)
}

/// The entry that a slot word names, if its tag agrees.
pub(super) fn entry_with_tag(word: u64, tag: u32) -> Option<u32> {
    let index = (word as u32).checked_sub(1)?;
    ((word >> 32) as u32 == tag).then_some(index)
}

/// The next count in the upper half of the free list's head.
fn next_count(head: u64) -> u64 {
    (head & !u64::from(u32::MAX)).wrapping_add(1 << 32)
}
