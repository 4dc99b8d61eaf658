//! `Vip`, with its key and backends.

use pipeline::object::{Backend, BackendState, Vip, VipKey};

use super::atom::{
    address_from_wire, address_to_wire, chassis, chassis_to_wire, number, uuid, uuid_to_wire,
};
use super::enumeration::Enumeration;
use super::error::{At, Problem, WireError, decode, each, required};
use crate::southbound as wire;

/// The IP protocols that have ports, as load balancers see it: TCP, UDP and SCTP.
const WITH_PORTS: [u8; 3] = [6, 17, 132];

impl From<&VipKey> for wire::VipKey {
    fn from(key: &VipKey) -> Self {
        Self {
            balancer: uuid_to_wire(key.balancer),
            ip: address_to_wire(key.ip),
            protocol: u32::from(key.protocol),
            port: u32::from(key.port),
            chassis: chassis_to_wire(&key.chassis),
        }
    }
}

impl TryFrom<&wire::VipKey> for VipKey {
    type Error = WireError;

    fn try_from(key: &wire::VipKey) -> Result<Self, WireError> {
        let protocol = number(key.protocol, 0, 255).at("protocol")?;
        let port = number(key.port, 0, 65535).at("port")?;
        if protocol == 0 && port != 0 {
            return Err(Problem::Contradiction("is set without a protocol").at("port"));
        }
        if protocol != 0 && !WITH_PORTS.contains(&protocol) {
            return Err(Problem::Contradiction("has no ports").at("protocol"));
        }
        Ok(Self {
            balancer: uuid(&key.balancer).at("balancer")?,
            ip: address_from_wire(&key.ip).at("ip")?,
            protocol,
            port,
            chassis: chassis(&key.chassis),
        })
    }
}

impl From<&Vip> for wire::Vip {
    fn from(vip: &Vip) -> Self {
        Self {
            key: Some((&vip.key).into()),
            backends: vip.backends.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<&wire::Vip> for Vip {
    type Error = WireError;

    fn try_from(vip: &wire::Vip) -> Result<Self, WireError> {
        Ok(Self {
            key: decode(required(&vip.key, "key")?).at("key")?,
            backends: each(&vip.backends, "backends", decode)?,
        })
    }
}

impl From<&Backend> for wire::Backend {
    fn from(backend: &Backend) -> Self {
        Self {
            ip: address_to_wire(backend.ip),
            port: u32::from(backend.port),
            weight: u32::from(backend.weight),
            state: backend.state.number(),
            chassis: chassis_to_wire(&backend.chassis),
            zone: backend.zone.clone(),
        }
    }
}

impl TryFrom<&wire::Backend> for Backend {
    type Error = WireError;

    fn try_from(backend: &wire::Backend) -> Result<Self, WireError> {
        Ok(Self {
            ip: address_from_wire(&backend.ip).at("ip")?,
            port: number(backend.port, 0, 65535).at("port")?,
            weight: number(backend.weight, 0, 65535).at("weight")?,
            state: BackendState::from_number(backend.state).at("state")?,
            chassis: chassis(&backend.chassis),
            zone: backend.zone.clone(),
        })
    }
}
