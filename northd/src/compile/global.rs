//! `NB_Global` → `Global`.

use model::nb;
use pipeline::object::{Global, Object};
use uuid::Uuid;

use super::options::Options;
use super::reader::{CONTROLLER_EVENT, PROBE_MAC};
use super::{Output, Reader};

const OPTIONS: &[&str] = &[
    CONTROLLER_EVENT,
    "default_acl_drop",
    "fdb_age_threshold",
    "mac_binding_age_threshold",
    "mac_prefix",
    PROBE_MAC,
];

/// Seconds that a learned MAC address of a switch lives unused, unless `options:fdb_age_threshold` says.
const DEFAULT_FDB_AGE_S: u32 = 300;

/// Seconds that a learned neighbour lives unused, unless `options:mac_binding_age_threshold` says: for good.
const DEFAULT_NEIGHBOR_AGE_S: u32 = 0;

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let nb_cfg = reader.column::<nb::NbGlobal, _>(row, "nb_cfg");
    let options = reader.column::<nb::NbGlobal, _>(row, "options");
    let Some((nb_cfg, map)) = nb_cfg.zip(options) else {
        return;
    };
    if reader.column::<nb::NbGlobal, _>(row, "ipsec") == Some(true) {
        out.warn("ipsec", "tunnels are not encrypted");
    }
    let options = Options::new("options", &map, OPTIONS, out);
    let fdb_age_s = options.number("fdb_age_threshold", 0, u32::MAX, out);
    let neighbor_age_s = options.number("mac_binding_age_threshold", 0, u32::MAX, out);
    out.object(Object::Global(Global {
        nb_cfg,
        fdb_age_s: fdb_age_s.unwrap_or(DEFAULT_FDB_AGE_S),
        neighbor_age_s: neighbor_age_s.unwrap_or(DEFAULT_NEIGHBOR_AGE_S),
        default_acl_drop: options.flag("default_acl_drop", false),
        probe_mac: map
            .get(PROBE_MAC)
            .and_then(|mac| mac.parse().ok())
            .unwrap_or_default(),
    }));
}
