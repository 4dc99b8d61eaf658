//! Where a packet enters the pipeline.

use std::net::IpAddr;

use bitflags::bitflags;

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
    /// What the router that it is in has found out about its translation.
    pub translation: TranslationNotes,
}

bitflags! {
    /// What a router finds out about a packet's translation on its way in, for its way out.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TranslationNotes: u16 {
        /// It was looked up in the zone of destinations.
        const LOOKED_UP = 1 << 0;
        /// It is a reply there.
        const REPLY = 1 << 1;
        /// It begins a connection there that is not kept yet.
        const NEW = 1 << 2;
        /// A load balancer translated it.
        const BALANCED = 1 << 3;
        /// Its source is not to be translated.
        const SKIP_SNAT = 1 << 4;
        /// Its source is to be translated because a load balancer made its connection.
        const FORCE_LB = 1 << 5;
        /// Its source is to be translated because its destination was.
        const FORCE_DNAT = 1 << 6;
        /// It has turned round at a distributed gateway port.
        const TURNED = 1 << 7;
        /// Its source was translated when it turned round.
        const TURNED_NEW = 1 << 8;
    }
}
