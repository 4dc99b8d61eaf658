//! Arguments about columns: `COLUMN`, `COLUMN:KEY`, `COLUMN=VALUE`, `COLUMN:KEY=VALUE`.

use model::schema::ColumnSchema;
use model::{Datum, TableSchema};
use uuid::Uuid;

use super::names;
use crate::context::Context;
use crate::failure::Failure;
use model::text::{parse_atom, parse_datum, split_token};

/// An argument about a column.
pub(super) struct ColumnArgument<'a> {
    /// The column.
    pub(super) column: &'static ColumnSchema,
    /// The key of a map's pair that is meant instead of the whole column.
    pub(super) key: Option<String>,
    /// What follows: an operator with a value, or nothing.
    pub(super) rest: &'a str,
}

/// Reads the column and key at the start of an argument.
pub(super) fn parse_column<'a>(
    table: &'static TableSchema,
    argument: &'a str,
) -> Result<ColumnArgument<'a>, Failure> {
    let (name, rest) = split_token(argument).map_err(|error| Failure::usage(error.to_string()))?;
    if name.is_empty() {
        return Err(Failure::usage(format!("{argument}: missing column name")));
    }
    let column = names::column(table, &name)?;
    let (key, rest) = match rest.strip_prefix(':') {
        Some(rest) => {
            let (key, rest) =
                split_token(rest).map_err(|error| Failure::usage(error.to_string()))?;
            (Some(key), rest)
        }
        None => (None, rest),
    };
    Ok(ColumnArgument { column, key, rest })
}

impl<'a> ColumnArgument<'a> {
    /// The operator among `allowed` that follows, and the value after it.
    pub(super) fn operation(
        &self,
        argument: &str,
        allowed: &[&'static str],
    ) -> Result<(&'static str, &'a str), Failure> {
        allowed
            .iter()
            .filter_map(|&operator| Some((operator, self.rest.strip_prefix(operator)?)))
            .filter(|(_, value)| !value.is_empty())
            .max_by_key(|(operator, _)| operator.len())
            .ok_or_else(|| missing_operator(argument, allowed))
    }

    /// Refuses anything after the column and key.
    pub(super) fn expect_end(&self, argument: &str) -> Result<(), Failure> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Failure::usage(format!(
                "{argument}: trailing garbage \"{}\" in argument",
                self.rest
            )))
        }
    }
}

fn missing_operator(argument: &str, allowed: &[&str]) -> Failure {
    let quoted: Vec<String> = allowed
        .iter()
        .map(|operator| format!("\"{operator}\""))
        .collect();
    let list = match quoted.as_slice() {
        [only] => only.clone(),
        [first, second] => format!("{first} or {second}"),
        [most @ .., last] => format!("{}, or {last}", most.join(", ")),
        [] => String::new(),
    };
    Failure::usage(format!(
        "{argument}: argument does not end in {list} followed by a value."
    ))
}

/// Carries out `COLUMN[:KEY]=VALUE` on a row.
pub(in crate::commands) fn set_column(
    context: &mut Context<'_>,
    table: &'static TableSchema,
    uuid: Uuid,
    argument: &str,
) -> Result<(), Failure> {
    let parsed = parse_column(table, argument)?;
    let (_, value) = parsed.operation(argument, &["="])?;
    let column = parsed.column;
    let Some(key) = &parsed.key else {
        let datum = parse_datum(&column.kind, value, &mut context.symbols)?;
        context.rows.set(table, uuid, column.name, datum);
        return Ok(());
    };
    let value_kind = column.kind.value.ok_or_else(|| {
        Failure::usage(format!(
            "cannot specify key to set for non-map column {}",
            column.name
        ))
    })?;
    let key = parse_atom(&column.kind.key, key, &mut context.symbols)?;
    let value = parse_atom(&value_kind, value, &mut context.symbols)?;
    if let Some(Datum::Map(mut pairs)) = read(context, table, uuid, column) {
        pairs.insert(key, value);
        context.rows.verify(table, uuid, column.name);
        context
            .rows
            .set(table, uuid, column.name, Datum::Map(pairs));
    }
    Ok(())
}

/// The value of a column of a row.
pub(super) fn read(
    context: &Context<'_>,
    table: &'static TableSchema,
    uuid: Uuid,
    column: &ColumnSchema,
) -> Option<Datum> {
    context
        .rows
        .row(table, uuid)?
        .get(table, column.name)
        .cloned()
}
