//! `Acl`, with its key.

use pipeline::object::{Acl, AclAction, AclLog, AclStage, PolicyOwner, Severity};
use uuid::Uuid;

use super::atom::{name, number, uuid, uuid_to_wire};
use super::enumeration::Enumeration;
use super::error::{At, WireError, decode, optional, required};
use super::port_ref::datapath_key;
use crate::southbound as wire;
use wire::acl_key::Owner;

pub(super) fn acl_key_to_wire(owner: &PolicyOwner, uuid: Uuid) -> wire::AclKey {
    wire::AclKey {
        owner: Some(match owner {
            PolicyOwner::Switch(switch) => Owner::Switch(switch.get()),
            PolicyOwner::Group(group) => Owner::PortGroup(group.to_string()),
        }),
        uuid: uuid_to_wire(uuid),
    }
}

pub(super) fn acl_key(key: &wire::AclKey) -> Result<(PolicyOwner, Uuid), WireError> {
    let owner = match required(&key.owner, "owner")? {
        Owner::Switch(switch) => PolicyOwner::Switch(datapath_key(*switch).at("switch")?),
        Owner::PortGroup(group) => PolicyOwner::Group(name(group).at("port_group")?.into()),
    };
    Ok((owner, uuid(&key.uuid).at("uuid")?))
}

impl From<&Acl> for wire::Acl {
    fn from(acl: &Acl) -> Self {
        Self {
            key: Some(acl_key_to_wire(&acl.owner, acl.uuid)),
            name: acl.name.clone(),
            stage: acl.stage.number(),
            tier: u32::from(acl.tier),
            priority: u32::from(acl.priority),
            matches: Some((&acl.matches).into()),
            action: acl.action.number(),
            label: acl.label,
            log: acl.log.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<&wire::Acl> for Acl {
    type Error = WireError;

    fn try_from(acl: &wire::Acl) -> Result<Self, WireError> {
        let (owner, uuid) = acl_key(required(&acl.key, "key")?).at("key")?;
        Ok(Self {
            owner,
            uuid,
            name: acl.name.clone(),
            stage: AclStage::from_number(acl.stage).at("stage")?,
            tier: number(acl.tier, 0, 3).at("tier")?,
            priority: number(acl.priority, 0, 32767).at("priority")?,
            matches: decode(required(&acl.matches, "matches")?).at("matches")?,
            action: AclAction::from_number(acl.action).at("action")?,
            label: acl.label,
            log: optional(&acl.log).at("log")?,
        })
    }
}

impl From<&AclLog> for wire::AclLog {
    fn from(log: &AclLog) -> Self {
        Self {
            severity: log.severity.number(),
            meter: log.meter.as_deref().unwrap_or_default().to_owned(),
            related: log.related,
        }
    }
}

impl TryFrom<&wire::AclLog> for AclLog {
    type Error = WireError;

    fn try_from(log: &wire::AclLog) -> Result<Self, WireError> {
        Ok(Self {
            severity: Severity::from_number(log.severity).at("severity")?,
            meter: name(&log.meter).ok().map(Into::into),
            related: log.related,
        })
    }
}
