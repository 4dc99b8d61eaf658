//! `Global`.

use pipeline::object::Global;

use crate::southbound as wire;

impl From<&Global> for wire::Global {
    fn from(global: &Global) -> Self {
        Self {
            nb_cfg: global.nb_cfg,
            fdb_age_s: global.fdb_age_s,
            neighbor_age_s: global.neighbor_age_s,
        }
    }
}

impl From<&wire::Global> for Global {
    fn from(global: &wire::Global) -> Self {
        Self {
            nb_cfg: global.nb_cfg,
            fdb_age_s: global.fdb_age_s,
            neighbor_age_s: global.neighbor_age_s,
        }
    }
}
