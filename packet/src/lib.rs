//! L0 of the house: bytes, headers, addresses, checksums and the flow key.
//!
//! Nothing here knows of logical networks. Views and parsers never panic, whatever the bytes.

mod address;
pub mod answer;
mod build;
mod checksum;
pub mod flow;
mod fragment;
pub mod geneve;
mod header;
mod key;
pub mod offload;
mod parse;
pub mod rewrite;
mod segment;

pub use address::{Mac, MacError, solicited_node};
pub use flow::{Flow, Layout};
pub use fragment::{FragmentError, MIN_IPV4_MTU, Piece, fragment_ipv4};
pub use header::{ETHERNET_LENGTH, IPV4_LENGTH, IPV6_LENGTH, VLAN_TAG_LENGTH, icmp_type};
pub use key::{FlowKey, Glimpse};
pub use parse::{MAX_EXTENSION_HEADERS, ParseError, parse};
pub use segment::{Segment, TcpSegment};
