//! Between wire types and compiled objects: one file a type, strict and total.
//!
//! Encoding cannot fail. Decoding refuses every field that the target type does not allow, with a
//! [`WireError`] that says which field it was; it never panics and never guesses.

mod acl;
mod address_set;
mod atom;
mod balancer;
mod chassis;
mod condition;
mod counts;
mod datapath;
mod enumeration;
mod error;
mod fdb;
mod force_snat;
mod global;
mod health;
mod hello;
mod key;
mod learned;
mod meter;
mod nat;
mod neighbor;
mod object;
mod port;
mod port_group;
mod port_ref;
mod predicate;
mod probe;
mod qos;
mod route;
mod router_port;
mod switch_port;
mod vip;

pub use atom::{address_from_wire, address_to_wire, mac_from_wire, mac_to_wire};
pub use counts::{Count, RuleCount, RuleKey};
pub use error::{Problem, WireError};
pub use health::{ProbeHealth, ProbeStatus};
pub use hello::Hello;
pub use learned::{LearnedNeighbor, LearnedStation};
pub use object::{Versioned, decode_object, encode_object};
