//! The table of all zones' connections, and what is counted of it.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use pipeline::conntrack::{MadeBy, Settings, Zone};

use super::affinity::Affinities;
use super::entry::{Debtor, Entry};
use super::key::Key;
use super::reference::Reference;
use super::turn::Member;
use crate::table::arena::Arena;
use crate::table::buckets::{Buckets, Place, hash_words};
use crate::table::interner::{Id, Interner};
use crate::table::quiescence::Quiescence;
use crate::table::sync::{AtomicU32, AtomicU64, HasherSeed, Ordering};

/// There is at most one maker for so many connections; connections that are alike share one.
const CONNECTIONS_PER_MAKER: u32 = 4;
/// A table always has room for so many makers.
const MIN_MAKERS: u32 = 256;
/// Counters of half-open connections, and of refused ones. Those share one whose hashes meet.
const HALF_OPEN_COUNTERS: usize = 1 << 14;
/// Who has used so small a part of the quota of half-open connections begins more of them than a station that works.
const CROWD: u32 = 32;

/// Declares what is counted once.
macro_rules! counts {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        #[derive(Debug, Default)]
        pub(super) struct Counters { $(pub(super) $name: AtomicU64,)* }

        /// How full the table is, and what it has come to since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub struct TrackingCounts {
            /// Connections now.
            pub connections: u32,
            /// Connections that there can be.
            pub capacity: u32,
            /// Connections now that both ends are not known to want.
            pub half_open: u64,
            /// Clients that stay with a backend now.
            pub affinities: u64,
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        impl TrackingCounts {
            /// Names, descriptions and values of what only grows.
            pub fn totals(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($name), concat!($($doc),*), self.$name),)*].into_iter()
            }

            /// Names, descriptions and values of what comes and goes.
            pub fn gauges(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [
                    ("connections", "Connections now.", self.connections.into()),
                    ("capacity", "Connections that there can be.", self.capacity.into()),
                    (
                        "half_open",
                        "Connections now that both ends are not known to want.",
                        self.half_open,
                    ),
                    ("affinities", "Clients that stay with a backend now.", self.affinities),
                ]
                .into_iter()
            }

            fn read(&mut self, counters: &Counters) {
                $(self.$name = counters.$name.load(Ordering::Relaxed);)*
            }
        }
    };
}

counts! {
    /// Connections that were begun.
    begun,
    /// Connections that expired.
    expired,
    /// Connections that were half-open or over and gave way to new ones.
    evicted,
    /// Connections that were flushed or whose port is gone.
    flushed,
    /// Connections that were not begun for want of room.
    refused_full,
    /// Connections that were not begun because their port or source had too many half-open ones.
    refused_half_open,
    /// Connections that were not begun because no port was free for their translation.
    refused_ports,
    /// Packets that could not belong to any connection.
    invalid,
}

/// The table. Workers reach it through a [`Member`] each.
pub struct ConntrackTable {
    pub(super) settings: Settings,
    pub(super) buckets: Buckets,
    pub(super) entries: Arena<Entry>,
    pub(super) makers: Interner<Arc<MadeBy>>,
    pub(super) affinities: Affinities,
    pub(super) quiescence: Quiescence,
    pub(super) live: AtomicU32,
    /// Where eviction goes on.
    pub(super) hand: AtomicU32,
    /// Where the search for what has expired goes on, for all workers together.
    pub(super) sweep: AtomicU32,
    pub(super) counters: Counters,
    half_open: Box<[AtomicU32]>,
    refused: Box<[AtomicU64]>,
    hasher: HasherSeed,
}

impl ConntrackTable {
    /// An empty table for `capacity` connections (at least one), and `members` to share it.
    pub fn new(
        capacity: u32,
        members: usize,
        settings: Settings,
    ) -> (Arc<ConntrackTable>, Vec<Member>) {
        Self::with_counters(capacity, members, settings, HALF_OPEN_COUNTERS)
    }

    /// As [`ConntrackTable::new`], with so many counters of half-open connections.
    pub(crate) fn with_counters(
        capacity: u32,
        members: usize,
        settings: Settings,
        half_open: usize,
    ) -> (Arc<ConntrackTable>, Vec<Member>) {
        let capacity = capacity.clamp(1, Reference::MAX_ENTRIES);
        let table = Arc::new(ConntrackTable {
            settings,
            // Translated connections stand in two slots: room is for half of all to be translated.
            buckets: Buckets::new(capacity + capacity / 2),
            entries: Arena::new(capacity, Entry::free),
            makers: Interner::new((capacity / CONNECTIONS_PER_MAKER).max(MIN_MAKERS)),
            affinities: Affinities::default(),
            quiescence: Quiescence::new(members),
            live: AtomicU32::new(0),
            hand: AtomicU32::new(0),
            sweep: AtomicU32::new(0),
            counters: Counters::default(),
            half_open: (0..half_open).map(|_| AtomicU32::new(0)).collect(),
            refused: (0..half_open).map(|_| AtomicU64::new(0)).collect(),
            hasher: HasherSeed::default(),
        });
        let member = |reader| Member::new(table.clone(), reader);
        let members = (0..members).map(member).collect();
        (table, members)
    }

    /// How connections are judged and kept.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How full the table is, and what it has come to.
    pub fn counts(&self) -> TrackingCounts {
        let half_open = self.half_open.iter();
        let mut counts = TrackingCounts {
            connections: self.live.load(Ordering::Relaxed),
            capacity: self.entries.capacity(),
            half_open: half_open
                .map(|count| u64::from(count.load(Ordering::Relaxed)))
                .sum(),
            affinities: self.affinities.len(),
            ..TrackingCounts::default()
        };
        counts.read(&self.counters);
        counts
    }

    /// Bytes that the table occupies whatever it holds; who made the connections is not among them.
    pub fn size_bytes(&self) -> usize {
        self.buckets.size_bytes() + self.entries.size_bytes()
    }

    pub(super) fn place(&self, key: &Key) -> Place {
        self.buckets
            .place(hash_words(&self.hasher, &key.unordered()))
    }

    /// The count of half-open connections.
    pub(super) fn half_open(&self, debtor: Debtor) -> &AtomicU32 {
        &self.half_open[self.counter(debtor)]
    }

    /// True if so many connections of somebody wait for an answer as those of a station that works never do.
    pub(super) fn is_crowded(&self, debtor: Debtor) -> bool {
        let waiting = self.half_open(debtor).load(Ordering::Relaxed);
        waiting > self.settings.half_open_quota / CROWD
    }

    fn counter(&self, of: impl Hash) -> usize {
        self.hasher.hash_one(of) as usize % self.half_open.len()
    }

    /// Counts a connection of a zone that is refused because there are too many half-open ones.
    pub(super) fn refuse(&self, zone: Zone) {
        Self::count(&self.counters.refused_half_open);
        Self::count(&self.refused[self.counter(zone.number())]);
    }

    /// Connections of a zone that were refused because there were too many half-open ones. Zones may share this number,
    /// though hardly ever do.
    pub fn refused_of(&self, zone: Zone) -> u64 {
        self.refused[self.counter(zone.number())].load(Ordering::Relaxed)
    }

    /// Frees an entry that nobody can see, with its reference to who made it.
    pub(super) fn free_entry(&self, index: u32) {
        if let Some(maker) = self.entries.get(index).set_made_by(None) {
            self.makers.release(Id(maker));
        }
        self.entries.push_free(index);
    }

    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
