//! The tables at one revision, immutable; the next revision shares with it what did not change.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use uuid::Uuid;

use crate::cow::{CowMap, Spread};
use crate::datum::Datum;
use crate::operation::{Changes, RowChange};
use crate::schema::{ColumnSchema, Support, TableSchema};
use crate::table::{Id, Row, Table};
use crate::{nb, sb};

/// All tables at one revision. A clone costs as much as counting the tables.
#[derive(Clone, Debug)]
pub struct Database {
    pub(crate) revision: u64,
    /// In the order of their names.
    pub(crate) tables: Vec<Arc<TableData>>,
}

/// The rows of a table with what is looked up in them.
#[derive(Clone, Debug)]
pub(crate) struct TableData {
    pub(crate) schema: &'static TableSchema,
    pub(crate) rows: CowMap<Uuid, Arc<Row>>,
    /// One for each of the schema's, from the values to the row.
    pub(crate) indexes: Vec<CowMap<IndexKey, Uuid>>,
    /// From each row of this table, or UUID that is meant as one, to who refers to it.
    pub(crate) referrers: CowMap<Uuid, Arc<BTreeSet<Referrer>>>,
    /// The revision of the last change.
    pub(crate) revision: u64,
}

/// The values of the columns of an index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct IndexKey(pub(crate) Vec<Datum>);

impl Spread for IndexKey {
    fn shard(&self) -> u8 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish() as u8
    }
}

/// A column of a row that refers to another row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Referrer {
    /// Position of the referring table.
    pub(crate) table: usize,
    /// Position of the column.
    pub(crate) column: usize,
    /// The referring row.
    pub(crate) row: Uuid,
}

impl TableData {
    fn new(schema: &'static TableSchema) -> Self {
        Self {
            schema,
            rows: CowMap::new(),
            indexes: schema.indexes.iter().map(|_| CowMap::new()).collect(),
            referrers: CowMap::new(),
            revision: 0,
        }
    }

    /// The key of a row in the index at this position.
    pub(crate) fn index_key(&self, index: usize, row: &Row) -> IndexKey {
        let columns = self.schema.indexes[index].iter();
        let value = |name: &&str| row.get(self.schema, name).cloned();
        IndexKey(columns.filter_map(value).collect())
    }
}

/// The tables that clients see, in no order.
pub fn visible_tables() -> impl Iterator<Item = &'static TableSchema> + Clone {
    let all = nb::TABLES.iter().chain(sb::TABLES).copied();
    all.filter(|table| table.support != Support::Internal)
}

impl Database {
    /// No rows, at revision 0.
    pub fn new(tables: impl IntoIterator<Item = &'static TableSchema>) -> Self {
        let tables = tables.into_iter().map(TableData::new).map(Arc::new);
        let mut tables: Vec<_> = tables.collect();
        tables.sort_by_key(|table| table.schema.name);
        Self {
            revision: 0,
            tables,
        }
    }

    /// The tables that clients read, without rows: what a client holds a replica of.
    pub fn northbound() -> Self {
        Self::new(visible_tables())
    }

    /// The northbound tables and northd's own, without rows.
    pub fn northd() -> Self {
        Self::new(nb::TABLES.iter().chain(sb::TABLES).copied())
    }

    /// The number of transactions that led here.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The tables in the order of their names.
    pub fn schemas(&self) -> impl Iterator<Item = &'static TableSchema> {
        self.tables.iter().map(|table| table.schema)
    }

    /// The declaration of the table of this name.
    pub fn schema(&self, table: &str) -> Option<&'static TableSchema> {
        self.data(table).map(|table| table.schema)
    }

    /// The rows of a table in the order of their UUIDs; none when there is no such table.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = &Arc<Row>> + Clone {
        let rows = self.data(table).map(|table| table.rows.iter());
        rows.into_iter().flatten().map(|(_, row)| row)
    }

    /// A row of a table.
    pub fn row(&self, table: &str, uuid: Uuid) -> Option<&Arc<Row>> {
        self.data(table)?.rows.get(&uuid)
    }

    /// The number of rows of a table.
    pub fn row_count(&self, table: &str) -> usize {
        self.data(table).map_or(0, |table| table.rows.len())
    }

    /// The row with these values in the columns of a declared index.
    pub fn find(&self, table: &str, index: &[&str], values: Vec<Datum>) -> Option<&Arc<Row>> {
        let table = self.data(table)?;
        let indexes = &mut table.schema.indexes.iter();
        let position = indexes.position(|columns| *columns == index)?;
        let uuid = table.indexes[position].get(&IndexKey(values))?;
        table.rows.get(uuid)
    }

    /// Who refers to a row: the table, the column and the row that it stands in.
    pub fn referrers(
        &self,
        table: &str,
        uuid: Uuid,
    ) -> impl Iterator<Item = (&'static TableSchema, &'static ColumnSchema, Uuid)> {
        let referrers = self.data(table).and_then(|data| data.referrers.get(&uuid));
        referrers.into_iter().flat_map(|set| set.iter()).map(|at| {
            let schema = self.tables[at.table].schema;
            (schema, &schema.columns[at.column], at.row)
        })
    }

    /// A table in its own types.
    pub fn table<T: Table>(&self) -> TypedTable<'_, T> {
        TypedTable {
            database: self,
            table: PhantomData,
        }
    }

    /// What changed between an older revision of this database and this one. It costs as much as the parts
    /// that the two do not share.
    pub fn changes_since(&self, older: &Self) -> Changes {
        let mut changes = Changes {
            revision: self.revision,
            ..Changes::default()
        };
        for (new, old) in self.tables.iter().zip(&older.tables) {
            if Arc::ptr_eq(new, old) {
                continue;
            }
            let uuids = new.rows.candidates(&old.rows);
            let row_changes = uuids.filter_map(|uuid| {
                let (old, new) = (old.rows.get(uuid), new.rows.get(uuid));
                (old != new).then(|| RowChange {
                    uuid: *uuid,
                    old: old.cloned(),
                    new: new.cloned(),
                })
            });
            let row_changes: Vec<_> = row_changes.collect();
            if !row_changes.is_empty() {
                changes.tables.insert(new.schema.name, row_changes);
            }
        }
        changes
    }

    /// The position of a table.
    pub(crate) fn position(&self, table: &str) -> Option<usize> {
        let tables = &self.tables;
        tables
            .binary_search_by(|data| data.schema.name.cmp(table))
            .ok()
    }

    fn data(&self, table: &str) -> Option<&TableData> {
        self.position(table).map(|position| &*self.tables[position])
    }
}

/// The rows of a declared table as its structs.
#[derive(Clone, Copy)]
pub struct TypedTable<'a, T> {
    database: &'a Database,
    table: PhantomData<fn() -> T>,
}

impl<'a, T: Table> TypedTable<'a, T> {
    /// All rows in the order of their UUIDs.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        self.database.rows(T::NAME).map(|row| typed(row))
    }

    /// The row of this identity.
    pub fn get(&self, id: Id<T>) -> Option<T> {
        self.database.row(T::NAME, id.uuid()).map(|row| typed(row))
    }

    /// The row of this name, where names are unique in the table.
    pub fn named(&self, name: &str) -> Option<T> {
        self.find(&["name"], vec![Datum::scalar(name)])
    }

    /// The row with these values in the columns of a declared index.
    pub fn find(&self, index: &[&str], values: Vec<Datum>) -> Option<T> {
        let row = self.database.find(T::NAME, index, values);
        row.map(|row| typed(row))
    }
}

fn typed<T: Table>(row: &Row) -> T {
    T::from_row(row).expect("a row of the database has the shape of its table")
}
