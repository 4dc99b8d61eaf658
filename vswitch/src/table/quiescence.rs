//! When may memory be used again that a reader might still look at? When every turn has ended that was under
//! way as it was unlinked.
//!
//! A global epoch counts unlinkings. A reader notes the epoch when it enters a turn and nothing when it is
//! outside. What was unlinked at epoch `e` is out of sight once no reader is in a turn that it entered at `e`
//! or before. A reader that waits for packets is outside, so an idle worker holds nobody up.

use super::sync::{AtomicU64, Ordering, fence};

/// Stands for a reader outside its turns.
const OUTSIDE: u64 = 0;

/// The epochs of all readers.
pub(crate) struct Quiescence {
    epoch: AtomicU64,
    readers: Box<[Reader]>,
}

/// A reader's epoch, in a cache line of its own.
#[repr(align(64))]
struct Reader(AtomicU64);

impl Quiescence {
    pub(crate) fn new(readers: usize) -> Quiescence {
        let outside = |_| Reader(AtomicU64::new(OUTSIDE));
        Quiescence {
            epoch: AtomicU64::new(OUTSIDE + 1),
            readers: (0..readers).map(outside).collect(),
        }
    }

    /// The reader begins a turn: from now on nothing it finds is used again.
    pub(crate) fn enter(&self, reader: usize) {
        let epoch = self.epoch.load(Ordering::Relaxed);
        self.readers[reader].0.store(epoch, Ordering::Relaxed);
        // Either `first_visible` of a later unlinking sees this turn, or this turn sees the unlinking.
        fence(Ordering::SeqCst);
    }

    /// The reader has let go of all it found.
    pub(crate) fn leave(&self, reader: usize) {
        self.readers[reader].0.store(OUTSIDE, Ordering::Release);
    }

    /// To be called after something was unlinked; returns the epoch it waits for.
    pub(crate) fn retire(&self) -> u64 {
        fence(Ordering::SeqCst);
        self.epoch.fetch_add(1, Ordering::SeqCst)
    }

    /// The least epoch that a reader may still see: what was retired at a lesser one is out of sight.
    pub(crate) fn first_visible(&self) -> u64 {
        fence(Ordering::SeqCst);
        let epochs = self
            .readers
            .iter()
            .map(|reader| reader.0.load(Ordering::Acquire));
        epochs
            .filter(|epoch| *epoch != OUTSIDE)
            .min()
            .unwrap_or(u64::MAX)
    }
}
