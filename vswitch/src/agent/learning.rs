//! What the node learns of stations: told upward in small batches, and forgotten when it goes unused.

use std::collections::BTreeMap;
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

/// The entries that this node learned itself, with their ages, and what is still to be told.
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
            let used_at = now;
            let entry = Entry { port, mac, used_at };
            self.entries.insert(key, entry);
            self.tell(key, entry, false, now);
            true
        };
        learned.iter().filter(may_learn).copied().collect()
    }

    /// Notes that traffic used entries.
    pub(super) fn used(&mut self, keys: &[LearnedKey], now: Instant) {
        for key in keys {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.used_at = now;
            }
        }
    }

    /// When there is something to do next. Reports wait for northd.
    pub(super) fn deadline(&self, is_connected: bool) -> Instant {
        let report_at = self.report_at.filter(|_| is_connected);
        report_at.map_or(self.sweep_at, |at| at.min(self.sweep_at))
    }

    /// Takes over the ageing of a station behind a port of this node that was learned in an earlier life.
    pub(super) fn adopt(&mut self, port: PortRef, mac: Mac, now: Instant) {
        let key = LearnedKey::Station(port.datapath, mac);
        let used_at = now;
        let entry = Entry { port, mac, used_at };
        if self.entries.len() < ENTRIES_MAX {
            self.entries.entry(key).or_insert(entry);
        }
    }

    /// Forgets an entry, without a word, unless the tables still say what was learned.
    pub(super) fn reconcile(&mut self, key: &LearnedKey, tables: &Tables) {
        let Some(entry) = self.entries.get(key) else {
            return;
        };
        let is_confirmed = match *key {
            LearnedKey::Station(switch, mac) => tables
                .station(switch, mac)
                .is_some_and(|station| station.port == entry.port.port),
            LearnedKey::Neighbor(port, ip) => tables
                .neighbor(port, ip)
                .is_some_and(|neighbor| neighbor.learned == Some(entry.mac)),
        };
        if !is_confirmed {
            self.entries.remove(key);
            self.untold.remove(key);
        }
    }

    /// The entries that went unused for longer than their kind may, which are then forgotten and reported.
    /// An age of 0 seconds lets entries live for good.
    pub(super) fn expire(
        &mut self,
        station_age_s: u32,
        neighbor_age_s: u32,
        now: Instant,
    ) -> Vec<LearnedKey> {
        if now < self.sweep_at {
            return Vec::new();
        }
        self.sweep_at = now + SWEEP_INTERVAL;
        let is_expired = |(key, entry): &(&LearnedKey, &Entry)| {
            let age_s = match key {
                LearnedKey::Station(..) => station_age_s,
                LearnedKey::Neighbor(..) => neighbor_age_s,
            };
            let age = Duration::from_secs(age_s.into());
            age_s != 0 && now.saturating_duration_since(entry.used_at) >= age
        };
        let expired = self.entries.iter().filter(is_expired);
        let expired: Vec<(LearnedKey, Entry)> =
            expired.map(|(key, entry)| (*key, *entry)).collect();
        for (key, entry) in &expired {
            self.entries.remove(key);
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
