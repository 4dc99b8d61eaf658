//! `RouterPort`.

use pipeline::object::RouterPort;

use super::atom::{
    chassis, chassis_to_wire, ipv4_prefix, ipv6_prefix, mac_from_wire, mac_to_wire, number,
    prefix_to_wire,
};
use super::error::{At, WireError, each, optional};
use crate::southbound as wire;

impl From<&RouterPort> for wire::RouterPort {
    fn from(port: &RouterPort) -> Self {
        let ipv4 = port.ipv4.iter().map(|prefix| (*prefix).into());
        let ipv6 = port.ipv6.iter().map(|prefix| (*prefix).into());
        Self {
            mac: mac_to_wire(port.mac),
            ipv4: ipv4.map(prefix_to_wire).collect(),
            ipv6: ipv6.map(prefix_to_wire).collect(),
            peer: port.peer.as_ref().map(Into::into),
            gateway_mtu: port.gateway_mtu.map_or(0, u32::from),
            route_table: port.route_table.clone(),
            gateway: chassis_to_wire(&port.gateway),
        }
    }
}

impl TryFrom<&wire::RouterPort> for RouterPort {
    type Error = WireError;

    fn try_from(port: &wire::RouterPort) -> Result<Self, WireError> {
        let gateway_mtu = match port.gateway_mtu {
            0 => None,
            mtu => Some(number(mtu, 1, 65535).at("gateway_mtu")?),
        };
        Ok(Self {
            mac: mac_from_wire(&port.mac).at("mac")?,
            ipv4: each(&port.ipv4, "ipv4", ipv4_prefix)?,
            ipv6: each(&port.ipv6, "ipv6", ipv6_prefix)?,
            peer: optional(&port.peer).at("peer")?,
            gateway_mtu,
            route_table: port.route_table.clone(),
            gateway: chassis(&port.gateway),
        })
    }
}
