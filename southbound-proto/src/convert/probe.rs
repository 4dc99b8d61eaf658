//! `Probe`, with its key.

use pipeline::object::{Probe, ProbeKey, ProbeKind};

use super::atom::{address_from_wire, address_to_wire, mac_from_wire, mac_to_wire, name, number};
use super::error::{At, Problem, WireError, decode, required};
use crate::southbound as wire;
use wire::probe::Kind;

impl From<&ProbeKey> for wire::ProbeKey {
    fn from(key: &ProbeKey) -> Self {
        Self {
            port: Some((&key.port).into()),
            ip: address_to_wire(key.ip),
            protocol: u32::from(key.protocol),
            transport_port: u32::from(key.transport_port),
        }
    }
}

impl TryFrom<&wire::ProbeKey> for ProbeKey {
    type Error = WireError;

    fn try_from(key: &wire::ProbeKey) -> Result<Self, WireError> {
        let protocol = match key.protocol {
            6 => 6,
            17 => 17,
            _ => return Err(Problem::Contradiction("is neither TCP nor UDP").at("protocol")),
        };
        Ok(Self {
            port: decode(required(&key.port, "port")?).at("port")?,
            ip: address_from_wire(&key.ip).at("ip")?,
            protocol,
            transport_port: number(key.transport_port, 1, 65535).at("transport_port")?,
        })
    }
}

impl From<&Probe> for wire::Probe {
    fn from(probe: &Probe) -> Self {
        Self {
            key: Some((&probe.key).into()),
            source_mac: mac_to_wire(probe.source_mac),
            source_ip: address_to_wire(probe.source_ip),
            mac: mac_to_wire(probe.mac),
            kind: Some(match &probe.kind {
                ProbeKind::Tcp => Kind::Tcp(wire::Empty {}),
                ProbeKind::Udp => Kind::Udp(wire::Empty {}),
                ProbeKind::Http { path } => Kind::Http(path.to_string()),
            }),
            interval_s: u32::from(probe.interval_s),
            timeout_s: u32::from(probe.timeout_s),
            success_count: u32::from(probe.success_count),
            failure_count: u32::from(probe.failure_count),
        }
    }
}

impl TryFrom<&wire::Probe> for Probe {
    type Error = WireError;

    fn try_from(probe: &wire::Probe) -> Result<Self, WireError> {
        let count = |value| number(value, 1, 65535);
        Ok(Self {
            key: decode(required(&probe.key, "key")?).at("key")?,
            source_mac: mac_from_wire(&probe.source_mac).at("source_mac")?,
            source_ip: address_from_wire(&probe.source_ip).at("source_ip")?,
            mac: mac_from_wire(&probe.mac).at("mac")?,
            kind: match required(&probe.kind, "kind")? {
                Kind::Tcp(wire::Empty {}) => ProbeKind::Tcp,
                Kind::Udp(wire::Empty {}) => ProbeKind::Udp,
                Kind::Http(path) => ProbeKind::Http {
                    path: name(path).at("http")?.into(),
                },
            },
            interval_s: count(probe.interval_s).at("interval_s")?,
            timeout_s: count(probe.timeout_s).at("timeout_s")?,
            success_count: count(probe.success_count).at("success_count")?,
            failure_count: count(probe.failure_count).at("failure_count")?,
        })
    }
}
