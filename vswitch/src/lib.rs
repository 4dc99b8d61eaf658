//! weft: vswitch.

pub mod buffer;
pub mod connection;
pub mod sys;
