//! The store on disk.

use model::{Author, Changes, Database, Id, Operation, Table, nb};
use northd::store::{DiskStore, Store, StoreError};
use redb::TableDefinition;

const NUMBERS: TableDefinition<&str, u128> = TableDefinition::new("numbers");
const ROWS: TableDefinition<(&str, u128), &[u8]> = TableDefinition::new("rows");

fn set(name: &str, addresses: &[&str]) -> nb::AddressSet {
    nb::AddressSet {
        id: Id::random(),
        name: name.into(),
        addresses: addresses.iter().map(|&address| address.into()).collect(),
        ..nb::AddressSet::default()
    }
}

fn next(database: &Database, operations: &[Operation]) -> (Database, Changes) {
    let done = database.transact(operations, Author::System);
    done.expect("accepted")
}

#[test]
fn what_was_appended_is_loaded_again() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut store = DiskStore::open(directory.path()).expect("opened");
    let start = store.load().expect("loaded");
    assert_eq!(
        (
            start.database.revision(),
            start.database.row_count("Address_Set")
        ),
        (0, 0)
    );

    let (a, b) = (set("a", &["10.0.0.1"]), set("b", &[]));
    let (first, changes) = next(&start.database, &[a.insert(), b.insert()]);
    store.append(&changes).expect("stored");
    let (second, changes) = next(&first, &[Operation::delete(b.id)]);
    store.append(&changes).expect("stored");
    drop(store);

    let mut store = DiskStore::open(directory.path()).expect("opened");
    let again = store.load().expect("loaded");
    assert_eq!(again.epoch, start.epoch);
    assert_eq!(again.database.revision(), 2);
    assert!(again.database.changes_since(&second).is_empty());
    assert_eq!(again.database.table::<nb::AddressSet>().named("a"), Some(a));
}

#[test]
fn one_directory_has_one_store_at_a_time() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let first = DiskStore::open(directory.path()).expect("opened");
    let second = DiskStore::open(directory.path());
    assert!(matches!(second, Err(StoreError::Locked(path)) if path == directory.path()));
    drop(first);
    DiskStore::open(directory.path()).expect("free again");
}

#[test]
fn a_first_start_that_was_cut_off_leaves_nothing_in_the_way() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("northd.redb.new"), "half a file").expect("written");
    let mut store = DiskStore::open(directory.path()).expect("opened");
    assert_eq!(store.load().expect("loaded").database.revision(), 0);
}

/// Opens the file as the engine sees it and changes something in it.
fn tamper(directory: &std::path::Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let engine = redb::Database::open(directory.join("northd.redb")).expect("opened");
    let transaction = engine.begin_write().expect("begun");
    change(&transaction);
    transaction.commit().expect("committed");
}

#[test]
fn a_database_of_a_later_version_is_left_alone() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    drop(DiskStore::open(directory.path()).expect("opened"));
    tamper(directory.path(), |transaction| {
        let mut numbers = transaction.open_table(NUMBERS).expect("a table");
        numbers.insert("format", 99).expect("written");
    });
    let error = DiskStore::open(directory.path())
        .expect_err("refused")
        .to_string();
    assert!(
        error.ends_with(
            "northd.redb has format 99, and this version of northd knows formats up to 1"
        ),
        "{error}"
    );
}

#[test]
fn a_row_that_cannot_be_read_is_named() {
    let check = |table: &str, bytes: &[u8], expected: &str| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        drop(DiskStore::open(directory.path()).expect("opened"));
        tamper(directory.path(), |transaction| {
            let mut rows = transaction.open_table(ROWS).expect("a table");
            rows.insert((table, 7), bytes).expect("written");
        });
        let mut store = DiskStore::open(directory.path()).expect("opened");
        let error = store.load().expect_err("refused");
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(
            error.to_string(),
            format!("{table} row 00000000-0000-0000-0000-000000000007 cannot be read")
        );
        assert_eq!(cause.as_deref(), Some(expected));
    };
    check("Cable", &[], "no such table");
    check("Logical_Switch", &[], "row: uuid: not 16 bytes");
}

#[test]
fn what_is_no_database_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("northd.redb"), "not a database").expect("written");
    let error = DiskStore::open(directory.path()).expect_err("refused");
    assert!(matches!(error, StoreError::Engine(_)), "{error:?}");
}
