//! `Datapath_Binding`: the tunnel keys of logical switches and routers.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::table::{Column, Row};
use model::{Changes, Database, Datum, Operation, Table, nb, sb};
use pipeline::object::DatapathKey;
use uuid::Uuid;

use super::assign::{Owner, assign};

/// The tables whose rows are datapaths, with the column that has their options.
const TABLES: [(&str, &str); 2] = [
    (nb::LogicalSwitch::NAME, "other_config"),
    (nb::LogicalRouter::NAME, "options"),
];

/// The option that requests a tunnel key.
pub(super) const REQUESTED_KEY: &str = "requested-tnl-key";

pub(super) fn allocate(database: &Database, changes: &Changes) -> Vec<Operation> {
    let mut tables = TABLES.iter();
    if !tables.any(|(table, column)| concerns(database, changes, table, column)) {
        return Vec::new();
    }
    let bindings = database.table::<sb::DatapathBinding>().iter();
    let mut bindings: BTreeMap<Uuid, sb::DatapathBinding> =
        bindings.map(|binding| (binding.nb_uuid, binding)).collect();
    let keys = assign(&owners(database, &bindings), DatapathKey::MAX);
    let mut operations = Vec::new();
    for (row, key) in keys {
        let key = i64::from(key);
        match bindings.remove(&row) {
            Some(binding) if binding.tunnel_key == key => {}
            Some(binding) => {
                operations.push(Operation::delete(binding.id));
                operations.push(insert(row, key));
            }
            None => operations.push(insert(row, key)),
        }
    }
    let gone = bindings.into_values();
    operations.extend(gone.map(|binding| Operation::delete(binding.id)));
    operations
}

/// Whether a commit made or removed rows of a table, or changed what they request in this column.
fn concerns(database: &Database, changes: &Changes, table: &str, column: &str) -> bool {
    let Some(schema) = database.schema(table) else {
        return false;
    };
    let requested = |row: &Option<Arc<Row>>| requested_key(row.as_ref()?.get(schema, column)?);
    changes.of(table).iter().any(|change| {
        let exists_alike = change.old.is_some() == change.new.is_some();
        !exists_alike || requested(&change.old) != requested(&change.new)
    })
}

fn owners(database: &Database, bindings: &BTreeMap<Uuid, sb::DatapathBinding>) -> Vec<Owner> {
    let rows = TABLES.iter().flat_map(|(table, column)| {
        let schema = database.schema(table);
        let requested = move |row: &Row| requested_key(row.get(schema?, column)?);
        let rows = database.rows(table);
        rows.map(move |row| (row.uuid, requested(row)))
    });
    rows.map(|(row, requested)| Owner {
        row,
        current: bindings
            .get(&row)
            .and_then(|binding| u32::try_from(binding.tunnel_key).ok()),
        requested,
    })
    .collect()
}

/// The key that a map of options requests.
pub(super) fn requested_key(options: &Datum) -> Option<u32> {
    let options = BTreeMap::<String, String>::from_datum(options)?;
    options.get(REQUESTED_KEY)?.parse().ok()
}

fn insert(nb_uuid: Uuid, tunnel_key: i64) -> Operation {
    let binding = sb::DatapathBinding {
        id: model::Id::random(),
        nb_uuid,
        tunnel_key,
    };
    binding.insert()
}
