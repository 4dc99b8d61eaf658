//! What the node learns of stations: told upward in small batches, again while it is in use, and forgotten when
//! it goes unused.
//!
//! northd decides on the age of what it took note of: any node that uses an entry keeps it young by telling it
//! again, whoever learned it. Only what northd never took up is aged here.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::time::{Duration, Instant};

use packet::Mac;
use pipeline::object::PortRef;
use pipeline::{Learn, LearnedKey, Tables};
use southbound_proto::convert::{LearnedNeighbor, LearnedStation};
use southbound_proto::southbound as wire;

/// How long a report waits for others to go with it.
pub(super) const REPORT_DELAY: Duration = Duration::from_millis(1);
/// The most entries of one report.
pub(super) const REPORT_ENTRIES_MAX: usize = 1_000;
/// The most entries that a node keeps for stations it met itself; what comes beyond is not learned.
pub(super) const ENTRIES_MAX: usize = 65_536;
/// The most entries that wait to be told; what comes beyond is told when it is learned again.
pub(super) const UNTOLD_MAX: usize = 2 * ENTRIES_MAX;
/// How often entries are looked at for their age.
pub(super) const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// An entry in use is told again this often within its age.
const REFRESHES_PER_AGE: u32 = 4;

/// How long entries live unused, in seconds; 0 lets them live for good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ages {
    /// Of a station.
    pub(super) station_s: u32,
    /// Of a neighbour.
    pub(super) neighbor_s: u32,
}

impl Ages {
    /// The age of this kind of entry, if it has one.
    fn of(self, key: &LearnedKey) -> Option<Duration> {
        let age_s = match key {
            LearnedKey::Station(..) => self.station_s,
            LearnedKey::Neighbor(..) => self.neighbor_s,
        };
        (age_s != 0).then(|| Duration::from_secs(age_s.into()))
    }
}

/// The entries that this node learned or uses, with their ages, and what is still to be told.
#[derive(Debug)]
pub(super) struct Learning {
    entries: BTreeMap<LearnedKey, Entry>,
    untold: BTreeMap<LearnedKey, (Entry, bool)>,
    report_at: Option<Instant>,
    sweep_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    port: PortRef,
    mac: Mac,
    used_at: Instant,
    told_at: Instant,
}

impl Entry {
    fn new(port: PortRef, mac: Mac, now: Instant) -> Self {
        Self {
            port,
            mac,
            used_at: now,
            told_at: now,
        }
    }
}

impl Learning {
    /// Nothing learned.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            entries: BTreeMap::new(),
            untold: BTreeMap::new(),
            report_at: None,
            sweep_at: now + SWEEP_INTERVAL,
        }
    }

    /// Notes what packets taught; returns what of it may be learned, which is all but what goes over the bound.
    pub(super) fn learn(&mut self, learned: &[Learn], now: Instant) -> Vec<Learn> {
        let may_learn = |learn: &&Learn| {
            let key = learn.key();
            if self.entries.len() >= ENTRIES_MAX && !self.entries.contains_key(&key) {
                return false;
            }
            let (Learn::Station { port, mac } | Learn::Neighbor { port, mac, .. }) = **learn;
            let entry = Entry::new(port, mac, now);
            self.entries.insert(key, entry);
            self.tell(key, entry, false, now);
            true
        };
        learned.iter().filter(may_learn).copied().collect()
    }

    /// Notes that traffic used entries, whoever learned them, and tells so from time to time.
    pub(super) fn used(&mut self, keys: &[LearnedKey], tables: &Tables, ages: Ages, now: Instant) {
        for key in keys {
            let Some(age) = ages.of(key) else { continue };
            let is_full = self.entries.len() >= ENTRIES_MAX;
            let (entry, is_new) = match self.entries.entry(*key) {
                Slot::Occupied(there) => (there.into_mut(), false),
                Slot::Vacant(_) if is_full => continue,
                Slot::Vacant(place) => match find(key, tables) {
                    Some((port, mac)) => (place.insert(Entry::new(port, mac, now)), true),
                    None => continue,
                },
            };
            entry.used_at = now;
            if is_new || now.saturating_duration_since(entry.told_at) >= age / REFRESHES_PER_AGE {
                entry.told_at = now;
                let entry = *entry;
                self.tell(*key, entry, false, now);
            }
        }
    }

    /// When there is something to do next. Reports wait for northd.
    pub(super) fn deadline(&self, is_connected: bool) -> Instant {
        let report_at = self.report_at.filter(|_| is_connected);
        report_at.map_or(self.sweep_at, |at| at.min(self.sweep_at))
    }

    /// Forgets an entry, without a word, unless the tables still say what was learned.
    pub(super) fn reconcile(&mut self, key: &LearnedKey, tables: &Tables) {
        let Some(entry) = self.entries.get(key) else {
            return;
        };
        if find(key, tables) != Some((entry.port, entry.mac)) {
            self.entries.remove(key);
            self.untold.remove(key);
        }
    }

    /// The entries that went unused for longer than their kind may, which are then forgotten; those that
    /// `is_own` says northd did not take up are reported, and returned.
    pub(super) fn expire(
        &mut self,
        ages: Ages,
        is_own: impl Fn(&LearnedKey) -> bool,
        now: Instant,
    ) -> Vec<LearnedKey> {
        if now < self.sweep_at {
            return Vec::new();
        }
        self.sweep_at = now + SWEEP_INTERVAL;
        let is_expired = |(key, entry): &(&LearnedKey, &Entry)| {
            let unused = now.saturating_duration_since(entry.used_at);
            ages.of(key).is_some_and(|age| unused >= age)
        };
        let expired = self.entries.iter().filter(is_expired);
        let mut expired: Vec<(LearnedKey, Entry)> =
            expired.map(|(key, entry)| (*key, *entry)).collect();
        for (key, _) in &expired {
            self.entries.remove(key);
        }
        expired.retain(|(key, _)| is_own(key));
        for (key, entry) in &expired {
            self.tell(*key, *entry, true, now);
        }
        expired.into_iter().map(|(key, _)| key).collect()
    }

    /// The reports that are due, each of bounded size. To be asked for only while northd is there.
    pub(super) fn reports(&mut self, now: Instant) -> Vec<wire::Learned> {
        if self.report_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.report_at = None;
        let untold: Vec<_> = std::mem::take(&mut self.untold).into_iter().collect();
        untold.chunks(REPORT_ENTRIES_MAX).map(report).collect()
    }

    /// Plans to tell everything anew, to a northd that may not have heard it.
    pub(super) fn tell_all(&mut self, now: Instant) {
        for (key, entry) in self.entries.clone() {
            self.tell(key, entry, false, now);
        }
    }

    fn tell(&mut self, key: LearnedKey, entry: Entry, expired: bool, now: Instant) {
        if self.untold.len() >= UNTOLD_MAX && !self.untold.contains_key(&key) {
            return;
        }
        self.untold.insert(key, (entry, expired));
        self.report_at.get_or_insert(now + REPORT_DELAY);
    }
}

/// The place of a learned entry and its MAC address, as the tables say.
fn find(key: &LearnedKey, tables: &Tables) -> Option<(PortRef, Mac)> {
    match *key {
        LearnedKey::Station(datapath, mac) => {
            let port = tables.station(datapath, mac)?.port;
            Some((PortRef { datapath, port }, mac))
        }
        LearnedKey::Neighbor(port, ip) => Some((port, tables.neighbor(port, ip)?.learned?)),
    }
}

fn report(entries: &[(LearnedKey, (Entry, bool))]) -> wire::Learned {
    let mut learned = wire::Learned::default();
    for (key, (entry, expired)) in entries {
        let &Entry { port, mac, .. } = entry;
        let expired = *expired;
        match *key {
            LearnedKey::Station(..) => {
                let station = LearnedStation { port, mac, expired };
                learned.stations.push((&station).into());
            }
            LearnedKey::Neighbor(_, ip) => {
                let neighbor = LearnedNeighbor {
                    port,
                    ip,
                    mac,
                    expired,
                };
                learned.neighbors.push((&neighbor).into());
            }
        }
    }
    learned
}
