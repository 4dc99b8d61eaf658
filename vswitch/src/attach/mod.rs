//! Interfaces of attached ports: what they are to be, and making them so.
//!
//! Everything here that speaks with the kernel blocks for a few milliseconds: it is called from threads that
//! may.

mod carrier;
mod interface;
mod link;
mod netns;
mod plan;

pub use carrier::Carrier;
pub use interface::{configure, delete, open};
pub use netns::path_of;
pub use plan::{DefaultRoute, InterfacePlan};
