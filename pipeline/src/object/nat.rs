//! Network address translation of a router.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ipnet::IpNet;
use packet::Mac;
use uuid::Uuid;

use super::{DatapathKey, PortKey, PortRef};

/// A `NAT` of a router.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nat {
    /// The router.
    pub router: DatapathKey,
    /// The UUID of its northbound row.
    pub uuid: Uuid,
    /// Which directions it translates.
    pub kind: NatKind,
    /// The address outside.
    pub external_ip: IpAddr,
    /// The address or, for `snat`, network inside.
    pub logical: IpNet,
    /// `external_port_range`: the source ports that `snat` uses; all from 1024 on without it.
    pub external_ports: Option<RangeInclusive<u16>>,
    /// `external_mac` and `logical_port`: it is done on the node of the logical port.
    pub distributed: Option<DistributedNat>,
    /// Which peers outside it is for.
    pub peers: NatPeers,
    /// `options:stateless`: addresses are exchanged without connection tracking.
    pub is_stateless: bool,
    /// `options:add_route`: other routers of its networks have routes to the external address.
    pub add_route: bool,
    /// `gateway_port`: the distributed gateway port that it is for.
    pub gateway_port: Option<PortKey>,
}

/// Which directions a NAT translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NatKind {
    /// The source of what leaves.
    Snat,
    /// The destination of what comes.
    Dnat,
    /// Both.
    DnatAndSnat,
}

impl NatKind {
    /// The type, as the row has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Snat => "snat",
            Self::Dnat => "dnat",
            Self::DnatAndSnat => "dnat_and_snat",
        }
    }
}

/// A NAT that is done on the node of a logical port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DistributedNat {
    /// The station that the external address is at.
    pub mac: Mac,
    /// The logical switch port.
    pub port: PortRef,
}

/// Which peers outside a NAT is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NatPeers {
    /// All.
    All,
    /// `allowed_ext_ips`: those in this address set.
    Only(Arc<str>),
    /// `exempted_ext_ips`: those not in this address set.
    AllBut(Arc<str>),
}

/// A router option that gives the source for what load balancers or DNAT translated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ForceSnat {
    /// It is not set.
    #[default]
    No,
    /// `router_ip`: the address of the port that the packet leaves by.
    RouterIp,
    /// These addresses, at most one a family.
    Addresses(Vec<IpAddr>),
}
