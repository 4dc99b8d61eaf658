//! `nb_cfg`, `sb_cfg`, `hv_cfg`: how far the network has followed the configuration.

use model::{Database, Datum, Operation, nb};

/// What is to be written into `NB_Global`, given the `nb_cfg` that is compiled and the least that nodes have
/// in force (`None` when there are none to wait for).
///
/// `hv_cfg` does not fall when a node joins: that node is brought up to date before it counts.
pub(super) fn report(
    database: &Database,
    compiled: i64,
    in_force: Option<i64>,
    unix_ms: i64,
) -> Vec<Operation> {
    let Some(global) = database.table::<nb::NbGlobal>().iter().next() else {
        return Vec::new();
    };
    let mut columns = Vec::new();
    if global.sb_cfg != compiled {
        columns.push(("nb_cfg_timestamp", unix_ms));
        columns.push(("sb_cfg", compiled));
        columns.push(("sb_cfg_timestamp", unix_ms));
    }
    let reached = in_force.map_or(compiled, |in_force| in_force.min(compiled));
    let in_force = match global.hv_cfg > compiled {
        true => reached,
        false => reached.max(global.hv_cfg),
    };
    if global.hv_cfg != in_force {
        columns.push(("hv_cfg", in_force));
        columns.push(("hv_cfg_timestamp", unix_ms));
    }
    if columns.is_empty() {
        return Vec::new();
    }
    let columns = columns
        .into_iter()
        .map(|(name, value)| (name, Datum::scalar(value)));
    vec![Operation::update(global.id, columns)]
}

#[cfg(test)]
mod tests {
    use model::{Author, Id, Table};

    use super::*;

    /// Input: sb_cfg and hv_cfg as stored, what is compiled, what nodes have. Output: both as they become.
    fn check(stored: (i64, i64), compiled: i64, in_force: Option<i64>, expected: (i64, i64)) {
        let global = nb::NbGlobal {
            id: Id::random(),
            sb_cfg: stored.0,
            hv_cfg: stored.1,
            ..nb::NbGlobal::default()
        };
        let empty = Database::northd();
        let (database, _) = empty
            .transact(&[global.insert()], Author::System)
            .expect("legal");
        let operations = report(&database, compiled, in_force, 1_000);
        let (database, _) = database
            .transact(&operations, Author::System)
            .expect("legal");
        let global = database.table().get(global.id).expect("still there");
        assert_eq!((global.sb_cfg, global.hv_cfg), expected);
    }

    #[test]
    fn the_counters_follow_the_configuration() {
        check((1, 1), 2, None, (2, 2));
        check((1, 1), 2, Some(1), (2, 1));
        check((2, 1), 2, Some(2), (2, 2));
        check((2, 2), 2, Some(0), (2, 2));
        check((5, 5), 0, Some(0), (0, 0));
        check((0, 0), 1, Some(7), (1, 1));
    }
}
