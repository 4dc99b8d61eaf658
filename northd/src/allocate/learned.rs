//! What was learned goes with the place it was learned at.

use std::collections::BTreeSet;

use model::{Database, Operation, sb};

/// Removes what was learned at these places: tunnel keys of a datapath and of a port in it.
pub(crate) fn forget_learned_at(
    database: &Database,
    places: &BTreeSet<(i64, i64)>,
) -> Vec<Operation> {
    if places.is_empty() {
        return Vec::new();
    }
    let stations = database.table::<sb::Fdb>().iter();
    let stations = stations.filter(|entry| places.contains(&(entry.datapath, entry.port)));
    let neighbors = database.table::<sb::MacBinding>().iter();
    let neighbors = neighbors.filter(|entry| places.contains(&(entry.datapath, entry.port)));
    stations
        .map(|entry| Operation::delete(entry.id))
        .chain(neighbors.map(|entry| Operation::delete(entry.id)))
        .collect()
}
