//! Where the database lives: durable before anybody is told of it.

mod disk;
mod memory;

use std::io;
use std::path::PathBuf;

use model::{Changes, Database, TransactionError};
use northbound_proto::WireError;
use uuid::Uuid;

pub use disk::DiskStore;
pub use memory::MemoryStore;

/// A place that keeps one database.
pub trait Store: Send + 'static {
    /// All that is stored.
    fn load(&mut self) -> Result<Stored, StoreError>;

    /// Adds the changes that lead from the stored revision to the changes' own. When this returns `Ok`, they
    /// outlast a crash of the machine; when not, nothing of them is stored.
    fn append(&mut self, changes: &Changes) -> Result<(), StoreError>;
}

/// What a store holds.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The tables, at the revision last stored.
    pub database: Database,
    /// Made up when the store was made: tells this database from every other.
    pub epoch: Uuid,
}

/// Why a store does not work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Two processes cannot have one database.
    #[error("{} is in use by another northd", .0.display())]
    Locked(PathBuf),
    /// Written by a later version.
    #[error("{} has format {found}, and this version of northd knows formats up to {known}", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format that this version reads.
        known: u64,
    },
    /// The directory or the file cannot be used.
    #[error("{} cannot be used", path.display())]
    File {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The embedded database failed.
    #[error("the embedded database failed")]
    Engine(#[source] Box<redb::Error>),
    /// A stored row cannot be read.
    #[error("{table} row {uuid} cannot be read")]
    Row {
        /// Its table.
        table: String,
        /// Its identity.
        uuid: Uuid,
        /// Why.
        source: RowFault,
    },
    /// The stored rows do not fit together.
    #[error("the stored rows break the tables' rules")]
    Rows(#[source] TransactionError),
    /// A number that every store has is not there.
    #[error("the store has no \"{0}\"")]
    Incomplete(&'static str),
}

/// Why a stored row cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RowFault {
    /// It belongs to a table that this version does not know.
    #[error("no such table")]
    NoTable,
    /// It is no message.
    #[error(transparent)]
    Message(#[from] prost::DecodeError),
    /// Its message is no row.
    #[error(transparent)]
    Wire(#[from] WireError),
}
