//! Turns: the times in which a worker reads and changes the table. The essay is in [`super`].

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrayvec::ArrayVec;
use pipeline::conntrack::{Direction, MadeBy};

use super::entry::{Entry, life};
use super::key::Key;
use super::table::ConntrackTable;
use crate::table::buckets::Place;
use crate::table::interner::{Id, Like};
use crate::table::sync::{AtomicU64, Ordering};
use crate::table::waiting::Waiting;

/// From how full a table on, in sixteenths, new connections make others give way.
const PRESSURE_SIXTEENTHS: u64 = 15;
/// Entries looked at to make room for a new connection, at most.
const EVICTION_WORK: u32 = 256;
/// Entries that give way to a new connection, at most.
const EVICTIONS: usize = 2;
/// Half-open connections of which those that have waited longest give way.
const SAMPLE: usize = 16;

/// One worker's access to the table.
pub struct Member {
    table: Arc<ConntrackTable>,
    reader: usize,
    waiting: Waiting,
}

/// A time in which what is found stays what it is. Keep it short: a batch.
pub struct Turn<'m> {
    pub(super) member: &'m mut Member,
}

impl Member {
    /// Access for the reader with this number.
    pub(super) fn new(table: Arc<ConntrackTable>, reader: usize) -> Member {
        Member {
            table,
            reader,
            waiting: Waiting::new(),
        }
    }

    /// Begins a turn: entries whose last readers are gone are free again.
    pub fn begin(&mut self) -> Turn<'_> {
        let table = &self.table;
        self.waiting
            .reclaim(&table.quiescence, |index| table.free_entry(index));
        table.quiescence.enter(self.reader);
        Turn { member: self }
    }

    /// True if there is work for time to bring.
    pub fn has_connections(&self) -> bool {
        self.table.live.load(Ordering::Relaxed) > 0 || !self.waiting.is_empty()
    }

    /// The table.
    pub fn table(&self) -> &Arc<ConntrackTable> {
        &self.table
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.member.table.quiescence.leave(self.member.reader);
    }
}

impl Like<Arc<MadeBy>> for &MadeBy {
    fn hash_as(&self, state: &mut impl Hasher) {
        self.hash(state);
    }

    fn is(&self, known: &Arc<MadeBy>) -> bool {
        **self == **known
    }

    fn make(self) -> Arc<MadeBy> {
        Arc::new(self.clone())
    }
}

impl Turn<'_> {
    pub(super) fn table(&self) -> &ConntrackTable {
        &self.member.table
    }

    pub(super) fn entry(&self, index: u32) -> &Entry {
        self.table().entries.get(index)
    }

    /// The connection of an incoming packet. One that has expired is ended by the way.
    pub(super) fn find(&mut self, key: &Key, now_ms: u64) -> Option<(u32, Direction)> {
        self.find_at(self.table().place(key), key, now_ms)
    }

    /// As [`Turn::find`], where it stands.
    pub(super) fn find_at(
        &mut self,
        place: Place,
        key: &Key,
        now_ms: u64,
    ) -> Option<(u32, Direction)> {
        let (index, direction) = self.peek(place, key)?;
        let table = self.table();
        if table.entries.get(index).is_expired(&table.settings, now_ms) {
            self.remove(index, |table| &table.counters.expired);
            return None;
        }
        Some((index, direction))
    }

    fn peek(&self, place: Place, key: &Key) -> Option<(u32, Direction)> {
        let table = self.table();
        table.buckets.find(place, |index| {
            let entry = table.entries.get(index);
            let direction = entry.direction_of(key).filter(|_| entry.is_live())?;
            Some((index, direction))
        })
    }

    /// Ends a connection, and counts that. Only a full list of waiting entries prevents it: `None`. False if another
    /// worker has ended it.
    pub(super) fn remove(
        &mut self,
        index: u32,
        counter: fn(&ConntrackTable) -> &AtomicU64,
    ) -> Option<bool> {
        if self.member.waiting.is_full() {
            return None;
        }
        let table = self.member.table.clone();
        let entry = table.entries.get(index);
        let ended = entry.life.compare_exchange(
            life::LIVE,
            life::DEAD,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        if ended.is_err() {
            return Some(false);
        }
        table.live.fetch_sub(1, Ordering::Relaxed);
        ConntrackTable::count(counter(&table));
        self.withdraw(index);
        Some(true)
    }

    /// Takes an entry of this worker's own, or that this worker has ended, out of its slots.
    pub(super) fn withdraw(&mut self, index: u32) {
        let Member { table, waiting, .. } = &mut *self.member;
        let entry = table.entries.get(index);
        let original = entry.original();
        let became = entry.became();
        table.buckets.withdraw(table.place(&original), index);
        if became != original {
            table.buckets.withdraw(table.place(&became), index);
        }
        if entry.discount() {
            table
                .half_open(entry.debtor())
                .fetch_sub(1, Ordering::Relaxed);
        }
        waiting.push(&table.quiescence, index);
    }

    /// Room for one more entry to wait.
    pub(super) fn can_withdraw(&self) -> bool {
        !self.member.waiting.is_full()
    }

    /// Makes connections give way to a new one when the table is nearly full.
    pub(super) fn make_room(&mut self, now_ms: u64) {
        let table = self.table();
        let capacity = table.entries.capacity();
        let live = u64::from(table.live.load(Ordering::Relaxed));
        if live * 16 < u64::from(capacity) * PRESSURE_SIXTEENTHS {
            return;
        }
        let table = self.member.table.clone();
        let work = EVICTION_WORK.min(capacity);
        let from = table.hand.fetch_add(work, Ordering::Relaxed);
        let mut given = 0;
        let mut waiting = ArrayVec::<(u64, u32), SAMPLE>::new();
        for step in 0..work {
            let index = from.wrapping_add(step) % capacity;
            let entry = table.entries.get(index);
            if !entry.is_live() {
                continue;
            }
            let progress = entry.progress();
            let counter: fn(&ConntrackTable) -> &AtomicU64 =
                if entry.is_expired(&table.settings, now_ms) {
                    |table| &table.counters.expired
                } else if progress.is_over() {
                    |table| &table.counters.evicted
                } else {
                    if progress.is_half_open() {
                        waiting.push((entry.last_seen_ms.load(Ordering::Relaxed), index));
                    }
                    if waiting.is_full() {
                        break;
                    }
                    continue;
                };
            let removed = self.remove(index, counter);
            given += usize::from(removed == Some(true));
            if given >= EVICTIONS || removed.is_none() {
                return;
            }
        }
        // The newest are about to be answered, if they are honest.
        waiting.sort_unstable();
        for (_, index) in waiting.into_iter().take(EVICTIONS - given) {
            self.remove(index, |table| &table.counters.evicted);
        }
    }

    /// Looks at `work` entries more, for all workers together, and ends those that have expired.
    pub fn sweep(&mut self, work: u32, now_ms: u64) {
        let table = self.member.table.clone();
        let capacity = table.entries.capacity();
        let work = work.min(capacity);
        let from = table.sweep.fetch_add(work, Ordering::Relaxed);
        for step in 0..work {
            let index = from.wrapping_add(step) % capacity;
            let entry = table.entries.get(index);
            if entry.is_live()
                && entry.is_expired(&table.settings, now_ms)
                && self
                    .remove(index, |table| &table.counters.expired)
                    .is_none()
            {
                break;
            }
        }
        table.affinities.sweep((from / work) as usize, now_ms);
    }

    /// Who made a connection.
    pub(super) fn made_by(&self, index: u32) -> Option<Arc<MadeBy>> {
        let entry = self.entry(index);
        let number = entry.made_by()?;
        let made_by = self.table().makers.share(Id(number))?;
        // The place may have been given to another meanwhile.
        (entry.made_by() == Some(number)).then_some(made_by)
    }

    /// Notes who made a connection, beside what is known of that already. `hint` and the answer say what was noted of
    /// another connection of the same makers.
    pub(super) fn attribute(&self, index: u32, made_by: &MadeBy, hint: Option<Id>) -> Option<Id> {
        let entry = self.entry(index);
        let makers = &self.table().makers;
        // When there are too many different ones, further connections have none.
        let maker = match self.made_by(index) {
            None => makers.intern_again(made_by, hint),
            Some(known) if known.knows(made_by) => return hint,
            Some(known) => {
                let mut merged = (*known).clone();
                merged.update(made_by);
                makers.intern(&merged)
            }
        };
        let number = maker.map(|id| id.0);
        if let Some(former) = entry.set_made_by(number) {
            makers.release(Id(former));
        }
        maker
    }
}
