//! OVN as an oracle: its own programs, run on unix sockets in a directory, and what their traces say.

pub mod node;
pub mod ovn;
pub mod summary;
