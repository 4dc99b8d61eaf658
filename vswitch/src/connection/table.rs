//! Buckets, entries and the turns in which they are read and changed. The essay is in [`super`].

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::actions::{ActionId, Actions};
use super::quiescence::Quiescence;
use super::sync::{AtomicU32, AtomicU64, HasherSeed, Ordering, fence};

/// A flow's key as machine words.
pub type Key = [u64; 8];

/// Slots in a bucket: one cache line of words.
const BUCKET_SLOTS: usize = 8;
/// Four slots for three entries: two-choice buckets of eight then hardly ever overflow.
const SLOTS_FOR_ENTRIES: (usize, usize) = (4, 3);
/// The most entries that one member may have waiting for other turns to end.
const WAITING: usize = 1024;
/// Entries looked at to make room for a new flow.
const EVICTION_WORK: u32 = 16;
/// There is at most one action for so many entries; flows that are treated alike share one.
const ENTRIES_PER_ACTION: u32 = 4;
/// A table always has room for so many actions.
const MIN_ACTIONS: u32 = 256;

/// What is to be remembered of a flow.
#[derive(Clone, Copy, Debug)]
pub struct Fresh<A> {
    /// What to do with its packets.
    pub action: A,
    /// The generation sum of what the action was made of.
    pub generation: u64,
    /// The snapshot that it was made with.
    pub snapshot: u64,
    /// The least TTL that it holds for.
    pub ttl_min: u8,
    /// The greatest length that it holds for.
    pub length_max: u32,
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
struct Entry {
    key: [AtomicU64; 8],
    generation: AtomicU64,
    /// The snapshot for which the generation was last found to hold.
    snapshot: AtomicU64,
    packets: AtomicU64,
    bytes: AtomicU64,
    last_seen_ms: AtomicU64,
    action: AtomicU32,
    length_max: AtomicU32,
    ttl_min: AtomicU32,
    /// 1 while the entry stands in a slot or is about to.
    is_live: AtomicU32,
    /// In the free list: the next one's number plus one.
    next_free: AtomicU32,
}

/// A cache line of slots. A slot is 0 or holds a tag and an entry number plus one.
#[repr(align(64))]
struct Bucket([AtomicU64; BUCKET_SLOTS]);

/// The table. Workers reach it through a [`Member`] each.
pub struct ConnectionTable<A> {
    buckets: Box<[Bucket]>,
    entries: Box<[Entry]>,
    /// The first free entry (low half, plus one), and a count that makes each value of the word unique.
    free: AtomicU64,
    live: AtomicU32,
    /// Where eviction goes on.
    hand: AtomicU32,
    actions: Actions<A>,
    quiescence: Quiescence,
    hasher: HasherSeed,
}

/// One worker's access to the table.
pub struct Member<A> {
    table: Arc<ConnectionTable<A>>,
    reader: usize,
    /// Unlinked entries with the epoch they wait for, oldest first.
    waiting: VecDeque<(u64, u32)>,
}

/// A time in which what is found stays as it is. Keep it short: a batch.
pub struct Turn<'m, A> {
    member: &'m mut Member<A>,
}

/// A remembered flow, found within a turn.
pub struct Connection<'t, A> {
    entry: &'t Entry,
    index: u32,
    action: &'t A,
}

/// Where the words of a hash stand in the buckets.
#[derive(Clone, Copy)]
struct Place {
    buckets: [usize; 2],
    tag: u32,
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
        let member = |reader| Member {
            table: table.clone(),
            reader,
            waiting: VecDeque::with_capacity(WAITING),
        };
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

    fn place(&self, key: &Key) -> Place {
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
    fn slots(&self, place: Place) -> impl Iterator<Item = &AtomicU64> {
        let [a, b] = place.buckets;
        let (first, second) = (a.min(b), a.max(b));
        self.buckets[first].0.iter().chain(&self.buckets[second].0)
    }

    /// Puts a word into an empty slot of the emptier bucket, or else of the other; false if both are full.
    fn publish(&self, place: Place, word: u64) -> bool {
        let mut buckets = place.buckets.map(|bucket| &self.buckets[bucket]);
        buckets.sort_by_key(|bucket| bucket.used());
        buckets.iter().flat_map(|bucket| &bucket.0).any(|slot| {
            slot.load(Ordering::Relaxed) == 0
                && slot
                    .compare_exchange(0, word, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
        })
    }

    fn pop_free(&self) -> Option<u32> {
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

    fn push_free(&self, index: u32) {
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
    fn free_entry(&self, index: u32) {
        let action = self.entries[index as usize].action.load(Ordering::Relaxed);
        self.actions.release(ActionId(action));
        self.push_free(index);
    }
}

impl<A: Hash + Eq> Member<A> {
    /// Begins a turn: entries whose last readers are gone are free again.
    pub fn begin(&mut self) -> Turn<'_, A> {
        self.reclaim();
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
        if self.waiting.is_empty() {
            return;
        }
        let visible = self.table.quiescence.first_visible();
        while let Some(&(epoch, index)) = self.waiting.front() {
            if epoch >= visible {
                return;
            }
            self.waiting.pop_front();
            self.table.free_entry(index);
        }
    }
}

impl<A: Hash + Eq> Turn<'_, A> {
    fn table(&self) -> &ConnectionTable<A> {
        &self.member.table
    }

    /// Flows that the table can remember.
    pub fn capacity(&self) -> u32 {
        self.table().entries.len() as u32
    }

    /// The remembered flow with this key.
    #[expect(unsafe_code, reason = "the action is borrowed for the turn")]
    pub fn find(&self, key: &Key) -> Option<Connection<'_, A>> {
        let table = self.table();
        let place = table.place(key);
        for slot in table.slots(place) {
            let word = slot.load(Ordering::Acquire);
            if let Some(index) = entry_with_tag(word, place.tag) {
                let entry = &table.entries[index as usize];
                if entry.has_key(key) {
                    let id = ActionId(entry.action.load(Ordering::Relaxed));
                    // SAFETY: the entry was found in a slot within this turn, so it is not freed before the
                    // turn ends, and until then it holds its reference to the action. The returned
                    // borrow is bound to `&self`, that is to the turn.
                    let action = unsafe { table.actions.get(id) }?;
                    return Some(Connection {
                        entry,
                        index,
                        action,
                    });
                }
            }
        }
        None
    }

    /// Remembers a flow, in the place of what was remembered of it before.
    pub fn insert(&mut self, key: &Key, fresh: Fresh<A>, now_ms: u64) -> Result<(), NotRemembered> {
        self.remove(key)?;
        let index = self.prepare(key, fresh, now_ms)?;
        let table = self.table();
        let place = table.place(key);
        table.live.fetch_add(1, Ordering::Relaxed);
        if !table.publish(place, word(place.tag, index)) {
            table.live.fetch_sub(1, Ordering::Relaxed);
            table.entries[index as usize]
                .is_live
                .store(0, Ordering::Relaxed);
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
        let capacity = self.table().entries.len() as u32;
        let mut index = from % capacity;
        for _ in 0..work.min(capacity) {
            let entry = &self.table().entries[index as usize];
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
    fn prepare(&mut self, key: &Key, fresh: Fresh<A>, now_ms: u64) -> Result<u32, NotRemembered> {
        let Some(index) = self.table().pop_free() else {
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
            table.push_free(index);
            return Err(NotRemembered::ActionsFull);
        };
        let entry = &table.entries[index as usize];
        for (word, value) in entry.key.iter().zip(key) {
            word.store(*value, Ordering::Relaxed);
        }
        entry.generation.store(fresh.generation, Ordering::Relaxed);
        entry.snapshot.store(fresh.snapshot, Ordering::Relaxed);
        entry.packets.store(0, Ordering::Relaxed);
        entry.bytes.store(0, Ordering::Relaxed);
        entry.last_seen_ms.store(now_ms, Ordering::Relaxed);
        entry.action.store(action.0, Ordering::Relaxed);
        entry.length_max.store(fresh.length_max, Ordering::Relaxed);
        entry
            .ttl_min
            .store(u32::from(fresh.ttl_min), Ordering::Relaxed);
        entry.is_live.store(1, Ordering::Relaxed);
        Ok(index)
    }

    /// Invariant 2: of several entries with one key the first slot's remains.
    fn remove_duplicates(&mut self, key: &Key, place: Place) {
        // Of two that insert at once, at least one sees the other's slot after its own.
        fence(Ordering::SeqCst);
        let table = self.member.table.clone();
        let mut is_first = true;
        for slot in table.slots(place) {
            let word = slot.load(Ordering::Acquire);
            let Some(index) = entry_with_tag(word, place.tag) else {
                continue;
            };
            if !table.entries[index as usize].has_key(key) {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                // A full waiting list leaves a twin, which is never found and expires.
                let _ = self.unlink_from(slot, word, index);
            }
        }
    }

    /// Takes an entry out of its slot, if it stands in one.
    fn unlink(&mut self, index: u32) -> Result<(), NotRemembered> {
        let table = self.member.table.clone();
        let place = table.place(&table.entries[index as usize].key());
        let word = word(place.tag, index);
        match table
            .slots(place)
            .find(|slot| slot.load(Ordering::Relaxed) == word)
        {
            Some(slot) => self.unlink_from(slot, word, index),
            None => Ok(()),
        }
    }

    fn unlink_from(
        &mut self,
        slot: &AtomicU64,
        word: u64,
        index: u32,
    ) -> Result<(), NotRemembered> {
        if self.member.waiting.len() >= WAITING {
            return Err(NotRemembered::Waiting);
        }
        if slot
            .compare_exchange(word, 0, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
        {
            let table = &self.member.table;
            table.entries[index as usize]
                .is_live
                .store(0, Ordering::Relaxed);
            table.live.fetch_sub(1, Ordering::Relaxed);
            let epoch = table.quiescence.retire();
            self.member.waiting.push_back((epoch, index));
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

    /// True if the verdict was last found valid for this snapshot.
    pub fn is_valid_for(&self, snapshot: u64) -> bool {
        self.entry.snapshot.load(Ordering::Relaxed) == snapshot
    }

    /// The generation sum of what the verdict was made of.
    pub fn generation(&self) -> u64 {
        self.entry.generation.load(Ordering::Relaxed)
    }

    /// Notes that the generation sum holds for this snapshot.
    pub fn validate(&self, snapshot: u64) {
        self.entry.snapshot.store(snapshot, Ordering::Relaxed);
    }

    /// True if the verdict holds for a packet with this TTL and length.
    pub fn admits(&self, ttl: u8, length: u32) -> bool {
        u32::from(ttl) >= self.entry.ttl_min.load(Ordering::Relaxed)
            && length <= self.entry.length_max.load(Ordering::Relaxed)
    }

    /// Counts a packet of the flow.
    pub fn touch(&self, now_ms: u64, bytes: usize) {
        self.entry.last_seen_ms.store(now_ms, Ordering::Relaxed);
        self.entry.packets.fetch_add(1, Ordering::Relaxed);
        self.entry.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Packets and bytes counted so far.
    pub fn traffic(&self) -> (u64, u64) {
        let entry = self.entry;
        (
            entry.packets.load(Ordering::Relaxed),
            entry.bytes.load(Ordering::Relaxed),
        )
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

    fn has_key(&self, key: &Key) -> bool {
        self.key
            .iter()
            .zip(key)
            .all(|(word, value)| word.load(Ordering::Relaxed) == *value)
    }

    fn key(&self) -> Key {
        std::array::from_fn(|at| self.key[at].load(Ordering::Relaxed))
    }

    fn is_live(&self) -> bool {
        self.is_live.load(Ordering::Relaxed) == 1
    }
}

/// The slot word of an entry.
fn word(tag: u32, index: u32) -> u64 {
    u64::from(tag) << 32 | u64::from(index + 1)
}

/// The entry that a slot word names, if its tag agrees.
fn entry_with_tag(word: u64, tag: u32) -> Option<u32> {
    let index = (word as u32).checked_sub(1)?;
    ((word >> 32) as u32 == tag).then_some(index)
}

/// The next count in the upper half of the free list's head.
fn next_count(head: u64) -> u64 {
    (head & !u64::from(u32::MAX)).wrapping_add(1 << 32)
}
