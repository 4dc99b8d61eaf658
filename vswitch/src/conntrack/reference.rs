//! What a remembered verdict keeps of the connections that it was made of.

use arrayvec::ArrayVec;
use packet::Segment;
use pipeline::conntrack::{Direction, Mark, Outcome};

use super::entry::Step;
use super::turn::Turn;
use crate::table::sync::Ordering;

/// An entry as a verdict saw it, in one word: which connection, which way the packet goes, and what the
/// pipeline can see of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference(u64);

const INDEX_BITS: u32 = 28;
const INCARNATION_BITS: u32 = 26;
const REPLY_BIT: u64 = 1 << 54;
const ANSWERED_BIT: u64 = 1 << 55;
const MARK_SHIFT: u32 = 56;

impl Reference {
    /// The most entries that a verdict may refer to and be remembered.
    pub const MOST: usize = 6;
    /// The most entries of a table whose numbers fit.
    pub(super) const MAX_ENTRIES: u32 = (1 << INDEX_BITS) - 1;
    /// Stands for no reference.
    pub const NONE: u64 = u64::MAX;

    fn new(
        index: u32,
        incarnation: u32,
        direction: Direction,
        is_answered: bool,
        mark: Mark,
    ) -> Self {
        let incarnation = u64::from(incarnation) & ((1 << INCARNATION_BITS) - 1);
        let mut word = u64::from(index) | incarnation << INDEX_BITS;
        if direction == Direction::Reply {
            word |= REPLY_BIT;
        }
        if is_answered {
            word |= ANSWERED_BIT;
        }
        Reference(word | u64::from(mark.bits()) << MARK_SHIFT)
    }

    /// The reference as a word, which is never [`Reference::NONE`].
    pub fn word(self) -> u64 {
        self.0
    }

    /// The reference that [`Reference::word`] gave; `None` for [`Reference::NONE`].
    pub fn of_word(word: u64) -> Option<Reference> {
        (word != Self::NONE).then_some(Reference(word))
    }

    fn index(self) -> u32 {
        (self.0 & ((1 << INDEX_BITS) - 1)) as u32
    }

    fn direction(self) -> Direction {
        match self.0 & REPLY_BIT {
            0 => Direction::Forward,
            _ => Direction::Reply,
        }
    }
}

/// What a walk has looked at.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// The connections, if the verdict may be remembered with them; `None` if it holds for this packet alone.
    pub references: Option<ArrayVec<Reference, { Reference::MOST }>>,
    /// It was a later fragment that nobody has told its ports, and they were asked for.
    pub lacks_ports: bool,
    /// The packet began a connection for somebody of whom many wait for an answer already.
    pub is_crowded: bool,
    /// With the packet both ends of a connection have shown that they want it.
    pub is_opened: bool,
}

impl Looked {
    /// The references as words, [`Reference::NONE`] where there are fewer.
    pub fn words(&self) -> Option<[u64; Reference::MOST]> {
        let references = self.references.as_ref()?;
        let word = |at| {
            references
                .get(at)
                .map_or(Reference::NONE, |known: &Reference| known.word())
        };
        Some(std::array::from_fn(word))
    }
}

impl Turn<'_> {
    /// An entry as it is now.
    pub(super) fn refer(&self, index: u32, direction: Direction, is_answered: bool) -> Reference {
        let entry = self.entry(index);
        let incarnation = entry.incarnation.load(Ordering::Relaxed);
        Reference::new(
            index,
            incarnation,
            direction,
            is_answered,
            entry.visible().mark,
        )
    }

    /// Fetches what [`Turn::follow`] will read of a connection.
    #[inline]
    pub fn approach(&self, reference: Reference) {
        let entries = &self.table().entries;
        entries.prefetch(reference.index(), |entry| &entry.state);
    }

    /// True if a packet is to all these connections what an earlier one was, when a verdict was made; they then take
    /// note of it. Otherwise nothing is noted.
    pub fn follow(
        &self,
        references: impl Iterator<Item = Reference>,
        segment: &Segment,
        now_ms: u64,
    ) -> bool {
        let mut steps = ArrayVec::<(Reference, Step, u64), { Reference::MOST }>::new();
        for reference in references.take(Reference::MOST) {
            match self.step(reference, segment, now_ms) {
                Some((step, last_seen_ms)) => steps.push((reference, step, last_seen_ms)),
                None => return false,
            }
        }
        for (reference, step, last_seen_ms) in steps {
            let (index, direction) = (reference.index(), reference.direction());
            let entry = self.entry(index);
            if !entry.take(&step) {
                self.advance(index, direction, segment, now_ms);
                continue;
            }
            self.discount(index, &step);
            if last_seen_ms != now_ms {
                entry.last_seen_ms.store(now_ms, Ordering::Relaxed);
            }
        }
        true
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
