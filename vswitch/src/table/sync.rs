//! The primitives that the table is made of. A model checker puts its own in the place of this module.

pub(super) use std::sync::Mutex;
pub(super) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};

/// Seeds the hashes anew in every process, so that nobody can forge keys that meet in one bucket.
pub(super) type HasherSeed = foldhash::quality::RandomState;
