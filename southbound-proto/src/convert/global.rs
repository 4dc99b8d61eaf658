//! `Global`.

use packet::Mac;
use pipeline::object::Global;

use super::atom::{mac_to_wire, optional_mac};
use super::error::{At, WireError};
use crate::southbound as wire;

impl From<&Global> for wire::Global {
    fn from(global: &Global) -> Self {
        let probe_mac = Some(global.probe_mac).filter(|mac| *mac != Mac::default());
        Self {
            nb_cfg: global.nb_cfg,
            fdb_age_s: global.fdb_age_s,
            neighbor_age_s: global.neighbor_age_s,
            default_acl_drop: global.default_acl_drop,
            probe_mac: probe_mac.map(mac_to_wire).unwrap_or_default(),
        }
    }
}

impl TryFrom<&wire::Global> for Global {
    type Error = WireError;

    fn try_from(global: &wire::Global) -> Result<Self, WireError> {
        let probe_mac = optional_mac(&global.probe_mac).at("probe_mac")?;
        Ok(Self {
            nb_cfg: global.nb_cfg,
            fdb_age_s: global.fdb_age_s,
            neighbor_age_s: global.neighbor_age_s,
            default_acl_drop: global.default_acl_drop,
            probe_mac: probe_mac.unwrap_or_default(),
        })
    }
}
