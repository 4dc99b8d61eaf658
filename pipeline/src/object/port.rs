//! Logical ports, and what their rows say of addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use packet::Mac;
use uuid::Uuid;

use super::{ChassisName, MeterBand, PortRef};

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
    /// `options:qos_max_rate` and `options:qos_burst`: how many kilobits what is plugged in may send.
    pub max_rate: Option<MeterBand>,
    /// `options:qos_min_rate`: how many kilobits a second of the tunnel's uplink are promised to it. No more than `max_rate`.
    pub min_rate: Option<u32>,
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
