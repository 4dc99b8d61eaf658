//! `SwitchPort` with what stands in it.

use pipeline::object::{Attachment, PortSecurity, StationAddresses, SwitchPort};

use super::atom::{
    chassis, chassis_to_wire, ipv4, ipv4_prefix, ipv4_to_wire, ipv6, ipv6_prefix, ipv6_to_wire,
    mac_from_wire, mac_to_wire, name, number, prefix_to_wire,
};
use super::error::{At, WireError, each, optional, required};
use crate::southbound as wire;

impl From<&SwitchPort> for wire::SwitchPort {
    fn from(port: &SwitchPort) -> Self {
        Self {
            attachment: Some((&port.attachment).into()),
            addresses: port.addresses.iter().map(Into::into).collect(),
            has_unknown: port.has_unknown,
            port_security: port.port_security.iter().map(Into::into).collect(),
            requested_chassis: chassis_to_wire(&port.requested_chassis),
            chassis: chassis_to_wire(&port.chassis),
            max_rate: port.max_rate.map(Into::into),
            min_rate: port.min_rate.unwrap_or(0),
        }
    }
}

impl TryFrom<&wire::SwitchPort> for SwitchPort {
    type Error = WireError;

    fn try_from(port: &wire::SwitchPort) -> Result<Self, WireError> {
        Ok(Self {
            attachment: required(&port.attachment, "attachment")?.try_into()?,
            addresses: each(&port.addresses, "addresses", StationAddresses::try_from)?,
            has_unknown: port.has_unknown,
            port_security: each(&port.port_security, "port_security", PortSecurity::try_from)?,
            requested_chassis: chassis(&port.requested_chassis),
            chassis: chassis(&port.chassis),
            max_rate: port.max_rate.map(Into::into),
            min_rate: (port.min_rate > 0).then_some(port.min_rate),
        })
    }
}

impl From<&Attachment> for wire::switch_port::Attachment {
    fn from(attachment: &Attachment) -> Self {
        match attachment {
            Attachment::Vif => Self::Vif(wire::Empty {}),
            Attachment::Nested { parent, tag } => Self::Nested(wire::Nested {
                parent: parent.clone(),
                tag: u32::from(*tag),
            }),
            Attachment::Localport => Self::Localport(wire::Empty {}),
            Attachment::Router(peer) => Self::Router(wire::RouterAttachment {
                peer: peer.as_ref().map(Into::into),
            }),
        }
    }
}

impl TryFrom<&wire::switch_port::Attachment> for Attachment {
    type Error = WireError;

    fn try_from(attachment: &wire::switch_port::Attachment) -> Result<Self, WireError> {
        use wire::switch_port::Attachment as Wire;
        Ok(match attachment {
            Wire::Vif(wire::Empty {}) => Self::Vif,
            Wire::Nested(nested) => Self::Nested {
                parent: name(&nested.parent).at("nested.parent")?.to_owned(),
                tag: number(nested.tag, 1, 4094).at("nested.tag")?,
            },
            Wire::Localport(wire::Empty {}) => Self::Localport,
            Wire::Router(router) => Self::Router(optional(&router.peer).at("router.peer")?),
        })
    }
}

impl From<&StationAddresses> for wire::StationAddresses {
    fn from(station: &StationAddresses) -> Self {
        Self {
            mac: mac_to_wire(station.mac),
            ipv4: station.ipv4.iter().map(ipv4_to_wire).collect(),
            ipv6: station.ipv6.iter().map(ipv6_to_wire).collect(),
        }
    }
}

impl TryFrom<&wire::StationAddresses> for StationAddresses {
    type Error = WireError;

    fn try_from(station: &wire::StationAddresses) -> Result<Self, WireError> {
        Ok(Self {
            mac: mac_from_wire(&station.mac).at("mac")?,
            ipv4: each(&station.ipv4, "ipv4", |bytes| ipv4(bytes))?,
            ipv6: each(&station.ipv6, "ipv6", |bytes| ipv6(bytes))?,
        })
    }
}

impl From<&PortSecurity> for wire::PortSecurity {
    fn from(security: &PortSecurity) -> Self {
        let ipv4 = security.ipv4.iter().map(|prefix| (*prefix).into());
        let ipv6 = security.ipv6.iter().map(|prefix| (*prefix).into());
        Self {
            mac: mac_to_wire(security.mac),
            ipv4: ipv4.map(prefix_to_wire).collect(),
            ipv6: ipv6.map(prefix_to_wire).collect(),
        }
    }
}

impl TryFrom<&wire::PortSecurity> for PortSecurity {
    type Error = WireError;

    fn try_from(security: &wire::PortSecurity) -> Result<Self, WireError> {
        Ok(Self {
            mac: mac_from_wire(&security.mac).at("mac")?,
            ipv4: each(&security.ipv4, "ipv4", ipv4_prefix)?,
            ipv6: each(&security.ipv6, "ipv6", ipv6_prefix)?,
        })
    }
}
