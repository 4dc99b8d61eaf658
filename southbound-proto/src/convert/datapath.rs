//! `Datapath`, with what only switches or only routers have.

use pipeline::object::{Datapath, DatapathKind, Router, Switch};

use super::atom::{chassis, chassis_to_wire, uuid, uuid_to_wire};
use super::balancer::{balancers, balancers_to_wire};
use super::error::{At, WireError, decode, required};
use super::force_snat::{force_snat, force_snat_to_wire};
use super::port_ref::datapath_key;
use crate::southbound as wire;
use wire::datapath::Kind;

impl From<&Datapath> for wire::Datapath {
    fn from(datapath: &Datapath) -> Self {
        Self {
            key: datapath.key.get(),
            uuid: uuid_to_wire(datapath.uuid),
            name: datapath.name.clone(),
            kind: Some(match &datapath.kind {
                DatapathKind::Switch(switch) => Kind::Switch(switch.into()),
                DatapathKind::Router(router) => Kind::Router(router.into()),
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
            kind: match required(&datapath.kind, "kind")? {
                Kind::Switch(switch) => DatapathKind::Switch(decode(switch).at("switch")?),
                Kind::Router(router) => DatapathKind::Router(decode(router).at("router")?),
            },
        })
    }
}

impl From<&Switch> for wire::Switch {
    fn from(switch: &Switch) -> Self {
        Self {
            vlan_passthru: switch.vlan_passthru,
            balancers: balancers_to_wire(&switch.balancers),
        }
    }
}

impl TryFrom<&wire::Switch> for Switch {
    type Error = WireError;

    fn try_from(switch: &wire::Switch) -> Result<Self, WireError> {
        Ok(Self {
            vlan_passthru: switch.vlan_passthru,
            balancers: balancers(&switch.balancers)?,
        })
    }
}

impl From<&Router> for wire::Router {
    fn from(router: &Router) -> Self {
        Self {
            always_learn_from_arp_request: router.always_learn_from_arp_request,
            enabled: router.enabled,
            chassis: chassis_to_wire(&router.chassis),
            balancers: balancers_to_wire(&router.balancers),
            lb_force_snat: force_snat_to_wire(&router.lb_force_snat),
            dnat_force_snat: force_snat_to_wire(&router.dnat_force_snat),
        }
    }
}

impl TryFrom<&wire::Router> for Router {
    type Error = WireError;

    fn try_from(router: &wire::Router) -> Result<Self, WireError> {
        Ok(Self {
            always_learn_from_arp_request: router.always_learn_from_arp_request,
            enabled: router.enabled,
            chassis: chassis(&router.chassis),
            balancers: balancers(&router.balancers)?,
            lb_force_snat: force_snat(&router.lb_force_snat).at("lb_force_snat")?,
            dnat_force_snat: force_snat(&router.dnat_force_snat).at("dnat_force_snat")?,
        })
    }
}
