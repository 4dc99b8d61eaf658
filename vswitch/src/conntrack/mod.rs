//! Connections as they are tracked: the second memory of the data path.
//!
//! # Why
//!
//! The first memory ([`crate::connection`]) holds verdicts, and may be dropped at any time. This one holds what cannot
//! be found out again: which connections there are in each zone, how far they have come, what they are translated to
//! and what was noted of them. All workers share it without locks, because a connection's answers come in where
//! they please.
//!
//! # What
//!
//! - An **entry** ([`entry`]) is one connection of one zone, both directions, in 128 bytes. Who it is between, and what it
//!   is translated to, is written before it can be found and never again. Its state is one word, which changes by
//!   compare-and-swap: protocol state, mark, whether it is counted as half-open. Sequence numbers are two words, of which
//!   each direction writes its own, so that the directions do not disturb each other.
//! - **Buckets**: a connection stands under the hash of its two ends, which is the same for both directions. One that
//!   is translated also stands under what its answers come in as.
//! - **Who made it** is interned, as thousands of connections are made by the same objects.
//! - A [`Tracker`] is the table as the pipeline sees it during one packet's walk. It notes which entries were looked at,
//!   and a remembered verdict holds as long as none of them has changed in what the pipeline can see
//!   ([`Reference`]).
//!
//! # Invariants
//!
//! 1. No two connections of a zone share a tuple, be it that of their first packet or of their answers. An entry
//!    is first *pending*: it is put into its slots, then looks for others with its tuples. One that is live wins over one
//!    that is pending; of two that are pending the one with the lesser number wins, by ending the other. Of two, at least
//!    one sees the other.
//! 2. What was found within a turn stays what it is until the turn ends.
//! 3. The count of half-open connections is exact: the count is one bit of the state word, and whoever clears
//!    it counts down.
//! 4. Nothing grows. When the table is nearly full, a new connection ends some that are half-open or over, of a
//!    bounded sample. One that is established is never ended for another.
//!
//! # Cost
//!
//! 128 bytes for the entry and 10.7 for each slot that is needed for it; see the measurement in `tests/conntrack.rs`.

mod affinity;
mod entry;
mod follow;
mod insert;
mod key;
mod list;
mod reference;
mod survey;
mod table;
mod tracker;
mod turn;

pub use follow::Followed;
pub use list::{End, Filter, Listed, Within};
pub use reference::{Looked, Reference};
pub use survey::{Survey, ZoneCounts};
pub use table::{ConntrackTable, TrackingCounts};
pub use tracker::Tracker;
pub use turn::{Member, Turn};

// A model checker compiles the entry over larger words, so that it is checked here.
const _: () = assert!(size_of::<entry::Entry>() == 128);
