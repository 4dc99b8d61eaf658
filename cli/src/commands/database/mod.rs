//! The commands that read and write any table: `list`, `find`, `get`, `set`, `add`, `remove`, `clear`,
//! `create`, `destroy`, `wait-until`, `comment`.

pub(super) mod columns;
mod condition;
mod create;
mod list;
mod names;
mod record;
mod write;

use crate::command::{ANY, Call, Command, CommandOption, Group, IF_EXISTS};
use crate::context::Context;
use crate::failure::Failure;

const ID: CommandOption = CommandOption::value(
    "--id",
    "@NAME",
    "call the row @NAME in the other commands of this line",
);
const COLUMNS: CommandOption = CommandOption::value(
    "--columns",
    "COLUMN[,COLUMN]...",
    "print these columns only",
);

/// The family.
pub(super) static GROUP: Group = Group {
    title: "Database commands",
    commands: &[
        Command::rows(
            "list",
            ("TABLE [RECORD]...", 1, ANY),
            "print the rows of TABLE, or these",
            list::list,
        )
        .prepare(list::prepare)
        .options(&[IF_EXISTS, COLUMNS])
        .details(
            "TABLE and COLUMN may be abbreviated, in any case, with - for _. A RECORD is named by its UUID, \
             the first four or more digits of it, its name, or \".\" where the table has one row.",
        )
        .examples(&["list Logical_Switch", "-f table --columns=name,up list logical-switch-port"]),
        Command::rows(
            "find",
            ("TABLE [COLUMN[:KEY]=VALUE]...", 1, ANY),
            "print the rows of TABLE that satisfy all conditions",
            list::find,
        )
        .prepare(list::prepare_find)
        .options(&[COLUMNS])
        .details(
            "Besides = there are !=, <, >, <=, >=, and in braces {=}, {!=}, {<}, {>}, {<=}, {>=}, {in} and \
             {not-in}, which compare sets: {<=} asks whether the column is a subset of VALUE.",
        )
        .examples(&[
            "--bare --columns=name find Logical_Switch_Port type=router",
            "find Logical_Switch_Port 'options:requested-chassis=node1'",
            "find Logical_Switch_Port 'addresses{>=}unknown'",
        ]),
        Command::rows(
            "get",
            ("TABLE RECORD [COLUMN[:KEY]]...", 2, ANY),
            "print values of columns of RECORD",
            list::get,
        )
        .prepare(list::prepare_get)
        .options(&[IF_EXISTS, ID])
        .examples(&["get Logical_Switch_Port web-1 up", "get NB_Global . options:mac_prefix"]),
        Command::rows(
            "set",
            ("TABLE RECORD COLUMN[:KEY]=VALUE...", 3, ANY),
            "set columns of RECORD, or keys of them",
            write::set,
        )
        .prepare(write::prepare_set)
        .options(&[IF_EXISTS])
        .examples(&["set Logical_Switch_Port web-1 options:requested-chassis=node1"]),
        Command::rows(
            "add",
            ("TABLE RECORD COLUMN [KEY=]VALUE...", 4, ANY),
            "add values or pairs to a column of RECORD",
            write::add,
        )
        .prepare(write::prepare_column)
        .options(&[IF_EXISTS])
        .examples(&["add Address_Set clients addresses '\"10.0.0.7\"'"]),
        Command::rows(
            "remove",
            ("TABLE RECORD COLUMN KEY|VALUE|KEY=VALUE...", 4, ANY),
            "remove values, keys or pairs from a column of RECORD",
            write::remove,
        )
        .prepare(write::prepare_column)
        .options(&[IF_EXISTS]),
        Command::rows(
            "clear",
            ("TABLE RECORD COLUMN...", 3, ANY),
            "empty columns of RECORD",
            write::clear,
        )
        .prepare(write::prepare_clear)
        .options(&[IF_EXISTS]),
        Command::rows(
            "create",
            ("TABLE COLUMN[:KEY]=VALUE...", 2, ANY),
            "create a row and print its UUID",
            create::create,
        )
        .prepare(create::prepare)
        .options(&[ID])
        .examples(&[
            "create Address_Set name=clients",
            "--id=@p create Logical_Switch_Port name=p -- add Logical_Switch web ports @p",
        ]),
        Command::rows(
            "destroy",
            ("TABLE [RECORD]...", 1, ANY),
            "delete rows of TABLE",
            create::destroy,
        )
        .prepare(create::prepare)
        .options(&[IF_EXISTS, CommandOption::flag("--all", "delete all rows of TABLE")]),
        Command::rows(
            "wait-until",
            ("TABLE RECORD [COLUMN[:KEY]=VALUE]...", 2, ANY),
            "wait until RECORD exists and satisfies all conditions",
            list::wait_until,
        )
        .prepare(list::prepare_wait_until)
        .examples(&["--timeout=30 wait-until Logical_Switch_Port web-1 up=true"]),
        Command::rows("comment", ("[ARG]...", 0, ANY), "do nothing", comment),
    ],
};

fn comment(_: &mut Context<'_>, _: &Call) -> Result<(), Failure> {
    Ok(())
}
