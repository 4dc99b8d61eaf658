//! Connection tracking at its boundary: packets and commits in, states and translations out.

mod follow;
mod nat;
mod related;
mod support;
mod tcp;
mod transports;
