//! What a remembered verdict keeps of the connections that it was made of.

use arrayvec::ArrayVec;
use pipeline::conntrack::{Direction, Mark};

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

    pub(super) fn new(
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

    #[inline]
    pub(super) fn index(self) -> u32 {
        (self.0 & ((1 << INDEX_BITS) - 1)) as u32
    }

    #[inline]
    pub(super) fn direction(self) -> Direction {
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
}
