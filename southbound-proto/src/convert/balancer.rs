//! `Balancer`, `BalancerGroup` and references to them.

use pipeline::object::{
    Balancer, BalancerGroup, Balancers, NeighborResponder, SelectionField, TrafficPolicy, WhenEmpty,
};

use super::atom::{
    address_from_wire, address_to_wire, number, prefix, prefix_to_wire, uuid, uuid_to_wire,
};
use super::enumeration::Enumeration;
use super::error::{At, WireError, each};
use crate::southbound as wire;

impl From<&Balancer> for wire::Balancer {
    fn from(balancer: &Balancer) -> Self {
        let fields = &balancer.selection_fields;
        let hairpin = &balancer.hairpin_snat_ip;
        let ranges = &balancer.source_ranges;
        Self {
            uuid: uuid_to_wire(balancer.uuid),
            name: balancer.name.clone(),
            when_empty: balancer.when_empty.number(),
            when_none_local: balancer.when_none_local.number(),
            event: balancer.event,
            ct_flush: balancer.ct_flush,
            skip_snat: balancer.skip_snat,
            hairpin_snat_ip: hairpin.iter().copied().map(address_to_wire).collect(),
            affinity_timeout_s: u32::from(balancer.affinity_timeout_s),
            selection_fields: fields.iter().map(|field| field.number()).collect(),
            neighbor_responder: balancer.neighbor_responder.number(),
            add_route: balancer.add_route,
            source_ranges: ranges.iter().copied().map(prefix_to_wire).collect(),
            traffic_policy: balancer.traffic_policy.number(),
        }
    }
}

impl TryFrom<&wire::Balancer> for Balancer {
    type Error = WireError;

    fn try_from(balancer: &wire::Balancer) -> Result<Self, WireError> {
        let responder = NeighborResponder::from_number(balancer.neighbor_responder);
        Ok(Self {
            uuid: uuid(&balancer.uuid).at("uuid")?,
            name: balancer.name.clone(),
            when_empty: WhenEmpty::from_number(balancer.when_empty).at("when_empty")?,
            when_none_local: WhenEmpty::from_number(balancer.when_none_local)
                .at("when_none_local")?,
            event: balancer.event,
            ct_flush: balancer.ct_flush,
            skip_snat: balancer.skip_snat,
            hairpin_snat_ip: each(&balancer.hairpin_snat_ip, "hairpin_snat_ip", |bytes| {
                address_from_wire(bytes)
            })?,
            affinity_timeout_s: number(balancer.affinity_timeout_s, 0, 65535)
                .at("affinity_timeout_s")?,
            selection_fields: each(&balancer.selection_fields, "selection_fields", |field| {
                SelectionField::from_number(*field)
            })?,
            neighbor_responder: responder.at("neighbor_responder")?,
            add_route: balancer.add_route,
            source_ranges: each(&balancer.source_ranges, "source_ranges", prefix)?,
            traffic_policy: TrafficPolicy::from_number(balancer.traffic_policy)
                .at("traffic_policy")?,
        })
    }
}

impl From<&BalancerGroup> for wire::BalancerGroup {
    fn from(group: &BalancerGroup) -> Self {
        Self {
            uuid: uuid_to_wire(group.uuid),
            name: group.name.clone(),
            balancers: group.balancers.iter().copied().map(uuid_to_wire).collect(),
        }
    }
}

impl TryFrom<&wire::BalancerGroup> for BalancerGroup {
    type Error = WireError;

    fn try_from(group: &wire::BalancerGroup) -> Result<Self, WireError> {
        Ok(Self {
            uuid: uuid(&group.uuid).at("uuid")?,
            name: group.name.clone(),
            balancers: each(&group.balancers, "balancers", |bytes| uuid(bytes))?,
        })
    }
}

pub(super) fn balancers_to_wire(balancers: &Balancers) -> Option<wire::Balancers> {
    (*balancers != Balancers::default()).then(|| wire::Balancers {
        own: balancers.own.iter().copied().map(uuid_to_wire).collect(),
        groups: balancers.groups.iter().copied().map(uuid_to_wire).collect(),
    })
}

pub(super) fn balancers(balancers: &Option<wire::Balancers>) -> Result<Balancers, WireError> {
    let Some(balancers) = balancers else {
        return Ok(Balancers::default());
    };
    Ok(Balancers {
        own: each(&balancers.own, "balancers.own", |bytes| uuid(bytes))?,
        groups: each(&balancers.groups, "balancers.groups", |bytes| uuid(bytes))?,
    })
}
