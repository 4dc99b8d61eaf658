//! A fixed number of entries, and which of them are free.

use super::memory::{boxed, prefetch};
use super::sync::{AtomicU32, AtomicU64, Ordering};

/// An entry that can stand in the list of free ones.
pub(crate) trait Linked {
    /// In the free list: the next one's number plus one.
    fn next_free(&self) -> &AtomicU32;
}

/// Entries that never move.
pub(crate) struct Arena<E> {
    entries: Box<[E]>,
    /// The first free entry (low half, plus one), and a count that makes each value of the word unique.
    free: AtomicU64,
}

impl<E: Linked> Arena<E> {
    /// `capacity` entries, all free. `make` gives one with this [`Linked::next_free`].
    pub(crate) fn new(capacity: u32, make: impl Fn(u32) -> E) -> Arena<E> {
        Arena {
            entries: boxed(capacity, |index| make((index + 2) % (capacity + 1))),
            free: AtomicU64::new(1),
        }
    }

    /// How many entries there are.
    pub(crate) fn capacity(&self) -> u32 {
        self.entries.len() as u32
    }

    /// An entry. The number is that of one.
    pub(crate) fn get(&self, index: u32) -> &E {
        &self.entries[index as usize]
    }

    /// Fetches the line of an entry where `part` is, to be read soon.
    #[inline]
    pub(crate) fn prefetch<T>(&self, index: u32, part: impl Fn(&E) -> &T) {
        prefetch(part(self.get(index)));
    }

    /// Bytes that the entries occupy.
    pub(crate) fn size_bytes(&self) -> usize {
        size_of_val::<[E]>(&self.entries)
    }

    /// Takes an entry that nobody uses.
    pub(crate) fn pop_free(&self) -> Option<u32> {
        let mut head = self.free.load(Ordering::Acquire);
        loop {
            let index = (head as u32).checked_sub(1)?;
            let next = self.get(index).next_free().load(Ordering::Relaxed);
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

    /// Gives an entry back that nobody can see.
    pub(crate) fn push_free(&self, index: u32) {
        let entry = self.get(index);
        let mut head = self.free.load(Ordering::Relaxed);
        loop {
            entry.next_free().store(head as u32, Ordering::Relaxed);
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
}

/// The next count in the upper half of the free list's head.
fn next_count(head: u64) -> u64 {
    (head & !u64::from(u32::MAX)).wrapping_add(1 << 32)
}
