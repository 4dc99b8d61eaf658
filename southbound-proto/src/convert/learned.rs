//! `Learned`: what a node found out about stations.

use std::net::IpAddr;

use packet::Mac;
use pipeline::object::PortRef;

use super::atom::{address_from_wire, address_to_wire, mac_from_wire, mac_to_wire};
use super::error::{At, WireError};
use super::port_ref::port_ref;
use crate::southbound as wire;

/// A neighbour that a node learned beyond a router port, or saw age out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LearnedNeighbor {
    /// The router port.
    pub port: PortRef,
    /// The station's IP address.
    pub ip: IpAddr,
    /// Its MAC address.
    pub mac: Mac,
    /// The binding aged out on the node that had it in use.
    pub expired: bool,
}

/// A station that a node learned behind a switch port, or saw age out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LearnedStation {
    /// The switch port.
    pub port: PortRef,
    /// The station's MAC address.
    pub mac: Mac,
    /// The entry aged out on the node that had it in use.
    pub expired: bool,
}

impl From<&LearnedNeighbor> for wire::LearnedNeighbor {
    fn from(neighbor: &LearnedNeighbor) -> Self {
        Self {
            datapath: neighbor.port.datapath.get(),
            port: u32::from(neighbor.port.port.get()),
            ip: address_to_wire(neighbor.ip),
            mac: mac_to_wire(neighbor.mac),
            expired: neighbor.expired,
        }
    }
}

impl TryFrom<&wire::LearnedNeighbor> for LearnedNeighbor {
    type Error = WireError;

    fn try_from(neighbor: &wire::LearnedNeighbor) -> Result<Self, WireError> {
        Ok(Self {
            port: port_ref(neighbor.datapath, neighbor.port)?,
            ip: address_from_wire(&neighbor.ip).at("ip")?,
            mac: mac_from_wire(&neighbor.mac).at("mac")?,
            expired: neighbor.expired,
        })
    }
}

impl From<&LearnedStation> for wire::LearnedStation {
    fn from(station: &LearnedStation) -> Self {
        Self {
            datapath: station.port.datapath.get(),
            port: u32::from(station.port.port.get()),
            mac: mac_to_wire(station.mac),
            expired: station.expired,
        }
    }
}

impl TryFrom<&wire::LearnedStation> for LearnedStation {
    type Error = WireError;

    fn try_from(station: &wire::LearnedStation) -> Result<Self, WireError> {
        Ok(Self {
            port: port_ref(station.datapath, station.port)?,
            mac: mac_from_wire(&station.mac).at("mac")?,
            expired: station.expired,
        })
    }
}
