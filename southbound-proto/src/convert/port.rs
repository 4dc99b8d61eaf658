//! `Port`.

use pipeline::object::{Port, PortKind};

use super::atom::{name, uuid, uuid_to_wire};
use super::error::{At, WireError, decode, required};
use crate::southbound as wire;
use wire::port::Kind;

impl From<&Port> for wire::Port {
    fn from(port: &Port) -> Self {
        Self {
            at: Some((&port.at).into()),
            uuid: uuid_to_wire(port.uuid),
            name: port.name.clone(),
            enabled: port.enabled,
            kind: Some(match &port.kind {
                PortKind::Switch(port) => Kind::SwitchPort(port.into()),
                PortKind::Router(port) => Kind::RouterPort(port.into()),
            }),
        }
    }
}

impl TryFrom<&wire::Port> for Port {
    type Error = WireError;

    fn try_from(port: &wire::Port) -> Result<Self, WireError> {
        Ok(Self {
            at: decode(required(&port.at, "at")?).at("at")?,
            uuid: uuid(&port.uuid).at("uuid")?,
            name: name(&port.name).at("name")?.to_owned(),
            enabled: port.enabled,
            kind: match required(&port.kind, "kind")? {
                Kind::SwitchPort(port) => PortKind::Switch(decode(port).at("switch_port")?),
                Kind::RouterPort(port) => PortKind::Router(decode(port).at("router_port")?),
            },
        })
    }
}
