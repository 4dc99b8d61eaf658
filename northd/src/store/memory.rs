//! A store that forgets with its process, for tests.

use model::{Changes, Database};
use uuid::Uuid;

use super::{Store, StoreError, Stored};

/// Keeps the database in memory.
#[derive(Debug)]
pub struct MemoryStore {
    stored: Stored,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            stored: Stored {
                database: Database::northd(),
                epoch: Uuid::new_v4(),
            },
        }
    }
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Stored, StoreError> {
        Ok(self.stored.clone())
    }

    fn append(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let rows = changes.tables.iter().flat_map(|(table, rows)| {
            rows.iter()
                .map(|change| (*table, change.uuid, change.new.as_deref().cloned()))
        });
        let replaced = self.stored.database.replace(changes.revision, rows);
        (self.stored.database, _) = replaced.map_err(StoreError::Rows)?;
        Ok(())
    }
}
