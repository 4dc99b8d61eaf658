//! The warnings that a commit is answered with, before the compiler has seen it.

use model::{Author, Changes, Database};

use super::features::FEATURES;
use super::output::{Output, RowWarning};
use super::reader::Reader;
use crate::allocate::allocate;

/// The most written rows whose warnings are worked out at once; those of more are seen with the status.
const ROWS_MAX: usize = 256;

/// How often numbers are handed out for trial: keys of datapaths, then of their ports.
const TRIAL_ROUNDS: usize = 2;

/// What is not in force of the rows that a transaction wrote, given the database that it made.
pub fn warnings(database: &Database, changes: &Changes) -> Vec<RowWarning> {
    let row_count: usize = changes.tables.values().map(Vec::len).sum();
    if row_count > ROWS_MAX {
        return Vec::new();
    }
    let numbered = numbered(database, changes);
    let units = FEATURES.iter().flat_map(|feature| {
        let written = changes.of(feature.table).iter();
        let written = written.filter(|change| change.new.is_some());
        written.map(move |change| (feature, change.uuid))
    });
    let warnings = units.flat_map(|(feature, row)| {
        let mut output = Output::default();
        if database.row(feature.table, row).is_some() {
            let mut reader = Reader::new(&numbered, None);
            (feature.compile)(&mut reader, row, &mut output);
        }
        output.row_warnings(feature.table, row)
    });
    warnings.collect()
}

/// The database as it will be when the rows have their numbers.
fn numbered(database: &Database, changes: &Changes) -> Database {
    let mut numbered = database.clone();
    let mut all = changes.clone();
    for _ in 0..TRIAL_ROUNDS {
        let operations = allocate(&numbered, &all);
        let Ok((next, more)) = numbered.transact(&operations, Author::System) else {
            break;
        };
        numbered = next;
        for (table, rows) in more.tables {
            all.tables.entry(table).or_default().extend(rows);
        }
    }
    numbered
}
