//! L2 of the house: the compiled tables and the logical pipeline. Pure: no I/O, no clock, no threads, no wire.
//!
//! [`object`] says what the network is made of, [`Tables`] indexes it, and [`process`] decides about one
//! packet: it walks the packet's [`packet::Flow`] through the datapaths and gives a [`Verdict`]. Nothing else
//! decides about packets anywhere: the data path, `vsctl trace` and the tests all call it.

pub mod answer;
mod balance;
pub mod conntrack;
mod drop;
mod ingress;
mod listing;
pub mod object;
mod record;
mod rewrite;
mod router;
mod seed;
mod stage;
mod switch;
mod tables;
mod trace;
mod verdict;
mod view;
mod walk;

pub use drop::DropReason;
pub use ingress::{Ingress, Passage, Resume, TranslationNotes};
pub use listing::{Listing, TableListing, flow_list};
pub use record::{Entry, Event, Recorder, Scope, Silent};
pub use rewrite::{NoHeadroom, Rewrite};
pub use router::MAX_NEIGHBORS;
pub use stage::{Pipeline, Stage};
pub use switch::MAX_STATIONS;
pub use tables::{ApplyError, Deps, Ended, Ends, Slot, Tables};
pub use trace::{Step, Trace, TraceError, TraceRecorder, trace};
pub use verdict::{
    Branch, Destination, Hold, Learn, LearnedKey, Limits, Logged, Metered, Source, Tunnel, Verdict,
};
pub use walk::{MAX_BRANCHES, MAX_HOPS, process};
