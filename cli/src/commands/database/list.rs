//! The commands that read rows: `list`, `find`, `get`, `wait-until`.

use model::schema::ColumnSchema;
use model::{Atom, Datum, TableSchema, text};
use uuid::Uuid;

use super::columns::{parse_column, read};
use super::condition::is_satisfied;
use super::{names, record};
use crate::command::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Cell, Table};
use model::text::parse_atom;

/// A column to print: one of the table's, or the UUID.
type Shown = Option<&'static ColumnSchema>;

pub(super) fn prepare(call: &Call) -> Result<(), Failure> {
    let table = names::table(call.argument(0))?;
    shown_columns(table, call).map(drop)
}

pub(super) fn prepare_find(call: &Call) -> Result<(), Failure> {
    prepare(call)?;
    prepare_columns(call, &call.arguments()[1..])
}

pub(super) fn prepare_get(call: &Call) -> Result<(), Failure> {
    names::table(call.argument(0))?;
    let columns = call.arguments()[2..]
        .iter()
        .filter(|word| !names::is_uuid_column(word));
    prepare_columns(call, columns)
}

pub(super) fn prepare_wait_until(call: &Call) -> Result<(), Failure> {
    prepare_columns(call, &call.arguments()[2..])
}

/// Checks the columns that arguments begin with.
pub(super) fn prepare_columns<'a>(
    call: &Call,
    arguments: impl IntoIterator<Item = &'a String>,
) -> Result<(), Failure> {
    let table = names::table(call.argument(0))?;
    arguments
        .into_iter()
        .try_for_each(|argument| parse_column(table, argument).map(drop))
}

pub(super) fn list(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let table = names::table(call.argument(0))?;
    let columns = shown_columns(table, call)?;
    let records = &call.arguments()[1..];
    let uuids = if records.is_empty() {
        context
            .rows
            .rows(table)
            .iter()
            .map(|row| row.uuid)
            .collect()
    } else {
        let must_exist = !call.has("--if-exists");
        let mut uuids = Vec::new();
        for record in records {
            uuids.extend(record::find(context, table, record, must_exist)?);
        }
        uuids
    };
    context.table = Some(make_table(context, table, &columns, &uuids));
    Ok(())
}

pub(super) fn find(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let table = names::table(call.argument(0))?;
    let columns = shown_columns(table, call)?;
    let mut uuids = Vec::new();
    for row in context.rows.rows(table) {
        let mut is_match = true;
        for condition in &call.arguments()[1..] {
            is_match &= is_satisfied(table, row, condition, &mut context.symbols)?;
        }
        if is_match {
            uuids.push(row.uuid);
        }
    }
    context.table = Some(make_table(context, table, &columns, &uuids));
    Ok(())
}

/// The columns that `--columns` asks for, or all.
fn shown_columns(table: &'static TableSchema, call: &Call) -> Result<Vec<Shown>, Failure> {
    let Some(wanted) = call.option("--columns") else {
        return Ok(std::iter::once(None)
            .chain(table.columns.iter().map(Some))
            .collect());
    };
    let columns: Vec<Shown> = wanted
        .split([',', ' '])
        .filter(|name| !name.is_empty())
        .map(|name| {
            if name.eq_ignore_ascii_case("_uuid") {
                Ok(None)
            } else {
                names::column(table, name).map(Some)
            }
        })
        .collect::<Result<_, _>>()?;
    if columns.is_empty() {
        return Err(Failure::usage("must specify at least one column name"));
    }
    Ok(columns)
}

fn make_table(
    context: &Context<'_>,
    table: &'static TableSchema,
    columns: &[Shown],
    uuids: &[Uuid],
) -> Table {
    let heading = |column: &Shown| column.map_or("_uuid", |column| column.name).to_owned();
    let rows = uuids
        .iter()
        .map(|&uuid| {
            columns
                .iter()
                .map(|column| cell(context, table, uuid, column))
                .collect()
        })
        .collect();
    Table {
        headings: columns.iter().map(heading).collect(),
        rows,
    }
}

fn cell(context: &Context<'_>, table: &'static TableSchema, uuid: Uuid, column: &Shown) -> Cell {
    match column {
        Some(column) => match read(context, table, uuid, column) {
            Some(datum) => Cell::Value(column.kind, datum),
            None => Cell::Text(String::new()),
        },
        None => Cell::Value(
            model::schema::ColumnType {
                key: model::schema::BaseType::Uuid { refers_to: None },
                value: None,
                min: 1,
                max: 1,
            },
            Datum::scalar(uuid),
        ),
    }
}

pub(super) fn get(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let must_exist = !call.has("--if-exists");
    let id = call.option("--id");
    if id.is_some() && !must_exist {
        return Err(Failure::usage(
            "--if-exists and --id may not be specified together",
        ));
    }
    let table = names::table(call.argument(0))?;
    let record = call.argument(1);
    let Some(uuid) = record::find(context, table, record, must_exist)? else {
        return Ok(());
    };
    if let Some(id) = id {
        name_existing(context, id, uuid)?;
    }
    for argument in &call.arguments()[2..] {
        if names::is_uuid_column(argument) {
            context.line(uuid.to_string());
        } else if let Some(text) = value_text(context, (table, record, uuid), argument, must_exist)?
        {
            context.line(text);
        }
    }
    Ok(())
}

/// Gives a name to a row that exists.
fn name_existing(context: &mut Context<'_>, id: &str, uuid: Uuid) -> Result<(), Failure> {
    let was_used = context.symbols.is_known(id);
    let symbol = context.symbols.create(id)?;
    if was_used {
        return Err(Failure::usage(format!(
            "row id \"{id}\" specified on \"get\" command was used before it was defined"
        )));
    }
    symbol.uuid = uuid;
    symbol.is_strongly_referenced = true;
    Ok(())
}

/// What `get` prints for `COLUMN[:KEY]`: an empty line for a key that is not there and need not be.
fn value_text(
    context: &mut Context<'_>,
    (table, record, uuid): (&'static TableSchema, &str, Uuid),
    argument: &str,
    must_exist: bool,
) -> Result<Option<String>, Failure> {
    let parsed = parse_column(table, argument)?;
    parsed.expect_end(argument)?;
    let column = parsed.column;
    context.rows.verify(table, uuid, column.name);
    let Some(datum) = read(context, table, uuid, column) else {
        return Ok(None);
    };
    let Some(key) = parsed.key else {
        return Ok(Some(text::datum(&column.kind, &datum)));
    };
    let Datum::Map(pairs) = datum else {
        return Err(Failure::usage(format!(
            "cannot specify key to get for non-map column {}",
            column.name
        )));
    };
    let atom: Atom = parse_atom(&column.kind.key, &key, &mut context.symbols)?;
    match pairs.get(&atom) {
        Some(value) => Ok(Some(text::atom(value))),
        None if must_exist => Err(Failure::new(format!(
            "no key \"{key}\" in {} record \"{record}\" column {}",
            table.name, column.name
        ))),
        None => Ok(Some(String::new())),
    }
}

pub(super) fn wait_until(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let table = names::table(call.argument(0))?;
    let found = record::find(context, table, call.argument(1), false)?;
    let Some(row) = found.and_then(|uuid| context.rows.row(table, uuid)) else {
        context.must_try_again = true;
        return Ok(());
    };
    for condition in &call.arguments()[2..] {
        if !is_satisfied(table, row, condition, &mut context.symbols)? {
            context.must_try_again = true;
            return Ok(());
        }
    }
    Ok(())
}
