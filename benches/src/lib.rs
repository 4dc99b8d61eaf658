//! What the data path costs, measured without devices: nodes in memory, networks of any size, packets replayed.
//!
//! - [`network`] makes the compiled objects of a network: switches, a router, policies, services, routes.
//! - [`frame`] makes the packets.
//! - [`rig`] is a node in memory: one worker, whose ports ([`port`]) replay frames and swallow what comes out.
//! - [`traffic`] brings connections up as two ends would, and gives the frames to be replayed.
//!
//! Two programs stand on that. `count` counts instructions under callgrind, which are the same on a busy machine and
//! on a quiet one, and so can be held to a baseline. `replay` measures time. A third, `compare`, needs devices: it sends
//! traffic through weft and other systems in turn, one of them `forwarder`, which does nothing but forward.
//! `cargo xtask bench` runs them; what they found is in `docs/performance.md`.

pub mod frame;
pub mod network;
pub mod port;
pub mod rig;
pub mod traffic;
