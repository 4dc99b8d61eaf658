//! What the hashes of tables begin with.

/// Anew in every process, so that nobody can forge keys that meet in one place.
#[cfg(not(feature = "fixed-seeds"))]
pub(crate) type Seed = foldhash::fast::RandomState;
/// Always the same, so that the same work always takes the same instructions. For counting them only.
#[cfg(feature = "fixed-seeds")]
pub(crate) type Seed = foldhash::fast::FixedState;
