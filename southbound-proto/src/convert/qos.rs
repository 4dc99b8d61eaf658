//! `Qos`, with its key.

use pipeline::object::{DatapathKey, Qos, QosDirection};
use uuid::Uuid;

use super::atom::{number, uuid, uuid_to_wire};
use super::enumeration::Enumeration;
use super::error::{At, WireError, decode, required};
use super::port_ref::datapath_key;
use crate::southbound as wire;

pub(super) fn qos_key_to_wire(switch: DatapathKey, uuid: Uuid) -> wire::QosKey {
    wire::QosKey {
        switch: switch.get(),
        uuid: uuid_to_wire(uuid),
    }
}

pub(super) fn qos_key(key: &wire::QosKey) -> Result<(DatapathKey, Uuid), WireError> {
    let switch = datapath_key(key.switch).at("switch")?;
    Ok((switch, uuid(&key.uuid).at("uuid")?))
}

impl From<&Qos> for wire::Qos {
    fn from(qos: &Qos) -> Self {
        Self {
            key: Some(qos_key_to_wire(qos.switch, qos.uuid)),
            direction: qos.direction.number(),
            priority: u32::from(qos.priority),
            matches: Some((&qos.matches).into()),
            dscp: qos.dscp.map(u32::from),
            limit: qos.limit.map(Into::into),
        }
    }
}

impl TryFrom<&wire::Qos> for Qos {
    type Error = WireError;

    fn try_from(qos: &wire::Qos) -> Result<Self, WireError> {
        let (switch, uuid) = qos_key(required(&qos.key, "key")?).at("key")?;
        let dscp = qos.dscp.map(|dscp| number(dscp, 0, 63).at("dscp"));
        Ok(Self {
            switch,
            uuid,
            direction: QosDirection::from_number(qos.direction).at("direction")?,
            priority: number(qos.priority, 0, 32767).at("priority")?,
            matches: decode(required(&qos.matches, "matches")?).at("matches")?,
            dscp: dscp.transpose()?,
            limit: qos.limit.map(Into::into),
        })
    }
}
