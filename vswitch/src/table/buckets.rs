//! Where entries are found by their hash.

use std::hash::{BuildHasher, Hasher};

use super::memory::{boxed, prefetch};
use super::sync::{AtomicU64, Ordering};

/// Slots in a bucket: one cache line of words.
const BUCKET_SLOTS: usize = 8;
/// Four slots for three references: two-choice buckets of eight then hardly ever overflow.
const SLOTS_FOR_REFERENCES: (usize, usize) = (4, 3);
/// The first bucket of a hash takes all until so many of its slots are in use, so that who looks for something seldom has
/// to look into the second; from then on the emptier one takes more. With half of the slots, no more entries find both
/// full than if the emptier one had always taken them.
const FIRST_TAKES: usize = BUCKET_SLOTS / 2;

/// All buckets.
pub(crate) struct Buckets(Box<[Bucket]>);

/// A cache line of slots. A slot is 0 or holds a tag and an entry number plus one.
#[repr(align(64))]
struct Bucket([AtomicU64; BUCKET_SLOTS]);

/// Where a hash stands in the buckets.
#[derive(Clone, Copy, Debug, Default)]
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
            .max(2) as u32;
        let bucket = |_| Bucket(std::array::from_fn(|_| AtomicU64::new(0)));
        Buckets(boxed(buckets, bucket))
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

    /// Fetches the line where a hash most often stands, to be read soon.
    #[inline]
    pub(crate) fn prefetch(&self, place: Place) {
        prefetch(&self.0[place.buckets[0]]);
    }

    /// Looks whether an entry that may be that of a hash stands where one most often does. If not, fetches the other line.
    #[inline]
    pub(crate) fn peek(&self, place: Place) -> Option<u32> {
        let [first, second] = place.buckets.map(|bucket| &self.0[bucket]);
        let found = first.find(place, &mut Some);
        if found.is_none() {
            prefetch(second);
        }
        found
    }

    /// The slots where an entry may stand, in the order that decides between duplicates.
    pub(crate) fn slots(&self, place: Place) -> impl Iterator<Item = &AtomicU64> {
        place
            .buckets
            .into_iter()
            .flat_map(|bucket| &self.0[bucket].0)
    }

    /// What `look` first finds among the entries that may be those of a hash, in the order of [`Buckets::slots`].
    #[inline]
    pub(crate) fn find<T>(
        &self,
        place: Place,
        mut look: impl FnMut(u32) -> Option<T>,
    ) -> Option<T> {
        let [first, second] = place.buckets.map(|bucket| &self.0[bucket]);
        let found = first.find(place, &mut look);
        found.or_else(|| second.find(place, &mut look))
    }

    /// Puts an entry into an empty slot of the bucket whose turn it is, or else of the other; false if both are full.
    pub(crate) fn publish(&self, place: Place, index: u32) -> bool {
        let [first, second] = place.buckets.map(|bucket| &self.0[bucket]);
        let is_for_first = first.used() < FIRST_TAKES || first.used() <= second.used();
        let word = place.word(index);
        match is_for_first {
            true => first.take(word) || second.take(word),
            false => second.take(word) || first.take(word),
        }
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

/// The hash of a key of so many words.
#[inline]
pub(crate) fn hash_words<const N: usize>(hasher: &impl BuildHasher, words: &[u64; N]) -> u64 {
    let mut state = hasher.build_hasher();
    // Word by word: as one slice they would be taken for bytes of any number.
    for word in words {
        state.write_u64(*word);
    }
    state.finish()
}

impl Place {
    /// The slot word of an entry.
    pub(crate) fn word(self, index: u32) -> u64 {
        u64::from(self.tag) << 32 | u64::from(index + 1)
    }

    /// The entry that a slot word names, if its tag agrees.
    #[inline]
    pub(crate) fn entry(self, word: u64) -> Option<u32> {
        let (tag, number) = ((word >> 32) as u32, word as u32);
        (tag == self.tag && number != 0).then(|| number - 1)
    }
}

impl Bucket {
    /// What `look` first finds among the entries whose slots have the tag of a place.
    #[inline]
    fn find<T>(&self, place: Place, look: &mut impl FnMut(u32) -> Option<T>) -> Option<T> {
        for slot in &self.0 {
            let Some(index) = place.entry(slot.load(Ordering::Acquire)) else {
                continue;
            };
            if let Some(found) = look(index) {
                return Some(found);
            }
        }
        None
    }

    /// The slots that are empty just now, a bit each: without a branch for each.
    #[inline]
    fn free(&self) -> u32 {
        let slots = self.0.iter().enumerate();
        slots.fold(0, |bits, (at, slot)| {
            bits | u32::from(slot.load(Ordering::Relaxed) == 0) << at
        })
    }

    #[inline]
    fn used(&self) -> usize {
        BUCKET_SLOTS - self.free().count_ones() as usize
    }

    /// Puts a word into an empty slot; false if there is none.
    fn take(&self, word: u64) -> bool {
        let mut free = self.free();
        while free != 0 {
            let slot = &self.0[free.trailing_zeros() as usize % BUCKET_SLOTS];
            free &= free - 1;
            let taken = slot.compare_exchange(0, word, Ordering::AcqRel, Ordering::Relaxed);
            if taken.is_ok() {
                return true;
            }
        }
        false
    }
}
