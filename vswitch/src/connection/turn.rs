//! Turns: the times in which a worker reads and changes the table. The essay is in [`super`].

use std::hash::Hash;
use std::sync::Arc;

use arrayvec::ArrayVec;

use super::table::{ConnectionTable, Entry, FAR, Key, NEAR, NO_REFERENCE, References};
use crate::table::buckets::Place;
use crate::table::interner::{Id, Like};
use crate::table::sync::{AtomicU64, Ordering, fence};
use crate::table::waiting::Waiting;

/// Entries looked at to make room for a new flow.
const EVICTION_WORK: u32 = 16;

/// What is to be remembered of a flow.
#[derive(Clone, Copy, Debug)]
pub struct Fresh<F> {
    /// What to do with its packets, or what that is made of.
    pub action: F,
    /// The generation sum of what the action was made of.
    pub generation: u64,
    /// The snapshot that it was made with.
    pub snapshot: u64,
    /// The least TTL that it holds for.
    pub ttl_min: u8,
    /// The greatest length that it holds for.
    pub length_max: u32,
    /// What it refers to in another table.
    pub references: References,
}

/// Why a flow is not remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRemembered {
    /// No entry is free.
    Full,
    /// Both buckets of the key are full.
    BucketFull,
    /// There are too many different actions.
    ActionsFull,
    /// Too many entries wait for other workers' turns to end.
    Waiting,
}

/// One worker's access to the table.
pub struct Member<A> {
    table: Arc<ConnectionTable<A>>,
    reader: usize,
    waiting: Waiting,
    /// Turns begun.
    turns: u64,
}

/// A time in which what is found stays as it is. Keep it short: a batch.
pub struct Turn<'m, A> {
    member: &'m mut Member<A>,
}

/// Where a flow stands if it is remembered, so that the lines that will be read are asked for before they are needed:
/// first those of its buckets, then those of its entry, then those of its action. It is a hint, never a promise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Approach {
    place: Place,
    index: Option<u32>,
    /// The number of the turn, in which alone the entry is what it was.
    turn: u64,
}

/// A remembered flow, found within a turn.
pub struct Connection<'t, A> {
    entry: &'t Entry,
    far: &'t [AtomicU64; FAR],
    index: u32,
    action: &'t A,
}

impl<A> Member<A> {
    /// Access for the reader with this number.
    pub(super) fn new(table: Arc<ConnectionTable<A>>, reader: usize) -> Member<A> {
        Member {
            table,
            reader,
            waiting: Waiting::new(),
            turns: 0,
        }
    }
}

impl<A: Hash + Eq> Member<A> {
    /// Begins a turn: entries whose last readers are gone are free again.
    pub fn begin(&mut self) -> Turn<'_, A> {
        self.reclaim();
        self.turns += 1;
        self.table.quiescence.enter(self.reader);
        Turn { member: self }
    }

    /// True if the table remembers any flow.
    pub fn has_connections(&self) -> bool {
        self.table.live.load(Ordering::Relaxed) > 0
    }

    /// True if entries wait for other members' turns to end.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn reclaim(&mut self) {
        let table = &self.table;
        self.waiting
            .reclaim(&table.quiescence, |index| table.free_entry(index));
    }
}

impl<A: Hash + Eq> Turn<'_, A> {
    fn table(&self) -> &ConnectionTable<A> {
        &self.member.table
    }

    /// Flows that the table can remember.
    pub fn capacity(&self) -> u32 {
        self.table().entries.capacity()
    }

    /// Begins to look for a key.
    #[inline]
    pub fn approach(&self, key: &Key) -> Approach {
        let table = self.table();
        let place = table.place(key);
        table.buckets.prefetch(place);
        Approach {
            place,
            index: None,
            turn: self.member.turns,
        }
    }

    /// Goes on to the entry.
    #[inline]
    pub fn approach_entry(&self, approach: &mut Approach) {
        approach.index = self.table().buckets.peek(approach.place);
        self.prefetch_entry(approach);
    }

    /// Goes on to where the action is, and gives the first words of what the verdict seems to refer to.
    #[inline]
    pub fn approach_references(&self, approach: &mut Approach) -> [u64; NEAR] {
        let table = self.table();
        let Some(index) = approach.index else {
            approach.index = table.buckets.find(approach.place, Some);
            self.prefetch_entry(approach);
            return [NO_REFERENCE; NEAR];
        };
        let entry = table.entries.get(index);
        let id = Id(entry.action.load(Ordering::Relaxed));
        table.actions.prefetch_place(id);
        let used = entry.references();
        std::array::from_fn(|at| match at < used {
            true => entry.near[at].load(Ordering::Relaxed),
            false => NO_REFERENCE,
        })
    }

    /// Goes on to the action.
    #[inline]
    pub fn approach_action(&self, approach: &Approach) {
        let table = self.table();
        if let Some(index) = approach.index {
            let entry = table.entries.get(index);
            let id = Id(entry.action.load(Ordering::Relaxed));
            table.actions.prefetch(id);
        }
    }

    #[inline]
    fn prefetch_entry(&self, approach: &Approach) {
        if let Some(index) = approach.index {
            let entries = &self.table().entries;
            entries.prefetch(index, |entry| &entry.key);
            entries.prefetch(index, |entry| &entry.generation);
        }
    }

    /// The remembered flow with this key.
    pub fn find(&self, key: &Key) -> Option<Connection<'_, A>> {
        self.find_at(self.table().place(key), key)
    }

    /// The remembered flow with this key, which was approached.
    #[inline]
    pub fn find_approached(&self, approach: &Approach, key: &Key) -> Option<Connection<'_, A>> {
        let table = self.table();
        let is_it = |index: &u32| {
            let entry = table.entries.get(*index);
            approach.turn == self.member.turns && entry.is_live() && entry.has_key(key)
        };
        match approach.index.filter(is_it) {
            Some(index) => self.connection(index),
            None => self.find_at(approach.place, key),
        }
    }

    fn find_at(&self, place: Place, key: &Key) -> Option<Connection<'_, A>> {
        let table = self.table();
        let is_it = |index| table.entries.get(index).has_key(key).then_some(index);
        self.connection(table.buckets.find(place, is_it)?)
    }

    /// What an entry says that was found in a slot within this turn.
    #[inline]
    #[expect(unsafe_code, reason = "the action is borrowed for the turn")]
    fn connection(&self, index: u32) -> Option<Connection<'_, A>> {
        let table = self.table();
        let entry = table.entries.get(index);
        let id = Id(entry.action.load(Ordering::Relaxed));
        // SAFETY: the entry was found in a slot within this turn, so it is not freed before the turn ends, and until
        // then it holds its reference to the action. The returned borrow is bound to `&self`, that is to the turn.
        let action = unsafe { table.actions.get(id) }?;
        Some(Connection {
            entry,
            far: &table.far[index as usize],
            index,
            action,
        })
    }

    /// Remembers a flow, in the place of what was remembered of it before.
    pub fn insert<F: Like<A>>(
        &mut self,
        key: &Key,
        fresh: Fresh<F>,
        now_ms: u64,
    ) -> Result<(), NotRemembered> {
        self.remove(key)?;
        let index = self.prepare(key, fresh, now_ms)?;
        let table = self.table();
        let place = table.place(key);
        table.live.fetch_add(1, Ordering::Relaxed);
        if !table.buckets.publish(place, index) {
            table.live.fetch_sub(1, Ordering::Relaxed);
            table.entries.get(index).is_live.store(0, Ordering::Relaxed);
            table.free_entry(index);
            return Err(NotRemembered::BucketFull);
        }
        self.remove_duplicates(key, place);
        Ok(())
    }

    /// Forgets a flow. Only a full list of waiting entries prevents it.
    pub fn remove(&mut self, key: &Key) -> Result<(), NotRemembered> {
        while let Some(index) = self.find(key).map(|connection| connection.index) {
            self.unlink(index)?;
        }
        Ok(())
    }

    /// Looks at `work` entries from number `from` on, round the table, and forgets those that are idle for
    /// `idle_ms` or that `is_doomed` names. Returns where to go on.
    pub fn sweep(
        &mut self,
        from: u32,
        work: u32,
        (now_ms, idle_ms): (u64, u64),
        is_doomed: impl Fn(&Key) -> bool,
    ) -> Result<u32, NotRemembered> {
        let capacity = self.table().entries.capacity();
        let mut index = from % capacity;
        for _ in 0..work.min(capacity) {
            let entry = self.table().entries.get(index);
            let last_seen_ms = entry.last_seen_ms.load(Ordering::Relaxed);
            let is_idle = now_ms.saturating_sub(last_seen_ms) >= idle_ms;
            if entry.is_live() && (is_idle || is_doomed(&entry.key())) {
                self.unlink(index)?;
            }
            index = (index + 1) % capacity;
        }
        Ok(index)
    }

    /// An entry that is written and not yet published.
    fn prepare<F: Like<A>>(
        &mut self,
        key: &Key,
        fresh: Fresh<F>,
        now_ms: u64,
    ) -> Result<u32, NotRemembered> {
        let Some(index) = self.table().entries.pop_free() else {
            let from = self
                .table()
                .hand
                .fetch_add(EVICTION_WORK, Ordering::Relaxed);
            self.sweep(
                from,
                EVICTION_WORK,
                (now_ms, super::IDLE_EVICTION_MS),
                |_| false,
            )?;
            return Err(NotRemembered::Full);
        };
        let table = self.table();
        let Some(action) = table.actions.intern(fresh.action) else {
            table.entries.push_free(index);
            return Err(NotRemembered::ActionsFull);
        };
        let entry = table.entries.get(index);
        for (word, value) in entry.key.iter().zip(key) {
            word.store(*value, Ordering::Relaxed);
        }
        let places = entry.near.iter().chain(&table.far[index as usize]);
        let used = fresh.references.iter();
        let used = used.take_while(|word| **word != NO_REFERENCE);
        let mut references = 0;
        for (place, word) in places.zip(used) {
            place.store(*word, Ordering::Relaxed);
            references += 1;
        }
        entry.set_ttl_and_references(fresh.ttl_min, references);
        entry.generation.store(fresh.generation, Ordering::Relaxed);
        entry.snapshot.store(fresh.snapshot, Ordering::Relaxed);
        entry.last_seen_ms.store(now_ms, Ordering::Relaxed);
        entry.action.store(action.0, Ordering::Relaxed);
        entry.length_max.store(fresh.length_max, Ordering::Relaxed);
        entry.is_live.store(1, Ordering::Relaxed);
        Ok(index)
    }

    /// Invariant 2: of several entries with one key the first slot's remains.
    fn remove_duplicates(&mut self, key: &Key, place: Place) {
        // Of two that insert at once, at least one sees the other's slot after its own.
        fence(Ordering::SeqCst);
        while let Some(twin) = self.twin(key, place) {
            // A full waiting list leaves a twin, which is never found and expires.
            if self.unlink(twin).is_err() {
                return;
            }
        }
    }

    /// The second entry with a key, if there is one.
    fn twin(&self, key: &Key, place: Place) -> Option<u32> {
        let table = self.table();
        let mut is_first = true;
        table.buckets.find(place, |index| {
            let is_it = table.entries.get(index).has_key(key);
            (is_it && !std::mem::take(&mut is_first)).then_some(index)
        })
    }

    /// Takes an entry out of its slot, if it stands in one.
    fn unlink(&mut self, index: u32) -> Result<(), NotRemembered> {
        let Member { table, waiting, .. } = &mut *self.member;
        if waiting.is_full() {
            return Err(NotRemembered::Waiting);
        }
        let entry = table.entries.get(index);
        if table.buckets.withdraw(table.place(&entry.key()), index) {
            entry.is_live.store(0, Ordering::Relaxed);
            table.live.fetch_sub(1, Ordering::Relaxed);
            waiting.push(&table.quiescence, index);
        }
        Ok(())
    }
}

impl<A> Drop for Turn<'_, A> {
    fn drop(&mut self) {
        self.member.table.quiescence.leave(self.member.reader);
    }
}

impl<'t, A> Connection<'t, A> {
    /// What to do with the flow's packets.
    pub fn action(&self) -> &'t A {
        self.action
    }

    /// What the verdict refers to in another table: the used ones of [`References`].
    #[inline]
    pub fn references(&self) -> ArrayVec<u64, { NEAR + FAR }> {
        let used = self.entry.references();
        let (near, far) = (used.min(NEAR), used.saturating_sub(NEAR).min(FAR));
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
        let mut words: ArrayVec<_, _> = self.entry.near[..near].iter().map(load).collect();
        words.extend(self.far[..far].iter().map(load));
        words
    }

    /// True if the verdict was last found valid for this snapshot.
    #[inline]
    pub fn is_valid_for(&self, snapshot: u64) -> bool {
        self.entry.snapshot.load(Ordering::Relaxed) == snapshot
    }

    /// The generation sum of what the verdict was made of.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.entry.generation.load(Ordering::Relaxed)
    }

    /// Notes that the generation sum holds for this snapshot.
    pub fn validate(&self, snapshot: u64) {
        self.entry.snapshot.store(snapshot, Ordering::Relaxed);
    }

    /// True if the verdict holds for a packet with this TTL and length.
    #[inline]
    pub fn admits(&self, ttl: u8, length: u32) -> bool {
        ttl >= self.entry.ttl_min() && length <= self.entry.length_max.load(Ordering::Relaxed)
    }

    /// Notes that a packet of the flow has come. The entry is written only if that is news.
    #[inline]
    pub fn touch(&self, now_ms: u64) {
        let last_seen_ms = &self.entry.last_seen_ms;
        if last_seen_ms.load(Ordering::Relaxed) != now_ms {
            last_seen_ms.store(now_ms, Ordering::Relaxed);
        }
    }
}
