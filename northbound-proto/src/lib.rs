//! L3 of the house: the northbound API's wire.
//!
//! The generated types stand in [`northbound`]; [`convert`] turns those that carry rows and transactions into
//! [`model`]'s and back, and a [`Replica`] puts the replies of a read or a watch together. Nothing here does
//! I/O.

pub mod convert;
mod replica;

pub use convert::WireError;
pub use replica::{Replica, ReplicaError};

/// The largest message that either side takes, in bytes: tonic's default.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// The largest row that is stored, in bytes on the wire, so that a message holds any row.
pub const MAX_ROW_BYTES: usize = 3 << 20;

/// The descriptor set of the service, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/northbound.descriptors"));

/// The northbound API: `weft.northbound.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod northbound {
    tonic::include_proto!("weft.northbound.v1");
}
