//! The tables of load balancers that `lb-list`, `ls-lb-list` and `lr-lb-list` print.

use std::collections::BTreeSet;

use model::Id;
use model::endpoint::Endpoint;
use model::nb::{LoadBalancer, LoadBalancerGroup};

use crate::command::Call;
use crate::context::Context;
use crate::failure::Failure;

/// `lb-list`.
pub(super) fn list_named(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let mut balancers = context.rows.all::<LoadBalancer>();
    if let Some(name) = call.arguments().first() {
        balancers.retain(|balancer| balancer.name == *name);
    }
    print(context, &balancers);
    Ok(())
}

/// The load balancers of a switch or router, its own and those of its groups.
pub(super) fn list_owned(
    context: &mut Context<'_>,
    own: &BTreeSet<Id<LoadBalancer>>,
    groups: &BTreeSet<Id<LoadBalancerGroup>>,
) {
    let groups = groups.iter().filter_map(|&group| context.rows.get(group));
    let shared = groups.flat_map(|group| group.load_balancer);
    let ids = own.iter().copied().chain(shared);
    let balancers: Vec<LoadBalancer> = ids.filter_map(|id| context.rows.get(id)).collect();
    print(context, &balancers);
}

fn print(context: &mut Context<'_>, balancers: &[LoadBalancer]) {
    let mut balancers: Vec<&LoadBalancer> = balancers
        .iter()
        .filter(|balancer| !balancer.vips.is_empty())
        .collect();
    balancers.sort_by_key(|balancer| (padded(&balancer.name), balancer.id));
    if balancers.is_empty() {
        return;
    }
    let keys = balancers.iter().flat_map(|balancer| balancer.vips.keys());
    let width = keys.map(String::len).max().unwrap_or(0);
    let space = width + 4;
    context.line(format!(
        "{:<40}{:<20}{:<11}{:<space$.width$}IPs",
        "UUID", "LB", "PROTO", "VIP"
    ));
    for balancer in balancers {
        print_one(context, balancer, width);
    }
}

fn print_one(context: &mut Context<'_>, balancer: &LoadBalancer, width: usize) {
    let protocol = balancer.protocol.as_deref().unwrap_or("(null)");
    let is_template = balancer.options.get("template").map(String::as_str) == Some("true");
    for (index, (vip, backends)) in balancer.vips.iter().enumerate() {
        let first = match index {
            0 => format!("{}    {}", balancer.id.uuid(), padded(&balancer.name)),
            _ => " ".repeat(60),
        };
        let has_port = vip.parse().is_ok_and(|vip: Endpoint| vip.port.is_some());
        let protocol = if is_template || has_port {
            protocol
        } else {
            ""
        };
        let space = width + 4;
        context.line(format!("{first}{protocol:<11}{vip:<space$}{backends}"));
    }
}

/// A name in its column, cut off where it is too long.
fn padded(name: &str) -> String {
    format!("{name:<20.16}")
}
