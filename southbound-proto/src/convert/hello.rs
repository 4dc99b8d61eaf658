//! `Hello`: how a node introduces itself.

use std::collections::BTreeSet;

use pipeline::object::Chassis;

use super::atom::{address_from_wire, address_to_wire, name, number};
use super::error::{At, WireError};
use crate::{capability, southbound as wire};

/// The first message of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The wire protocol's version that the node would like to speak.
    pub protocol_version: u32,
    /// What the node can do beyond the protocol's base.
    pub capabilities: BTreeSet<String>,
    /// Its name and underlay address.
    pub chassis: Chassis,
    /// Tells one life of the node's process from the next.
    pub instance: String,
    /// The node's software, for people.
    pub software_version: String,
}

impl From<&Hello> for wire::Hello {
    fn from(hello: &Hello) -> Self {
        Self {
            protocol_version: hello.protocol_version,
            capabilities: hello.capabilities.iter().cloned().collect(),
            chassis: hello.chassis.name.to_string(),
            encap_ip: address_to_wire(hello.chassis.encap_ip),
            encap_port: u32::from(hello.chassis.encap_port),
            instance: hello.instance.clone(),
            software_version: hello.software_version.clone(),
        }
    }
}

impl TryFrom<&wire::Hello> for Hello {
    type Error = WireError;

    fn try_from(hello: &wire::Hello) -> Result<Self, WireError> {
        Ok(Self {
            protocol_version: hello.protocol_version,
            capabilities: hello.capabilities.iter().cloned().collect(),
            chassis: Chassis {
                name: name(&hello.chassis).at("chassis")?.into(),
                encap_ip: address_from_wire(&hello.encap_ip).at("encap_ip")?,
                encap_port: number(hello.encap_port, 1, 65535).at("encap_port")?,
                zone: String::new(),
                takes_partial: hello
                    .capabilities
                    .iter()
                    .any(|name| name == capability::PARTIAL_CHECKSUMS),
            },
            instance: name(&hello.instance).at("instance")?.to_owned(),
            software_version: hello.software_version.clone(),
        })
    }
}
