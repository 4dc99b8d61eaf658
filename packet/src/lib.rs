//! L0 of the house: bytes, headers, addresses, checksums and the flow key.
//!
//! Nothing here knows of logical networks. Views and parsers never panic, whatever the bytes.

mod address;
pub mod flow;
mod header;
mod key;
mod parse;

pub use address::{Mac, MacError, solicited_node};
pub use flow::{Flow, Layout};
pub use header::{ETHERNET_LENGTH, IPV4_LENGTH, IPV6_LENGTH, VLAN_TAG_LENGTH, icmp_type};
pub use key::FlowKey;
pub use parse::{MAX_EXTENSION_HEADERS, ParseError, parse};
