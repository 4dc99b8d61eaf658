//! Who is behind a port: neighbours of router ports, and stations learned behind switch ports.

use std::net::IpAddr;

use packet::Mac;

use super::{DatapathKey, PortKey, PortRef};

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
