//! The primitives that the tables are made of. A model checker puts its own in the place of this module.

pub(crate) use std::sync::Mutex;
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};

/// Seeds the hashes anew in every process, so that nobody can forge keys that meet in one bucket.
#[cfg(not(feature = "fixed-seeds"))]
pub(crate) type HasherSeed = foldhash::quality::RandomState;
/// Seeds the hashes always alike, so that the same work always takes the same instructions. For counting them only.
#[cfg(feature = "fixed-seeds")]
pub(crate) type HasherSeed = foldhash::quality::FixedState;
