//! Logical routers: `lr-add`, `lr-del`, `lr-list`.

use model::Id;
use model::nb::LogicalRouter;

use super::switch::{ADD_DUPLICATE, may_add};
use crate::command::{Call, Command, Group, IF_EXISTS, MAY_EXIST};
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::{find_or_require, listing};

/// The family.
pub(super) static GROUP: Group = Group {
    title: "Logical router commands",
    commands: &[
        Command::rows(
            "lr-add",
            ("[ROUTER]", 0, 1),
            "create a logical router named ROUTER",
            add,
        )
        .options(&[MAY_EXIST, ADD_DUPLICATE])
        .examples(&["lr-add gateway"]),
        Command::rows(
            "lr-del",
            ("ROUTER", 1, 1),
            "delete ROUTER and all its ports",
            delete,
        )
        .options(&[IF_EXISTS]),
        Command::rows(
            "lr-list",
            ("", 0, 0),
            "print the names of all logical routers",
            list,
        ),
    ],
};

fn add(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    if may_add::<LogicalRouter>(context, call, "a router")? {
        context.rows.add(&LogicalRouter {
            id: Id::random(),
            name: call.arguments().first().cloned().unwrap_or_default(),
            ..LogicalRouter::default()
        });
    }
    Ok(())
}

fn delete(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let must_exist = !call.has("--if-exists");
    if let Some(router) = find_or_require::<LogicalRouter>(context, call.argument(0), must_exist)? {
        context.rows.remove(router.id);
    }
    Ok(())
}

fn list(context: &mut Context<'_>, _: &Call) -> Result<(), Failure> {
    context.output = listing(context.rows.all::<LogicalRouter>());
    Ok(())
}
