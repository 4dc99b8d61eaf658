//! Logical switches and routers.

use uuid::Uuid;

use super::{Balancers, ChassisName, DatapathKey, ForceSnat};

/// A logical switch or router.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Datapath {
    /// Its tunnel key.
    pub key: DatapathKey,
    /// The UUID of its northbound row.
    pub uuid: Uuid,
    /// Its name, which need not be unique.
    pub name: String,
    /// What it is.
    pub kind: DatapathKind,
}

/// What a datapath is, with what only that kind has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DatapathKind {
    /// A logical switch.
    Switch(Switch),
    /// A logical router.
    Router(Router),
}

/// What only a logical switch has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Switch {
    /// `other_config:vlan-passthru`: tagged frames are carried with their tag.
    pub vlan_passthru: bool,
    /// Its load balancers.
    pub balancers: Balancers,
}

/// What only a logical router has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Router {
    /// `options:always_learn_from_arp_request`: requests create bindings, not only update them.
    pub always_learn_from_arp_request: bool,
    /// `enabled`: a disabled router drops what it is asked to route.
    pub enabled: bool,
    /// `options:chassis`: the one node that a gateway router is on.
    pub chassis: Option<ChassisName>,
    /// Its load balancers.
    pub balancers: Balancers,
    /// `options:lb_force_snat_ip`.
    pub lb_force_snat: ForceSnat,
    /// `options:dnat_force_snat_ip`.
    pub dnat_force_snat: ForceSnat,
}

impl Default for Router {
    /// An enabled, distributed router that translates nothing.
    fn default() -> Self {
        Self {
            always_learn_from_arp_request: true,
            enabled: true,
            chassis: None,
            balancers: Balancers::default(),
            lb_force_snat: ForceSnat::default(),
            dnat_force_snat: ForceSnat::default(),
        }
    }
}
