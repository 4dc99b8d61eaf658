//! `init`, `show` and `sync`.

use model::Id;
use model::nb::{LogicalRouter, LogicalSwitch, LogicalSwitchPort};

use super::{gateway_chassis, nat_list};
use crate::command::{Call, Command, Group};
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::{Named, find};

/// The family.
pub(super) static GROUP: Group = Group {
    title: "General commands",
    commands: &[
        Command::rows(
            "init",
            ("", 0, 0),
            "initialize the database if it is empty",
            init,
        ),
        Command::rows(
            "show",
            ("[SWITCH|ROUTER]", 0, 1),
            "print an overview of the network, or of one switch or router",
            show,
        )
        .examples(&["show", "show web"]),
        Command::rows(
            "sync",
            ("", 0, 0),
            "with --wait=sb|hv, wait for earlier changes, too",
            sync,
        )
        .examples(&["--wait=hv sync"]),
    ],
};

/// The row of `NB_Global` is made before any command runs.
fn init(_: &mut Context<'_>, _: &Call) -> Result<(), Failure> {
    Ok(())
}

fn sync(context: &mut Context<'_>, _: &Call) -> Result<(), Failure> {
    context.must_wait = true;
    Ok(())
}

fn show(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let (switches, routers) = match call.arguments() {
        [id] => (
            find::<LogicalSwitch>(context, id)?.into_iter().collect(),
            find::<LogicalRouter>(context, id)?.into_iter().collect(),
        ),
        _ => (
            context.rows.all::<LogicalSwitch>(),
            context.rows.all::<LogicalRouter>(),
        ),
    };
    for switch in &switches {
        show_switch(context, switch);
    }
    for router in &routers {
        show_router(context, router);
    }
    Ok(())
}

fn show_switch(context: &mut Context<'_>, switch: &LogicalSwitch) {
    let alias = alias(switch.external_ids.get("neutron:network_name"));
    context.line(format!(
        "switch {} ({}){alias}",
        switch.id.uuid(),
        switch.name
    ));
    for port in &by_name(context, &switch.ports) {
        show_switch_port(context, port);
    }
}

/// The rows, in the order of their names.
fn by_name<'a, T: Named + 'a>(
    context: &Context<'_>,
    ids: impl IntoIterator<Item = &'a Id<T>>,
) -> Vec<T> {
    let rows = ids.into_iter().filter_map(|&id| context.rows.get(id));
    let mut rows: Vec<T> = rows.collect();
    rows.sort_by(|a, b| a.name().cmp(b.name()));
    rows
}

fn show_switch_port(context: &mut Context<'_>, port: &LogicalSwitchPort) {
    let alias = alias(port.external_ids.get("neutron:port_name"));
    context.line(format!("    port {}{alias}", port.name));
    if !port.r#type.is_empty() {
        context.line(format!("        type: {}", port.r#type));
    }
    if let Some(parent) = &port.parent_name {
        context.line(format!("        parent: {parent}"));
    }
    if let Some(tag) = port.tag {
        context.line(format!("        tag: {tag}"));
    }
    // The address of a router port says nothing that its name does not say.
    let is_router = port.addresses.len() == 1 && port.addresses.contains("router");
    if !port.addresses.is_empty() && !is_router {
        context.line(format!("        addresses: [{}]", quoted(&port.addresses)));
    }
    if let Some(router_port) = port.options.get("router-port") {
        context.line(format!("        router-port: {router_port}"));
    }
}

fn show_router(context: &mut Context<'_>, router: &LogicalRouter) {
    let alias = alias(router.external_ids.get("neutron:router_name"));
    context.line(format!(
        "router {} ({}){alias}",
        router.id.uuid(),
        router.name
    ));
    for port in &by_name(context, &router.ports) {
        context.line(format!("    port {}", port.name));
        context.line(format!("        mac: \"{}\"", port.mac));
        if !port.networks.is_empty() {
            context.line(format!("        networks: [{}]", quoted(&port.networks)));
        }
        let gateways = gateway_chassis::all(context, port);
        if !gateways.is_empty() {
            let names: Vec<_> = gateways.into_iter().map(|one| one.chassis_name).collect();
            context.line(format!("        gateway chassis: [{}]", names.join(" ")));
        }
        if let Some(table) = port.options.get("route_table") {
            context.line(format!("        route-table: {table}"));
        }
    }
    nat_list::show(context, router);
}

fn alias(name: Option<&String>) -> String {
    match name {
        Some(name) if !name.is_empty() => format!(" (aka {name})"),
        _ => String::new(),
    }
}

fn quoted<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let quoted: Vec<String> = texts
        .into_iter()
        .map(|text| format!("\"{text}\""))
        .collect();
    quoted.join(", ")
}
