//! `Nat`, with its key.

use std::ops::RangeInclusive;

use pipeline::object::{DatapathKey, DistributedNat, Nat, NatKind, NatPeers};
use uuid::Uuid;

use super::atom::{
    address_from_wire, address_to_wire, mac_from_wire, mac_to_wire, name, number, prefix,
    prefix_to_wire, uuid, uuid_to_wire,
};
use super::enumeration::Enumeration;
use super::error::{At, Problem, WireError, decode, optional, required};
use super::port_ref::{datapath_key, port_key};
use crate::southbound as wire;
use wire::nat::Peers;

pub(super) fn nat_key_to_wire(router: DatapathKey, uuid: Uuid) -> wire::NatKey {
    wire::NatKey {
        router: router.get(),
        uuid: uuid_to_wire(uuid),
    }
}

pub(super) fn nat_key(key: &wire::NatKey) -> Result<(DatapathKey, Uuid), WireError> {
    let router = datapath_key(key.router).at("router")?;
    Ok((router, uuid(&key.uuid).at("uuid")?))
}

impl From<&Nat> for wire::Nat {
    fn from(nat: &Nat) -> Self {
        Self {
            key: Some(nat_key_to_wire(nat.router, nat.uuid)),
            kind: nat.kind.number(),
            external_ip: address_to_wire(nat.external_ip),
            logical: Some(prefix_to_wire(nat.logical)),
            external_ports: nat.external_ports.as_ref().map(|range| wire::PortRange {
                low: u32::from(*range.start()),
                high: u32::from(*range.end()),
            }),
            distributed: nat.distributed.as_ref().map(Into::into),
            peers: match &nat.peers {
                NatPeers::All => None,
                NatPeers::Only(set) => Some(Peers::Only(set.to_string())),
                NatPeers::AllBut(set) => Some(Peers::AllBut(set.to_string())),
            },
            is_stateless: nat.is_stateless,
            add_route: nat.add_route,
            gateway_port: nat.gateway_port.map_or(0, |port| u32::from(port.get())),
        }
    }
}

impl TryFrom<&wire::Nat> for Nat {
    type Error = WireError;

    fn try_from(nat: &wire::Nat) -> Result<Self, WireError> {
        let (router, uuid) = nat_key(required(&nat.key, "key")?).at("key")?;
        let external_ports = nat.external_ports.as_ref().map(port_range).transpose();
        Ok(Self {
            router,
            uuid,
            kind: NatKind::from_number(nat.kind).at("kind")?,
            external_ip: address_from_wire(&nat.external_ip).at("external_ip")?,
            logical: prefix(required(&nat.logical, "logical")?).at("logical")?,
            external_ports: external_ports.at("external_ports")?,
            distributed: optional(&nat.distributed).at("distributed")?,
            peers: match &nat.peers {
                None => NatPeers::All,
                Some(Peers::Only(set)) => NatPeers::Only(name(set).at("only")?.into()),
                Some(Peers::AllBut(set)) => NatPeers::AllBut(name(set).at("all_but")?.into()),
            },
            is_stateless: nat.is_stateless,
            add_route: nat.add_route,
            gateway_port: match nat.gateway_port {
                0 => None,
                port => Some(port_key(port).at("gateway_port")?),
            },
        })
    }
}

fn port_range(range: &wire::PortRange) -> Result<RangeInclusive<u16>, WireError> {
    let low: u16 = number(range.low, 1, 65535).at("low")?;
    let high = number(range.high, 1, 65535).at("high")?;
    if low > high {
        return Err(Problem::Contradiction("is greater than high").at("low"));
    }
    Ok(low..=high)
}

impl From<&DistributedNat> for wire::DistributedNat {
    fn from(distributed: &DistributedNat) -> Self {
        Self {
            mac: mac_to_wire(distributed.mac),
            port: Some((&distributed.port).into()),
        }
    }
}

impl TryFrom<&wire::DistributedNat> for DistributedNat {
    type Error = WireError;

    fn try_from(distributed: &wire::DistributedNat) -> Result<Self, WireError> {
        Ok(Self {
            mac: mac_from_wire(&distributed.mac).at("mac")?,
            port: decode(required(&distributed.port, "port")?).at("port")?,
        })
    }
}
