//! `Chassis`.

use pipeline::object::Chassis;

use super::atom::{address_from_wire, address_to_wire, name, number};
use super::error::{At, WireError};
use crate::southbound as wire;

impl From<&Chassis> for wire::Chassis {
    fn from(chassis: &Chassis) -> Self {
        Self {
            name: chassis.name.to_string(),
            encap_ip: address_to_wire(chassis.encap_ip),
            encap_port: u32::from(chassis.encap_port),
            zone: chassis.zone.clone(),
            takes_partial_checksums: chassis.takes_partial,
        }
    }
}

impl TryFrom<&wire::Chassis> for Chassis {
    type Error = WireError;

    fn try_from(chassis: &wire::Chassis) -> Result<Self, WireError> {
        Ok(Self {
            name: name(&chassis.name).at("name")?.into(),
            encap_ip: address_from_wire(&chassis.encap_ip).at("encap_ip")?,
            encap_port: number(chassis.encap_port, 1, 65535).at("encap_port")?,
            zone: chassis.zone.clone(),
            takes_partial: chassis.takes_partial_checksums,
        })
    }
}
