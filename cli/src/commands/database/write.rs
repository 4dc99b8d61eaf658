//! The commands that write columns of rows: `set`, `add`, `remove`, `clear`.

use model::schema::{ColumnSchema, ColumnType};
use model::{Datum, TableSchema};
use uuid::Uuid;

use super::columns::{read, set_column};
use super::list::prepare_columns;
use super::{names, record};
use crate::command::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::symbols::Symbols;
use model::text::parse_datum;

pub(super) fn prepare_set(call: &Call) -> Result<(), Failure> {
    prepare_columns(call, &call.arguments()[2..])
}

pub(super) fn prepare_column(call: &Call) -> Result<(), Failure> {
    let table = names::table(call.argument(0))?;
    names::column(table, call.argument(2)).map(drop)
}

pub(super) fn prepare_clear(call: &Call) -> Result<(), Failure> {
    let table = names::table(call.argument(0))?;
    let mut columns = call.arguments()[2..].iter();
    columns.try_for_each(|column| names::column(table, column).map(drop))
}

/// The table and row that the first two arguments name; no row where it need not exist.
fn target(
    context: &Context<'_>,
    call: &Call,
) -> Result<(&'static TableSchema, Option<Uuid>), Failure> {
    let table = names::table(call.argument(0))?;
    let must_exist = !call.has("--if-exists");
    Ok((
        table,
        record::find(context, table, call.argument(1), must_exist)?,
    ))
}

pub(super) fn set(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    if let (table, Some(uuid)) = target(context, call)? {
        for argument in &call.arguments()[2..] {
            set_column(context, table, uuid, argument)?;
        }
    }
    Ok(())
}

pub(super) fn add(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    change(context, call, |kind, datum, argument, symbols| {
        match (datum, parse_datum(kind, argument, symbols)?) {
            (Datum::Set(set), Datum::Set(added)) => set.extend(added),
            // The last command of a line replaces in OVN, others keep; here all replace.
            (Datum::Map(map), Datum::Map(added)) => map.extend(added),
            _ => {}
        }
        Ok(())
    })
}

pub(super) fn remove(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    change(context, call, |kind, datum, argument, symbols| {
        match datum {
            Datum::Set(set) => {
                if let Datum::Set(removed) = parse_datum(kind, argument, symbols)? {
                    set.retain(|atom| !removed.contains(atom));
                }
            }
            Datum::Map(map) => match parse_datum(kind, argument, symbols) {
                Ok(Datum::Map(removed)) => map.retain(|key, value| removed.get(key) != Some(value)),
                _ => {
                    let keys = ColumnType {
                        value: None,
                        ..*kind
                    };
                    if let Datum::Set(removed) = parse_datum(&keys, argument, symbols)? {
                        map.retain(|key, _| !removed.contains(key));
                    }
                }
            },
        }
        Ok(())
    })
}

/// Applies an argument to a value; the type is the column's, with any number of elements from one on.
type Change = fn(&ColumnType, &mut Datum, &str, &mut Symbols) -> Result<(), Failure>;

fn change(context: &mut Context<'_>, call: &Call, apply: Change) -> Result<(), Failure> {
    let table = names::table(call.argument(0))?;
    let column = names::column(table, call.argument(2))?;
    let (_, Some(uuid)) = target(context, call)? else {
        return Ok(());
    };
    let Some(mut datum) = read(context, table, uuid, column) else {
        return Ok(());
    };
    let kind = ColumnType {
        min: 1,
        max: usize::MAX,
        ..column.kind
    };
    for argument in &call.arguments()[3..] {
        apply(&kind, &mut datum, argument, &mut context.symbols)?;
    }
    check_count(call.command.name, table, column, &datum)?;
    context.rows.verify(table, uuid, column.name);
    context.rows.set(table, uuid, column.name, datum);
    Ok(())
}

fn check_count(
    command: &str,
    table: &TableSchema,
    column: &ColumnSchema,
    datum: &Datum,
) -> Result<(), Failure> {
    let count = datum.len();
    let (bound, word) = if count > column.kind.max {
        (column.kind.max, "maximum")
    } else if count < column.kind.min {
        (column.kind.min, "minimum")
    } else {
        return Ok(());
    };
    let elements = if column.kind.value.is_some() {
        "pairs"
    } else {
        "values"
    };
    Err(Failure::new(format!(
        "\"{command}\" operation would put {count} {elements} in column {} of table {} but the {word} number \
         is {bound}",
        column.name, table.name
    )))
}

pub(super) fn clear(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let (table, Some(uuid)) = target(context, call)? else {
        return Ok(());
    };
    for argument in &call.arguments()[2..] {
        let column = names::column(table, argument)?;
        if column.kind.min > 0 {
            return Err(Failure::new(format!(
                "\"clear\" operation cannot be applied to column {} of table {}, which is not allowed to be \
                 empty",
                column.name, table.name
            )));
        }
        let empty = if column.kind.value.is_some() {
            Datum::empty_map()
        } else {
            Datum::empty_set()
        };
        context.rows.set(table, uuid, column.name, empty);
    }
    Ok(())
}
