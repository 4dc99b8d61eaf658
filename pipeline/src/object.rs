//! The compiled objects: what `northd` produces, the southbound protocol carries and a node installs.
//!
//! Each object has a [`ObjectKey`] that is unique in the whole logical network and a value that stands for
//! itself: it names other objects by key only, so that what many datapaths share is sent once. Objects are
//! typed; there are no match strings or action strings in them. [`crate::Tables`] indexes them for the
//! logical pipeline.

mod balance;
mod nat;
mod policy;

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use packet::Mac;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use uuid::Uuid;

pub use balance::{
    Backend, BackendState, Balancer, BalancerGroup, Balancers, NeighborResponder, Probe, ProbeKey,
    ProbeKind, SelectionField, TrafficPolicy, Vip, VipKey, WhenEmpty,
};
pub use nat::{DistributedNat, ForceSnat, Nat, NatKind, NatPeers};
pub use policy::{
    ADDRESS_SET_BUCKETS, Acl, AclAction, AclLog, AclStage, AddressSet, Meter, MeterBand, MeterUnit,
    PolicyOwner, PortGroup, Severity,
};

/// A number that stands outside the range its type allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value} is outside {low}..={high}")]
pub struct KeyError {
    /// What the number was meant to be.
    pub what: &'static str,
    /// The refused number.
    pub value: u32,
    /// The least number allowed.
    pub low: u32,
    /// The greatest number allowed.
    pub high: u32,
}

/// The tunnel key of a logical switch or router: the Geneve VNI, 24 bits, never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatapathKey(u32);

impl DatapathKey {
    /// The greatest key (RFC 8926 section 3.4: the VNI has 24 bits).
    pub const MAX: u32 = 0x00ff_ffff;
    /// The first key.
    pub const FIRST: Self = Self(1);

    /// A key in `1..=DatapathKey::MAX`.
    pub fn new(value: u32) -> Result<Self, KeyError> {
        if (1..=Self::MAX).contains(&value) {
            Ok(Self(value))
        } else {
            Err(KeyError {
                what: "datapath tunnel key",
                value,
                low: 1,
                high: Self::MAX,
            })
        }
    }

    /// The key as a number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// The tunnel key of a logical port, unique in its datapath: 15 bits, never zero.
///
/// Multicast groups share the 16-bit egress key space from [`MulticastGroup::FIRST_KEY`] on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortKey(u16);

impl PortKey {
    /// The greatest key: the Geneve option has 15 bits for the logical ingress port.
    pub const MAX: u16 = 0x7fff;
    /// The first key.
    pub const FIRST: Self = Self(1);

    /// A key in `1..=PortKey::MAX`.
    pub fn new(value: u32) -> Result<Self, KeyError> {
        match u16::try_from(value) {
            Ok(key) if (1..=Self::MAX).contains(&key) => Ok(Self(key)),
            _ => Err(KeyError {
                what: "port tunnel key",
                value,
                low: 1,
                high: u32::from(Self::MAX),
            }),
        }
    }

    /// The key as a number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for DatapathKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dp{}", self.0)
    }
}

impl fmt::Display for DatapathKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for PortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port{}", self.0)
    }
}

impl fmt::Display for PortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A logical port anywhere: its datapath and its key there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRef {
    /// The datapath that the port belongs to.
    pub datapath: DatapathKey,
    /// The port's key in that datapath.
    pub port: PortKey,
}

impl PortRef {
    /// The least of all port references.
    pub(crate) const LEAST: PortRef = PortRef {
        datapath: DatapathKey(1),
        port: PortKey(1),
    };
}

/// The multicast groups every logical switch has, with OVN's tunnel keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum MulticastGroup {
    /// Every enabled port (`_MC_flood`).
    Flood = 32768,
    /// Every enabled port whose addresses include `unknown` (`_MC_unknown`).
    Unknown = 32769,
    /// Every enabled port that is no router port (`_MC_flood_l2`).
    FloodL2 = 32772,
}

impl MulticastGroup {
    /// The least egress key that names a group and not a port.
    pub const FIRST_KEY: u16 = 0x8000;
    /// All groups.
    pub const ALL: [MulticastGroup; 3] = [Self::Flood, Self::Unknown, Self::FloodL2];

    /// The group with this tunnel key, if there is one.
    pub fn from_key(key: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.key() == key)
    }

    /// The 16-bit egress key of the group.
    pub const fn key(self) -> u16 {
        self as u16
    }

    /// OVN's name of the group.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flood => "_MC_flood",
            Self::Unknown => "_MC_unknown",
            Self::FloodL2 => "_MC_flood_l2",
        }
    }
}

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
}

/// A logical switch or router.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Datapath {
    /// Its tunnel key.
    pub key: DatapathKey,
    /// The UUID of its northbound row.
    pub uuid: Uuid,
    /// Its name, which need not be unique.
    pub name: String,
    /// What it is.
    pub kind: DatapathKind,
}

/// What a datapath is, with what only that kind has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DatapathKind {
    /// A logical switch.
    Switch(Switch),
    /// A logical router.
    Router(Router),
}

/// What only a logical switch has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Switch {
    /// `other_config:vlan-passthru`: tagged frames are carried with their tag.
    pub vlan_passthru: bool,
    /// Its load balancers.
    pub balancers: Balancers,
}

/// What only a logical router has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Router {
    /// `options:always_learn_from_arp_request`: requests create bindings, not only update them.
    pub always_learn_from_arp_request: bool,
    /// `enabled`: a disabled router drops what it is asked to route.
    pub enabled: bool,
    /// `options:chassis`: the one node that a gateway router is on.
    pub chassis: Option<ChassisName>,
    /// Its load balancers.
    pub balancers: Balancers,
    /// `options:lb_force_snat_ip`.
    pub lb_force_snat: ForceSnat,
    /// `options:dnat_force_snat_ip`.
    pub dnat_force_snat: ForceSnat,
}

impl Default for Router {
    /// An enabled, distributed router that translates nothing.
    fn default() -> Self {
        Self {
            always_learn_from_arp_request: true,
            enabled: true,
            chassis: None,
            balancers: Balancers::default(),
            lb_force_snat: ForceSnat::default(),
            dnat_force_snat: ForceSnat::default(),
        }
    }
}

/// A logical port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// Where it is.
    pub at: PortRef,
    /// The UUID of its northbound row.
    pub uuid: Uuid,
    /// Its name, unique over all ports.
    pub name: String,
    /// `enabled`: a disabled port neither sends nor receives.
    pub enabled: bool,
    /// What it is.
    pub kind: PortKind,
}

/// A switch port or a router port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PortKind {
    /// A `Logical_Switch_Port`.
    Switch(SwitchPort),
    /// A `Logical_Router_Port`.
    Router(RouterPort),
}

/// A `Logical_Switch_Port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SwitchPort {
    /// What is plugged into it.
    pub attachment: Attachment,
    /// The addresses of the stations behind it. For a router's port these are the router port's own.
    pub addresses: Vec<StationAddresses>,
    /// `addresses` includes `unknown`: other stations may be behind it, found by learning.
    pub has_unknown: bool,
    /// `port_security`. Empty means unrestricted.
    pub port_security: Vec<PortSecurity>,
    /// `options:requested-chassis`: the only node that may bind the port.
    pub requested_chassis: Option<ChassisName>,
    /// The node that binds it now. A `localport` is bound everywhere and has none. A port that joins a
    /// gateway router is where that is; other router ports are everywhere.
    pub chassis: Option<ChassisName>,
}

/// What is plugged into a switch port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Attachment {
    /// A network interface of a pod or VM.
    Vif,
    /// An interface nested in another: its frames travel through the parent's, tagged.
    Nested {
        /// The port whose interface carries the frames.
        parent: String,
        /// The 802.1Q VLAN id, `1..=4094`.
        tag: u16,
    },
    /// One instance on every node; its traffic never leaves the node.
    Localport,
    /// A router port. `None` while the named router port does not exist.
    Router(Option<PortRef>),
}

/// A station's MAC address and the IP addresses it owns (a row of `addresses`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StationAddresses {
    /// The MAC address.
    pub mac: Mac,
    /// The IPv4 addresses.
    pub ipv4: Vec<Ipv4Addr>,
    /// The IPv6 addresses. The link-local address of the MAC is not among them unless written.
    pub ipv6: Vec<Ipv6Addr>,
}

/// What a station may send and receive (a row of `port_security`).
///
/// A row without IP addresses restricts the MAC address only. An address with host bits set stands for
/// that host (OVN: plus the broadcast address of its network); with host bits clear, for the network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PortSecurity {
    /// The MAC address.
    pub mac: Mac,
    /// The IPv4 hosts and networks.
    pub ipv4: Vec<Ipv4Net>,
    /// The IPv6 hosts and networks.
    pub ipv6: Vec<Ipv6Net>,
}

/// A `Logical_Router_Port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouterPort {
    /// Its MAC address.
    pub mac: Mac,
    /// Its IPv4 addresses with their networks.
    pub ipv4: Vec<Ipv4Net>,
    /// Its IPv6 addresses with their networks; the EUI-64 link-local one is always among them.
    pub ipv6: Vec<Ipv6Net>,
    /// What it is joined to: a switch's router port or another router's port.
    pub peer: Option<PortRef>,
    /// `options:gateway_mtu`: longer IP packets are answered with an ICMP error. Bytes of L3.
    pub gateway_mtu: Option<u16>,
    /// `options:route_table`: the table its packets are routed by. Empty is the main one.
    pub route_table: String,
    /// The node through which a distributed gateway port's traffic goes (`gateway_chassis`, the one of the
    /// greatest priority). `None` for what is no distributed gateway port.
    pub gateway: Option<ChassisName>,
}

impl RouterPort {
    /// All its addresses, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let ipv4 = self.ipv4.iter().map(|net| IpAddr::V4(net.addr()));
        ipv4.chain(self.ipv6.iter().map(|net| IpAddr::V6(net.addr())))
    }

    /// True if `ip` is in one of its networks.
    pub fn is_on_link(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.ipv4.iter().any(|net| net.contains(&ip)),
            IpAddr::V6(ip) => self.ipv6.iter().any(|net| net.contains(&ip)),
        }
    }
}

/// Which route of a router: its table, what it matches and, where several routes match the same, its origin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey {
    /// The route table. Empty is the main one.
    pub table: String,
    /// Which address of the packet is compared.
    pub policy: RoutePolicy,
    /// What it is compared with.
    pub prefix: IpNet,
    /// How the route came to be. At equal length, `Connected` wins over `Static`.
    pub origin: RouteOrigin,
    /// The route holds only for packets that entered by this port (link-local prefixes).
    pub inport: Option<PortKey>,
}

/// Which address of the packet a route compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoutePolicy {
    /// `dst-ip`.
    Destination,
    /// `src-ip`.
    Source,
}

/// How a route came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteOrigin {
    /// From a port's networks.
    Connected,
    /// From `Logical_Router_Static_Route`.
    Static,
}

/// A route of a router.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// The router.
    pub router: DatapathKey,
    /// What it matches.
    pub key: RouteKey,
    /// Where its packets go: several next hops share them by flow hash, none discards them.
    pub next_hops: Vec<NextHop>,
    /// How many shares beside those of the next hops are discarded: one for each `discard` of this prefix.
    pub discards: u16,
}

/// One way out of a router.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// The port to leave by.
    pub port: PortKey,
    /// The next router; `None` when the destination itself is on the link.
    pub gateway: Option<IpAddr>,
    /// The port's own address that neighbour discovery speaks with.
    pub source: IpAddr,
}

/// The link-layer address of a station beyond a router port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Neighbor {
    /// The router port.
    pub port: PortRef,
    /// The station's IP address.
    pub ip: IpAddr,
    /// A `Static_MAC_Binding`, if there is one.
    pub fixed: Option<FixedBinding>,
    /// What ARP or ND learned, on any node.
    pub learned: Option<Mac>,
}

/// A `Static_MAC_Binding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FixedBinding {
    /// The station's MAC address.
    pub mac: Mac,
    /// `override_dynamic_mac`: it wins over what was learned.
    pub overrides_learned: bool,
}

impl Neighbor {
    /// The address in force: an overriding fixed one, else the learned one, else the fixed one.
    pub fn mac(&self) -> Option<Mac> {
        match (self.fixed, self.learned) {
            (Some(fixed), None) => Some(fixed.mac),
            (Some(fixed), Some(_)) if fixed.overrides_learned => Some(fixed.mac),
            (_, learned) => learned,
        }
    }
}

/// A MAC address learned behind a switch port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FdbEntry {
    /// The switch.
    pub switch: DatapathKey,
    /// The station.
    pub mac: Mac,
    /// The port it was last seen behind.
    pub port: PortKey,
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
            | Self::Nat(key, _) => Some(*key),
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
        }
    }
}
