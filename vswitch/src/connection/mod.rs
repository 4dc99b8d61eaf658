//! The connection table: what has been decided for each flow, shared by all workers without locks.
//!
//! # Why
//!
//! The first packet of a flow runs the whole logical pipeline; each later one should cost a single probe. One
//! exact-match table does that, and no cache of wildcards stands before it: there is no set of masks that one
//! tenant could make grow, so the cost of a probe is the same under attack. Flows come back on other
//! workers than they went out on (NAT, replies, fragments), so the table is shared; which worker asks is
//! a matter of speed only.
//!
//! # What
//!
//! Buckets, entries and turns are those of [`crate::table`].
//!
//! - **Entries**: 128 bytes each. The key, the action and what it was made of are written before the entry is
//!   published in a slot and never again; what changes (last use, the snapshot it was last found valid for)
//!   are single words of which each value is true by itself.
//! - **Actions**: the verdicts, interned: flows that are treated alike share one. An entry holds one reference.
//!
//! # Invariants
//!
//! 1. A reader that found an entry within its turn may use it, and its action, until the turn ends.
//! 2. At rest a key stands in at most one slot. Two workers that insert one key at once both look again
//!    afterwards, and whoever sees both removes the one in the later slot.
//! 3. A remembered verdict is used only if the sum of the generations it depends on is that of the reader's own
//!    snapshot. Flushing the table therefore changes no verdict, it only makes packets dearer.
//! 4. Nothing grows: when entries, slots, actions or the list of entries that wait are used up, the flow is
//!    not remembered, which is counted. A full table makes room by forgetting flows that have been idle for
//!    [`IDLE_EVICTION_MS`], a bounded number at each try; a busy flow is never evicted by a new one.
//!
//! # Cost
//!
//! A hit reads one cache line of slots, seldom two, and two of the entry, and writes one once in a millisecond. 163 bytes for
//! each entry of capacity, measured in a test; 48 of them refer to the connections that the verdict was made of
//! ([`crate::conntrack`]), and what is beyond three of those is in a line of its own. Who looks for several flows
//! approaches all before it finds the first ([`Turn::approach`]). Only a miss takes a lock (to intern the action), for a few instructions.

mod table;
mod turn;

pub use crate::table::interner::Like;
pub use table::{ConnectionTable, Key, NO_REFERENCE, References, TableCounts};
pub use turn::{Approach, Connection, Fresh, Member, NotRemembered, Turn};

/// A flow may be evicted for a new one when it has been idle for so long, in milliseconds.
pub const IDLE_EVICTION_MS: u64 = 5_000;
/// A flow is forgotten when it has been idle for so long, in milliseconds.
pub const IDLE_EXPIRY_MS: u64 = 60_000;
