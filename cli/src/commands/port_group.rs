//! Port groups: `pg-*`.

use std::collections::BTreeSet;

use model::nb::{LogicalSwitchPort, PortGroup};
use model::{Datum, Id};

use crate::command::{ANY, Call, Command, Group};
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::require;

/// The family.
pub(super) static GROUP: Group = Group {
    title: "Port group commands",
    commands: &[
        Command::rows(
            "pg-add",
            ("GROUP [PORT]...", 1, ANY),
            "create port group GROUP with these ports",
            add,
        )
        .examples(&["pg-add frontends web-1 web-2"]),
        Command::rows(
            "pg-set-ports",
            ("GROUP PORT...", 2, ANY),
            "set the ports of port group GROUP, instead of those it has",
            set_ports,
        ),
        Command::rows("pg-del", ("GROUP", 1, 1), "delete port group GROUP", delete),
    ],
};

fn add(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let ports = ports(context, &call.arguments()[1..])?;
    context.rows.add(&PortGroup {
        id: Id::random(),
        name: call.argument(0).to_owned(),
        ports,
        ..PortGroup::default()
    });
    Ok(())
}

fn set_ports(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let group: PortGroup = require(context, call.argument(0))?;
    let ports = ports(context, &call.arguments()[1..])?;
    let ports = Datum::set(ports.into_iter().map(Id::uuid));
    context.rows.update(group.id, "ports", ports);
    Ok(())
}

fn delete(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let group: PortGroup = require(context, call.argument(0))?;
    context.rows.remove(group.id);
    Ok(())
}

fn ports(
    context: &Context<'_>,
    names: &[String],
) -> Result<BTreeSet<Id<LogicalSwitchPort>>, Failure> {
    names
        .iter()
        .map(|name| require::<LogicalSwitchPort>(context, name).map(|port| port.id))
        .collect()
}
