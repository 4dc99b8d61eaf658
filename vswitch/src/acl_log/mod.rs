//! What ACLs have logged: from the packets that met them to lines that people read.
//!
//! A worker makes a [`Record`] of a packet that an ACL logs, as far as the ACL's meter allows, and puts it into a bounded
//! channel; it never waits. The [`recorder`] takes the records, asks the meter again for all workers together, writes
//! a line for each with the tracing target [`TARGET`], in OVN's words, and keeps the last ones in a [`LogBook`] for
//! `vsctl acl-log`. Every record that does not become a line is counted.

mod book;
mod line;
mod logger;
mod meter;
mod recorder;

pub use book::{Entry, Follower, KEPT, LogBook, Next};
pub use logger::{Logger, RECORDS, Record};
pub use meter::Meters;
pub use recorder::{TARGET, start};
