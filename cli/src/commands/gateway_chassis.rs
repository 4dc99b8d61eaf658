//! The nodes that a distributed gateway port may be on, and how the others reach it: `lrp-*-gateway-chassis`,
//! `lrp-*-redirect-type`.

use std::cmp::Reverse;

use model::nb::{GatewayChassis, LogicalRouterPort};
use model::{Datum, Id, Table as _};

use crate::command::{Call, Command, Group};
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::require;

/// The greatest priority.
const MAX_PRIORITY: i64 = 32_767;

/// The family.
pub(super) static GROUP: Group = Group {
    title: "Gateway chassis commands",
    commands: &[
        Command::rows(
            "lrp-set-gateway-chassis",
            ("PORT CHASSIS [PRIORITY]", 2, 3),
            "let PORT be on CHASSIS, unless one of greater PRIORITY (0 unless given) may have it",
            set,
        )
        .examples(&["lrp-set-gateway-chassis gateway-web node1 20"]),
        Command::rows(
            "lrp-del-gateway-chassis",
            ("PORT CHASSIS", 2, 2),
            "no longer let PORT be on CHASSIS",
            delete,
        ),
        Command::rows(
            "lrp-get-gateway-chassis",
            ("PORT", 1, 1),
            "print the nodes that PORT may be on, the greatest priority first",
            list,
        ),
        Command::rows(
            "lrp-set-redirect-type",
            ("PORT TYPE", 2, 2),
            "set how packets get from other nodes to the one PORT is on ('overlay' or 'bridged')",
            set_redirect_type,
        )
        .details("Nodes send them through tunnels (overlay); bridged is kept, and warned about."),
        Command::rows(
            "lrp-get-redirect-type",
            ("PORT", 1, 1),
            "print how packets get from other nodes to the one PORT is on",
            get_redirect_type,
        ),
    ],
};

/// The option of ports, and what it may be; the first is what it is where it is not set.
const REDIRECT_TYPE: &str = "redirect-type";
const REDIRECT_TYPES: [&str; 2] = ["overlay", "bridged"];

fn set(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port: LogicalRouterPort = require(context, call.argument(0))?;
    let chassis_name = call.argument(1);
    let priority = match call.arguments().get(2) {
        None => 0,
        Some(text) => parse_priority(text)?,
    };
    if let Some(known) = find(context, &port, chassis_name) {
        context
            .rows
            .update(known.id, "priority", Datum::scalar(priority));
        return Ok(());
    }
    let chassis = GatewayChassis {
        id: Id::random(),
        name: name_of(&port, chassis_name),
        chassis_name: chassis_name.to_owned(),
        priority,
        ..GatewayChassis::default()
    };
    context.rows.add(&chassis);
    context
        .rows
        .add_element(port.id, "gateway_chassis", chassis.id.uuid());
    Ok(())
}

fn delete(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port: LogicalRouterPort = require(context, call.argument(0))?;
    let chassis_name = call.argument(1);
    let Some(known) = find(context, &port, chassis_name) else {
        return Err(Failure::new(format!(
            "chassis {chassis_name} is not added to logical port {}",
            port.name
        )));
    };
    context
        .rows
        .remove_element(port.id, "gateway_chassis", known.id.uuid());
    Ok(())
}

fn list(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port: LogicalRouterPort = require(context, call.argument(0))?;
    for chassis in all(context, &port) {
        context.line(format!("{} {:>5}", chassis.name, chassis.priority));
    }
    Ok(())
}

fn set_redirect_type(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let mut port: LogicalRouterPort = require(context, call.argument(0))?;
    let word = call.argument(1);
    let is_known = |known: &&str| known.eq_ignore_ascii_case(word);
    if !REDIRECT_TYPES.iter().any(is_known) {
        return Err(Failure::new(format!("Invalid redirect type: {word}")));
    }
    port.options.insert(REDIRECT_TYPE.into(), word.into());
    let (uuid, column) = (port.id.uuid(), "options");
    context.rows.verify(LogicalRouterPort::SCHEMA, uuid, column);
    let options = Datum::map(port.options);
    context.rows.update(port.id, column, options);
    Ok(())
}

fn get_redirect_type(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port: LogicalRouterPort = require(context, call.argument(0))?;
    let word = port.options.get(REDIRECT_TYPE).map(String::as_str);
    context.line(word.unwrap_or(REDIRECT_TYPES[0]));
    Ok(())
}

fn parse_priority(text: &str) -> Result<i64, Failure> {
    let priority = text.parse().ok();
    priority
        .filter(|priority| (0..=MAX_PRIORITY).contains(priority))
        .ok_or_else(|| Failure::new(format!("{text}: priority must in range 0...{MAX_PRIORITY}")))
}

fn name_of(port: &LogicalRouterPort, chassis: &str) -> String {
    format!("{}-{chassis}", port.name)
}

/// The nodes that a port may be on, the greatest priority first, and of equal ones the greatest name.
pub(super) fn all(context: &Context<'_>, port: &LogicalRouterPort) -> Vec<GatewayChassis> {
    let rows = port.gateway_chassis.iter();
    let mut all: Vec<GatewayChassis> = rows.filter_map(|&row| context.rows.get(row)).collect();
    all.sort_by_key(|chassis| Reverse((chassis.priority, chassis.name.clone())));
    all
}

fn find(context: &Context<'_>, port: &LogicalRouterPort, chassis: &str) -> Option<GatewayChassis> {
    let name = name_of(port, chassis);
    all(context, port).into_iter().find(|row| row.name == name)
}
