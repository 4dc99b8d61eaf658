//! What the pipeline decides about a packet.
//!
//! A [`Verdict`] is complete: it says every packet that comes of the one that went in, what each looks
//! like and where it goes. Whoever carries it out has no choice left to make, and does the same whether the
//! verdict is fresh or remembered.

use std::net::IpAddr;
use std::sync::Arc;

use packet::Mac;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::answer::Answer;
use crate::conntrack::MadeBy;
use crate::drop::DropReason;
use crate::ingress::Resume;
use crate::object::{
    AclAction, AclStage, ChassisName, DatapathKey, MeterBand, PortRef, Severity, VipKey,
};
use crate::rewrite::Rewrite;
use crate::tables::Deps;

/// The decision on one packet. There is always at least one branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The packets that come of it, in the order in which they are to be sent.
    pub branches: SmallVec<[Branch; 1]>,
    /// What the packet taught the network.
    pub learned: SmallVec<[Learn; 1]>,
    /// The learned entries that the packet used: traffic keeps them from aging.
    pub used: SmallVec<[LearnedKey; 1]>,
    /// The VIP that the packet asked for, which has no backend, if that is to be reported.
    pub unserved: Option<VipKey>,
    /// The ACLs that are to be logged for the packet, as far as their meters allow.
    pub logs: Vec<Logged>,
    /// The QoS rules that marked or limit a packet that comes of it.
    pub qos: Vec<Uuid>,
    /// The limits that packets come under: each an occasion to exceed one.
    pub meters: Vec<Metered>,
    /// The objects that decided.
    pub made_by: MadeBy,
    /// Whether the packet began a connection.
    pub begins: bool,
    /// Whether it holds for the packets of the flow that follow, within [`Verdict::reusable`], once every connection is
    /// answered that the packet met: it has begun all of them.
    pub holds_once_answered: bool,
    /// What the decision depends on.
    pub deps: Deps,
    /// [`crate::Tables::generation_sum`] of `deps` and the flow when it was made: another sum voids the verdict.
    pub generation: u64,
    /// For which other packets of the same [`packet::FlowKey`] it holds; `None` for this one alone.
    pub reusable: Option<Limits>,
}

/// What a packet of the same key must still satisfy for a remembered verdict to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The least TTL.
    pub ttl_min: u8,
    /// The greatest [`packet::Flow::length`].
    pub length_max: u32,
}

impl Limits {
    /// Any packet.
    pub const NONE: Limits = Limits {
        ttl_min: 0,
        length_max: u32::MAX,
    };

    /// True if the verdict holds for a packet with this TTL (0 if it is no IP packet) and this length.
    pub fn admit(&self, ttl: u8, length: u32) -> bool {
        ttl >= self.ttl_min && length <= self.length_max
    }
}

/// One packet that comes of the one that went in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its bytes to begin with.
    pub packet: Source,
    /// What to change in them.
    pub rewrite: Rewrite,
    /// The limits that it must not exceed to go there, in the order in which it met them, as places in
    /// [`Verdict::meters`]. A limit is asked once, whichever branches come under it.
    pub meters: Box<[u32]>,
    /// Where it goes.
    pub to: Destination,
}

/// Where the bytes of a branch come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The packet that went in.
    Received,
    /// A packet to be made by [`crate::answer::build`].
    Answer(Box<Answer>),
}

/// Where a branch ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Out of an interface of this node.
    Output {
        /// The logical port.
        port: PortRef,
        /// The port whose interface carries the frame: a nested port's parent, else the port itself.
        interface: PortRef,
    },
    /// To another node.
    Tunnel(Box<Tunnel>),
    /// Kept until the next hop is known.
    Hold(Box<Hold>),
    /// To the node's health checks: it answers a probe.
    Monitor {
        /// The logical port that it came in by.
        inport: PortRef,
    },
    /// Nowhere.
    Drop {
        /// Why.
        reason: DropReason,
        /// The datapath where it happened; `None` before the packet was in one.
        datapath: Option<DatapathKey>,
        /// The ACL or other rule that asked for it.
        rule: Option<Uuid>,
    },
}

/// A packet for another node, with the Geneve metadata that tells it where in the pipeline to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// The node.
    pub chassis: ChassisName,
    /// The address of its Geneve socket.
    pub encap_ip: IpAddr,
    /// The UDP port of its Geneve socket.
    pub encap_port: u16,
    /// The node finishes transport checksums that are partial.
    pub takes_partial: bool,
    /// The VNI.
    pub datapath: DatapathKey,
    /// The key of the logical ingress port; 0 for none.
    pub inport: u16,
    /// The key of the logical egress port or multicast group.
    pub outport: u16,
    /// The router port by which the packet first entered a router, if it was routed: the one to speak of
    /// packets that are too long for the tunnel (see [`crate::answer::too_long`]).
    pub routed_by: Option<PortRef>,
}

/// A packet that waits for its next hop's link-layer address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The router port it will leave by.
    pub port: PortRef,
    /// The next hop.
    pub next_hop: IpAddr,
    /// How it goes on, as [`crate::Ingress::Resume`], with the bytes as rewritten by this branch.
    pub resume: Resume,
    /// The ARP request or neighbour solicitation, carried to where it goes. To be sent when the wait
    /// begins, and again while it lasts.
    pub solicitation: Vec<Branch>,
}

/// A learned object that a node keeps alive or lets age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LearnedKey {
    /// A MAC address behind a switch port.
    Station(DatapathKey, Mac),
    /// The MAC address of an IP address beyond a router port.
    Neighbor(PortRef, IpAddr),
}

/// Something the packet taught.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Learn {
    /// `mac` sends from behind the switch port (`put_fdb`).
    Station {
        /// The switch port.
        port: PortRef,
        /// The station.
        mac: Mac,
    },
    /// `ip` is at `mac` beyond the router port (`put_arp`, `put_nd`).
    Neighbor {
        /// The router port.
        port: PortRef,
        /// The neighbour.
        ip: IpAddr,
        /// Its link-layer address.
        mac: Mac,
    },
}

impl Learn {
    /// The key of the entry that comes of it.
    pub fn key(&self) -> LearnedKey {
        match *self {
            Self::Station { port, mac } => LearnedKey::Station(port.datapath, mac),
            Self::Neighbor { port, ip, .. } => LearnedKey::Neighbor(port, ip),
        }
    }
}

/// A limit that a packet comes under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Metered {
    /// The QoS rule.
    pub rule: Uuid,
    /// Kilobits that may pass.
    pub limit: MeterBand,
}

/// An ACL that is logged for a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The ACL.
    pub acl: Uuid,
    /// Its name; empty if it has none.
    pub name: String,
    /// When it was asked.
    pub stage: AclStage,
    /// What it did.
    pub action: AclAction,
    /// How urgent that is.
    pub severity: Severity,
    /// The meter that limits the log.
    pub meter: Option<Arc<str>>,
    /// What the network had changed in the packet when the ACL was asked.
    pub rewrite: Rewrite,
}
