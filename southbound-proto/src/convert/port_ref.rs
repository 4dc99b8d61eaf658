//! `PortRef`.

use pipeline::object::{DatapathKey, PortKey, PortRef};

use super::error::{At, Problem, WireError};
use crate::southbound as wire;

impl From<&PortRef> for wire::PortRef {
    fn from(at: &PortRef) -> Self {
        Self {
            datapath: at.datapath.get(),
            port: u32::from(at.port.get()),
        }
    }
}

impl TryFrom<&wire::PortRef> for PortRef {
    type Error = WireError;

    fn try_from(at: &wire::PortRef) -> Result<Self, WireError> {
        port_ref(at.datapath, at.port)
    }
}

/// A port from the two numbers that many messages carry by these names.
pub(super) fn port_ref(datapath: u32, port: u32) -> Result<PortRef, WireError> {
    Ok(PortRef {
        datapath: datapath_key(datapath).at("datapath")?,
        port: port_key(port).at("port")?,
    })
}

pub(super) fn datapath_key(value: u32) -> Result<DatapathKey, Problem> {
    DatapathKey::new(value).map_err(Problem::from)
}

pub(super) fn port_key(value: u32) -> Result<PortKey, Problem> {
    PortKey::new(value).map_err(Problem::from)
}
