//! The primitives that the tables are made of. A model checker puts its own in the place of this module.

pub(crate) use std::sync::Mutex;
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};

/// Seeds the hashes anew in every process, so that nobody can forge keys that meet in one bucket.
pub(crate) type HasherSeed = foldhash::quality::RandomState;
