//! A packet of a flow whose verdict is remembered takes the connections further that the verdict was made of.
//!
//! Most packets are data of connections that are open. For these the quick way compares a few words and writes one; all
//! others take the thorough one, which knows every case. Where both know a packet they note the same of it.

use arrayvec::ArrayVec;
use packet::Segment;
use pipeline::conntrack::{Direction, Outcome};

use super::entry::{Entry, LEAST_TIMEOUT_MS, Step};
use super::reference::Reference;
use super::turn::Turn;
use crate::table::sync::Ordering;

/// Connections that are followed quickly, at most: those of both ends, and of a router that translates both addresses.
const QUICK: usize = 4;

/// How connections have taken a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// It is not to all of them what an earlier one was.
    Not,
    /// They have noted it.
    On,
    /// They have, and with it both ends of one have shown that they want it.
    Opened,
}

/// What is to be noted of a packet.
struct Note<'t> {
    entry: &'t Entry,
    direction: Direction,
    /// The sequence word of its direction, as it was and as it becomes.
    was: u64,
    is: u64,
    last_seen_ms: u64,
}

impl Note<'_> {
    /// Nothing is written that stays what it was.
    #[inline]
    fn write(&self, now_ms: u64) {
        if self.was != self.is {
            self.entry.set_sequence(self.direction, self.is);
        }
        if self.last_seen_ms != now_ms {
            self.entry.last_seen_ms.store(now_ms, Ordering::Relaxed);
        }
    }
}

impl Turn<'_> {
    /// Whether a packet is to all these connections, in the words of their [references](Reference::word), what an earlier
    /// one was, when a verdict was made; they then take note of it. Otherwise nothing is noted.
    #[inline]
    pub fn follow(&self, references: &[u64], segment: &Segment, now_ms: u64) -> Followed {
        match self.follow_quickly(references, segment, now_ms) {
            true => Followed::On,
            false => self.follow_thoroughly(references, segment, now_ms),
        }
    }

    /// As [`Turn::follow`], for the most common packets of a few connections; false, and nothing noted, for others.
    #[inline]
    fn follow_quickly(&self, references: &[u64], segment: &Segment, now_ms: u64) -> bool {
        let note = |word| self.note(Reference::of_word(word)?, segment, now_ms);
        match *references {
            [one] => note(one).map(|note| note.write(now_ms)).is_some(),
            [one, other] => {
                let (Some(one), Some(other)) = (note(one), note(other)) else {
                    return false;
                };
                one.write(now_ms);
                other.write(now_ms);
                true
            }
            _ if references.len() > QUICK => false,
            _ => {
                let notes = references.iter().map_while(|word| note(*word));
                let notes: ArrayVec<Note, QUICK> = notes.collect();
                let is_whole = notes.len() == references.len();
                if is_whole {
                    notes.iter().for_each(|note| note.write(now_ms));
                }
                is_whole
            }
        }
    }

    /// What is to be noted of a packet of the most common kind.
    #[inline]
    fn note(&self, reference: Reference, segment: &Segment, now_ms: u64) -> Option<Note<'_>> {
        let (index, direction) = (reference.index(), reference.direction());
        let entry = self.entry(index);
        if !entry.is_live() {
            return None;
        }
        let last_seen_ms = entry.last_seen_ms.load(Ordering::Relaxed);
        let (mark, was, is) = entry.follow(direction, segment)?;
        let incarnation = entry.incarnation.load(Ordering::Relaxed);
        let now = Reference::new(index, incarnation, direction, true, mark);
        let is_kept = now_ms < last_seen_ms + LEAST_TIMEOUT_MS;
        (now == reference && is_kept).then_some(Note {
            entry,
            direction,
            was,
            is,
            last_seen_ms,
        })
    }

    fn follow_thoroughly(&self, references: &[u64], segment: &Segment, now_ms: u64) -> Followed {
        let mut steps = ArrayVec::<(Reference, Step, u64), { Reference::MOST }>::new();
        let references = references.iter().copied().filter_map(Reference::of_word);
        for reference in references.take(Reference::MOST) {
            match self.step(reference, segment, now_ms) {
                Some((step, last_seen_ms)) => steps.push((reference, step, last_seen_ms)),
                None => return Followed::Not,
            }
        }
        let mut is_opened = false;
        for (reference, step, last_seen_ms) in steps {
            let (index, direction) = (reference.index(), reference.direction());
            let entry = self.entry(index);
            if !entry.take(&step) {
                is_opened |= self
                    .advance(index, direction, segment, now_ms)
                    .is_discounted();
                continue;
            }
            is_opened |= step.is_discounted();
            self.discount(index, &step);
            if last_seen_ms != now_ms {
                entry.last_seen_ms.store(now_ms, Ordering::Relaxed);
            }
        }
        match is_opened {
            true => Followed::Opened,
            false => Followed::On,
        }
    }

    /// What the packet makes of a connection that is to it what it was when the verdict was made, and when the last one
    /// came; else nothing.
    #[inline]
    fn step(&self, reference: Reference, segment: &Segment, now_ms: u64) -> Option<(Step, u64)> {
        let (index, direction) = (reference.index(), reference.direction());
        let entry = self.entry(index);
        // Only an entry that is live stays what it is until the turn ends.
        if !entry.is_live() {
            return None;
        }
        let settings = &self.table().settings;
        let step = entry.judge(direction, segment, settings);
        let is_answered = match step.outcome {
            Outcome::Valid => true,
            Outcome::Unanswered => false,
            Outcome::Invalid | Outcome::Reopens => return None,
        };
        let incarnation = entry.incarnation.load(Ordering::Relaxed);
        let mark = step.visible().mark;
        let now = Reference::new(index, incarnation, direction, is_answered, mark);
        let last_seen_ms = entry.last_seen_ms.load(Ordering::Relaxed);
        let is_kept = !entry.is_expired_since(last_seen_ms, settings, now_ms);
        (now == reference && is_kept).then_some((step, last_seen_ms))
    }
}
