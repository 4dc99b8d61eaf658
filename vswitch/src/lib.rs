//! weft: vswitch.

pub mod buffer;
pub mod sys;
