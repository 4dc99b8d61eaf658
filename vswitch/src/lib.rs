//! weft: vswitch.

pub mod buffer;
pub mod connection;
pub mod counter;
pub mod datapath;
pub mod port;
pub mod snapshot;
pub mod stats;
pub mod sys;
pub mod worker;
