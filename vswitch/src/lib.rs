//! The node's half of the house: forwards pods' packets as the compiled tables say.
//!
//! The data path ([`datapath`], [`worker`] and what they stand on) never waits for the control half: [`agent`]
//! speaks with northd and brings ports up, [`node`] serves the node's own `vsctl`, and [`Vswitch`] holds it all
//! together.

pub mod acl_log;
pub mod agent;
pub mod attach;
pub mod buffer;
pub mod config;
pub mod connection;
pub mod conntrack;
pub mod counter;
pub mod credit;
pub mod datapath;
pub mod health;
pub mod http;
pub mod logging;
pub mod meter;
mod metrics;
pub mod node;
pub mod port;
pub mod probe;
pub mod retired;
pub mod snapshot;
pub mod state;
pub mod stats;
pub mod sys;
mod table;
mod vswitch;
pub mod worker;

pub use vswitch::{Addresses, StartError, Vswitch};

/// The version of this build, as it is told to northd and to people.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
