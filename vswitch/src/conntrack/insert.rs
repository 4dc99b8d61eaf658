//! How a new connection gets into the table: invariant 1 of [`super`].

use packet::Segment;
use pipeline::conntrack::{Commit, CommitError, NatRequest, Progress, State, Tuple, Zone, choices};

use super::entry::{Debtor, Entry, Fresh, life};
use super::key::Key;
use super::table::ConntrackTable;
use super::turn::Turn;
use crate::table::buckets::Place;
use crate::table::sync::{Ordering, fence};

/// How often a worker tries again when others get in its way.
const TRIES: usize = 4;

/// What became of a packet that may begin a connection.
pub(super) enum Inserted {
    /// It has begun this one.
    New(u32),
    /// Such packets begin none.
    Nothing,
    /// Another worker begins the same connection just now.
    Raced,
}

/// What became of an attempt.
#[derive(Clone, Copy)]
enum Attempt {
    /// It is a connection.
    Live,
    /// Another one begins with the same packet.
    Raced,
    /// Another one has the same answers.
    Lost,
    /// There is no slot.
    NoSlot,
}

impl Turn<'_> {
    /// Begins a connection. `original` is the key of the packet, and `place` where that stands.
    pub(super) fn insert(
        &mut self,
        (zone, tuple): (Zone, &Tuple),
        (original, place): (Key, Place),
        segment: &Segment,
        commit: &Commit,
        now_ms: u64,
    ) -> Result<Inserted, CommitError> {
        let progress = match Progress::begin(tuple.protocol, segment) {
            Some(progress) if tuple.may_begin() => progress,
            _ => return Ok(Inserted::Nothing),
        };
        let table = self.table();
        let half_open = table.half_open(Debtor::new(&original, commit.is_own));
        if half_open.load(Ordering::Relaxed) >= table.settings.half_open_quota {
            table.refuse(zone);
            return Err(CommitError::HalfOpenQuota);
        }
        self.make_room(now_ms);
        let nat = match commit.nat {
            None => State::empty(),
            Some(NatRequest::Source(..)) => State::SNAT,
            Some(NatRequest::Destination(..)) => State::DNAT,
        };
        let mut lost = 0;
        for choice in choices(tuple, commit.nat.as_ref()) {
            let became = Key::new(zone, &choice);
            // Answers stand where what they answer does.
            let places = match became == original {
                true => [place; 2],
                false => [place, self.table().place(&became)],
            };
            let answers = became.reversed();
            if self.find_at(places[1], &answers, now_ms).is_some() {
                continue;
            }
            let fresh = Fresh {
                original,
                became,
                nat,
                progress,
                commit,
                now_ms,
            };
            let index = self.pop_entry()?;
            match self.attempt(index, &fresh, places) {
                Attempt::Live => {
                    ConntrackTable::count(&self.table().counters.begun);
                    return Ok(Inserted::New(index));
                }
                Attempt::NoSlot => {
                    ConntrackTable::count(&self.table().counters.refused_full);
                    return Err(CommitError::TableFull);
                }
                Attempt::Raced => return Ok(Inserted::Raced),
                Attempt::Lost => lost += 1,
            }
            if lost >= TRIES {
                break;
            }
        }
        ConntrackTable::count(&self.table().counters.refused_ports);
        Err(CommitError::PortsExhausted)
    }

    /// A free entry, which may have to wait when it is given up.
    fn pop_entry(&mut self) -> Result<u32, CommitError> {
        let table = self.table();
        let free = match self.can_withdraw() {
            true => table.entries.pop_free(),
            false => None,
        };
        free.ok_or_else(|| {
            ConntrackTable::count(&table.counters.refused_full);
            CommitError::TableFull
        })
    }

    /// `places` are those of the packet and of what it becomes.
    fn attempt(&mut self, index: u32, fresh: &Fresh<'_>, places: [Place; 2]) -> Attempt {
        let table = self.table();
        let entry = table.entries.get(index);
        entry.write(fresh);
        if fresh.progress.is_half_open() {
            table
                .half_open(entry.debtor())
                .fetch_add(1, Ordering::Relaxed);
        }
        let is_published = table.buckets.publish(places[0], index)
            && (fresh.became == fresh.original || table.buckets.publish(places[1], index));
        let attempt = match is_published {
            true => self.prevail(index, fresh, places),
            false => Attempt::NoSlot,
        };
        match attempt {
            Attempt::Live => {
                table.live.fetch_add(1, Ordering::Relaxed);
            }
            Attempt::Raced | Attempt::Lost | Attempt::NoSlot => {
                entry.life.store(life::DEAD, Ordering::Release);
                self.withdraw(index);
            }
        }
        attempt
    }

    /// Makes a pending entry live unless another has one of its tuples.
    fn prevail(&self, index: u32, fresh: &Fresh<'_>, places: [Place; 2]) -> Attempt {
        // Of two that are put into their slots at once, at least one sees the other.
        fence(Ordering::SeqCst);
        let table = self.table();
        let entry = table.entries.get(index);
        let tuples = [
            (fresh.original, Attempt::Raced),
            (fresh.became.reversed(), Attempt::Lost),
        ];
        for ((tuple, defeat), place) in tuples.iter().zip(places) {
            let prevails_over = |other| {
                let rival = table.entries.get(other);
                other == index
                    || rival.direction_of(tuple).is_none()
                    || is_beaten(rival, index < other)
            };
            let victor = |other| (!prevails_over(other)).then_some(());
            if table.buckets.find(place, victor).is_some() {
                return *defeat;
            }
        }
        let prevails = entry.life.compare_exchange(
            life::PENDING,
            life::LIVE,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        match prevails {
            Ok(_) => Attempt::Live,
            // Whoever ended it may begin the same connection or have the same answers.
            Err(_) => Attempt::Raced,
        }
    }
}

/// Whether a rival gives way, which a pending one does to a lesser number.
fn is_beaten(rival: &Entry, is_greater: bool) -> bool {
    let (pending, dead) = (life::PENDING, life::DEAD);
    let life = &rival.life;
    match life.load(Ordering::Acquire) {
        life::PENDING => {
            is_greater
                && life
                    .compare_exchange(pending, dead, Ordering::AcqRel, Ordering::Acquire)
                    .is_ok()
        }
        life::LIVE => false,
        _ => true,
    }
}
