//! All commands, by family.

mod acl;
mod alone;
mod database;
mod gateway_chassis;
mod general;
mod load_balancer;
mod load_balancer_list;
mod load_balancer_owner;
mod load_balancer_vip;
mod mac_binding;
mod meter;
mod nat;
mod nat_gateway;
mod nat_list;
mod node;
mod port_group;
mod qos;
mod route;
mod route_list;
mod router;
mod router_port;
mod switch;
mod switch_port;
mod switch_port_columns;
mod unsupported;

use crate::command::{Command, Group};
use crate::failure::Failure;

/// The families, in the order of the help.
pub(super) static GROUPS: &[&Group] = &[
    &general::GROUP,
    &switch::GROUP,
    &switch_port::GROUP,
    &router::GROUP,
    &router_port::GROUP,
    &gateway_chassis::GROUP,
    &route::GROUP,
    &mac_binding::GROUP,
    &port_group::GROUP,
    &acl::GROUP,
    &load_balancer::GROUP,
    &load_balancer_owner::GROUP,
    &nat::GROUP,
    &qos::GROUP,
    &meter::GROUP,
    &database::GROUP,
    &alone::NETWORK,
    &node::NODE,
    &alone::PROGRAM,
    &unsupported::GROUP,
];

/// All commands.
pub fn all() -> impl Iterator<Item = &'static Command> {
    GROUPS.iter().flat_map(|group| group.commands)
}

/// The command of this name.
pub fn find(name: &str) -> Option<&'static Command> {
    all().find(|command| command.name == name)
}

/// `enabled` or `disabled`, in any case.
fn parse_state(state: &str) -> Result<bool, Failure> {
    match state.to_ascii_lowercase().as_str() {
        "enabled" => Ok(true),
        "disabled" => Ok(false),
        _ => Err(Failure::new(format!(
            "{state}: state must be \"enabled\" or \"disabled\""
        ))),
    }
}

/// The word for an `enabled` column, which is true where it is empty.
fn state_word(enabled: Option<bool>) -> &'static str {
    if enabled.unwrap_or(true) {
        "enabled"
    } else {
        "disabled"
    }
}

/// The pairs among `KEY=VALUE` words; words without `=` are passed over.
fn parse_options(words: &[String]) -> std::collections::BTreeMap<String, String> {
    words
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
