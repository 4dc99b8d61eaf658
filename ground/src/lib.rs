//! A piece of Linux to stand on: fresh namespaces with nodes and pods in them, real processes, real packets.
//!
//! The end-to-end tests and the demonstration are built from the same parts:
//!
//! - [`sandbox`] moves a process into namespaces of its own, so that nothing here ever touches the
//!   machine's interfaces, routes or mounts, and everything is gone when the process is;
//! - [`namespace`] makes network namespaces inside it, found by name like those of `ip netns`;
//! - [`link`] lays cables and addresses between them;
//! - [`process`] starts programs in them and ends them;
//! - [`network`] puts the system together: one `northd`, a `vswitch` a node, pods attached to them;
//! - [`probe`] sends traffic as clients do, and [`frames`] as no client would.

pub mod frames;
pub mod greeter;
pub mod link;
pub mod namespace;
pub mod network;
pub mod probe;
pub mod process;
pub mod programs;
pub mod sandbox;
