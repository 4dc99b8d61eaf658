//! Random transactions: the database against a twin that is slow and plain to see through.
//!
//! Input: sequences of transactions over a few rows, names and references, many of them wrong. Output: the
//! twin and the database accept the same ones and hold the same rows afterwards, and the database's shortcuts
//! (indexes, referrers, shared parts) agree with looking at all rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::operation::NamedColumns;
use model::schema::Reference;
use model::{Atom, Author, Database, Datum, Mutator, Operation, Row, TableSchema, nb};
use proptest::prelude::*;
use uuid::Uuid;

/// All rows by table and identity.
type Rows = BTreeMap<(&'static str, Uuid), Vec<Datum>>;

fn schema(table: &str) -> &'static TableSchema {
    let found = nb::TABLES.iter().find(|schema| schema.name == table);
    found.expect("only declared tables are used here")
}

// === the twin ===

/// Applies a transaction by copying everything and checking everything.
fn twin(rows: &Rows, operations: &[Operation]) -> Result<Rows, &'static str> {
    let mut rows = rows.clone();
    for operation in operations {
        twin_step(&mut rows, operation)?;
    }
    let mut rows = twin_reachable(&rows);
    twin_purge_weak(&mut rows);
    for ((table, _), columns) in &rows {
        for reference in strong_references(table, columns) {
            if !rows.contains_key(&reference) {
                return Err("a strong reference dangles");
            }
        }
    }
    for table in nb::TABLES {
        let count = rows.keys().filter(|(name, _)| *name == table.name).count();
        if table.max_rows.is_some_and(|limit| count > limit) {
            return Err("too many rows");
        }
        for index in table.indexes {
            let of_table = rows.iter().filter(|((name, _), _)| *name == table.name);
            let keys: Vec<_> = of_table.map(|(_, row)| key(table, index, row)).collect();
            if keys.iter().collect::<BTreeSet<_>>().len() != keys.len() {
                return Err("an index is not unique");
            }
        }
    }
    Ok(rows)
}

fn twin_step(rows: &mut Rows, operation: &Operation) -> Result<(), &'static str> {
    match operation {
        Operation::Insert {
            table,
            uuid,
            columns,
        } => {
            let schema = schema(table);
            let defaults = schema.columns.iter().map(|c| c.kind.default_datum());
            let row = defaults.collect::<Vec<_>>();
            if rows.insert((schema.name, *uuid), row).is_some() {
                return Err("the row exists");
            }
            twin_write(rows, schema, *uuid, columns)
        }
        Operation::Update {
            table,
            uuid,
            columns,
        } => twin_write(rows, schema(table), *uuid, columns),
        Operation::Mutate {
            table,
            uuid,
            column,
            mutator,
            datum,
        } => {
            let schema = schema(table);
            let row = rows.get(&(schema.name, *uuid)).ok_or("no row")?;
            let (position, _) = schema.column(column).ok_or("no column")?;
            let (Datum::Set(old), Datum::Set(change)) = (&row[position], datum) else {
                return Err("only sets are mutated here");
            };
            let mut new = old.clone();
            for atom in change {
                match mutator {
                    Mutator::Insert => new.insert(atom.clone()),
                    _ => new.remove(atom),
                };
            }
            let new = vec![(column.clone(), Datum::Set(new))];
            twin_write(rows, schema, *uuid, &new)
        }
        Operation::Delete { table, uuid } => {
            let gone = rows.remove(&(schema(table).name, *uuid));
            gone.map(|_| ()).ok_or("no row")
        }
        Operation::Verify {
            table,
            uuid,
            columns,
        } => {
            let schema = schema(table);
            let row = rows.get(&(schema.name, *uuid)).ok_or("no row")?;
            let holds = columns.iter().all(|(name, datum)| {
                let column = schema.column(name);
                column.is_some_and(|(position, _)| row[position] == *datum)
            });
            if holds { Ok(()) } else { Err("changed") }
        }
        Operation::VerifyTable { .. } | Operation::Comment(_) => Ok(()),
    }
}

fn twin_write(
    rows: &mut Rows,
    schema: &TableSchema,
    uuid: Uuid,
    columns: &NamedColumns,
) -> Result<(), &'static str> {
    let row = rows.get_mut(&(schema.name, uuid)).ok_or("no row")?;
    for (name, datum) in columns {
        let (position, column) = schema.column(name).ok_or("no column")?;
        if model::check::check_datum(&column.kind, datum).is_err() {
            return Err("wrong type");
        }
        row[position] = datum.clone();
    }
    Ok(())
}

/// The rows of root tables and all that they lead to by strong references.
fn twin_reachable(rows: &Rows) -> Rows {
    let is_root = |(table, _): &&(&'static str, Uuid)| schema(table).is_root;
    let mut reached: BTreeSet<_> = rows.keys().filter(is_root).copied().collect();
    loop {
        let from = reached.iter().filter_map(|key| rows.get_key_value(key));
        let next: BTreeSet<_> = from
            .flat_map(|((table, _), columns)| strong_references(table, columns))
            .filter(|key| rows.contains_key(key) && !reached.contains(key))
            .collect();
        if next.is_empty() {
            break;
        }
        reached.extend(next);
    }
    let kept = rows.iter().filter(|(key, _)| reached.contains(*key));
    kept.map(|(key, row)| (*key, row.clone())).collect()
}

fn twin_purge_weak(rows: &mut Rows) {
    let present: BTreeSet<_> = rows.keys().copied().collect();
    for ((table, _), columns) in rows.iter_mut() {
        for (column, datum) in schema(table).columns.iter().zip(columns) {
            let Some(Reference {
                table,
                is_strong: false,
            }) = column.refers_to()
            else {
                continue;
            };
            if let Datum::Set(set) = datum {
                set.retain(
                    |atom| matches!(atom, Atom::Uuid(uuid) if present.contains(&(table, *uuid))),
                );
            }
        }
    }
}

fn strong_references(table: &str, columns: &[Datum]) -> Vec<(&'static str, Uuid)> {
    let columns = schema(table).columns.iter().zip(columns);
    let strong = columns.filter_map(|(column, datum)| {
        let reference = column.refers_to().filter(|reference| reference.is_strong)?;
        Some((reference.table, datum))
    });
    strong
        .flat_map(|(table, datum)| {
            datum.atoms().filter_map(move |atom| match atom {
                Atom::Uuid(uuid) => Some((table, *uuid)),
                _ => None,
            })
        })
        .collect()
}

fn key(table: &TableSchema, index: &[&str], row: &[Datum]) -> Vec<Datum> {
    let position = |name: &&str| table.column(name).expect("an index names columns").0;
    index
        .iter()
        .map(|name| row[position(name)].clone())
        .collect()
}

// === the transactions ===

/// Tables with roots and children, strong and weak references, single and double indexes, and a limit.
const TABLES: [&str; 7] = [
    "Logical_Switch",
    "Logical_Switch_Port",
    "Logical_Router",
    "Logical_Router_Port",
    "Port_Group",
    "Static_MAC_Binding",
    "NB_Global",
];

fn uuid() -> impl Strategy<Value = Uuid> {
    // Two in each of two shards.
    (0..2u128, 1..3u128).prop_map(|(shard, number)| Uuid::from_u128(shard << 120 | number))
}

fn uuids() -> impl Strategy<Value = Datum> {
    prop::collection::btree_set(uuid().prop_map(Atom::Uuid), 0..3).prop_map(Datum::Set)
}

fn word() -> impl Strategy<Value = Datum> {
    prop::sample::select(vec!["a", "b", "c"]).prop_map(Datum::scalar)
}

fn column(table: &str) -> BoxedStrategy<(String, Datum)> {
    let named = |name: &'static str| move |datum| (name.to_owned(), datum);
    match table {
        "Logical_Switch" | "Logical_Router" | "Port_Group" => prop_oneof![
            3 => uuids().prop_map(named("ports")),
            1 => word().prop_map(named("name")),
        ]
        .boxed(),
        "Logical_Switch_Port" => prop_oneof![
            3 => word().prop_map(named("name")),
            1 => (0i64..5000).prop_map(Datum::scalar).prop_map(named("tag")),
        ]
        .boxed(),
        "Static_MAC_Binding" => prop_oneof![
            word().prop_map(named("logical_port")),
            word().prop_map(named("ip")),
        ]
        .boxed(),
        _ => word().prop_map(named("name")).boxed(),
    }
}

fn columns(table: &str) -> impl Strategy<Value = NamedColumns> + use<> {
    let columns = prop::collection::vec(column(table), 0..3);
    // Router ports cannot be without networks.
    let networks = (table == "Logical_Router_Port")
        .then(|| ("networks".to_owned(), Datum::scalar("10.0.0.1/24")));
    columns.prop_map(move |mut columns| {
        columns.extend(networks.clone());
        columns
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    let table = prop::sample::select(TABLES.to_vec());
    table.prop_flat_map(|table| {
        let name = table.to_owned();
        let mutator = prop::sample::select(vec![Mutator::Insert, Mutator::Delete]);
        let mutation = (mutator, uuids()).prop_filter("has ports", move |_| {
            schema(table).column("ports").is_some()
        });
        let (insert, update, verify, delete, mutate) =
            (name.clone(), name.clone(), name.clone(), name.clone(), name);
        let step = prop_oneof![
            4 => (uuid(), columns(table)).prop_map(move |(uuid, columns)| Operation::Insert {
                table: insert.clone(), uuid, columns,
            }),
            2 => (uuid(), columns(table)).prop_map(move |(uuid, columns)| Operation::Update {
                table: update.clone(), uuid, columns,
            }),
            1 => (uuid(), columns(table)).prop_map(move |(uuid, columns)| Operation::Verify {
                table: verify.clone(), uuid, columns,
            }),
            2 => uuid().prop_map(move |uuid| Operation::Delete { table: delete.clone(), uuid }),
        ];
        if schema(table).column("ports").is_none() {
            return step.boxed();
        }
        let mutate =
            (uuid(), mutation).prop_map(move |(uuid, (mutator, datum))| Operation::Mutate {
                table: mutate.clone(),
                uuid,
                column: "ports".to_owned(),
                mutator,
                datum,
            });
        prop_oneof![2 => step, 1 => mutate].boxed()
    })
}

/// A parent, new or not, with children that are new with it: what most real transactions are like.
fn family() -> impl Strategy<Value = Vec<Operation>> {
    let kinds = vec![
        ("Logical_Switch", "Logical_Switch_Port"),
        ("Logical_Router", "Logical_Router_Port"),
    ];
    let children = prop::collection::btree_map(uuid(), any::<u32>(), 0..3);
    let family = (prop::sample::select(kinds), uuid(), any::<bool>(), children);
    family.prop_map(|((parent, child), uuid, is_new, children)| {
        let ports = Datum::set(children.keys().copied());
        let insert_child = |(uuid, name): (Uuid, u32)| Operation::Insert {
            table: child.to_owned(),
            uuid,
            columns: [
                ("name", name.to_string()),
                ("networks", "10.0.0.1/24".to_owned()),
            ]
            .into_iter()
            .filter(|(column, _)| schema(child).column(column).is_some())
            .map(|(column, value)| (column.to_owned(), Datum::scalar(value)))
            .collect(),
        };
        let (table, column) = (parent.to_owned(), "ports".to_owned());
        let parent = match is_new {
            true => Operation::Insert {
                table,
                uuid,
                columns: vec![(column, ports)],
            },
            false => Operation::Mutate {
                table,
                uuid,
                column,
                mutator: Mutator::Insert,
                datum: ports,
            },
        };
        let children = children.into_iter().map(insert_child);
        std::iter::once(parent).chain(children).collect()
    })
}

fn transaction() -> impl Strategy<Value = Vec<Operation>> {
    prop_oneof![
        2 => prop::collection::vec(operation(), 1..4),
        2 => family(),
        1 => (family(), operation()).prop_map(|(mut family, operation)| {
            family.push(operation);
            family
        }),
    ]
}

// === the properties ===

fn all_rows(database: &Database) -> Rows {
    let mut rows = Rows::new();
    for schema in database.schemas() {
        for row in database.rows(schema.name) {
            rows.insert((schema.name, row.uuid), row.columns.to_vec());
        }
    }
    rows
}

/// The indexes and referrers say what looking at all rows says.
fn check_shortcuts(database: &Database) {
    let rows = all_rows(database);
    for ((table, uuid), columns) in &rows {
        let schema = schema(table);
        for index in schema.indexes {
            let found = database.find(table, index, key(schema, index, columns));
            assert_eq!(found.map(|row| row.uuid), Some(*uuid));
        }
        let named = database.referrers(table, *uuid);
        let named: BTreeSet<_> = named
            .map(|(table, column, row)| (table.name, column.name, row))
            .collect();
        assert_eq!(named, referrers(&rows, table, *uuid), "{table} {uuid}");
    }
    for schema in database.schemas() {
        let count = rows
            .keys()
            .filter(|(table, _)| *table == schema.name)
            .count();
        assert_eq!(database.row_count(schema.name), count);
        let order: Vec<_> = database.rows(schema.name).map(|row| row.uuid).collect();
        assert!(order.is_sorted());
    }
}

fn referrers(rows: &Rows, table: &str, uuid: Uuid) -> BTreeSet<(&'static str, &'static str, Uuid)> {
    let mut found = BTreeSet::new();
    for ((source, row), columns) in rows {
        for (column, datum) in schema(source).columns.iter().zip(columns) {
            let refers = column.refers_to().is_some_and(|to| to.table == table);
            if refers && datum.atoms().any(|atom| *atom == Atom::Uuid(uuid)) {
                found.insert((*source, column.name, *row));
            }
        }
    }
    found
}

fn apply(rows: &mut Rows, changes: &model::Changes) {
    for (table, changes) in &changes.tables {
        for change in changes {
            let columns = |row: &Arc<Row>| row.columns.to_vec();
            let old = match &change.new {
                Some(row) => rows.insert((table, change.uuid), columns(row)),
                None => rows.remove(&(*table, change.uuid)),
            };
            assert_eq!(old, change.old.as_ref().map(columns));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn transactions_do_what_the_slow_twin_does(
        transactions in prop::collection::vec(transaction(), 1..24),
    ) {
        let mut database = Database::northbound();
        let first = database.clone();
        let mut rows = Rows::new();
        for operations in transactions {
            let expected = twin(&rows, &operations);
            let done = database.transact(&operations, Author::Client);
            match (done, expected) {
                (Ok((next, changes)), Ok(expected)) => {
                    prop_assert_eq!(&all_rows(&next), &expected);
                    prop_assert_eq!(&next.changes_since(&database).tables.len(), &changes.tables.len());
                    let step = u64::from(!changes.is_empty());
                    prop_assert_eq!(next.revision(), database.revision() + step);
                    apply(&mut rows, &changes);
                    prop_assert_eq!(&rows, &expected);
                    check_shortcuts(&next);
                    database = next;
                }
                (Err(_), Err(_)) => prop_assert_eq!(&all_rows(&database), &rows),
                (done, expected) => {
                    let error = done.err();
                    prop_assert!(false, "the database says {error:?}, the twin {expected:?}");
                }
            }
        }
        let mut replayed = Rows::new();
        apply(&mut replayed, &database.changes_since(&first));
        prop_assert_eq!(replayed, rows);
        prop_assert!(all_rows(&first).is_empty());
    }
}
