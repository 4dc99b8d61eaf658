//! The compiler: from the rows of the database to the objects that nodes install.
//!
//! ```text
//! Changes ──► dirty units ──► each runs its feature, and what it reads is noted ──► outputs
//!                                                                                     │
//!     changed objects, reported columns, warnings  ◄── compared with before ◄─────────┘
//! ```
//!
//! A *unit* is one row seen by one [`Feature`]. Its output depends on nothing but what it read through its
//! [`Reader`], so a commit dirties exactly the units that read what it changed, and an output that came out
//! equal goes no further. Compiling never fails: what a row says that cannot be carried out becomes a
//! [`RowWarning`] and the rest of the row stands.
//!
//! Invariants, each a property test: compiling the changes of any sequence of transactions gives what
//! compiling the last database from scratch gives, and the order in which rows are visited does not matter.

mod acl;
mod address;
mod address_set;
mod backend;
mod chassis;
mod engine;
mod fdb;
mod features;
mod gateway;
mod global;
mod group_member;
mod health;
mod health_check;
mod index;
mod learned_neighbor;
mod load_balancer;
mod load_balancer_group;
mod merge;
mod meter;
mod names;
mod nat;
mod networks;
mod options;
mod output;
mod qos;
mod reachable;
mod reader;
mod router;
mod router_port;
mod static_binding;
mod static_route;
mod switch;
mod switch_port;
mod warnings;

pub(crate) use address::stations_of;
pub use engine::{Compiled, Compiler};
pub use features::{FEATURES, Feature};
pub(crate) use health::INDEX as MONITOR_INDEX;
pub(crate) use health::{index_of as monitor_index, probe_of, protocol_name};
pub use output::{Output, RowWarning};
pub(crate) use reader::PROBE_MAC;
pub use reader::Reader;
pub(crate) use switch_port::{parent, requested_chassis};
pub use warnings::warnings;
