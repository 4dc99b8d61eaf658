//! `NB_Global.options:svc_monitor_mac`: the station that probes of backends come from.

use std::collections::BTreeMap;

use model::{Changes, Database, Datum, Operation, Table, nb};
use packet::Mac;

use crate::compile::PROBE_MAC;

/// Makes the address up when there are backends to be probed, once.
pub(super) fn allocate(database: &Database, changes: &Changes) -> Vec<Operation> {
    let tables = [nb::NbGlobal::NAME, nb::LoadBalancerHealthCheck::NAME];
    let is_concerned = tables.iter().any(|table| !changes.of(table).is_empty());
    let mut checks = database.rows(nb::LoadBalancerHealthCheck::NAME);
    if !is_concerned || checks.next().is_none() {
        return Vec::new();
    }
    let Some(global) = database.table::<nb::NbGlobal>().iter().next() else {
        return Vec::new();
    };
    let mut options: BTreeMap<String, String> = global.options;
    if options.contains_key(PROBE_MAC) {
        return Vec::new();
    }
    let seed = global.id.uuid().into_bytes();
    let [a, b, c, d, e, f, ..] = seed;
    // Locally administered, and of a single station (IEEE 802 section 8.2).
    let mac = Mac([(a | 2) & !1, b, c, d, e, f]);
    options.insert(PROBE_MAC.to_owned(), mac.to_string());
    vec![Operation::update(
        global.id,
        [("options", Datum::map(options))],
    )]
}
