//! weft: southbound-proto.

pub mod numbering;
