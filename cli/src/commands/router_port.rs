//! Logical router ports: `lrp-*`.

use std::collections::BTreeSet;

use model::nb::{LogicalRouter, LogicalRouterPort};
use model::{Datum, Id, Table};

use super::database::columns::set_column;
use super::{parse_options, parse_state, state_word};
use crate::address::{is_mac, normalize_network, parse_network};
use crate::command::{ANY, Call, Command, Group, IF_EXISTS, MAY_EXIST};
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::{find, find_or_require, listing, name_or_uuid, require, router_of};

/// The family.
pub(super) static GROUP: Group = Group {
    title: "Logical router port commands",
    commands: &[
        Command::rows(
            "lrp-add",
            ("ROUTER PORT MAC NETWORK... [COLUMN[:KEY]=VALUE]...", 4, ANY),
            "add logical port PORT on ROUTER",
            add,
        )
        .options(&[MAY_EXIST])
        .details(
            "Each NETWORK is an address of the port with the length of its network. peer=PORT joins it to \
             a port of another router; other columns are set in the same way.",
        )
        .examples(&[
            "lrp-add gateway gateway-web 0a:58:0a:00:00:01 10.0.0.1/24 fd00::1/64",
            "lrp-add left left-right 00:00:00:00:01:01 100.64.0.1/30 peer=right-left",
        ]),
        Command::rows("lrp-del", ("PORT", 1, 1), "delete PORT from its router", delete)
            .options(&[IF_EXISTS]),
        Command::rows(
            "lrp-list",
            ("ROUTER", 1, 1),
            "print the names of all ports on ROUTER",
            list,
        ),
        Command::rows(
            "lrp-set-enabled",
            ("PORT STATE", 2, 2),
            "set the administrative state of PORT ('enabled' or 'disabled')",
            set_enabled,
        ),
        Command::rows(
            "lrp-get-enabled",
            ("PORT", 1, 1),
            "print the administrative state of PORT",
            get_enabled,
        ),
        Command::rows(
            "lrp-set-options",
            ("PORT [KEY=VALUE]...", 1, ANY),
            "set the options of PORT, instead of those it has",
            set_options,
        )
        .examples(&["lrp-set-options gateway-web route_table=blue"]),
    ],
};

/// What `lrp-add` is to make.
struct Wanted<'a> {
    router: LogicalRouter,
    name: &'a str,
    mac: &'a str,
    networks: &'a [String],
    settings: &'a [String],
}

fn add(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let wanted = parse_wanted(context, call)?;
    let name = wanted.name;
    if let Some(port) = find::<LogicalRouterPort>(context, name)? {
        if !call.has("--may-exist") {
            return Err(Failure::new(format!(
                "{name}: a port with this name already exists"
            )));
        }
        return check_existing(context, &port, &wanted);
    }
    if let Some(network) = wanted
        .networks
        .iter()
        .find(|text| parse_network(text).is_none())
    {
        return Err(Failure::new(format!(
            "{name}: invalid network address: {network}"
        )));
    }
    let port = LogicalRouterPort {
        id: Id::random(),
        name: name.to_owned(),
        mac: wanted.mac.to_owned(),
        networks: wanted.networks.iter().cloned().collect(),
        ..LogicalRouterPort::default()
    };
    context.rows.add(&port);
    for setting in wanted.settings {
        set_column(context, LogicalRouterPort::SCHEMA, port.id.uuid(), setting)?;
    }
    context
        .rows
        .add_element(wanted.router.id, "ports", port.id.uuid());
    Ok(())
}

fn parse_wanted<'a>(context: &Context<'_>, call: &'a Call) -> Result<Wanted<'a>, Failure> {
    let router = require(context, call.argument(0))?;
    let (name, mac) = (call.argument(1), call.argument(2));
    let rest = &call.arguments()[3..];
    let first_setting = rest
        .iter()
        .position(|word| word.contains('='))
        .unwrap_or(rest.len());
    let (networks, settings) = rest.split_at(first_setting);
    if networks.is_empty() {
        return Err(Failure::new(format!(
            "{name}: router port requires specifying a network"
        )));
    }
    if !is_mac(mac) {
        return Err(Failure::new(format!("{name}: invalid mac address {mac}")));
    }
    Ok(Wanted {
        router,
        name,
        mac,
        networks,
        settings,
    })
}

/// Checks that an existing port is what `lrp-add` would make.
fn check_existing(
    context: &Context<'_>,
    port: &LogicalRouterPort,
    wanted: &Wanted<'_>,
) -> Result<(), Failure> {
    let name = wanted.name;
    let owner = router_of(context, port)?;
    if owner != wanted.router.id {
        let owner = name_or_uuid(context, owner);
        return Err(Failure::new(format!(
            "{name}: port already exists but in router {owner}"
        )));
    }
    let mac = |text: &str| text.parse::<packet::Mac>().ok();
    if mac(&port.mac) != mac(wanted.mac) {
        return Err(Failure::new(format!(
            "{name}: port already exists with mac {}",
            port.mac
        )));
    }
    let new = normalize_all(wanted.networks)
        .ok_or_else(|| Failure::new(format!("{name}: Invalid networks configured")))?;
    let old = normalize_all(&port.networks).ok_or_else(|| {
        Failure::new(format!(
            "{name}: Existing port has invalid networks configured"
        ))
    })?;
    if old != new {
        return Err(Failure::new(format!(
            "{name}: port already exists with different network"
        )));
    }
    let peer = wanted
        .settings
        .iter()
        .find_map(|setting| setting.strip_prefix("peer="));
    if peer != port.peer.as_deref() {
        return Err(Failure::new(format!(
            "{name}: port already exists with mismatching peer"
        )));
    }
    Ok(())
}

fn normalize_all<'a>(networks: impl IntoIterator<Item = &'a String>) -> Option<BTreeSet<String>> {
    networks
        .into_iter()
        .map(|text| normalize_network(text))
        .collect()
}

fn delete(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let must_exist = !call.has("--if-exists");
    if let Some(port) = find_or_require::<LogicalRouterPort>(context, call.argument(0), must_exist)?
    {
        let router = router_of(context, &port)?;
        context.rows.remove_element(router, "ports", port.id.uuid());
        context.rows.remove(port.id);
    }
    Ok(())
}

fn list(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let router: LogicalRouter = require(context, call.argument(0))?;
    let ports = router
        .ports
        .iter()
        .filter_map(|&port| context.rows.get::<LogicalRouterPort>(port));
    let listing = listing(ports);
    context.output = listing;
    Ok(())
}

fn set_enabled(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port: LogicalRouterPort = require(context, call.argument(0))?;
    let is_enabled = parse_state(call.argument(1))?;
    context
        .rows
        .update(port.id, "enabled", Datum::scalar(is_enabled));
    Ok(())
}

fn get_enabled(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port: LogicalRouterPort = require(context, call.argument(0))?;
    context.line(state_word(port.enabled));
    Ok(())
}

fn set_options(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port: LogicalRouterPort = require(context, call.argument(0))?;
    let options = Datum::map(parse_options(&call.arguments()[1..]));
    context.rows.update(port.id, "options", options);
    Ok(())
}
