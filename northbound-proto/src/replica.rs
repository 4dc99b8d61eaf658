//! A client's copy of the northbound database, put together from the replies of a read or a watch.

use model::{Changes, Database, Row, TableSchema, TransactionError};
use uuid::Uuid;

use crate::convert::{WireError, row_from_wire, uuid_from_wire};
use crate::northbound as wire;

/// The northbound tables as far as they were received. Tables and columns that a newer server has and this
/// build does not know are left out.
#[derive(Clone, Debug)]
pub struct Replica {
    database: Database,
    /// Rows of the revision of which the last chunk has not come yet.
    pending: Vec<(&'static str, Uuid, Option<Row>)>,
}

/// A reply that cannot be what the server meant.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReplicaError {
    /// It cannot be read.
    #[error("the server sent a row that cannot be read")]
    Wire(#[from] WireError),
    /// Its rows break the tables' rules.
    #[error("the server sent rows that break the tables' rules")]
    Rows(#[from] TransactionError),
}

impl Default for Replica {
    fn default() -> Self {
        Self::new()
    }
}

impl Replica {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self {
            database: Database::northbound(),
            pending: Vec::new(),
        }
    }

    /// The tables at the last complete revision.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Takes a chunk of a read. `true` with the last one: the database is at its revision then.
    pub fn read(&mut self, reply: wire::ReadReply) -> Result<bool, ReplicaError> {
        for table in reply.tables {
            let Some(schema) = self.database.schema(&table.table) else {
                continue;
            };
            for row in table.rows {
                let row = known_row(schema, row)?;
                self.pending.push((schema.name, row.uuid, Some(row)));
            }
        }
        if reply.complete {
            self.apply(reply.revision)?;
        }
        Ok(reply.complete)
    }

    /// Takes a chunk of a watch, and returns what changed with the last one of a step. The first step holds
    /// the rows as they were at the start.
    pub fn watch(&mut self, reply: wire::WatchReply) -> Result<Option<Changes>, ReplicaError> {
        for change in reply.changes {
            let Some(schema) = self.database.schema(&change.table) else {
                continue;
            };
            let uuid = uuid_from_wire(&change.uuid)?;
            let row = change.row.map(|row| known_row(schema, row)).transpose()?;
            self.pending.push((schema.name, uuid, row));
        }
        match reply.complete {
            true => self.apply(reply.revision).map(Some),
            false => Ok(None),
        }
    }

    fn apply(&mut self, revision: u64) -> Result<Changes, ReplicaError> {
        let rows = std::mem::take(&mut self.pending);
        let (database, changes) = self.database.replace(revision, rows)?;
        self.database = database;
        Ok(changes)
    }
}

fn known_row(schema: &'static TableSchema, mut row: wire::Row) -> Result<Row, WireError> {
    row.columns
        .retain(|column| schema.column(&column.name).is_some());
    row_from_wire(schema, row)
}
