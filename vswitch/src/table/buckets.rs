//! Where entries are found by their hash.

use super::sync::{AtomicU64, Ordering};

/// Slots in a bucket: one cache line of words.
const BUCKET_SLOTS: usize = 8;
/// Four slots for three references: two-choice buckets of eight then hardly ever overflow.
const SLOTS_FOR_REFERENCES: (usize, usize) = (4, 3);

/// All buckets.
pub(crate) struct Buckets(Box<[Bucket]>);

/// A cache line of slots. A slot is 0 or holds a tag and an entry number plus one.
#[repr(align(64))]
struct Bucket([AtomicU64; BUCKET_SLOTS]);

/// Where a hash stands in the buckets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    buckets: [usize; 2],
    tag: u32,
}

impl Buckets {
    /// Room for so many references to entries.
    pub(crate) fn new(references: u32) -> Buckets {
        let (slots, for_references) = SLOTS_FOR_REFERENCES;
        let buckets = (references as usize * slots)
            .div_ceil(for_references * BUCKET_SLOTS)
            .max(2);
        let bucket = |_| Bucket(std::array::from_fn(|_| AtomicU64::new(0)));
        Buckets((0..buckets).map(bucket).collect())
    }

    /// Bytes that the buckets occupy.
    pub(crate) fn size_bytes(&self) -> usize {
        size_of_val::<[Bucket]>(&self.0)
    }

    /// Where a hash stands.
    pub(crate) fn place(&self, hash: u64) -> Place {
        let reduce = |hash: u64| ((u128::from(hash) * self.0.len() as u128) >> 64) as usize;
        let first = reduce(hash);
        let second = reduce(hash.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15);
        let second = if second == first {
            (first + 1) % self.0.len()
        } else {
            second
        };
        Place {
            buckets: [first, second],
            tag: (hash >> 16) as u32,
        }
    }

    /// The slots where an entry may stand, in the order that decides between duplicates.
    pub(crate) fn slots(&self, place: Place) -> impl Iterator<Item = &AtomicU64> {
        let [a, b] = place.buckets;
        let (first, second) = (a.min(b), a.max(b));
        self.0[first].0.iter().chain(&self.0[second].0)
    }

    /// Puts an entry into an empty slot of the emptier bucket, or else of the other; false if both are full.
    pub(crate) fn publish(&self, place: Place, index: u32) -> bool {
        let mut buckets = place.buckets.map(|bucket| &self.0[bucket]);
        buckets.sort_by_key(|bucket| bucket.used());
        let word = place.word(index);
        buckets.iter().flat_map(|bucket| &bucket.0).any(|slot| {
            slot.load(Ordering::Relaxed) == 0
                && slot
                    .compare_exchange(0, word, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
        })
    }

    /// Takes an entry out of the slot where it stands; false if it stands in none.
    pub(crate) fn withdraw(&self, place: Place, index: u32) -> bool {
        let word = place.word(index);
        self.slots(place).any(|slot| {
            slot.load(Ordering::Relaxed) == word
                && slot
                    .compare_exchange(word, 0, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
        })
    }
}

impl Place {
    /// The slot word of an entry.
    pub(crate) fn word(self, index: u32) -> u64 {
        u64::from(self.tag) << 32 | u64::from(index + 1)
    }

    /// The entry that a slot word names, if its tag agrees.
    pub(crate) fn entry(self, word: u64) -> Option<u32> {
        let index = (word as u32).checked_sub(1)?;
        ((word >> 32) as u32 == self.tag).then_some(index)
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
