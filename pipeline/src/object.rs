//! The compiled objects: what `northd` produces, the southbound protocol carries and a node installs.
//!
//! Each object has a [`ObjectKey`] that is unique in the whole logical network and a value that stands for
//! itself: it names other objects by key only, so that what many datapaths share is sent once. Objects are
//! typed; there are no match strings or action strings in them. [`crate::Tables`] indexes them for the
//! logical pipeline.

mod balance;
mod datapath;
mod key;
mod nat;
mod policy;
mod port;
mod qos;
mod route;
mod station;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use packet::Mac;
use uuid::Uuid;

pub use balance::{
    Backend, BackendState, Balancer, BalancerGroup, Balancers, NeighborResponder, Probe, ProbeKey,
    ProbeKind, SelectionField, TrafficPolicy, Vip, VipKey, WhenEmpty,
};
pub use datapath::{Datapath, DatapathKind, Router, Switch};
pub use key::{DatapathKey, KeyError, MulticastGroup, PortKey, PortRef};
pub use nat::{DistributedNat, ForceSnat, Nat, NatKind, NatPeers};
pub use policy::{
    ADDRESS_SET_BUCKETS, Acl, AclAction, AclLog, AclStage, AddressSet, EVENT_METER, Meter,
    MeterBand, MeterUnit, PolicyOwner, PortGroup, Severity,
};
pub use port::{
    Attachment, Port, PortKind, PortSecurity, RouterPort, StationAddresses, SwitchPort,
};
pub use qos::{Qos, QosDirection};
pub use route::{NextHop, Route, RouteKey, RouteOrigin, RoutePolicy};
pub use station::{FdbEntry, FixedBinding, Neighbor};

/// The name of a chassis (a node that runs a vswitch), unique in the network and never empty.
pub type ChassisName = Arc<str>;

/// What an object is and which one: unique over the whole logical network.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// The one [`Global`].
    Global,
    /// A node.
    Chassis(ChassisName),
    /// A logical switch or router.
    Datapath(DatapathKey),
    /// A logical port.
    Port(PortRef),
    /// A route of a router.
    Route(DatapathKey, RouteKey),
    /// The link-layer address of a next hop or host beyond a router port.
    Neighbor(PortRef, IpAddr),
    /// A MAC address learned behind a switch port.
    Fdb(DatapathKey, Mac),
    /// A part of an address set: its name and which part.
    AddressSet(Arc<str>, u8),
    /// The members of a port group in a switch.
    PortGroup(Arc<str>, DatapathKey),
    /// An ACL.
    Acl(PolicyOwner, Uuid),
    /// A meter, by name.
    Meter(Arc<str>),
    /// A load balancer.
    Balancer(Uuid),
    /// A group of load balancers.
    BalancerGroup(Uuid),
    /// A VIP of a load balancer.
    Vip(VipKey),
    /// A probe of a backend.
    Probe(ProbeKey),
    /// A NAT of a router.
    Nat(DatapathKey, Uuid),
    /// A QoS rule of a switch.
    Qos(DatapathKey, Uuid),
}

/// A compiled object. Its kind always agrees with that of its [`ObjectKey`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// Settings of the whole network.
    Global(Global),
    /// A node.
    Chassis(Chassis),
    /// A logical switch or router.
    Datapath(Datapath),
    /// A logical port.
    Port(Port),
    /// A route of a router.
    Route(Route),
    /// A neighbour binding of a router port.
    Neighbor(Neighbor),
    /// A learned MAC address of a switch.
    Fdb(FdbEntry),
    /// A part of an address set.
    AddressSet(AddressSet),
    /// The members of a port group in a switch.
    PortGroup(PortGroup),
    /// An ACL.
    Acl(Acl),
    /// A meter.
    Meter(Meter),
    /// A load balancer.
    Balancer(Balancer),
    /// A group of load balancers.
    BalancerGroup(BalancerGroup),
    /// A VIP of a load balancer.
    Vip(Vip),
    /// A probe of a backend.
    Probe(Probe),
    /// A NAT of a router.
    Nat(Nat),
    /// A QoS rule of a switch.
    Qos(Qos),
}

/// Settings of the whole network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Global {
    /// `NB_Global.nb_cfg`: what a node reports back once everything up to it is in force.
    pub nb_cfg: i64,
    /// Seconds an FDB entry lives without traffic; 0 keeps it for good.
    pub fdb_age_s: u32,
    /// Seconds a learned neighbour lives without traffic; 0 keeps it for good.
    pub neighbor_age_s: u32,
    /// `options:default_acl_drop`: where there are ACLs, what none of them matches is dropped.
    pub default_acl_drop: bool,
    /// `options:svc_monitor_mac`: the station that probes come from.
    pub probe_mac: Mac,
}

/// A node that runs a vswitch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chassis {
    /// Its name.
    pub name: ChassisName,
    /// The underlay address that its Geneve socket listens on.
    pub encap_ip: IpAddr,
    /// The UDP port of its Geneve socket, 6081 unless set otherwise.
    pub encap_port: u16,
    /// The zone where it stands (`zone` among its template variables); empty if that is not known.
    pub zone: String,
    /// It finishes inner transport checksums that are partial, see [`packet::geneve`].
    pub takes_partial: bool,
}

impl Object {
    /// The key under which the object is stored and sent.
    pub fn key(&self) -> ObjectKey {
        match self {
            Self::Global(_) => ObjectKey::Global,
            Self::Chassis(chassis) => ObjectKey::Chassis(chassis.name.clone()),
            Self::Datapath(datapath) => ObjectKey::Datapath(datapath.key),
            Self::Port(port) => ObjectKey::Port(port.at),
            Self::Route(route) => ObjectKey::Route(route.router, route.key.clone()),
            Self::Neighbor(neighbor) => ObjectKey::Neighbor(neighbor.port, neighbor.ip),
            Self::Fdb(entry) => ObjectKey::Fdb(entry.switch, entry.mac),
            Self::AddressSet(set) => ObjectKey::AddressSet(set.name.clone(), set.bucket),
            Self::PortGroup(group) => ObjectKey::PortGroup(group.name.clone(), group.datapath),
            Self::Acl(acl) => ObjectKey::Acl(acl.owner.clone(), acl.uuid),
            Self::Meter(meter) => ObjectKey::Meter(meter.name.clone()),
            Self::Balancer(balancer) => ObjectKey::Balancer(balancer.uuid),
            Self::BalancerGroup(group) => ObjectKey::BalancerGroup(group.uuid),
            Self::Vip(vip) => ObjectKey::Vip(vip.key.clone()),
            Self::Probe(probe) => ObjectKey::Probe(probe.key.clone()),
            Self::Nat(nat) => ObjectKey::Nat(nat.router, nat.uuid),
            Self::Qos(qos) => ObjectKey::Qos(qos.switch, qos.uuid),
        }
    }
}

impl ObjectKey {
    /// The datapath that the object belongs to; `None` for what belongs to the whole network.
    pub fn datapath(&self) -> Option<DatapathKey> {
        match self {
            Self::Datapath(key)
            | Self::Route(key, _)
            | Self::Fdb(key, _)
            | Self::PortGroup(_, key)
            | Self::Acl(PolicyOwner::Switch(key), _)
            | Self::Nat(key, _)
            | Self::Qos(key, _) => Some(*key),
            Self::Port(at) | Self::Neighbor(at, _) => Some(at.datapath),
            Self::Probe(probe) => Some(probe.port.datapath),
            Self::Global
            | Self::Chassis(_)
            | Self::AddressSet(..)
            | Self::Acl(PolicyOwner::Group(_), _)
            | Self::Meter(_)
            | Self::Balancer(_)
            | Self::BalancerGroup(_)
            | Self::Vip(_) => None,
        }
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => write!(f, "global"),
            Self::Chassis(name) => write!(f, "chassis {name}"),
            Self::Datapath(key) => write!(f, "datapath {key}"),
            Self::Port(at) => write!(f, "port {}/{}", at.datapath, at.port),
            Self::Route(router, key) => write!(f, "route {router}/{key:?}"),
            Self::Neighbor(at, ip) => write!(f, "neighbor {}/{} {ip}", at.datapath, at.port),
            Self::Fdb(switch, mac) => write!(f, "fdb {switch}/{mac}"),
            Self::AddressSet(name, bucket) => write!(f, "address set ${name}/{bucket}"),
            Self::PortGroup(name, switch) => write!(f, "port group @{name}/{switch}"),
            Self::Acl(PolicyOwner::Switch(switch), uuid) => write!(f, "acl {switch}/{uuid}"),
            Self::Acl(PolicyOwner::Group(group), uuid) => write!(f, "acl @{group}/{uuid}"),
            Self::Meter(name) => write!(f, "meter {name}"),
            Self::Balancer(uuid) => write!(f, "load balancer {uuid}"),
            Self::BalancerGroup(uuid) => write!(f, "load balancer group {uuid}"),
            Self::Vip(vip) => write!(f, "vip {vip:?}"),
            Self::Probe(probe) => write!(f, "probe {probe:?}"),
            Self::Nat(router, uuid) => write!(f, "nat {router}/{uuid}"),
            Self::Qos(switch, uuid) => write!(f, "qos {switch}/{uuid}"),
        }
    }
}
