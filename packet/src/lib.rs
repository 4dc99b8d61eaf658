//! L0 of the house: bytes, headers, addresses, checksums and the flow key.
//!
//! Nothing here knows of logical networks. Views and parsers never panic, whatever the bytes.

mod address;
pub mod flow;

pub use address::{Mac, MacError};
pub use flow::{Flow, Layout};
