//! The database as the commands of one line see and change it, before anything is committed.
//!
//! Commands write to a layer above the rows that were read. Later commands of the line see what earlier ones
//! wrote. At the end the layer becomes the operations of one transaction: whole columns where they were
//! set, single elements where only these were added or removed, so that two lines that add ports to one
//! switch do not get into each other's way.

mod index;
mod operations;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::schema::Reference;
use model::{Atom, Database, Datum, Id, Row, Table, TableSchema};
use uuid::Uuid;

use index::Indexes;
pub use index::Keys;

/// A layer of changes over a database.
#[derive(Debug)]
pub struct Workspace<'a> {
    database: &'a Database,
    rows: BTreeMap<(&'static str, Uuid), WorkRow>,
    verified: BTreeMap<(&'static str, Uuid), BTreeSet<&'static str>>,
    indexes: Indexes,
}

/// A row that was written.
#[derive(Debug)]
struct WorkRow {
    schema: &'static TableSchema,
    /// `None` when it was deleted.
    now: Option<Row>,
    is_new: bool,
    writes: BTreeMap<&'static str, Write>,
}

/// What was written to a column.
#[derive(Debug)]
enum Write {
    Whole,
    Elements {
        added: BTreeSet<Atom>,
        removed: BTreeSet<Atom>,
    },
}

impl<'a> Workspace<'a> {
    /// The database without changes.
    pub fn new(database: &'a Database) -> Self {
        Self {
            database,
            rows: BTreeMap::new(),
            verified: BTreeMap::new(),
            indexes: Indexes::default(),
        }
    }

    /// The tables' declarations.
    pub fn schemas(&self) -> impl Iterator<Item = &'static TableSchema> {
        self.database.schemas()
    }

    /// A row as it is now.
    pub fn row(&self, schema: &'static TableSchema, uuid: Uuid) -> Option<&Row> {
        match self.rows.get(&(schema.name, uuid)) {
            Some(row) => row.now.as_ref(),
            None => self.database.row(schema.name, uuid).map(|row| &**row),
        }
    }

    /// The rows of a table as they are now, by name where they have one, and by UUID.
    pub fn rows(&self, schema: &'static TableSchema) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.unordered(schema).collect();
        rows.sort_by_key(|row| (row.get(schema, "name").and_then(Datum::as_str), row.uuid));
        rows
    }

    fn unordered(&self, schema: &'static TableSchema) -> impl Iterator<Item = &Row> {
        let unchanged = self
            .database
            .rows(schema.name)
            .map(|row| &**row)
            .filter(|row| !self.rows.contains_key(&(schema.name, row.uuid)));
        let written = self
            .rows
            .range((schema.name, Uuid::nil())..=(schema.name, Uuid::max()))
            .filter_map(|(_, row)| row.now.as_ref());
        unchanged.chain(written)
    }

    /// The rows of a declared table that have this name.
    pub fn named<T: Table>(&self, name: &str) -> Vec<T> {
        let ids = self.ids_named(name).into_iter();
        ids.filter_map(|id| self.get(id)).collect()
    }

    /// The same without reading the rows, which costs something where one is a switch of thousands of ports.
    pub fn ids_named<T: Table>(&self, name: &str) -> Vec<Id<T>> {
        self.having("name", &Atom::from(name))
    }

    /// The rows of a declared table whose column refers to this row.
    pub fn referring<T: Table>(&self, column: &'static str, uuid: Uuid) -> Vec<Id<T>> {
        self.having(column, &Atom::Uuid(uuid))
    }

    /// The rows of a declared table with this element in a set.
    fn having<T: Table>(&self, column: &'static str, atom: &Atom) -> Vec<Id<T>> {
        let rows = self.uuids_having(T::SCHEMA, column, atom);
        rows.into_iter().map(Id::new).collect()
    }

    fn uuids_having(
        &self,
        schema: &'static TableSchema,
        column: &'static str,
        atom: &Atom,
    ) -> Vec<Uuid> {
        let has = |uuid: &Uuid| {
            let row = self.row(schema, *uuid);
            let value = row.and_then(|row| row.get(schema, column));
            matches!(value, Some(Datum::Set(atoms)) if atoms.contains(atom))
        };
        let mut rows = self.candidate_uuids(schema, column, |atom| vec![atom.clone()], atom);
        rows.retain(has);
        rows
    }

    /// The rows of a declared table that may be found under `key` in a column: all that are, and perhaps some
    /// that were or are deleted. A column is always asked by the same kind of keys.
    pub fn candidates<T: Table>(&self, column: &'static str, keys: Keys, key: &Atom) -> Vec<Id<T>> {
        let uuids = self.candidate_uuids(T::SCHEMA, column, keys, key);
        uuids.into_iter().map(Id::new).collect()
    }

    fn candidate_uuids(
        &self,
        schema: &'static TableSchema,
        column: &'static str,
        keys: Keys,
        key: &Atom,
    ) -> Vec<Uuid> {
        let all = || {
            let rows = self.unordered(schema);
            rows.filter_map(|row| Some((row.uuid, row.get(schema, column)?)))
                .collect()
        };
        self.indexes
            .candidates(schema.name, column, (keys, key), all)
    }

    /// A row of a declared table.
    pub fn get<T: Table>(&self, id: Id<T>) -> Option<T> {
        self.row(T::SCHEMA, id.uuid()).and_then(typed)
    }

    /// The rows of a declared table, by name and UUID.
    pub fn all<T: Table>(&self) -> Vec<T> {
        self.rows(T::SCHEMA).into_iter().filter_map(typed).collect()
    }

    /// Adds a row with defaults in its columns.
    pub fn insert(&mut self, schema: &'static TableSchema, uuid: Uuid) {
        self.rows.insert(
            (schema.name, uuid),
            WorkRow {
                schema,
                now: Some(Row::new(uuid, schema)),
                is_new: true,
                writes: BTreeMap::new(),
            },
        );
    }

    /// Adds a row of a declared table.
    pub fn add<T: Table>(&mut self, row: &T) {
        let schema = T::SCHEMA;
        let uuid = row.id().uuid();
        self.insert(schema, uuid);
        for (column, datum) in schema.columns.iter().zip(row.to_columns()) {
            self.set(schema, uuid, column.name, datum);
        }
    }

    /// Replaces a column.
    pub fn set(
        &mut self,
        schema: &'static TableSchema,
        uuid: Uuid,
        column: &'static str,
        datum: Datum,
    ) {
        self.indexes
            .written(schema.name, column, uuid, datum.atoms());
        if self.write(schema, uuid, column, |value| *value = datum) {
            let row = self.work_row(schema, uuid);
            row.writes.insert(column, Write::Whole);
        }
    }

    /// Replaces a column of a row of a declared table.
    pub fn update<T: Table>(&mut self, id: Id<T>, column: &'static str, datum: Datum) {
        self.set(T::SCHEMA, id.uuid(), column, datum);
    }

    /// Adds an element to a set.
    pub fn add_element<T: Table>(
        &mut self,
        id: Id<T>,
        column: &'static str,
        atom: impl Into<Atom>,
    ) {
        self.change_element(T::SCHEMA, id.uuid(), column, atom.into(), true);
    }

    /// Removes an element of a set.
    pub fn remove_element<T: Table>(
        &mut self,
        id: Id<T>,
        column: &'static str,
        atom: impl Into<Atom>,
    ) {
        self.change_element(T::SCHEMA, id.uuid(), column, atom.into(), false);
    }

    /// Deletes a row, and with it the rows that live only as long as others refer to them, if none does now.
    pub fn delete(&mut self, schema: &'static TableSchema, uuid: Uuid) {
        let Some(row) = self.row(schema, uuid).cloned() else {
            return;
        };
        self.work_row(schema, uuid).now = None;
        for (part, uuid) in self.parts(schema, &row) {
            if !self.is_referred_to(part, uuid) {
                self.delete(part, uuid);
            }
        }
    }

    /// The rows that live by a row's references.
    fn parts(&self, schema: &TableSchema, row: &Row) -> Vec<(&'static TableSchema, Uuid)> {
        let mut parts = Vec::new();
        for (column, datum) in schema.columns.iter().zip(row.columns.iter()) {
            let references = column.kind.references();
            let strong = references.filter(|reference| reference.is_strong);
            let tables = strong.filter_map(|reference| self.database.schema(reference.table));
            for table in tables.filter(|table| !table.is_root) {
                let uuids = datum.atoms().filter_map(|atom| match atom {
                    Atom::Uuid(uuid) => Some(*uuid),
                    _ => None,
                });
                parts.extend(uuids.map(|uuid| (table, uuid)));
            }
        }
        parts
    }

    /// Whether a row keeps this one.
    fn is_referred_to(&self, schema: &'static TableSchema, uuid: Uuid) -> bool {
        let refers = |reference: Reference| reference.is_strong && reference.table == schema.name;
        let mut columns = self
            .schemas()
            .flat_map(|table| table.columns.iter().map(move |column| (table, column)))
            .filter(|(_, column)| column.kind.references().any(refers));
        let atom = Atom::Uuid(uuid);
        columns.any(|(table, column)| !self.uuids_having(table, column.name, &atom).is_empty())
    }

    /// Deletes a row of a declared table.
    pub fn remove<T: Table>(&mut self, id: Id<T>) {
        self.delete(T::SCHEMA, id.uuid());
    }

    /// Lets the transaction happen only while the column still has the value that was read.
    pub fn verify(&mut self, schema: &'static TableSchema, uuid: Uuid, column: &'static str) {
        self.verified
            .entry((schema.name, uuid))
            .or_default()
            .insert(column);
    }

    fn change_element(
        &mut self,
        schema: &'static TableSchema,
        uuid: Uuid,
        column: &'static str,
        atom: Atom,
        is_added: bool,
    ) {
        self.indexes
            .written(schema.name, column, uuid, [&atom].into_iter());
        let element = atom.clone();
        let exists = self.write(schema, uuid, column, |value| {
            if let Datum::Set(atoms) = value {
                if is_added {
                    atoms.insert(element);
                } else {
                    atoms.remove(&element);
                }
            }
        });
        if !exists {
            return;
        }
        let row = self.work_row(schema, uuid);
        let write = row.writes.entry(column).or_insert_with(|| Write::Elements {
            added: BTreeSet::new(),
            removed: BTreeSet::new(),
        });
        if let Write::Elements { added, removed } = write {
            let (to, from) = if is_added {
                (added, removed)
            } else {
                (removed, added)
            };
            from.remove(&atom);
            to.insert(atom);
        }
    }

    /// Writes to a column of a row; false when there is no such row.
    fn write(
        &mut self,
        schema: &'static TableSchema,
        uuid: Uuid,
        column: &str,
        write: impl FnOnce(&mut Datum),
    ) -> bool {
        let Some((position, _)) = schema.column(column) else {
            return false;
        };
        if self.row(schema, uuid).is_none() {
            return false;
        }
        if let Some(row) = &mut self.work_row(schema, uuid).now {
            write(&mut Arc::make_mut(&mut row.columns)[position]);
        }
        true
    }

    fn work_row(&mut self, schema: &'static TableSchema, uuid: Uuid) -> &mut WorkRow {
        let database = self.database;
        self.rows
            .entry((schema.name, uuid))
            .or_insert_with(|| WorkRow {
                schema,
                now: database.row(schema.name, uuid).map(|row| (**row).clone()),
                is_new: false,
                writes: BTreeMap::new(),
            })
    }
}

fn typed<T: Table>(row: &Row) -> Option<T> {
    T::from_row(row).ok()
}

#[cfg(test)]
mod tests;
