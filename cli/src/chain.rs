//! Runs the commands of a line on a copy of the database, into one transaction.

use model::nb::NbGlobal;
use model::{Database, Datum, Id, Mutator, Operation, Table as _};

use crate::command::{Call, Handler};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::{Settings, Wait};
use crate::output::{Table, TablePrinter};
use crate::rule_stats::RuleStats;

/// What a line of commands wants.
#[derive(Debug)]
pub enum Outcome {
    /// A command waits for the database to change; then the line is to be run again.
    TryAgain,
    /// The line is finished.
    Done(Finished),
}

/// A line of commands that ran to its end.
#[derive(Debug)]
pub struct Finished {
    /// The transaction; empty when nothing changes.
    pub operations: Vec<Operation>,
    /// What each command prints once the transaction has happened.
    pub printed: Vec<Printed>,
    /// What people should know though nothing is wrong.
    pub warnings: Vec<String>,
}

/// What a command prints.
#[derive(Debug)]
pub enum Printed {
    /// Text as it stands.
    Text(String),
    /// A table in the line's style.
    Table(Table),
}

/// Checks the calls against the tables' declarations, before anything is read.
///
/// # Errors
/// The first that is wrong.
pub fn prepare(calls: &[Call]) -> Result<(), Failure> {
    for call in calls {
        match call.command.handler {
            Handler::Rows {
                prepare: Some(prepare),
                ..
            } => prepare(call)?,
            Handler::Alone(_) if calls.len() > 1 => {
                return Err(Failure::usage(format!(
                    "'{}' command must be the only one of its line",
                    call.command.name
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Runs the calls on `database`, which stays as it is. `stats` are for the calls that ask for them.
///
/// # Errors
/// The first command that fails; then nothing is to happen.
pub fn run(
    database: &Database,
    stats: &RuleStats,
    calls: &[Call],
    settings: &Settings,
) -> Result<Outcome, Failure> {
    let mut context = Context::new(database, stats);
    let global = global_row(&mut context);
    let mut printed = Vec::new();
    for call in calls {
        if let Handler::Rows { run, .. } = call.command.handler {
            run(&mut context, call)?;
        }
        if context.must_try_again {
            return Ok(Outcome::TryAgain);
        }
        let text = std::mem::take(&mut context.output);
        printed.push(match context.table.take() {
            Some(table) if text.is_empty() || settings.has_format => Printed::Table(table),
            _ => Printed::Text(text),
        });
    }
    context.warnings.extend(context.symbols.finish()?);
    let mut operations = context.rows.operations();
    let is_awaited = settings.wait != Wait::None && !settings.is_dry_run;
    if is_awaited && (context.must_wait || !operations.is_empty()) {
        operations.extend(next_configuration(&global));
    }
    Ok(Outcome::Done(Finished {
        operations,
        printed,
        warnings: context.warnings,
    }))
}

/// The row of `NB_Global`, made if it is not there.
fn global_row(context: &mut Context<'_>) -> NbGlobal {
    if let Some(global) = context.rows.all::<NbGlobal>().into_iter().next() {
        return global;
    }
    let global = NbGlobal {
        id: Id::random(),
        ..NbGlobal::default()
    };
    context.rows.add(&global);
    global
}

/// Counts `nb_cfg` up, from zero again at the end of its range.
fn next_configuration(global: &NbGlobal) -> Vec<Operation> {
    let mut operations = Vec::new();
    if global.nb_cfg == i64::MAX {
        operations.push(Operation::update(global.id, [("nb_cfg", Datum::scalar(0))]));
    }
    operations.push(Operation::Mutate {
        table: NbGlobal::NAME.to_owned(),
        uuid: global.id.uuid(),
        column: "nb_cfg".to_owned(),
        mutator: Mutator::Add,
        datum: Datum::scalar(1),
    });
    operations
}

impl Finished {
    /// The text for standard output.
    pub fn text(&self, settings: &Settings) -> String {
        let mut out = String::new();
        let mut tables = TablePrinter::default();
        for printed in &self.printed {
            match printed {
                Printed::Table(table) => tables.print(table, &settings.style, &mut out),
                Printed::Text(text) if settings.is_oneline => {
                    let line = text.strip_suffix('\n').unwrap_or(text);
                    out.push_str(&line.replace('\\', "\\\\").replace('\n', "\\n"));
                    out.push('\n');
                }
                Printed::Text(text) => out.push_str(text),
            }
        }
        out
    }
}
