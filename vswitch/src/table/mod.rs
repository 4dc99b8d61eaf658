//! What lock-free tables that all workers share are made of.
//!
//! - **Buckets** ([`buckets`]): cache lines of eight slots, each one word of tag (32 bits of the hash) and entry
//!   number. A hash has two buckets. Entries never move, so a slot changes only between empty and one entry, by
//!   one compare-and-swap.
//! - **An arena** ([`arena`]): a fixed number of entries, and a list of the free ones.
//! - **Interned values** ([`interner`]): what many entries share is kept once.
//! - **Turns** ([`quiescence`], [`waiting`]): a worker looks at entries only within a turn (a batch). An entry that was
//!   taken out of its slots waits until every turn that might have seen it is over; then it is free again.
//! - **Memory** ([`memory`]): huge pages for what is large, and lines fetched before they are needed.

pub(crate) mod arena;
pub(crate) mod buckets;
pub(crate) mod interner;
pub(crate) mod memory;
pub(crate) mod quiescence;
pub(crate) mod sync;
pub(crate) mod waiting;
