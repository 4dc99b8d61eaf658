//! Where a packet enters the pipeline.

use std::net::IpAddr;

use crate::object::{PortKey, PortRef};

/// Where a packet enters the pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ingress {
    /// It came in by the interface of this port. A tag may make it another port's (a nested one's).
    Interface(PortRef),
    /// It came from another node, with these numbers in its Geneve header. None of them is trusted.
    Tunnel {
        /// The VNI.
        vni: u32,
        /// The logical ingress port; 0 for none.
        inport: u16,
        /// The logical egress port or multicast group.
        outport: u16,
    },
    /// It was held for its next hop, and goes on.
    Resume(Resume),
}

/// The state of a packet that was held at address resolution in a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The router port it entered by; `None` when that is not known.
    pub inport: Option<PortKey>,
    /// The router port it leaves by.
    pub outport: PortRef,
    /// The next hop.
    pub next_hop: IpAddr,
    /// The address the router speaks with when it asks for the next hop.
    pub source: IpAddr,
    /// What else the packet carries along.
    pub passage: Passage,
}

/// What a packet carries along from datapath to datapath.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// Datapaths entered so far; bounded by [`crate::MAX_HOPS`].
    pub hops: u8,
    /// It was sent by a localport, so it must not leave the node.
    pub is_from_localport: bool,
    /// It came from another node, so it must not go to one again.
    pub is_from_tunnel: bool,
    /// It is an ICMP error of the router itself (OVN's egress loopback): never answered with another.
    pub is_own_error: bool,
    /// The router port by which it first entered a router.
    pub routed_by: Option<PortRef>,
}
