//! `PortGroup`, with its key.

use std::sync::Arc;

use pipeline::object::{DatapathKey, PortGroup};

use super::atom::name;
use super::error::{At, WireError, each, required};
use super::port_ref::{datapath_key, port_key};
use crate::southbound as wire;

pub(super) fn port_group_key_to_wire(name: &str, switch: DatapathKey) -> wire::PortGroupKey {
    wire::PortGroupKey {
        name: name.to_owned(),
        datapath: switch.get(),
    }
}

pub(super) fn port_group_key(
    key: &wire::PortGroupKey,
) -> Result<(Arc<str>, DatapathKey), WireError> {
    let switch = datapath_key(key.datapath).at("datapath")?;
    Ok((name(&key.name).at("name")?.into(), switch))
}

impl From<&PortGroup> for wire::PortGroup {
    fn from(group: &PortGroup) -> Self {
        let members = group.members.iter().map(|port| u32::from(port.get()));
        Self {
            key: Some(port_group_key_to_wire(&group.name, group.datapath)),
            members: members.collect(),
        }
    }
}

impl TryFrom<&wire::PortGroup> for PortGroup {
    type Error = WireError;

    fn try_from(group: &wire::PortGroup) -> Result<Self, WireError> {
        let (name, datapath) = port_group_key(required(&group.key, "key")?).at("key")?;
        Ok(Self {
            name,
            datapath,
            members: each(&group.members, "members", |key| port_key(*key))?,
        })
    }
}
