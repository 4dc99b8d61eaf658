//! Entries that one worker took out of sight, and that other workers may still look at.

use std::collections::VecDeque;

use super::quiescence::Quiescence;

/// The most entries that one worker may have waiting for other turns to end.
const WAITING: usize = 1024;

/// Entries with the epoch they wait for, oldest first.
pub(crate) struct Waiting(VecDeque<(u64, u32)>);

impl Waiting {
    pub(crate) fn new() -> Waiting {
        Waiting(VecDeque::with_capacity(WAITING))
    }

    /// True if there is no room for one more.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= WAITING
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an entry that was just taken out of sight.
    pub(crate) fn push(&mut self, quiescence: &Quiescence, index: u32) {
        self.0.push_back((quiescence.retire(), index));
    }

    /// Gives up the entries that nobody looks at any more.
    pub(crate) fn reclaim(&mut self, quiescence: &Quiescence, mut free: impl FnMut(u32)) {
        if self.0.is_empty() {
            return;
        }
        let visible = quiescence.first_visible();
        while let Some(&(epoch, index)) = self.0.front() {
            if epoch >= visible {
                return;
            }
            self.0.pop_front();
            free(index);
        }
    }
}
