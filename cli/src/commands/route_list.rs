//! `lr-route-list`: routes by family, table, precedence and prefix.

use std::cmp::Reverse;

use ipnet::IpNet;
use model::nb::{LogicalRouter, LogicalRouterStaticRoute};

use super::route::{is_learned, routes};
use crate::address::{network_text, normalize_network, parse_network};
use crate::command::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::require;

/// A route with what it is sorted by.
struct Listed {
    network: IpNet,
    route: LogicalRouterStaticRoute,
}

impl Listed {
    /// Equal for routes that share their load.
    fn key(&self) -> (&str, Reverse<u16>, IpNet) {
        let is_by_destination = self.route.policy.as_deref() != Some("src-ip");
        let precedence = 2 * u16::from(self.network.prefix_len()) + u16::from(is_by_destination);
        (&self.route.route_table, Reverse(precedence), self.network)
    }

    fn line(&self, is_ecmp: bool) -> String {
        let route = &self.route;
        let nexthop = normalize_network(&route.nexthop).unwrap_or_else(|| route.nexthop.clone());
        let policy = route.policy.as_deref().unwrap_or("dst-ip");
        let mut line = format!("{:>25} {nexthop:>25} {policy}", network_text(&self.network));
        if let Some(port) = &route.output_port {
            line.push_str(&format!(" {port}"));
        }
        let is_symmetric = route
            .options
            .get("ecmp_symmetric_reply")
            .is_some_and(|value| value == "true");
        for (holds, word) in [
            (is_learned(route), " (learned)"),
            (is_ecmp, " ecmp"),
            (is_symmetric, " ecmp-symmetric-reply"),
            (route.bfd.is_some(), " bfd"),
        ] {
            if holds {
                line.push_str(word);
            }
        }
        line
    }
}

pub(super) fn list(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let router: LogicalRouter = require(context, call.argument(0))?;
    let table = call.option("--route-table");
    let mut listed: Vec<Listed> = routes(context, &router)
        .filter(|route| table.is_none_or(|table| table == route.route_table))
        .filter_map(|route| {
            parse_network(&route.ip_prefix).map(|network| Listed { network, route })
        })
        .collect();
    listed.sort_by(|a, b| {
        let details = |listed: &Listed| {
            (
                listed.route.nexthop.clone(),
                listed.route.output_port.clone(),
            )
        };
        a.key()
            .cmp(&b.key())
            .then_with(|| details(a).cmp(&details(b)))
    });
    let (ipv4, ipv6): (Vec<_>, Vec<_>) = listed
        .into_iter()
        .partition(|listed| matches!(listed.network, IpNet::V4(_)));
    list_family(context, "IPv4 Routes", &ipv4);
    if !ipv4.is_empty() && !ipv6.is_empty() {
        context.line("");
    }
    list_family(context, "IPv6 Routes", &ipv6);
    Ok(())
}

fn list_family(context: &mut Context<'_>, title: &str, routes: &[Listed]) {
    if !routes.is_empty() {
        context.line(title);
    }
    for (index, listed) in routes.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| &routes[index]);
        let after = routes.get(index + 1);
        let table = &listed.route.route_table;
        if before.is_none_or(|before| before.route.route_table != *table) {
            let gap = if index > 0 { "\n" } else { "" };
            let name = if table.is_empty() { "<main>" } else { table };
            context.line(format!("{gap}Route Table {name}:"));
        }
        let is_ecmp = [before, after]
            .into_iter()
            .flatten()
            .any(|other| other.key() == listed.key());
        context.line(listed.line(is_ecmp));
    }
}
