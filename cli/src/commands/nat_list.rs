//! `lr-nat-list`, and the translations that `show` prints.

use model::nb::{LogicalRouter, Nat};

use super::nat::nats;
use crate::command::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::require;

/// `lr-nat-list`.
pub(super) fn list(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let router: LogicalRouter = require(context, call.argument(0))?;
    let mut lines: Vec<(String, String)> = nats(context, &router)
        .iter()
        .map(|nat| (key(context, nat), details(nat)))
        .collect();
    lines.sort();
    if !lines.is_empty() {
        context.line(format!(
            "{:<17}{:<22}{:<19}{:<17}{:<20}{:<21}LOGICAL_PORT",
            "TYPE", "GATEWAY_PORT", "EXTERNAL_IP", "EXTERNAL_PORT", "LOGICAL_IP", "EXTERNAL_MAC"
        ));
    }
    for (key, details) in lines {
        context.line(format!("{key:<58.54}{details}"));
    }
    Ok(())
}

/// The columns that the list is sorted by.
fn key(context: &Context<'_>, nat: &Nat) -> String {
    let port = nat.gateway_port.and_then(|port| context.rows.get(port));
    let port = port.map(|port| port.name).unwrap_or_default();
    format!("{:<17.13}{port:<22.18}{}", nat.r#type, nat.external_ip)
}

fn details(nat: &Nat) -> String {
    let (range, logical_ip) = (&nat.external_port_range, &nat.logical_ip);
    match (&nat.external_mac, &nat.logical_port) {
        (Some(mac), Some(port)) => format!("{range:<17.13}{logical_ip:<20.16}{mac:<21.17}{port}"),
        _ => format!("{range:<17.13}{logical_ip}"),
    }
}

/// The lines of `show`.
pub(super) fn show(context: &mut Context<'_>, router: &LogicalRouter) {
    for nat in nats(context, router) {
        context.line(format!("    nat {}", nat.id.uuid()));
        context.line(format!("        external ip: \"{}\"", nat.external_ip));
        if !nat.external_port_range.is_empty() {
            let range = &nat.external_port_range;
            context.line(format!("        external port(s): \"{range}\""));
        }
        context.line(format!("        logical ip: \"{}\"", nat.logical_ip));
        context.line(format!("        type: \"{}\"", nat.r#type));
    }
}
