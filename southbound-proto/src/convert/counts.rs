//! `Counts`: what rules have come to on a node.

use std::net::IpAddr;

use pipeline::object::VipKey;
use uuid::Uuid;

use super::atom::{address_from_wire, address_to_wire, number, uuid, uuid_to_wire};
use super::error::{At, WireError, decode, required};
use crate::southbound as wire;
use wire::rule_count::Rule;

/// A rule that packets are counted for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleKey {
    /// An ACL, by its row.
    Acl(Uuid),
    /// A translation, by its row.
    Nat(Uuid),
    /// A QoS rule, by its row.
    Qos(Uuid),
    /// A VIP.
    Vip(VipKey),
    /// A backend of a VIP.
    Backend(VipKey, (IpAddr, u16)),
}

/// What a rule has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Connections that they began.
    pub connections: u64,
    /// When the last one came, in milliseconds since 1970.
    pub last_unix_ms: u64,
    /// Packets of them that exceeded a QoS rule's limit.
    pub dropped_packets: u64,
    /// Their bytes.
    pub dropped_bytes: u64,
}

/// A rule with what it has come to on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// The rule.
    pub rule: RuleKey,
    /// What it has come to.
    pub count: Count,
}

impl From<&RuleCount> for wire::RuleCount {
    fn from(RuleCount { rule, count }: &RuleCount) -> Self {
        let rule = match rule {
            RuleKey::Acl(row) => Rule::Acl(uuid_to_wire(*row)),
            RuleKey::Nat(row) => Rule::Nat(uuid_to_wire(*row)),
            RuleKey::Qos(row) => Rule::Qos(uuid_to_wire(*row)),
            RuleKey::Vip(vip) => Rule::Vip(vip.into()),
            RuleKey::Backend(vip, (ip, port)) => Rule::Backend(wire::BackendKey {
                vip: Some(vip.into()),
                ip: address_to_wire(*ip),
                port: u32::from(*port),
            }),
        };
        Self {
            rule: Some(rule),
            packets: count.packets,
            bytes: count.bytes,
            connections: count.connections,
            last_unix_ms: count.last_unix_ms,
            dropped_packets: count.dropped_packets,
            dropped_bytes: count.dropped_bytes,
        }
    }
}

impl TryFrom<&wire::RuleCount> for RuleCount {
    type Error = WireError;

    fn try_from(message: &wire::RuleCount) -> Result<Self, WireError> {
        let rule = match required(&message.rule, "rule")? {
            Rule::Acl(row) => RuleKey::Acl(uuid(row).at("acl")?),
            Rule::Nat(row) => RuleKey::Nat(uuid(row).at("nat")?),
            Rule::Qos(row) => RuleKey::Qos(uuid(row).at("qos")?),
            Rule::Vip(vip) => RuleKey::Vip(decode(vip).at("vip")?),
            Rule::Backend(backend) => backend_key(backend).at("backend")?,
        };
        let count = Count {
            packets: message.packets,
            bytes: message.bytes,
            connections: message.connections,
            last_unix_ms: message.last_unix_ms,
            dropped_packets: message.dropped_packets,
            dropped_bytes: message.dropped_bytes,
        };
        Ok(Self { rule, count })
    }
}

fn backend_key(key: &wire::BackendKey) -> Result<RuleKey, WireError> {
    let vip = decode(required(&key.vip, "vip")?).at("vip")?;
    let ip = address_from_wire(&key.ip).at("ip")?;
    let port = number(key.port, 0, 65535).at("port")?;
    Ok(RuleKey::Backend(vip, (ip, port)))
}
