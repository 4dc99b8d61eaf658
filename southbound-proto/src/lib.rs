//! L3 of the house: the wire between `northd` and a node, and between a node and its `vsctl`.
//!
//! The generated types stand in [`southbound`] and [`node`]; [`convert`] turns the ones that carry compiled
//! objects into [`pipeline::object`]'s and back, and [`version()`] gives each object the number by which both
//! sides know that they hold the same one. Nothing here does I/O.

pub mod convert;
pub mod numbering;
mod version;

pub use convert::WireError;
pub use version::version;

/// The wire protocol's version that this build speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// The oldest protocol version of a peer that this build still understands.
pub const OLDEST_PROTOCOL_VERSION: u32 = 1;

/// What a node can do beyond the protocol's base, by the names of `Hello.capabilities`.
pub mod capability {
    /// It finishes inner TCP and UDP checksums that are left partial in the tunnel, see `packet::geneve`.
    pub const PARTIAL_CHECKSUMS: &str = "partial-checksums";
}

/// The UDP port of Geneve (RFC 8926 section 3.3).
pub const GENEVE_PORT: u16 = 6081;

/// The descriptor set of both services, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/southbound.descriptors"));

/// The southbound protocol: `weft.southbound.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod southbound {
    tonic::include_proto!("weft.southbound.v1");
}

/// The node's local admin interface: `weft.node.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod node {
    tonic::include_proto!("weft.node.v1");
}
