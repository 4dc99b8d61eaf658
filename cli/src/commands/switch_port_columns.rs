//! Logical switch ports: reading and writing their columns.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::nb::{LogicalRouterPort, LogicalSwitch, LogicalSwitchPort};
use model::{Atom, Datum, Id, Row, Table as _};

use super::{parse_options, parse_state, state_word};
use crate::address::{is_mac, port_addresses};
use crate::command::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::{find, require, switch_of};

/// The types that OVN knows, besides the empty one of pods and VMs.
const TYPES: [&str; 8] = [
    "l2gateway",
    "localnet",
    "localport",
    "router",
    "vtep",
    "external",
    "virtual",
    "remote",
];

fn port(context: &Context<'_>, call: &Call) -> Result<LogicalSwitchPort, Failure> {
    require(context, call.argument(0))
}

pub(super) fn get_parent(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    if let Some(parent) = port(context, call)?.parent_name {
        context.line(parent);
    }
    Ok(())
}

pub(super) fn get_tag(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    if let Some(tag) = port(context, call)?.tag {
        context.line(tag.to_string());
    }
    Ok(())
}

pub(super) fn set_addresses(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port = port(context, call)?;
    let switch = switch_of(context, &port)?;
    let addresses = &call.arguments()[1..];
    for address in addresses {
        if !is_address(address) {
            return Err(Failure::new(format!(
                "{address}: Invalid address format. See ovn-nb(5). Hint: An Ethernet address must be \
                 listed before an IP address, together as a single argument."
            )));
        }
        check_duplicates(context, switch, &port, address)?;
    }
    let addresses = Datum::set(addresses.iter().map(String::as_str));
    context.rows.update(port.id, "addresses", addresses);
    Ok(())
}

/// Whether the text has the beginning of an address.
fn is_address(text: &str) -> bool {
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    match (text, words.next(), words.next()) {
        ("unknown" | "dynamic" | "router", ..) => true,
        (_, Some("dynamic"), Some(address)) => address.parse::<IpAddr>().is_ok(),
        (_, Some(mac), _) => is_mac(mac),
        _ => false,
    }
}

/// Refuses an IP address that another port of the switch has.
fn check_duplicates(
    context: &Context<'_>,
    switch: Id<LogicalSwitch>,
    port: &LogicalSwitchPort,
    address: &str,
) -> Result<(), Failure> {
    let Some(wanted) = port_addresses(address) else {
        return Ok(());
    };
    let schema = LogicalSwitchPort::SCHEMA;
    let is_on_switch = |id: &Id<LogicalSwitchPort>| {
        let owners = context.rows.referring("ports", id.uuid());
        *id != port.id && owners.contains(&switch)
    };
    let others = having_one_of(context, &wanted);
    for other in others.into_iter().filter(is_on_switch) {
        let Some(other) = context.rows.row(schema, other.uuid()) else {
            continue;
        };
        let taken = addresses_of(other);
        if let Some(duplicate) = wanted.iter().find(|wanted| taken.contains(wanted)) {
            let family = if duplicate.is_ipv4() { "IPv4" } else { "IPv6" };
            let name = other.get(schema, "name").and_then(Datum::as_str);
            return Err(Failure::new(format!(
                "Error on switch {}: duplicate {family} address '{duplicate}' found on logical switch \
                 port '{}'",
                context
                    .rows
                    .get(switch)
                    .map_or_else(String::new, |switch| switch.name),
                name.unwrap_or_default()
            )));
        }
    }
    Ok(())
}

/// The ports that may have one of these addresses, found without reading all ports.
fn having_one_of(context: &Context<'_>, wanted: &[IpAddr]) -> BTreeSet<Id<LogicalSwitchPort>> {
    let keys = |atom: &Atom| match atom {
        Atom::String(text) => ip_atoms(&port_addresses(text).unwrap_or_default()),
        _ => Vec::new(),
    };
    let mut ports = BTreeSet::new();
    for ip in ip_atoms(wanted) {
        for column in ["addresses", "dynamic_addresses"] {
            ports.extend(context.rows.candidates(column, keys, &ip));
        }
    }
    ports
}

fn ip_atoms(addresses: &[IpAddr]) -> Vec<Atom> {
    addresses
        .iter()
        .map(|ip| Atom::from(ip.to_string()))
        .collect()
}

/// A port's IP addresses, read without its other columns: a switch may have many ports.
fn addresses_of(port: &Row) -> Vec<IpAddr> {
    let column = |name| port.get(LogicalSwitchPort::SCHEMA, name);
    let chosen = column("dynamic_addresses").and_then(Datum::as_str);
    column("addresses")
        .into_iter()
        .flat_map(Datum::atoms)
        .filter_map(|atom| match (atom, chosen) {
            (Atom::String(text), Some(chosen)) if text.starts_with("dynamic") => Some(chosen),
            (Atom::String(text), _) => Some(text.as_str()),
            _ => None,
        })
        .filter_map(port_addresses)
        .flatten()
        .collect()
}

pub(super) fn get_addresses(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port = port(context, call)?;
    let is_router = port.addresses.len() == 1 && port.addresses.contains("router");
    if let Some(peer) = port.options.get("router-port").filter(|_| is_router)
        && let Some(peer) = find::<LogicalRouterPort>(context, peer)?
    {
        let words = std::iter::once(peer.mac).chain(peer.networks);
        context.line(words.collect::<Vec<_>>().join(" "));
        return Ok(());
    }
    for address in &port.addresses {
        context.line(address);
    }
    Ok(())
}

pub(super) fn set_port_security(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port = port(context, call)?;
    let addresses = Datum::set(call.arguments()[1..].iter().map(String::as_str));
    context.rows.update(port.id, "port_security", addresses);
    Ok(())
}

pub(super) fn get_port_security(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    for addresses in port(context, call)?.port_security {
        context.line(addresses);
    }
    Ok(())
}

pub(super) fn get_up(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let is_up = port(context, call)?.up.unwrap_or(false);
    context.line(if is_up { "up" } else { "down" });
    Ok(())
}

pub(super) fn set_enabled(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port = port(context, call)?;
    let is_enabled = parse_state(call.argument(1))?;
    context
        .rows
        .update(port.id, "enabled", Datum::scalar(is_enabled));
    Ok(())
}

pub(super) fn get_enabled(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let enabled = port(context, call)?.enabled;
    context.line(state_word(enabled));
    Ok(())
}

pub(super) fn set_type(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port = port(context, call)?;
    let kind = call.argument(1);
    if !kind.is_empty() && !TYPES.contains(&kind) {
        return Err(Failure::new(format!(
            "Logical switch port type '{kind}' is unrecognized. Not setting type."
        ))
        .hint(format!("it is \"\" or one of: {}", TYPES.join(", "))));
    }
    context.rows.update(port.id, "type", Datum::scalar(kind));
    Ok(())
}

pub(super) fn get_type(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let kind = port(context, call)?.r#type;
    context.line(kind);
    Ok(())
}

pub(super) fn set_options(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port = port(context, call)?;
    let options = Datum::map(parse_options(&call.arguments()[1..]));
    context.rows.update(port.id, "options", options);
    Ok(())
}

pub(super) fn get_options(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    for (key, value) in port(context, call)?.options {
        context.line(format!("{key}={value}"));
    }
    Ok(())
}

pub(super) fn get_switch(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port = port(context, call)?;
    let switch = switch_of(context, &port);
    if let Some(switch) = switch.ok().and_then(|switch| context.rows.get(switch)) {
        context.line(format!("{} ({})", switch.id.uuid(), switch.name));
    }
    Ok(())
}
