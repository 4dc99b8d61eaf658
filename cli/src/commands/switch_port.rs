//! Logical switch ports: adding, deleting and listing them.

use model::Id;
use model::nb::{LogicalSwitch, LogicalSwitchPort};

use crate::command::{Call, Command, Group, IF_EXISTS, MAY_EXIST};
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::{find, find_or_require, listing, name_or_uuid, require, require_id, switch_of};
use crate::number::scan_within;

use super::switch_port_columns as columns;

/// The largest VLAN ID that may be asked for.
const MAX_TAG: i64 = 4095;

/// The family.
pub(super) static GROUP: Group = Group {
    title: "Logical switch port commands",
    commands: &[
        Command::rows(
            "lsp-add",
            ("SWITCH PORT [PARENT TAG]", 2, 4),
            "add logical port PORT on SWITCH",
            add,
        )
        .options(&[MAY_EXIST])
        .details(
            "With PARENT and TAG the port is a container inside the VM or pod of PARENT, whose packets carry \
             VLAN ID TAG on PARENT; TAG 0 lets northd choose one.",
        )
        .examples(&["lsp-add web web-1", "lsp-add web web-1-inner web-1 42"]),
        Command::rows(
            "lsp-del",
            ("PORT", 1, 1),
            "delete PORT from its switch",
            delete,
        )
        .options(&[IF_EXISTS]),
        Command::rows(
            "lsp-list",
            ("SWITCH", 1, 1),
            "print the names of all logical ports on SWITCH",
            list,
        ),
        Command::rows(
            "lsp-get-parent",
            ("PORT", 1, 1),
            "print the parent of PORT, if it has one",
            columns::get_parent,
        ),
        Command::rows(
            "lsp-get-tag",
            ("PORT", 1, 1),
            "print the VLAN ID of PORT, if it has one",
            columns::get_tag,
        ),
        Command::rows(
            "lsp-set-addresses",
            ("PORT [ADDRESS]...", 1, crate::command::ANY),
            "set the addresses of PORT",
            columns::set_addresses,
        )
        .details(
            "Each ADDRESS is one argument: \"MAC [IP]...\", \"unknown\" (the port also takes packets for MACs \
             that no port claims), \"router\" (those of its router port) or \"dynamic\".",
        )
        .examples(&[
            "lsp-set-addresses web-1 \"0a:58:0a:00:00:05 10.0.0.5 fd00::5\"",
            "lsp-set-addresses web-gateway router",
        ]),
        Command::rows(
            "lsp-get-addresses",
            ("PORT", 1, 1),
            "print the addresses of PORT",
            columns::get_addresses,
        ),
        Command::rows(
            "lsp-set-port-security",
            ("PORT [ADDRS]...", 1, crate::command::ANY),
            "set the addresses that PORT may send from; none for any",
            columns::set_port_security,
        )
        .examples(&["lsp-set-port-security web-1 \"0a:58:0a:00:00:05 10.0.0.5\""]),
        Command::rows(
            "lsp-get-port-security",
            ("PORT", 1, 1),
            "print the addresses that PORT may send from",
            columns::get_port_security,
        ),
        Command::rows(
            "lsp-get-up",
            ("PORT", 1, 1),
            "print whether PORT is in force on a node ('up' or 'down')",
            columns::get_up,
        ),
        Command::rows(
            "lsp-set-enabled",
            ("PORT STATE", 2, 2),
            "set the administrative state of PORT ('enabled' or 'disabled')",
            columns::set_enabled,
        ),
        Command::rows(
            "lsp-get-enabled",
            ("PORT", 1, 1),
            "print the administrative state of PORT",
            columns::get_enabled,
        ),
        Command::rows(
            "lsp-set-type",
            ("PORT TYPE", 2, 2),
            "set the type of PORT (\"\" for pods and VMs, router, localport...)",
            columns::set_type,
        )
        .examples(&["lsp-set-type web-gateway router"]),
        Command::rows(
            "lsp-get-type",
            ("PORT", 1, 1),
            "print the type of PORT",
            columns::get_type,
        ),
        Command::rows(
            "lsp-set-options",
            ("PORT [KEY=VALUE]...", 1, crate::command::ANY),
            "set the options of PORT, instead of those it has",
            columns::set_options,
        )
        .examples(&["lsp-set-options web-gateway router-port=gateway-web"]),
        Command::rows(
            "lsp-get-options",
            ("PORT", 1, 1),
            "print the options of PORT",
            columns::get_options,
        ),
        Command::rows(
            "lsp-get-ls",
            ("PORT", 1, 1),
            "print the logical switch that PORT is part of",
            columns::get_switch,
        ),
    ],
};

/// A parent with the VLAN ID asked for on it.
struct Nesting<'a> {
    parent: &'a str,
    tag: i64,
}

fn add(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let switch: Id<LogicalSwitch> = require_id(context, call.argument(0))?;
    let nesting = parse_nesting(&call.arguments()[2..])?;
    let name = call.argument(1);
    if let Some(port) = find::<LogicalSwitchPort>(context, name)? {
        if !call.has("--may-exist") {
            return Err(Failure::new(format!(
                "{name}: a port with this name already exists"
            )));
        }
        return check_existing(context, name, &port, switch, nesting.as_ref());
    }
    let port = LogicalSwitchPort {
        id: Id::random(),
        name: name.to_owned(),
        parent_name: nesting.as_ref().map(|nesting| nesting.parent.to_owned()),
        tag_request: nesting.map(|nesting| nesting.tag),
        ..LogicalSwitchPort::default()
    };
    context.rows.add(&port);
    context.rows.add_element(switch, "ports", port.id.uuid());
    Ok(())
}

fn parse_nesting(arguments: &[String]) -> Result<Option<Nesting<'_>>, Failure> {
    match arguments {
        [] => Ok(None),
        [parent, tag] => {
            let number = scan_within(tag, 0..=MAX_TAG);
            let tag = number.ok_or_else(|| {
                Failure::new(format!(
                    "{tag}: invalid tag (must be in range 0 to {MAX_TAG})"
                ))
            })?;
            Ok(Some(Nesting { parent, tag }))
        }
        _ => Err(Failure::new("lsp-add with parent must also specify a tag")),
    }
}

/// Checks that an existing port is what `lsp-add` would make.
fn check_existing(
    context: &Context<'_>,
    name: &str,
    port: &LogicalSwitchPort,
    switch: Id<LogicalSwitch>,
    nesting: Option<&Nesting<'_>>,
) -> Result<(), Failure> {
    let owner = switch_of(context, port)?;
    let difference = if owner != switch {
        Some(format!("but in switch {}", name_or_uuid(context, owner)))
    } else {
        nesting_difference(port, nesting)
    };
    match difference {
        Some(difference) => Err(Failure::new(format!(
            "{name}: port already exists {difference}"
        ))),
        None => Ok(()),
    }
}

fn nesting_difference(port: &LogicalSwitchPort, nesting: Option<&Nesting<'_>>) -> Option<String> {
    let Some(nesting) = nesting else {
        return port
            .parent_name
            .as_ref()
            .map(|parent| format!("but has parent {parent}"));
    };
    match (&port.parent_name, port.tag_request) {
        (None, _) => Some("but has no parent".to_owned()),
        (Some(parent), _) if parent != nesting.parent => {
            Some(format!("with different parent {parent}"))
        }
        (_, None) => Some("but has no tag_request".to_owned()),
        (_, Some(tag)) if tag != nesting.tag => Some(format!("with different tag_request {tag}")),
        _ => None,
    }
}

fn delete(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let must_exist = !call.has("--if-exists");
    if let Some(port) = find_or_require::<LogicalSwitchPort>(context, call.argument(0), must_exist)?
    {
        let switch = switch_of(context, &port)?;
        context.rows.remove_element(switch, "ports", port.id.uuid());
        context.rows.remove(port.id);
    }
    Ok(())
}

fn list(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let switch: LogicalSwitch = require(context, call.argument(0))?;
    let ports = switch
        .ports
        .iter()
        .filter_map(|&port| context.rows.get::<LogicalSwitchPort>(port));
    let listing = listing(ports);
    context.output = listing;
    Ok(())
}
