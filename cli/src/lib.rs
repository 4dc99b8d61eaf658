//! L4 of the house: `vsctl`, which scripts the logical network and asks its nodes.
//!
//! A line's way: [`options::read`] its options, [`command::parse_calls`] its commands, [`chain::prepare`]
//! them against the tables' declarations, read the database ([`client`]), [`chain::run`] the commands on a
//! [`workspace`] above it, commit what they changed as one transaction, and print what they print
//! ([`session::execute`]). The commands themselves stand in [`commands`], a file a family.

pub mod address;
pub mod chain;
pub mod client;
pub mod command;
pub mod commands;
pub mod context;
pub mod failure;
pub mod help;
mod listing;
pub mod lookup;
mod moment;
pub mod number;
pub mod options;
pub mod output;
pub mod program;
pub mod rule_stats;
pub mod session;
pub mod symbols;
pub mod workspace;
