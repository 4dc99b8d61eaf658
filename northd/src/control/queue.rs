//! Operations that are still to be committed, and the database as it will be then.

use model::{Author, Database, Operation};

/// The database with a queue of changes to it.
///
/// Everything that is decided is decided on the database as it will be, so that two claims of one port, or
/// two reports of one station, see each other although nothing is committed yet.
#[derive(Debug)]
pub(super) struct Queue {
    database: Database,
    /// What one event made necessary stands or falls together.
    groups: Vec<Vec<Operation>>,
}

impl Queue {
    pub(super) fn new(database: Database) -> Self {
        Self {
            database,
            groups: Vec::new(),
        }
    }

    /// The database with the queued operations.
    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// Adds operations, unless the database would refuse them or they change nothing. Returns whether they
    /// were added.
    pub(super) fn push(&mut self, operations: Vec<Operation>) -> bool {
        if operations.is_empty() {
            return false;
        }
        match self.database.transact(&operations, Author::System) {
            Ok((_, changes)) if changes.is_empty() => false,
            Ok((database, _)) => {
                self.database = database;
                self.groups.push(operations);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "dropped an inconsistent report");
                false
            }
        }
    }

    /// Moves the queue onto a newer database. Groups that no longer apply are dropped.
    pub(super) fn rebase(&mut self, database: Database) {
        self.database = database;
        for operations in std::mem::take(&mut self.groups) {
            self.push(operations);
        }
    }

    /// All queued operations; they are the caller's to commit.
    pub(super) fn take(&mut self) -> Vec<Operation> {
        std::mem::take(&mut self.groups)
            .into_iter()
            .flatten()
            .collect()
    }
}
