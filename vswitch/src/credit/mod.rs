//! Who decided how much: packets, bytes and connections of each ACL, VIP, backend and translation.
//!
//! # Why
//!
//! A rule is shared by all workers and by thousands of flows, and the number that everybody counts is the number that
//! everybody waits for. So nobody counts rules. Verdicts that the same rules had a part in share an [`Account`], which
//! has a cell for each worker; carrying out a verdict adds to the worker's own cell, remembered or fresh. What a rule has
//! come to is added up when somebody asks.
//!
//! # Invariants
//!
//! 1. A cell is written by its worker alone, and only by who holds the account.
//! 2. An account that nobody but the ledger holds is closed: its cells go into the sums of its rules. So there are no
//!    more accounts than remembered verdicts and workers, and no packet is counted twice or lost.
//! 3. Nothing grows: what is beyond [`ACCOUNTS`] or [`RULES`] is not counted, or forgotten by age.

mod ledger;
mod rule;

pub use ledger::{ACCOUNTS, Account, Credit, Ledger, Map, RULES};
pub use rule::Rule;
