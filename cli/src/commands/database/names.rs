//! Names of tables and columns, which may be abbreviated.

use model::schema::ColumnSchema;
use model::{TableSchema, visible_tables};

use crate::command::nearest;
use crate::failure::Failure;

/// The table of this name or abbreviation.
///
/// # Errors
/// There is none, or several.
pub(super) fn table(name: &str) -> Result<&'static TableSchema, Failure> {
    let tables = visible_tables();
    match best_matches(name, tables.clone(), |table| table.name).as_slice() {
        [] => Err(with_nearest(
            Failure::usage(format!("unknown table \"{name}\"")),
            name,
            tables.map(|table| table.name),
        )),
        [table] => Ok(table),
        several => Err(Failure::usage(format!(
            "\"{name}\" matches multiple table names: {}",
            joined(several.iter().map(|table| table.name))
        ))),
    }
}

/// The column of this name or abbreviation.
///
/// # Errors
/// There is none, or several.
pub(super) fn column(
    table: &'static TableSchema,
    name: &str,
) -> Result<&'static ColumnSchema, Failure> {
    let columns = table.columns.iter();
    match best_matches(name, columns.clone(), |column| column.name).as_slice() {
        [] => Err(with_nearest(
            Failure::usage(format!(
                "{} does not contain a column whose name matches \"{name}\"",
                table.name
            )),
            name,
            columns.map(|column| column.name),
        )),
        [column] => Ok(column),
        several => Err(Failure::usage(format!(
            "{} contains more than one column whose name matches \"{name}\": {}",
            table.name,
            joined(several.iter().map(|column| column.name))
        ))),
    }
}

/// Whether the word means the UUID, which is no column of any table.
pub(super) fn is_uuid_column(word: &str) -> bool {
    word.eq_ignore_ascii_case("_uuid") || word.eq_ignore_ascii_case("-uuid")
}

/// The candidates that match best: exactly, but for case and dashes, or by their beginning.
fn best_matches<'a, T>(
    word: &str,
    candidates: impl Iterator<Item = &'a T> + Clone,
    name: fn(&T) -> &'static str,
) -> Vec<&'a T> {
    let folded = fold(word);
    let exact = |candidate: &&'a T| name(candidate) == word;
    let alike = |candidate: &&'a T| fold(name(candidate)) == folded;
    let beginning =
        |candidate: &&'a T| !word.is_empty() && fold(name(candidate)).starts_with(&folded);
    for matches in [
        candidates.clone().filter(exact).collect::<Vec<_>>(),
        candidates.clone().filter(alike).collect(),
        candidates.clone().filter(beginning).collect(),
    ] {
        if !matches.is_empty() {
            return matches;
        }
    }
    Vec::new()
}

fn fold(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

fn joined(names: impl Iterator<Item = &'static str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.join(", ")
}

fn with_nearest(
    failure: Failure,
    name: &str,
    candidates: impl Iterator<Item = &'static str>,
) -> Failure {
    let folded: Vec<(String, &str)> = candidates.map(|name| (fold(name), name)).collect();
    let found = nearest(
        &fold(name),
        folded.iter().map(|(folded, _)| folded.as_str()),
    );
    let original = found.and_then(|found| folded.iter().find(|(folded, _)| folded == found));
    match original {
        Some((_, original)) => failure.hint(format!("did you mean {original}?")),
        None => failure,
    }
}
