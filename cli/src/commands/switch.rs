//! Logical switches: `ls-add`, `ls-del`, `ls-list`.

use model::Id;
use model::nb::LogicalSwitch;

use crate::command::{Call, Command, CommandOption, Group, IF_EXISTS, MAY_EXIST};
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::{Named, find_or_require, listing};

/// The option of `ls-add` and `lr-add` that allows a name twice.
pub(super) const ADD_DUPLICATE: CommandOption =
    CommandOption::flag("--add-duplicate", "make another one of the same name");

/// The family.
pub(super) static GROUP: Group = Group {
    title: "Logical switch commands",
    commands: &[
        Command::rows(
            "ls-add",
            ("[SWITCH]", 0, 1),
            "create a logical switch named SWITCH",
            add,
        )
        .options(&[MAY_EXIST, ADD_DUPLICATE])
        .examples(&["ls-add web", "--may-exist ls-add web"]),
        Command::rows(
            "ls-del",
            ("SWITCH", 1, 1),
            "delete SWITCH and all its ports",
            delete,
        )
        .options(&[IF_EXISTS]),
        Command::rows(
            "ls-list",
            ("", 0, 0),
            "print the names of all logical switches",
            list,
        ),
    ],
};

fn add(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let name = call.arguments().first();
    if may_add::<LogicalSwitch>(context, call, "a switch")? {
        context.rows.add(&LogicalSwitch {
            id: Id::random(),
            name: name.cloned().unwrap_or_default(),
            ..LogicalSwitch::default()
        });
    }
    Ok(())
}

/// Whether `ls-add` and `lr-add` are to make a row.
///
/// # Errors
/// Their options contradict each other, or the name is taken.
pub(super) fn may_add<T: Named>(
    context: &Context<'_>,
    call: &Call,
    noun: &str,
) -> Result<bool, Failure> {
    let may_exist = call.has("--may-exist");
    let adds_duplicate = call.has("--add-duplicate");
    if may_exist && adds_duplicate {
        return Err(Failure::new(
            "--may-exist and --add-duplicate may not be used together",
        ));
    }
    let Some(name) = call.arguments().first() else {
        return match (may_exist, adds_duplicate) {
            (true, _) => Err(Failure::new("--may-exist requires specifying a name")),
            (_, true) => Err(Failure::new("--add-duplicate requires specifying a name")),
            _ => Ok(true),
        };
    };
    let exists = !context.rows.ids_named::<T>(name).is_empty();
    if !exists || adds_duplicate {
        Ok(true)
    } else if may_exist {
        Ok(false)
    } else {
        Err(Failure::new(format!(
            "{name}: {noun} with this name already exists"
        )))
    }
}

fn delete(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let must_exist = !call.has("--if-exists");
    if let Some(switch) = find_or_require::<LogicalSwitch>(context, call.argument(0), must_exist)? {
        context.rows.remove(switch.id);
    }
    Ok(())
}

fn list(context: &mut Context<'_>, _: &Call) -> Result<(), Failure> {
    context.output = listing(context.rows.all::<LogicalSwitch>());
    Ok(())
}
