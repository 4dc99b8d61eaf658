//! Logical switch ports: reading and writing their columns.

use std::net::IpAddr;

use model::Datum;
use model::nb::{LogicalRouterPort, LogicalSwitch, LogicalSwitchPort};

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
        check_duplicates(context, &switch, &port, address)?;
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
    switch: &LogicalSwitch,
    port: &LogicalSwitchPort,
    address: &str,
) -> Result<(), Failure> {
    let Some(wanted) = port_addresses(address) else {
        return Ok(());
    };
    let others = switch.ports.iter().filter(|&&id| id != port.id);
    for other in others.filter_map(|&id| context.rows.get(id)) {
        let taken = addresses_of(&other);
        if let Some(duplicate) = wanted.iter().find(|wanted| taken.contains(wanted)) {
            let family = if duplicate.is_ipv4() { "IPv4" } else { "IPv6" };
            return Err(Failure::new(format!(
                "Error on switch {}: duplicate {family} address '{duplicate}' found on logical switch \
                 port '{}'",
                switch.name, other.name
            )));
        }
    }
    Ok(())
}

fn addresses_of(port: &LogicalSwitchPort) -> Vec<IpAddr> {
    port.addresses
        .iter()
        .map(|address| match &port.dynamic_addresses {
            Some(chosen) if address.starts_with("dynamic") => chosen,
            _ => address,
        })
        .filter_map(|address| port_addresses(address))
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
    if let Ok(switch) = switch_of(context, &port) {
        context.line(format!("{} ({})", switch.id.uuid(), switch.name));
    }
    Ok(())
}
