//! The commands that make and delete rows: `create`, `destroy`.

use uuid::Uuid;

use super::columns::set_column;
use super::{names, record};
use crate::command::Call;
use crate::context::Context;
use crate::failure::Failure;

pub(super) fn prepare(call: &Call) -> Result<(), Failure> {
    names::table(call.argument(0)).map(drop)
}

pub(super) fn create(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let table = names::table(call.argument(0))?;
    let uuid = match call.option("--id") {
        Some(id) => {
            let symbol = context.symbols.create(id)?;
            symbol.is_strongly_referenced |= table.is_root;
            symbol.uuid
        }
        None => {
            if !table.is_root {
                context.warnings.push(format!(
                    "applying \"create\" command to table {} without --id option will have no effect",
                    table.name
                ));
            }
            Uuid::new_v4()
        }
    };
    context.rows.insert(table, uuid);
    for argument in &call.arguments()[1..] {
        set_column(context, table, uuid, argument)?;
    }
    context.line(uuid.to_string());
    Ok(())
}

pub(super) fn destroy(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let table = names::table(call.argument(0))?;
    let records = &call.arguments()[1..];
    let must_exist = !call.has("--if-exists");
    if call.has("--all") {
        if !records.is_empty() {
            return Err(Failure::usage(
                "--all and records argument should not be specified together",
            ));
        }
        if !must_exist {
            return Err(Failure::usage(
                "--all and --if-exists should not be specified together",
            ));
        }
        let uuids: Vec<Uuid> = context
            .rows
            .rows(table)
            .iter()
            .map(|row| row.uuid)
            .collect();
        for uuid in uuids {
            context.rows.delete(table, uuid);
        }
        return Ok(());
    }
    if records.is_empty() {
        let warning = "either --all or records argument should be specified";
        context.warnings.push(warning.to_owned());
    }
    for record in records {
        if let Some(uuid) = record::find(context, table, record, must_exist)? {
            context.rows.delete(table, uuid);
        }
    }
    Ok(())
}
