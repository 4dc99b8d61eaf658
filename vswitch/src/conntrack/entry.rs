//! One connection in atomic words.

use packet::Segment;
use packet::flow::ip_protocol;
use pipeline::conntrack::{Commit, Direction, Mark, Outcome, Progress, Settings, State};

use super::key::{self, End, Key};
use crate::table::arena::Linked;
use crate::table::sync::{AtomicU32, AtomicU64, Ordering};

/// What an entry is at.
pub(super) mod life {
    /// Nobody can find it.
    pub(crate) const FREE: u32 = 0;
    /// It stands in its slots, and may still lose to another.
    pub(crate) const PENDING: u32 = 1;
    /// It is a connection.
    pub(crate) const LIVE: u32 = 2;
    /// It is over, and out of its slots or about to be.
    pub(crate) const DEAD: u32 = 3;
}

/// The bits of the state word: those that are not of [`Progress::to_words`].
mod bit {
    pub(super) const PROGRESS: u64 = 0x00ff_ffff_00ff_ffff;
    pub(super) const MARK_SHIFT: u32 = 24;
    pub(super) const MARK: u64 = 0xff << MARK_SHIFT;
    pub(super) const SNAT: u64 = 1 << 56;
    pub(super) const DNAT: u64 = 1 << 57;
    /// It counts as half-open.
    pub(super) const COUNTED: u64 = 1 << 58;
    /// The interface that the zone is of has begun it.
    pub(super) const OWN: u64 = 1 << 59;
    /// Which of [`super::FOLLOWED`] it is.
    pub(super) const FOLLOWED_SHIFT: u32 = 60;
}

/// The protocols that say something of their progress, after one that stands for all others. Which it is stands in the
/// state word too, so that who follows a connection needs its second line only.
const FOLLOWED: [u8; 4] = [0, ip_protocol::TCP, ip_protocol::SCTP, 0];

/// No timeout is less than that.
pub(super) const LEAST_TIMEOUT_MS: u64 = 1_000;

/// A connection. Two cache lines: who it is, and how it is.
#[repr(C, align(64))]
pub(super) struct Entry {
    zone: AtomicU64,
    src: [AtomicU64; 2],
    dst: [AtomicU64; 2],
    /// Source and destination of the first packet, then of what it is translated to.
    ports: AtomicU64,
    /// The address that the source or the destination is translated to.
    translated: [AtomicU64; 2],
    /// The first word of the progress, the mark, and more.
    pub(super) state: AtomicU64,
    /// What forward packets, and what replies have brought of the progress.
    sequences: [AtomicU64; 2],
    pub(super) last_seen_ms: AtomicU64,
    pub(super) begun_ms: AtomicU64,
    /// The ACL label (upper half), and the number of who made it plus one.
    facts: AtomicU64,
    pub(super) life: AtomicU32,
    /// Counts the connections that the entry was.
    pub(super) incarnation: AtomicU32,
    next_free: AtomicU32,
}

/// What a new entry is to be.
pub(super) struct Fresh<'c> {
    pub(super) original: Key,
    /// What a forward packet becomes.
    pub(super) became: Key,
    pub(super) nat: State,
    pub(super) progress: Progress,
    /// What is noted of it.
    pub(super) commit: &'c Commit,
    pub(super) now_ms: u64,
}

/// Whom half-open connections count for: the interface that the zone is of, or a source in the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Debtor {
    zone_number: u64,
    source: Option<[u64; 2]>,
}

impl Debtor {
    /// Whom a connection that begins with this packet counts for.
    pub(super) fn new(original: &Key, is_own: bool) -> Debtor {
        Debtor {
            zone_number: original.zone_number(),
            source: (!is_own).then_some(original.src.address),
        }
    }
}

/// The policy-visible state of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Visible {
    pub(super) mark: Mark,
    pub(super) nat: State,
}

/// What a packet is to an entry, and what it makes of it.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) outcome: Outcome,
    /// The state word, as it was and as it becomes.
    before: u64,
    after: u64,
    /// The sequence words, as they were and as they become.
    former: [u64; 2],
    sequences: [u64; 2],
}

impl Step {
    /// What the pipeline could see of the entry.
    pub(super) fn visible(&self) -> Visible {
        visible(self.before)
    }

    /// True if the entry no longer counts as half-open, which is the caller's to count.
    pub(super) fn is_discounted(&self) -> bool {
        (self.before & !self.after) & bit::COUNTED != 0
    }
}

impl Linked for Entry {
    fn next_free(&self) -> &AtomicU32 {
        &self.next_free
    }
}

impl Entry {
    pub(super) fn free(next_free: u32) -> Entry {
        let zero = || AtomicU64::new(0);
        Entry {
            zone: zero(),
            src: [zero(), zero()],
            dst: [zero(), zero()],
            ports: zero(),
            translated: [zero(), zero()],
            state: zero(),
            sequences: [zero(), zero()],
            last_seen_ms: zero(),
            begun_ms: zero(),
            facts: zero(),
            life: AtomicU32::new(life::FREE),
            incarnation: AtomicU32::new(0),
            next_free: AtomicU32::new(next_free),
        }
    }

    /// Makes a free entry this connection, pending.
    pub(super) fn write(&self, fresh: &Fresh<'_>) {
        let Fresh {
            original,
            became,
            commit,
            ..
        } = fresh;
        let [state, forward, reply] = fresh.progress.to_words();
        let translated = match fresh.nat.contains(State::SNAT) {
            true => became.src.address,
            false => became.dst.address,
        };
        let ports = [original.src, original.dst, became.src, became.dst]
            .iter()
            .fold(0, |word, end| word << 16 | u64::from(end.port));
        let protocol = original.protocol();
        let followed = FOLLOWED.iter().position(|known| *known == protocol);
        let mut bits = state & bit::PROGRESS | mark_bits(commit.mark);
        bits |= (followed.unwrap_or(0) as u64) << bit::FOLLOWED_SHIFT;
        for (nat, flag) in [(State::SNAT, bit::SNAT), (State::DNAT, bit::DNAT)] {
            bits |= if fresh.nat.contains(nat) { flag } else { 0 };
        }
        if fresh.progress.is_half_open() {
            bits |= bit::COUNTED;
        }
        if commit.is_own {
            bits |= bit::OWN;
        }
        self.zone.store(original.zone, Ordering::Relaxed);
        store(&self.src, original.src.address);
        store(&self.dst, original.dst.address);
        self.ports.store(ports, Ordering::Relaxed);
        store(&self.translated, translated);
        self.state.store(bits, Ordering::Relaxed);
        store(&self.sequences, [forward, reply]);
        self.last_seen_ms.store(fresh.now_ms, Ordering::Relaxed);
        self.begun_ms.store(fresh.now_ms, Ordering::Relaxed);
        self.facts
            .store(label_bits(commit.label), Ordering::Relaxed);
        self.incarnation.fetch_add(1, Ordering::Relaxed);
        self.life.store(life::PENDING, Ordering::Relaxed);
    }

    /// The tuple of the first packet.
    pub(super) fn original(&self) -> Key {
        let ports = self.ports.load(Ordering::Relaxed);
        Key {
            zone: self.zone.load(Ordering::Relaxed),
            src: End {
                address: load(&self.src),
                port: (ports >> 48) as u16,
            },
            dst: End {
                address: load(&self.dst),
                port: (ports >> 32) as u16,
            },
        }
    }

    /// What a forward packet becomes.
    pub(super) fn became(&self) -> Key {
        let ports = self.ports.load(Ordering::Relaxed);
        let state = self.state.load(Ordering::Relaxed);
        let mut key = self.original();
        key.src.port = (ports >> 16) as u16;
        key.dst.port = ports as u16;
        if state & bit::SNAT != 0 {
            key.src.address = load(&self.translated);
        }
        if state & bit::DNAT != 0 {
            key.dst.address = load(&self.translated);
        }
        key
    }

    /// The direction of an incoming packet with this tuple; `None` if it is none of the connection.
    pub(super) fn direction_of(&self, key: &Key) -> Option<Direction> {
        if self.zone.load(Ordering::Relaxed) != key.zone {
            return None;
        }
        if self.original() == *key {
            return Some(Direction::Forward);
        }
        (self.became().reversed() == *key).then_some(Direction::Reply)
    }

    /// What a packet that goes in this direction becomes.
    pub(super) fn translated(&self, direction: Direction) -> Key {
        match direction {
            Direction::Forward => self.became(),
            Direction::Reply => self.original().reversed(),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.life.load(Ordering::Acquire) == life::LIVE
    }

    pub(super) fn progress(&self) -> Progress {
        let state = self.state.load(Ordering::Acquire);
        progress(state, load(&self.sequences))
    }

    /// True once no packet has come for the timeout of the state.
    pub(super) fn is_expired(&self, settings: &Settings, now_ms: u64) -> bool {
        self.is_expired_since(self.last_seen_ms.load(Ordering::Relaxed), settings, now_ms)
    }

    /// As [`Entry::is_expired`], if the last packet has come at `last_seen_ms`.
    #[inline]
    pub(super) fn is_expired_since(
        &self,
        last_seen_ms: u64,
        settings: &Settings,
        now_ms: u64,
    ) -> bool {
        if now_ms < last_seen_ms + LEAST_TIMEOUT_MS {
            return false;
        }
        let protocol = key::protocol(self.zone.load(Ordering::Relaxed));
        let timeout_s = self.progress().timeout_s(protocol, &settings.timeouts);
        now_ms >= last_seen_ms + u64::from(timeout_s) * 1_000
    }

    pub(super) fn visible(&self) -> Visible {
        visible(self.state.load(Ordering::Relaxed))
    }

    /// The mark, and the sequence word of the direction as it is and as a packet makes it, if that is of the most common
    /// kind and changes nothing else ([`Progress::follow`]).
    #[inline]
    pub(super) fn follow(
        &self,
        direction: Direction,
        segment: &Segment,
    ) -> Option<(Mark, u64, u64)> {
        let state = self.state.load(Ordering::Acquire);
        if state & bit::COUNTED != 0 {
            return None;
        }
        let [forward, reply] = load(&self.sequences);
        let words = [state & bit::PROGRESS, forward, reply];
        let is = Progress::follow(followed(state), words, direction, segment)?;
        let was = match direction {
            Direction::Forward => forward,
            Direction::Reply => reply,
        };
        Some((visible(state).mark, was, is))
    }

    /// Takes the sequence word of a direction further.
    #[inline]
    pub(super) fn set_sequence(&self, direction: Direction, word: u64) {
        self.sequences[direction as usize].store(word, Ordering::Release);
    }

    /// What a packet would be to the connection, which stays as it is.
    #[inline]
    pub(super) fn judge(
        &self,
        direction: Direction,
        segment: &Segment,
        settings: &Settings,
    ) -> Step {
        let before = self.state.load(Ordering::Acquire);
        let former = load(&self.sequences);
        let mut progress = progress(before, former);
        let outcome = progress.advance(direction, segment, settings);
        let [word, sequences @ ..] = progress.to_words();
        let mut after = before & !bit::PROGRESS | word & bit::PROGRESS;
        if !progress.is_half_open() {
            after &= !bit::COUNTED;
        }
        Step {
            outcome,
            before,
            after,
            former,
            sequences,
        }
    }

    /// Takes the connection further by a packet that was judged; false if another worker has come before, and the packet
    /// is to be judged again. Nothing is written that stays what it was.
    #[inline]
    pub(super) fn take(&self, step: &Step) -> bool {
        if step.after != step.before {
            let swapped = self.state.compare_exchange(
                step.before,
                step.after,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if swapped.is_err() {
                return false;
            }
        }
        for ((at, was), is) in self.sequences.iter().zip(step.former).zip(step.sequences) {
            if was != is {
                at.store(is, Ordering::Release);
            }
        }
        true
    }

    /// Judges a packet and takes the connection further by it, unless it cannot belong to it.
    pub(super) fn advance(
        &self,
        direction: Direction,
        segment: &Segment,
        settings: &Settings,
        now_ms: u64,
    ) -> Step {
        /// Workers that meet at one connection are few; who keeps losing leaves its note out.
        const TRIES: usize = 8;
        let mut step = self.judge(direction, segment, settings);
        for _ in 0..TRIES {
            if matches!(step.outcome, Outcome::Invalid | Outcome::Reopens) {
                return step;
            }
            if self.take(&step) {
                self.last_seen_ms.store(now_ms, Ordering::Relaxed);
                return step;
            }
            step = self.judge(direction, segment, settings);
        }
        self.last_seen_ms.store(now_ms, Ordering::Relaxed);
        Step {
            after: step.before,
            ..step
        }
    }

    /// Notes a mark and a label.
    pub(super) fn note(&self, mark: Mark, label: u32) {
        update(&self.state, |state| state & !bit::MARK | mark_bits(mark));
        update(&self.facts, |facts| {
            label_bits(label) | facts & u64::from(u32::MAX)
        });
    }

    /// Ends the count as half-open; true if it was counted.
    pub(super) fn discount(&self) -> bool {
        self.state.fetch_and(!bit::COUNTED, Ordering::AcqRel) & bit::COUNTED != 0
    }

    pub(super) fn is_own(&self) -> bool {
        self.state.load(Ordering::Relaxed) & bit::OWN != 0
    }

    /// Whom a half-open connection counts for.
    pub(super) fn debtor(&self) -> Debtor {
        Debtor::new(&self.original(), self.is_own())
    }

    pub(super) fn label(&self) -> u32 {
        (self.facts.load(Ordering::Relaxed) >> 32) as u32
    }

    /// The number of who made it.
    pub(super) fn made_by(&self) -> Option<u32> {
        (self.facts.load(Ordering::Acquire) as u32).checked_sub(1)
    }

    /// Notes who made it; gives the number that stood there.
    pub(super) fn set_made_by(&self, number: Option<u32>) -> Option<u32> {
        let low = u64::from(number.map_or(0, |number| number + 1));
        let before = update(&self.facts, |facts| facts & !u64::from(u32::MAX) | low);
        (before as u32).checked_sub(1)
    }
}

/// The progress in a state word and the sequence words.
#[inline]
fn progress(state: u64, [forward, reply]: [u64; 2]) -> Progress {
    Progress::from_words(followed(state), [state & bit::PROGRESS, forward, reply])
}

/// The protocol in a state word, if it is one that says something of its progress.
#[inline]
fn followed(state: u64) -> u8 {
    FOLLOWED[(state >> bit::FOLLOWED_SHIFT & 3) as usize]
}

fn mark_bits(mark: Mark) -> u64 {
    u64::from(mark.bits()) << bit::MARK_SHIFT
}

fn label_bits(label: u32) -> u64 {
    u64::from(label) << 32
}

#[inline]
fn visible(state: u64) -> Visible {
    let mut nat = State::empty();
    nat.set(State::SNAT, state & bit::SNAT != 0);
    nat.set(State::DNAT, state & bit::DNAT != 0);
    Visible {
        mark: Mark::from_bits_truncate((state >> bit::MARK_SHIFT) as u8),
        nat,
    }
}

/// Changes a word; gives what it was.
fn update(word: &AtomicU64, change: impl Fn(u64) -> u64) -> u64 {
    let mut now = word.load(Ordering::Relaxed);
    loop {
        match word.compare_exchange(now, change(now), Ordering::AcqRel, Ordering::Relaxed) {
            Ok(before) => return before,
            Err(other) => now = other,
        }
    }
}

fn load(words: &[AtomicU64; 2]) -> [u64; 2] {
    [
        words[0].load(Ordering::Relaxed),
        words[1].load(Ordering::Relaxed),
    ]
}

fn store(words: &[AtomicU64; 2], values: [u64; 2]) {
    words[0].store(values[0], Ordering::Relaxed);
    words[1].store(values[1], Ordering::Relaxed);
}
