//! Interned values: equal ones are kept once and counted.
//!
//! Reading is one load. Interning and releasing take a lock; both belong to the way of a flow's first and
//! last packet.
#![expect(
    unsafe_code,
    reason = "a reader borrows a value for its turn, which no lock or count guards"
)]

use std::hash::{BuildHasher, Hash, Hasher};
use std::ptr;

use hashbrown::HashTable;

use super::memory::prefetch_at;
use super::sync::{AtomicPtr, HasherSeed, Mutex, Ordering};

/// Names an interned value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) u32);

/// What a value can be made of, unless an equal one is kept already: a value, or its parts.
pub trait Like<T> {
    /// Hashes as the value would.
    fn hash_as(&self, state: &mut impl Hasher);
    /// Whether it is this value that would be made.
    fn is(&self, value: &T) -> bool;
    /// The value.
    fn make(self) -> T;
}

impl<T: Hash + Eq> Like<T> for T {
    fn hash_as(&self, state: &mut impl Hasher) {
        self.hash(state);
    }

    fn is(&self, value: &T) -> bool {
        self == value
    }

    fn make(self) -> T {
        self
    }
}

/// What the processor fetches at once.
type Line = [u64; 8];

/// All interned values, at most as many as there are places.
pub(crate) struct Interner<T> {
    places: Box<[AtomicPtr<T>]>,
    index: Mutex<Index>,
    hasher: HasherSeed,
}

/// What only interning and releasing need.
struct Index {
    by_value: HashTable<u32>,
    references: Vec<u32>,
    free: Vec<u32>,
}

impl<T: Hash + Eq> Interner<T> {
    pub(crate) fn new(capacity: u32) -> Interner<T> {
        Interner {
            places: (0..capacity)
                .map(|_| AtomicPtr::new(ptr::null_mut()))
                .collect(),
            index: Mutex::new(Index {
                by_value: HashTable::new(),
                references: Vec::new(),
                free: Vec::new(),
            }),
            hasher: HasherSeed::default(),
        }
    }

    /// One more reference to the value that is made of this; `None` when every place is taken.
    pub(crate) fn intern(&self, like: impl Like<T>) -> Option<Id> {
        let mut state = self.hasher.build_hasher();
        like.hash_as(&mut state);
        let hash = state.finish();
        let mut index = self.lock();
        let is_it = |place: &u32| self.under_lock(*place).is_some_and(|value| like.is(value));
        let found = index.by_value.find(hash, is_it);
        if let Some(&place) = found {
            index.references[place as usize] += 1;
            return Some(Id(place));
        }
        let place = match index.free.pop() {
            Some(place) => place,
            None if index.references.len() < self.places.len() => {
                index.references.push(0);
                index.references.len() as u32 - 1
            }
            None => return None,
        };
        index.references[place as usize] = 1;
        let pointer = Box::into_raw(Box::new(like.make()));
        self.places[place as usize].store(pointer, Ordering::Release);
        index.by_value.insert_unique(hash, place, |place| {
            self.under_lock(*place)
                .map_or(0, |value| self.hasher.hash_one(value))
        });
        Some(Id(place))
    }

    /// As [`Interner::intern`], where `hint` is the answer about an equal value, which may be gone.
    pub(crate) fn intern_again(&self, like: impl Like<T>, hint: Option<Id>) -> Option<Id> {
        if let Some(Id(place)) = hint {
            let mut index = self.lock();
            if self.under_lock(place).is_some_and(|value| like.is(value)) {
                index.references[place as usize] += 1;
                return hint;
            }
        }
        self.intern(like)
    }

    /// One reference less. The caller held it, and no turn is left that might read the value through it.
    pub(crate) fn release(&self, id: Id) {
        let mut index = self.lock();
        let references = &mut index.references[id.0 as usize];
        *references -= 1;
        if *references > 0 {
            return;
        }
        let Some(value) = self.under_lock(id.0) else {
            return;
        };
        let hash = self.hasher.hash_one(value);
        if let Ok(entry) = index.by_value.find_entry(hash, |place| *place == id.0) {
            entry.remove();
        }
        index.free.push(id.0);
        let pointer = self.places[id.0 as usize].swap(ptr::null_mut(), Ordering::AcqRel);
        drop(index);
        // SAFETY: the pointer came from `Box::into_raw` in `intern` and was taken out of its place by the
        // swap, once. No reader has it: the last entry that referred to it is out of sight.
        drop(unsafe { Box::from_raw(pointer) });
    }

    /// The value; `None` for a place that is empty.
    ///
    /// # Safety
    /// For as long as the reference is used the caller must be in a turn in which it found an entry that
    /// holds `id`, or hold a reference itself.
    pub(crate) unsafe fn get(&self, id: Id) -> Option<&T> {
        let pointer = self.places.get(id.0 as usize)?.load(Ordering::Acquire);
        // SAFETY: a pointer in a place is null or from `Box::into_raw`. It is freed by the release of the last
        // reference only, which the caller's promise excludes until it is done.
        unsafe { pointer.as_ref() }
    }

    /// Asks for the line that says where a value is.
    #[inline]
    pub(crate) fn prefetch_place(&self, id: Id) {
        if let Some(place) = self.places.get(id.0 as usize) {
            prefetch_at(place);
        }
    }

    /// Fetches the first lines of a value, to be read soon.
    #[inline]
    pub(crate) fn prefetch(&self, id: Id) {
        if let Some(place) = self.places.get(id.0 as usize) {
            let value = place.load(Ordering::Relaxed).cast::<Line>();
            prefetch_at(value);
            prefetch_at(value.wrapping_add(1));
        }
    }

    /// The value in a place that cannot be released now, because the caller holds the lock.
    fn under_lock(&self, place: u32) -> Option<&T> {
        // SAFETY: only `release` frees values, and it needs the lock that the caller holds.
        unsafe { self.get(Id(place)) }
    }

    /// A copy of the value that the place holds now.
    pub(crate) fn share(&self, id: Id) -> Option<T>
    where
        T: Clone,
    {
        let _guard = self.lock();
        self.under_lock(id.0).cloned()
    }

    fn lock(&self) -> impl std::ops::DerefMut<Target = Index> + '_ {
        // A thread that panicked here left a count too high at worst, which only keeps an value longer.
        self.index
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Distinct values now.
    pub(crate) fn len(&self) -> usize {
        self.lock().by_value.len()
    }
}

impl<T> Drop for Interner<T> {
    fn drop(&mut self) {
        for place in &self.places {
            let pointer = place.swap(ptr::null_mut(), Ordering::Acquire);
            if !pointer.is_null() {
                // SAFETY: from `Box::into_raw` in `intern`, and `&mut self` says that nobody reads it.
                drop(unsafe { Box::from_raw(pointer) });
            }
        }
    }
}
