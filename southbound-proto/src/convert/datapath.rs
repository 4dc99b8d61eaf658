//! `Datapath`.

use pipeline::object::{Datapath, DatapathKind};

use super::atom::{uuid, uuid_to_wire};
use super::error::{At, WireError, required};
use super::port_ref::datapath_key;
use crate::southbound as wire;
use wire::datapath::Kind;

impl From<&Datapath> for wire::Datapath {
    fn from(datapath: &Datapath) -> Self {
        Self {
            key: datapath.key.get(),
            uuid: uuid_to_wire(datapath.uuid),
            name: datapath.name.clone(),
            kind: Some((&datapath.kind).into()),
        }
    }
}

impl From<&DatapathKind> for Kind {
    fn from(kind: &DatapathKind) -> Self {
        match *kind {
            DatapathKind::Switch { vlan_passthru } => Kind::Switch(wire::Switch { vlan_passthru }),
            DatapathKind::Router {
                always_learn_from_arp_request,
                enabled,
            } => Kind::Router(wire::Router {
                always_learn_from_arp_request,
                enabled,
            }),
        }
    }
}

impl TryFrom<&wire::Datapath> for Datapath {
    type Error = WireError;

    fn try_from(datapath: &wire::Datapath) -> Result<Self, WireError> {
        Ok(Self {
            key: datapath_key(datapath.key).at("key")?,
            uuid: uuid(&datapath.uuid).at("uuid")?,
            name: datapath.name.clone(),
            kind: required(&datapath.kind, "kind")?.into(),
        })
    }
}

impl From<&Kind> for DatapathKind {
    fn from(kind: &Kind) -> Self {
        match *kind {
            Kind::Switch(wire::Switch { vlan_passthru }) => Self::Switch { vlan_passthru },
            Kind::Router(wire::Router {
                always_learn_from_arp_request,
                enabled,
            }) => Self::Router {
                always_learn_from_arp_request,
                enabled,
            },
        }
    }
}
