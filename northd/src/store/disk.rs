//! The store in one file, `northd.redb`, of an embedded crash-safe database.
//!
//! Rows lie under (table, UUID) in the northbound API's wire form: columns by name and only where they differ
//! from their defaults, so that a later version with more columns reads them as they are. A second table
//! holds numbers about the whole. One `append` is one engine transaction, synchronised to the disk.
//!
//! An engine that met a failing disk works no more. It is opened again at once, which also tells whether the
//! transaction that it failed in has reached the disk: a full disk costs the transactions that did not fit, and
//! once there is room the next ones succeed.
//!
//! The file comes into being under another name and is renamed when it is whole, so that a crash
//! at the first start leaves nothing that looks like a database.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use model::{Changes, Database, Row};
use northbound_proto::convert::{row_from_wire, row_to_wire};
use northbound_proto::northbound as wire;
use prost::Message;
use redb::{Durability, ReadableDatabase, ReadableTable, TableDefinition};
use uuid::Uuid;

use super::{RowFault, Store, StoreError, Stored};

/// The newest layout of the file that this version reads, and the one that it writes.
const FORMAT: u64 = 1;

/// The engine's page cache. The rows themselves are held by the database in memory.
const CACHE_BYTES: usize = 64 << 20;

const FILE_NAME: &str = "northd.redb";
const UNFINISHED_FILE_NAME: &str = "northd.redb.new";
const LOCK_NAME: &str = "northd.lock";

/// Encoded rows by table and UUID.
const ROWS: TableDefinition<(&str, u128), &[u8]> = TableDefinition::new("rows");
/// Numbers about the whole: `format`, `revision`, `epoch`.
const NUMBERS: TableDefinition<&str, u128> = TableDefinition::new("numbers");

/// Keeps the database in a directory.
#[derive(Debug)]
pub struct DiskStore {
    /// `None` after it failed and could not be opened again.
    engine: Option<redb::Database>,
    path: PathBuf,
    /// The declarations of the tables.
    empty: Database,
    /// Held as long as the store is.
    _lock: File,
}

impl DiskStore {
    /// Opens the store of a directory, and makes both where they are not.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(directory).map_err(|error| file_error(directory, error))?;
        let lock = lock(directory)?;
        let path = directory.join(FILE_NAME);
        if !fs::exists(&path).map_err(|error| file_error(&path, error))? {
            create(directory, &path)?;
        }
        let engine = builder().open(&path).map_err(engine_error)?;
        let store = Self {
            engine: Some(engine),
            path,
            empty: Database::northd(),
            _lock: lock,
        };
        store.check_format()?;
        Ok(store)
    }

    /// Opens the engine anew.
    fn reopen(&mut self) -> Result<(), StoreError> {
        // The old one holds the file as long as it lives.
        self.engine = None;
        self.engine = Some(builder().open(&self.path).map_err(engine_error)?);
        Ok(())
    }

    fn engine(&self) -> Result<&redb::Database, redb::Error> {
        self.engine.as_ref().ok_or(redb::Error::DatabaseClosed)
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let found = self.number("format")? as u64;
        if found > FORMAT {
            return Err(StoreError::NewerFormat {
                path: self.path.clone(),
                found,
                known: FORMAT,
            });
        }
        Ok(())
    }

    fn number(&self, name: &'static str) -> Result<u128, StoreError> {
        let read = || -> Result<Option<u128>, redb::Error> {
            let numbers = self.engine()?.begin_read()?.open_table(NUMBERS)?;
            Ok(numbers.get(name)?.map(|number| number.value()))
        };
        let number = read().map_err(|error| StoreError::Engine(Box::new(error)))?;
        number.ok_or(StoreError::Incomplete(name))
    }

    /// All rows, still encoded.
    fn encoded_rows(&self) -> Result<Vec<(String, Uuid, Vec<u8>)>, redb::Error> {
        let table = self.engine()?.begin_read()?.open_table(ROWS)?;
        let mut rows = Vec::new();
        for entry in table.iter()? {
            let (key, value) = entry?;
            let (table, uuid) = key.value();
            rows.push((
                table.to_owned(),
                Uuid::from_u128(uuid),
                value.value().to_vec(),
            ));
        }
        Ok(rows)
    }

    fn write(&self, changes: &Changes) -> Result<(), redb::Error> {
        let transaction = begin(self.engine()?)?;
        {
            let mut rows = transaction.open_table(ROWS)?;
            for (table, changes) in &changes.tables {
                let schema = self.empty.schema(table);
                for change in changes {
                    let key = (*table, change.uuid.as_u128());
                    match (&change.new, schema) {
                        (Some(row), Some(schema)) => {
                            let bytes = row_to_wire(schema, row).encode_to_vec();
                            rows.insert(key, bytes.as_slice())?;
                        }
                        _ => {
                            rows.remove(key)?;
                        }
                    }
                }
            }
            let mut numbers = transaction.open_table(NUMBERS)?;
            numbers.insert("revision", u128::from(changes.revision))?;
        }
        transaction.commit()?;
        Ok(())
    }
}

impl Store for DiskStore {
    fn load(&mut self) -> Result<Stored, StoreError> {
        let encoded = self.encoded_rows();
        let encoded = encoded.map_err(|error| StoreError::Engine(Box::new(error)))?;
        let mut rows = Vec::with_capacity(encoded.len());
        for (table, uuid, bytes) in &encoded {
            let row = decode(&self.empty, table, bytes).map_err(|source| StoreError::Row {
                table: table.clone(),
                uuid: *uuid,
                source,
            })?;
            rows.push((table.as_str(), *uuid, Some(row)));
        }
        let revision = self.number("revision")? as u64;
        let (database, _) = self
            .empty
            .replace(revision, rows)
            .map_err(StoreError::Rows)?;
        Ok(Stored {
            database,
            epoch: Uuid::from_u128(self.number("epoch")?),
        })
    }

    fn append(&mut self, changes: &Changes) -> Result<(), StoreError> {
        if self.engine.is_none() {
            self.reopen()?;
        }
        let Err(error) = self.write(changes) else {
            return Ok(());
        };
        self.reopen()?;
        let revision = self.number("revision")?;
        if revision == u128::from(changes.revision) {
            return Ok(());
        }
        Err(StoreError::Engine(Box::new(error)))
    }
}

fn decode(empty: &Database, table: &str, bytes: &[u8]) -> Result<Row, RowFault> {
    let schema = empty.schema(table).ok_or(RowFault::NoTable)?;
    Ok(row_from_wire(schema, wire::Row::decode(bytes)?)?)
}

/// Makes the file whole under another name, and only then gives it its own.
fn create(directory: &Path, path: &Path) -> Result<(), StoreError> {
    let unfinished = directory.join(UNFINISHED_FILE_NAME);
    if fs::exists(&unfinished).map_err(|error| file_error(&unfinished, error))? {
        fs::remove_file(&unfinished).map_err(|error| file_error(&unfinished, error))?;
    }
    let engine = builder().create(&unfinished).map_err(engine_error)?;
    initialise(&engine).map_err(|error| StoreError::Engine(Box::new(error)))?;
    drop(engine);
    fs::rename(&unfinished, path).map_err(|error| file_error(path, error))?;
    let directory_file = File::open(directory).and_then(|file| file.sync_all());
    directory_file.map_err(|error| file_error(directory, error))
}

fn initialise(engine: &redb::Database) -> Result<(), redb::Error> {
    let transaction = begin(engine)?;
    {
        transaction.open_table(ROWS)?;
        let mut numbers = transaction.open_table(NUMBERS)?;
        numbers.insert("format", u128::from(FORMAT))?;
        numbers.insert("revision", 0)?;
        numbers.insert("epoch", Uuid::new_v4().as_u128())?;
    }
    transaction.commit()?;
    Ok(())
}

/// A transaction that is on the disk when it is committed, and after which a crash needs no long repair.
fn begin(engine: &redb::Database) -> Result<redb::WriteTransaction, redb::Error> {
    let mut transaction = engine.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

fn builder() -> redb::Builder {
    let mut builder = redb::Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Keeps other processes out of the directory. The lock goes with the process, however it ends.
fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(LOCK_NAME);
    let file = File::options().create(true).append(true).open(&path);
    let file = file.map_err(|error| file_error(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(file_error(&path, error)),
    }
}

fn file_error(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::File {
        path: path.to_owned(),
        source,
    }
}

fn engine_error(error: redb::DatabaseError) -> StoreError {
    StoreError::Engine(Box::new(error.into()))
}
