//! A transaction: operations one after the other on a draft, then the rules that hold for the whole, and
//! either the next revision or nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::check::check_datum;
use crate::database::{Database, Referrer};
use crate::datum::Datum;
use crate::mutate::mutate;
use crate::operation::{
    Author, Changes, ErrorKind, NamedColumns, Operation, RowChange, TransactionError,
};
use crate::schema::{ColumnSchema, Support, TableSchema};
use crate::table::Row;

/// A revision in the making.
pub(crate) struct Draft {
    pub(crate) next: Database,
    /// The rows written so far (position of their table, identity), as they were before.
    pub(crate) touched: BTreeMap<(usize, Uuid), Option<Arc<Row>>>,
    /// The references added so far, by the row referred to.
    pub(crate) gained: Vec<(usize, Uuid, Referrer)>,
    /// Rows that may have nobody left who refers to them.
    pub(crate) orphans: Vec<(usize, Uuid)>,
}

impl Database {
    /// The next revision with what changed, or why there is none. A transaction that changes nothing makes
    /// no revision: its changes are empty.
    pub fn transact(
        &self,
        operations: &[Operation],
        author: Author,
    ) -> Result<(Self, Changes), TransactionError> {
        let mut draft = Draft::new(self);
        for operation in operations {
            draft.execute(operation, author)?;
        }
        draft.collect_orphans();
        draft.check_references()?;
        draft.check_row_counts()?;
        draft.update_indexes()?;
        Ok(draft.finish(self.revision + 1))
    }

    /// The database with these rows written or removed as they are, at a revision that was made elsewhere:
    /// how a store is loaded and a replica follows. References are not checked, since only the whole keeps
    /// them.
    pub fn replace<'a>(
        &self,
        revision: u64,
        rows: impl IntoIterator<Item = (&'a str, Uuid, Option<Row>)>,
    ) -> Result<(Self, Changes), TransactionError> {
        let mut draft = Draft::new(self);
        for (table, uuid, row) in rows {
            let position = draft.position(table)?;
            let schema = draft.next.tables[position].schema;
            if let Some(row) = &row {
                check_row(schema, row)?;
            }
            draft.put(position, uuid, row.map(Arc::new));
        }
        draft.update_indexes()?;
        let (mut next, mut changes) = draft.finish(revision);
        next.revision = revision;
        changes.revision = revision;
        Ok((next, changes))
    }
}

fn check_row(schema: &'static TableSchema, row: &Row) -> Result<(), TransactionError> {
    if row.columns.len() != schema.columns.len() {
        let name = schema.name;
        let details = format!("row {} has not the columns of table {name}", row.uuid);
        return Err(TransactionError::new(ErrorKind::Syntax, details));
    }
    let mut columns = schema.columns.iter().zip(row.columns.iter());
    columns.try_for_each(|(column, datum)| check_column(schema, column, datum))
}

fn check_column(
    schema: &TableSchema,
    column: &ColumnSchema,
    datum: &Datum,
) -> Result<(), TransactionError> {
    check_datum(&column.kind, datum).map_err(|error| in_column(schema, column, error))
}

fn in_column(
    schema: &TableSchema,
    column: &ColumnSchema,
    error: TransactionError,
) -> TransactionError {
    let details = format!("{} column {}: {}", schema.name, column.name, error.details);
    TransactionError::new(error.kind, details)
}

impl Draft {
    fn new(base: &Database) -> Self {
        Self {
            next: base.clone(),
            touched: BTreeMap::new(),
            gained: Vec::new(),
            orphans: Vec::new(),
        }
    }

    fn execute(&mut self, operation: &Operation, author: Author) -> Result<(), TransactionError> {
        match operation {
            Operation::Insert {
                table,
                uuid,
                columns,
            } => self.insert(self.writable(table, author)?, *uuid, columns, author),
            Operation::Update {
                table,
                uuid,
                columns,
            } => {
                let table = self.writable(table, author)?;
                match self.existing(table, *uuid, author)? {
                    Some(row) => self.update(table, &row, columns, author),
                    None => Ok(()),
                }
            }
            Operation::Mutate {
                table,
                uuid,
                column,
                mutator,
                datum,
            } => {
                let table = self.writable(table, author)?;
                let Some(row) = self.existing(table, *uuid, author)? else {
                    return Ok(());
                };
                let schema = self.next.tables[table].schema;
                let (position, column) = find_column(schema, column)?;
                let new = mutate(&column.kind, &row.columns[position], *mutator, datum)
                    .map_err(|error| in_column(schema, column, error))?;
                self.update(table, &row, &vec![(column.name.to_owned(), new)], author)
            }
            Operation::Delete { table, uuid } => {
                let table = self.writable(table, author)?;
                if self.existing(table, *uuid, author)?.is_some() {
                    self.put(table, *uuid, None);
                }
                Ok(())
            }
            Operation::Verify {
                table,
                uuid,
                columns,
            } => self.verify(self.visible(table, author)?, *uuid, columns),
            Operation::VerifyTable { table, revision } => {
                self.verify_table(self.visible(table, author)?, *revision)
            }
            Operation::Comment(_) => Ok(()),
        }
    }

    fn insert(
        &mut self,
        table: usize,
        uuid: Uuid,
        columns: &NamedColumns,
        author: Author,
    ) -> Result<(), TransactionError> {
        let data = &self.next.tables[table];
        if uuid.is_nil() || data.rows.get(&uuid).is_some() {
            return Err(TransactionError::new(
                ErrorKind::ConstraintViolation,
                format!("{} already has a row {uuid}", data.schema.name),
            ));
        }
        self.orphans.push((table, uuid));
        let row = Row::new(uuid, data.schema);
        self.update(table, &row, columns, author)
    }

    fn update(
        &mut self,
        table: usize,
        old: &Row,
        columns: &NamedColumns,
        author: Author,
    ) -> Result<(), TransactionError> {
        let schema = self.next.tables[table].schema;
        let mut values = old.columns.to_vec();
        for (name, datum) in columns {
            let (position, column) = find_column(schema, name)?;
            if column.is_reported && author == Author::Client && values[position] != *datum {
                return Err(TransactionError::new(
                    ErrorKind::Permission,
                    format!("{} column {name} is written by northd only", schema.name),
                ));
            }
            check_column(schema, column, datum)?;
            self.check_target(schema, column, datum)?;
            values[position] = datum.clone();
        }
        let row = Row {
            uuid: old.uuid,
            columns: values.into(),
        };
        self.put(table, old.uuid, Some(Arc::new(row)));
        Ok(())
    }

    /// Refuses references to tables that are not carried out, which would dangle or vanish in silence.
    fn check_target(
        &self,
        schema: &TableSchema,
        column: &ColumnSchema,
        datum: &Datum,
    ) -> Result<(), TransactionError> {
        let target = column.refers_to().and_then(|to| self.next.schema(to.table));
        match target {
            Some(to) if to.support == Support::Declared && !datum.is_empty() => {
                Err(TransactionError::new(
                    ErrorKind::NotSupported,
                    format!(
                        "{} column {} refers to table {}, which is not supported by this version of weft",
                        schema.name, column.name, to.name
                    ),
                ))
            }
            _ => Ok(()),
        }
    }

    fn verify(
        &self,
        table: usize,
        uuid: Uuid,
        columns: &NamedColumns,
    ) -> Result<(), TransactionError> {
        let data = &self.next.tables[table];
        let schema = data.schema;
        let Some(row) = data.rows.get(&uuid) else {
            return Err(no_row(schema, uuid));
        };
        for (name, expected) in columns {
            let (position, _) = find_column(schema, name)?;
            if row.columns[position] != *expected {
                let details = format!("{} row {uuid} column {name} has changed", schema.name);
                return Err(TransactionError::new(ErrorKind::Conflict, details));
            }
        }
        Ok(())
    }

    fn verify_table(&self, table: usize, revision: u64) -> Result<(), TransactionError> {
        let data = &self.next.tables[table];
        if data.revision <= revision {
            return Ok(());
        }
        Err(TransactionError::new(
            ErrorKind::Conflict,
            format!(
                "table {} has changed: it is at revision {}, not {revision}",
                data.schema.name, data.revision
            ),
        ))
    }

    fn position(&self, table: &str) -> Result<usize, TransactionError> {
        self.next.position(table).ok_or_else(|| no_table(table))
    }

    /// The position of a table that the author may see.
    fn visible(&self, table: &str, author: Author) -> Result<usize, TransactionError> {
        let position = self.position(table)?;
        match (self.next.tables[position].schema.support, author) {
            (Support::Internal, Author::Client) => Err(no_table(table)),
            _ => Ok(position),
        }
    }

    /// The position of a table that the author may write.
    fn writable(&self, table: &str, author: Author) -> Result<usize, TransactionError> {
        let position = self.visible(table, author)?;
        match (self.next.tables[position].schema.support, author) {
            (Support::Declared, _) => Err(TransactionError::new(
                ErrorKind::NotSupported,
                format!(
                    "table {table} is not supported by this version of weft: its rows would have no effect"
                ),
            )),
            (Support::Reported, Author::Client) => Err(TransactionError::new(
                ErrorKind::Permission,
                format!("table {table} is written by northd only"),
            )),
            _ => Ok(position),
        }
    }

    /// The row; `None` when it is gone and that does not matter to the author.
    fn existing(
        &self,
        table: usize,
        uuid: Uuid,
        author: Author,
    ) -> Result<Option<Arc<Row>>, TransactionError> {
        let data = &self.next.tables[table];
        match (data.rows.get(&uuid), author) {
            (Some(row), _) => Ok(Some(Arc::clone(row))),
            (None, Author::System) => Ok(None),
            (None, Author::Client) => Err(no_row(data.schema, uuid)),
        }
    }

    fn finish(self, revision: u64) -> (Database, Changes) {
        let mut next = self.next;
        let mut changes = Changes {
            revision: next.revision,
            ..Changes::default()
        };
        for ((table, uuid), old) in self.touched {
            let new = next.tables[table].rows.get(&uuid).cloned();
            if old != new {
                let name = next.tables[table].schema.name;
                let rows = changes.tables.entry(name).or_default();
                rows.push(RowChange { uuid, old, new });
            }
        }
        if !changes.is_empty() {
            changes.revision = revision;
            next.revision = revision;
        }
        for table in changes.tables.keys() {
            if let Some(position) = next.position(table) {
                Arc::make_mut(&mut next.tables[position]).revision = revision;
            }
        }
        (next, changes)
    }
}

fn find_column(
    schema: &'static TableSchema,
    name: &str,
) -> Result<(usize, &'static ColumnSchema), TransactionError> {
    schema.column(name).ok_or_else(|| {
        let details = format!("No column {name} in table {}.", schema.name);
        TransactionError::new(ErrorKind::Syntax, details)
    })
}

fn no_table(table: &str) -> TransactionError {
    TransactionError::new(ErrorKind::Syntax, format!("No table named {table}."))
}

fn no_row(schema: &TableSchema, uuid: Uuid) -> TransactionError {
    let details = format!("{} has no row {uuid} (any more)", schema.name);
    TransactionError::new(ErrorKind::Conflict, details)
}
