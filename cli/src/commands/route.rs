//! Static routes: `lr-route-*`.

use model::nb::{LogicalRouter, LogicalRouterPort, LogicalRouterStaticRoute};
use model::{Datum, Id};

use super::route_list::list;
use crate::address::{normalize_address, normalize_network, parse_ipv4_network};
use crate::command::{Call, Command, CommandOption, Group, IF_EXISTS, MAY_EXIST};
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::require;

/// The next hop of routes that drop what they match.
const DISCARD: &str = "discard";

const POLICY: CommandOption = CommandOption::value(
    "--policy",
    "POLICY",
    "match the destination (dst-ip, the default) or the source (src-ip)",
);
const ROUTE_TABLE: CommandOption = CommandOption::value(
    "--route-table",
    "TABLE",
    "the routing table [default: the main one]",
);

/// The family.
pub(super) static GROUP: Group = Group {
    title: "Route commands",
    commands: &[
        Command::rows(
            "lr-route-add",
            ("ROUTER PREFIX NEXTHOP [PORT]", 3, 4),
            "add a route to ROUTER",
            add,
        )
        .options(&[
            MAY_EXIST,
            CommandOption::flag("--ecmp", "share the load with other routes of this prefix"),
            CommandOption::flag(
                "--ecmp-symmetric-reply",
                "the same, and replies go back where the request came from",
            ),
            POLICY,
            ROUTE_TABLE,
            CommandOption::optional("--bfd", "UUID", "not supported by this version"),
        ])
        .details(
            "NEXTHOP is the address of the next router, the name of the port to leave by where the \
             destination is on its link, or \"discard\" to drop the packets.",
        )
        .examples(&[
            "lr-route-add gateway 0.0.0.0/0 192.0.2.1",
            "--ecmp lr-route-add gateway ::/0 2001:db8::1",
            "--policy=src-ip lr-route-add gateway 10.1.0.0/16 192.0.2.9",
            "lr-route-add gateway 10.66.0.0/16 discard",
        ]),
        Command::rows(
            "lr-route-del",
            ("ROUTER [PREFIX [NEXTHOP [PORT]]]", 1, 4),
            "remove routes from ROUTER",
            delete,
        )
        .options(&[IF_EXISTS, POLICY, ROUTE_TABLE]),
        Command::rows(
            "lr-route-list",
            ("ROUTER", 1, 1),
            "print the routes of ROUTER",
            list,
        )
        .options(&[ROUTE_TABLE]),
    ],
};

/// Whether a route looks at the source of packets.
fn is_by_source(policy: Option<&str>) -> bool {
    policy == Some("src-ip")
}

fn parse_policy(call: &Call) -> Result<Option<&str>, Failure> {
    match call.option("--policy") {
        Some(policy) if policy != "src-ip" && policy != "dst-ip" => {
            Err(Failure::new(format!("bad policy: {policy}")).hint("it is dst-ip or src-ip"))
        }
        policy => Ok(policy),
    }
}

/// What `lr-route-add` is to make.
struct Wanted<'a> {
    router: LogicalRouter,
    prefix: String,
    nexthop: String,
    port: Option<LogicalRouterPort>,
    policy: Option<&'a str>,
    table: Option<&'a str>,
    is_ecmp: bool,
}

fn add(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let wanted = parse_wanted(context, call)?;
    if wanted.nexthop == DISCARD {
        check_discard(&wanted, call)?;
    }
    if call.has("--bfd") {
        return Err(Failure::new(
            "--bfd is not supported: this version of weft does not probe next hops",
        ));
    }
    let same: Vec<LogicalRouterStaticRoute> = existing(context, &wanted).collect();
    if wanted.is_ecmp {
        if same.iter().any(|route| route.nexthop == wanted.nexthop) {
            return if call.has("--may-exist") {
                Ok(())
            } else {
                Err(Failure::new("duplicate nexthop for the same ECMP route"))
            };
        }
    } else if let Some(route) = same.iter().find(|route| !is_learned(route)) {
        return replace(context, call, route, wanted);
    }
    if same.iter().any(|route| route.nexthop == DISCARD) {
        return Err(Failure::new(
            "discard nexthop for the same ECMP route exists.",
        ));
    }
    insert(context, call, wanted);
    Ok(())
}

fn parse_wanted<'a>(context: &Context<'_>, call: &'a Call) -> Result<Wanted<'a>, Failure> {
    let router = require(context, call.argument(0))?;
    let policy = parse_policy(call)?;
    let (prefix, nexthop) = (call.argument(1), call.argument(2));
    let normalized = normalize_network(prefix)
        .ok_or_else(|| Failure::new(format!("bad prefix argument: {prefix}")))?;
    let is_ipv4 = parse_ipv4_network(prefix).is_some();
    let address = normalize_address(nexthop).filter(|address| address.contains(':') != is_ipv4);
    let mut port = None;
    let nexthop = match address {
        _ if nexthop == DISCARD => DISCARD.to_owned(),
        Some(address) => address,
        None => {
            let family = if is_ipv4 { "IPv4" } else { "IPv6" };
            port = Some(require(context, nexthop).map_err(|_| {
                Failure::new(format!("bad {family} nexthop argument: {nexthop}"))
                    .hint("it is an address, the name of a router port, or \"discard\"")
            })?);
            String::new()
        }
    };
    if let Some(output_port) = call.arguments().get(3) {
        port = Some(require(context, output_port)?);
    }
    Ok(Wanted {
        router,
        prefix: normalized,
        nexthop,
        port,
        policy,
        table: call.option("--route-table"),
        is_ecmp: call.has("--ecmp") || call.has("--ecmp-symmetric-reply"),
    })
}

fn check_discard(wanted: &Wanted<'_>, call: &Call) -> Result<(), Failure> {
    if wanted.is_ecmp {
        Err(Failure::new("ecmp is not valid for discard routes."))
    } else if call.has("--bfd") {
        Err(Failure::new("bfd dst_ip cannot be discard."))
    } else if wanted.port.is_some() {
        Err(Failure::new("outport is not valid for discard routes."))
    } else {
        Ok(())
    }
}

/// The routes of the same table, policy and prefix.
fn existing<'a>(
    context: &'a Context<'_>,
    wanted: &'a Wanted<'_>,
) -> impl Iterator<Item = LogicalRouterStaticRoute> + 'a {
    routes(context, &wanted.router).filter(|route| {
        route.route_table == wanted.table.unwrap_or_default()
            && is_by_source(route.policy.as_deref()) == is_by_source(wanted.policy)
            && normalize_network(&route.ip_prefix).as_ref() == Some(&wanted.prefix)
    })
}

/// The routes of a router that exist.
pub(super) fn routes<'a>(
    context: &'a Context<'_>,
    router: &'a LogicalRouter,
) -> impl Iterator<Item = LogicalRouterStaticRoute> + 'a {
    router
        .static_routes
        .iter()
        .filter_map(|&route| context.rows.get(route))
}

/// Whether another zone's routers told of the route.
pub(super) fn is_learned(route: &LogicalRouterStaticRoute) -> bool {
    route.external_ids.contains_key("ic-learned-route")
}

/// Gives the existing route another next hop.
fn replace(
    context: &mut Context<'_>,
    call: &Call,
    route: &LogicalRouterStaticRoute,
    wanted: Wanted<'_>,
) -> Result<(), Failure> {
    if !call.has("--may-exist") {
        let policy = if is_by_source(wanted.policy) {
            "src-ip"
        } else {
            "dst-ip"
        };
        return Err(Failure::new(format!(
            "duplicate prefix: {} (policy: {policy}). Use option --ecmp to allow this for ECMP routing.",
            wanted.prefix
        )));
    }
    let rows = &mut context.rows;
    rows.update(route.id, "ip_prefix", Datum::scalar(wanted.prefix));
    rows.update(route.id, "nexthop", Datum::scalar(wanted.nexthop));
    if let Some(port) = wanted.port {
        rows.update(route.id, "output_port", Datum::scalar(port.name));
    }
    if let Some(policy) = wanted.policy {
        rows.update(route.id, "policy", Datum::scalar(policy));
    }
    Ok(())
}

fn insert(context: &mut Context<'_>, call: &Call, wanted: Wanted<'_>) {
    let mut route = LogicalRouterStaticRoute {
        id: Id::random(),
        ip_prefix: wanted.prefix,
        nexthop: wanted.nexthop,
        output_port: wanted.port.map(|port| port.name),
        policy: wanted.policy.map(str::to_owned),
        route_table: wanted.table.unwrap_or_default().to_owned(),
        ..LogicalRouterStaticRoute::default()
    };
    if call.has("--ecmp-symmetric-reply") {
        route
            .options
            .insert("ecmp_symmetric_reply".to_owned(), "true".to_owned());
    }
    context.rows.add(&route);
    context
        .rows
        .add_element(wanted.router.id, "static_routes", route.id.uuid());
}

fn delete(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let router: LogicalRouter = require(context, call.argument(0))?;
    let policy = parse_policy(call)?;
    let [_, rest @ ..] = call.arguments() else {
        return Ok(());
    };
    if rest.is_empty() && policy.is_none() {
        context
            .rows
            .update(router.id, "static_routes", Datum::empty_set());
        return Ok(());
    }
    let doomed = Doomed::parse(call, rest, policy)?;
    let routes: Vec<_> = routes(context, &router)
        .filter(|route| doomed.matches(route))
        .collect();
    if routes.is_empty() && !call.has("--if-exists") {
        return Err(Failure::new(doomed.missing()));
    }
    for route in routes {
        context
            .rows
            .remove_element(router.id, "static_routes", route.id.uuid());
        context.rows.remove(route.id);
    }
    Ok(())
}

/// Which routes `lr-route-del` removes.
struct Doomed<'a> {
    policy: Option<&'a str>,
    prefix: Option<String>,
    nexthop: Option<String>,
    port: Option<&'a str>,
    table: &'a str,
}

impl<'a> Doomed<'a> {
    fn parse(
        call: &'a Call,
        arguments: &'a [String],
        policy: Option<&'a str>,
    ) -> Result<Self, Failure> {
        let prefix = arguments.first().map(|text| {
            normalize_network(text)
                .ok_or_else(|| Failure::new(format!("bad prefix argument: {text}")))
        });
        let nexthop = arguments.get(1).map(|text| {
            normalize_nexthop(text)
                .ok_or_else(|| Failure::new(format!("bad nexthop argument: {text}")))
        });
        Ok(Self {
            policy,
            prefix: prefix.transpose()?,
            nexthop: nexthop.transpose()?,
            port: arguments.get(2).map(String::as_str),
            table: call.option("--route-table").unwrap_or_default(),
        })
    }

    fn matches(&self, route: &LogicalRouterStaticRoute) -> bool {
        self.policy.is_none_or(|policy| {
            is_by_source(Some(policy)) == is_by_source(route.policy.as_deref())
        }) && self
            .prefix
            .as_ref()
            .is_none_or(|prefix| normalize_network(&route.ip_prefix).as_ref() == Some(prefix))
            && self
                .nexthop
                .as_ref()
                .is_none_or(|nexthop| normalize_nexthop(&route.nexthop).as_ref() == Some(nexthop))
            && self
                .port
                .is_none_or(|port| route.output_port.as_deref() == Some(port))
            && route.route_table == self.table
    }

    fn missing(&self) -> String {
        format!(
            "no matching route: policy '{}', prefix '{}', nexthop '{}', output_port '{}'.",
            self.policy.unwrap_or("any"),
            self.prefix.as_deref().unwrap_or("(null)"),
            self.nexthop.as_deref().unwrap_or("any"),
            self.port.unwrap_or("any")
        )
    }
}

fn normalize_nexthop(text: &str) -> Option<String> {
    if text == DISCARD {
        Some(DISCARD.to_owned())
    } else {
        normalize_network(text)
    }
}
