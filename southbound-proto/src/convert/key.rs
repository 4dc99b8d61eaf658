//! `ObjectKey` and the keys in it.

use std::net::IpAddr;

use packet::Mac;
use pipeline::object::{DatapathKey, ObjectKey, PortRef, RouteKey, RouteOrigin, RoutePolicy};

use super::acl::{acl_key, acl_key_to_wire};
use super::address_set::{address_set_key, address_set_key_to_wire};
use super::atom::{
    address_from_wire, address_to_wire, mac_from_wire, mac_to_wire, name, network, prefix_to_wire,
    uuid, uuid_to_wire,
};
use super::error::{At, WireError, decode, required};
use super::nat::{nat_key, nat_key_to_wire};
use super::port_group::{port_group_key, port_group_key_to_wire};
use super::port_ref::{datapath_key, port_key};
use super::qos::{qos_key, qos_key_to_wire};
use crate::southbound as wire;
use wire::object_key::Key;

impl From<&ObjectKey> for wire::ObjectKey {
    fn from(key: &ObjectKey) -> Self {
        let key = match key {
            ObjectKey::Global => Key::Global(wire::Empty {}),
            ObjectKey::Chassis(name) => Key::Chassis(name.to_string()),
            ObjectKey::Datapath(key) => Key::Datapath(key.get()),
            ObjectKey::Port(at) => Key::Port(at.into()),
            ObjectKey::Route(router, key) => Key::Route(route_key_to_wire(*router, key)),
            ObjectKey::Neighbor(at, ip) => Key::Neighbor(neighbor_key_to_wire(at, *ip)),
            ObjectKey::Fdb(switch, mac) => Key::Fdb(fdb_key_to_wire(*switch, *mac)),
            ObjectKey::AddressSet(name, bucket) => {
                Key::AddressSet(address_set_key_to_wire(name, *bucket))
            }
            ObjectKey::PortGroup(name, switch) => {
                Key::PortGroup(port_group_key_to_wire(name, *switch))
            }
            ObjectKey::Acl(owner, uuid) => Key::Acl(acl_key_to_wire(owner, *uuid)),
            ObjectKey::Meter(name) => Key::Meter(name.to_string()),
            ObjectKey::Balancer(uuid) => Key::Balancer(uuid_to_wire(*uuid)),
            ObjectKey::BalancerGroup(uuid) => Key::BalancerGroup(uuid_to_wire(*uuid)),
            ObjectKey::Vip(key) => Key::Vip(key.into()),
            ObjectKey::Probe(key) => Key::Probe(key.into()),
            ObjectKey::Nat(router, uuid) => Key::Nat(nat_key_to_wire(*router, *uuid)),
            ObjectKey::Qos(switch, uuid) => Key::Qos(qos_key_to_wire(*switch, *uuid)),
        };
        Self { key: Some(key) }
    }
}

impl TryFrom<&wire::ObjectKey> for ObjectKey {
    type Error = WireError;

    fn try_from(key: &wire::ObjectKey) -> Result<Self, WireError> {
        Ok(match required(&key.key, "key")? {
            Key::Global(wire::Empty {}) => Self::Global,
            Key::Chassis(text) => Self::Chassis(name(text).at("chassis")?.into()),
            Key::Datapath(key) => Self::Datapath(datapath_key(*key).at("datapath")?),
            Key::Port(at) => Self::Port(decode(at).at("port")?),
            Key::Route(key) => {
                let (router, key) = route_key(key).at("route")?;
                Self::Route(router, key)
            }
            Key::Neighbor(key) => {
                let (at, ip) = neighbor_key(key).at("neighbor")?;
                Self::Neighbor(at, ip)
            }
            Key::Fdb(key) => {
                let (switch, mac) = fdb_key(key).at("fdb")?;
                Self::Fdb(switch, mac)
            }
            Key::AddressSet(key) => {
                let (name, bucket) = address_set_key(key).at("address_set")?;
                Self::AddressSet(name, bucket)
            }
            Key::PortGroup(key) => {
                let (name, switch) = port_group_key(key).at("port_group")?;
                Self::PortGroup(name, switch)
            }
            Key::Acl(key) => {
                let (owner, uuid) = acl_key(key).at("acl")?;
                Self::Acl(owner, uuid)
            }
            Key::Meter(text) => Self::Meter(name(text).at("meter")?.into()),
            Key::Balancer(bytes) => Self::Balancer(uuid(bytes).at("balancer")?),
            Key::BalancerGroup(bytes) => Self::BalancerGroup(uuid(bytes).at("balancer_group")?),
            Key::Vip(key) => Self::Vip(decode(key).at("vip")?),
            Key::Probe(key) => Self::Probe(decode(key).at("probe")?),
            Key::Nat(key) => {
                let (router, uuid) = nat_key(key).at("nat")?;
                Self::Nat(router, uuid)
            }
            Key::Qos(key) => {
                let (switch, uuid) = qos_key(key).at("qos")?;
                Self::Qos(switch, uuid)
            }
        })
    }
}

pub(super) fn route_key_to_wire(router: DatapathKey, key: &RouteKey) -> wire::RouteKey {
    let prefix = prefix_to_wire(key.prefix);
    wire::RouteKey {
        router: router.get(),
        table: key.table.clone(),
        source_policy: key.policy == RoutePolicy::Source,
        prefix: prefix.address,
        prefix_length: prefix.length,
        is_static: key.origin == RouteOrigin::Static,
        inport: key.inport.map_or(0, |port| u32::from(port.get())),
    }
}

pub(super) fn route_key(key: &wire::RouteKey) -> Result<(DatapathKey, RouteKey), WireError> {
    let prefix = wire::Prefix {
        address: key.prefix.clone(),
        length: key.prefix_length,
    };
    let inport = match key.inport {
        0 => None,
        port => Some(port_key(port).at("inport")?),
    };
    let route = RouteKey {
        table: key.table.clone(),
        policy: match key.source_policy {
            true => RoutePolicy::Source,
            false => RoutePolicy::Destination,
        },
        prefix: network(&prefix).at("prefix")?,
        origin: match key.is_static {
            true => RouteOrigin::Static,
            false => RouteOrigin::Connected,
        },
        inport,
    };
    Ok((datapath_key(key.router).at("router")?, route))
}

pub(super) fn neighbor_key_to_wire(at: &PortRef, ip: IpAddr) -> wire::NeighborKey {
    wire::NeighborKey {
        port: Some(at.into()),
        ip: address_to_wire(ip),
    }
}

pub(super) fn neighbor_key(key: &wire::NeighborKey) -> Result<(PortRef, IpAddr), WireError> {
    let at = decode(required(&key.port, "port")?).at("port")?;
    Ok((at, address_from_wire(&key.ip).at("ip")?))
}

pub(super) fn fdb_key_to_wire(switch: DatapathKey, mac: Mac) -> wire::FdbKey {
    wire::FdbKey {
        datapath: switch.get(),
        mac: mac_to_wire(mac),
    }
}

pub(super) fn fdb_key(key: &wire::FdbKey) -> Result<(DatapathKey, Mac), WireError> {
    let switch = datapath_key(key.datapath).at("datapath")?;
    Ok((switch, mac_from_wire(&key.mac).at("mac")?))
}
