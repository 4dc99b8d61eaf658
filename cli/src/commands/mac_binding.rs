//! Static MAC bindings: neighbours that router ports need not ask for.

use model::nb::{LogicalRouterPort, StaticMacBinding};
use model::{Datum, Id};

use crate::address::{is_mac, normalize_address};
use crate::command::{Call, Command, Group, IF_EXISTS, MAY_EXIST};
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::require;

/// The family.
pub(super) static GROUP: Group = Group {
    title: "Static MAC binding commands",
    commands: &[
        Command::rows(
            "static-mac-binding-add",
            ("LOGICAL_PORT IP MAC", 3, 3),
            "let router port LOGICAL_PORT know that IP has MAC",
            add,
        )
        .options(&[MAY_EXIST])
        .examples(&["static-mac-binding-add gateway-web 10.0.0.9 0a:58:0a:00:00:09"]),
        Command::rows(
            "static-mac-binding-del",
            ("LOGICAL_PORT IP", 2, 2),
            "delete the static binding of IP on LOGICAL_PORT",
            delete,
        )
        .options(&[IF_EXISTS]),
        Command::rows(
            "static-mac-binding-list",
            ("", 0, 0),
            "print all static bindings",
            list,
        ),
    ],
};

fn add(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let (port, mac) = (call.argument(0), call.argument(2));
    require::<LogicalRouterPort>(context, port)?;
    let ip = parse_ip(call.argument(1))?;
    if !is_mac(mac) {
        return Err(Failure::new(format!("invalid mac address {mac}.")));
    }
    match find(context, port, &ip) {
        Some(_) if !call.has("--may-exist") => Err(Failure::new(format!(
            "{port}, {ip}: a Static_MAC_Binding with this logical_port and ip already exists"
        ))),
        Some(binding) => {
            context.rows.update(binding.id, "mac", Datum::scalar(mac));
            Ok(())
        }
        None => {
            context.rows.add(&StaticMacBinding {
                id: Id::random(),
                logical_port: port.to_owned(),
                ip,
                mac: mac.to_owned(),
                ..StaticMacBinding::default()
            });
            Ok(())
        }
    }
}

fn delete(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let port = call.argument(0);
    require::<LogicalRouterPort>(context, port)?;
    let ip = parse_ip(call.argument(1))?;
    match find(context, port, &ip) {
        Some(binding) => context.rows.remove(binding.id),
        None if call.has("--if-exists") => {}
        None => {
            return Err(Failure::new(format!(
                "no matching Static_MAC_Binding with port {port} and ip {ip}"
            )));
        }
    }
    Ok(())
}

fn list(context: &mut Context<'_>, _: &Call) -> Result<(), Failure> {
    let mut bindings = context.rows.all::<StaticMacBinding>();
    bindings.sort_by(|a, b| (&a.logical_port, &a.ip).cmp(&(&b.logical_port, &b.ip)));
    if !bindings.is_empty() {
        context.line(format!("{:<25}{:<25}{}", "LOGICAL_PORT", "IP", "MAC"));
    }
    for binding in bindings {
        context.line(format!(
            "{:<25}{:<25}{}",
            binding.logical_port, binding.ip, binding.mac
        ));
    }
    Ok(())
}

fn parse_ip(text: &str) -> Result<String, Failure> {
    normalize_address(text)
        .ok_or_else(|| Failure::new(format!("{text}: Not a valid IPv4 or IPv6 address.")))
}

fn find(context: &Context<'_>, port: &str, ip: &str) -> Option<StaticMacBinding> {
    let mut bindings = context.rows.all::<StaticMacBinding>().into_iter();
    bindings.find(|binding| binding.logical_port == port && binding.ip == ip)
}
