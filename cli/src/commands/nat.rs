//! Translations of addresses: `lr-nat-*`.

use std::collections::BTreeMap;

use model::nat::NatKind;
use model::nb::{AddressSet, LogicalRouter, LogicalRouterPort, LogicalSwitchPort, Nat};
use model::{Datum, Id, Table as _};

use super::nat_gateway::Gateway;
use super::nat_list::list;
use crate::address::{is_mac, normalize_address, normalize_network};
use crate::command::{Call, Command, CommandOption, Group, IF_EXISTS, MAY_EXIST};
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::require;

/// The family.
pub(super) static GROUP: Group = Group {
    title: "NAT commands",
    commands: &[
        Command::rows(
            "lr-nat-add",
            (
                "ROUTER TYPE EXTERNAL_IP LOGICAL_IP [LOGICAL_PORT EXTERNAL_MAC] [EXTERNAL_PORTS]",
                4,
                7,
            ),
            "let ROUTER translate addresses",
            add,
        )
        .options(&[
            MAY_EXIST,
            CommandOption::flag("--stateless", "rewrite every packet on its own (dnat_and_snat only)"),
            CommandOption::flag("--portrange", "EXTERNAL_PORTS is given"),
            CommandOption::flag(
                "--add-route",
                "let neighbouring routers reach EXTERNAL_IP (not for snat)",
            ),
            CommandOption::value("--gateway-port", "PORT", "translate at this gateway port"),
        ])
        .details(
            "TYPE is snat (the source of what leaves, LOGICAL_IP may be a network), dnat (the destination of what \
             arrives) or dnat_and_snat (both). With LOGICAL_PORT and EXTERNAL_MAC a dnat_and_snat is done on the \
             node of the switch port LOGICAL_PORT. EXTERNAL_PORTS are those to choose from, such as \
             1024-65535.",
        )
        .examples(&[
            "lr-nat-add gateway snat 203.0.113.1 10.244.0.0/16",
            "lr-nat-add gateway dnat_and_snat 203.0.113.9 10.244.0.5",
            "--portrange lr-nat-add gateway snat 203.0.113.2 10.245.0.0/16 20000-29999",
        ]),
        Command::rows(
            "lr-nat-del",
            ("ROUTER [TYPE [IP] [GATEWAY_PORT]]", 1, 4),
            "remove translations from ROUTER",
            delete,
        )
        .options(&[IF_EXISTS])
        .details("IP is the logical one of snat, and the external one of the others."),
        Command::rows(
            "lr-nat-list",
            ("ROUTER", 1, 1),
            "print the translations of ROUTER",
            list,
        ),
        Command::rows(
            "lr-nat-update-ext-ip",
            ("ROUTER TYPE IP ADDRESS_SET", 4, 4),
            "translate only towards the addresses of ADDRESS_SET",
            update_external_ips,
        )
        .options(&[CommandOption::flag(
            "--is-exempted",
            "do not translate towards them, instead",
        )]),
    ],
};

/// The type of translations of sources.
const SNAT: &str = "snat";

/// What `lr-nat-add` is to make, with its addresses in canonical form.
struct Wanted<'a> {
    kind: &'a str,
    external_ip: String,
    logical_ip: String,
    place: Option<(&'a str, &'a str)>,
    ports: Option<&'a str>,
    is_stateless: bool,
}

fn add(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let router: LogicalRouter = require(context, call.argument(0))?;
    let wanted = Wanted::parse(context, call)?;
    let gateway = Gateway::find(context, call, &router, &wanted.external_ip)?;
    for existing in nats(context, &router) {
        match wanted.compare(&existing, &gateway)? {
            Comparison::Different => continue,
            Comparison::Same if call.has("--may-exist") => {
                replace(context, &existing, &wanted);
            }
            Comparison::Same => {
                return Err(Failure::new(format!(
                    "{}, {}: a NAT with this external_ip and logical_ip already exists",
                    wanted.external_ip, wanted.logical_ip
                )));
            }
            Comparison::SharesExternalIp if call.has("--may-exist") => {}
            Comparison::SharesExternalIp => {
                return Err(Failure::new(format!(
                    "{}, {}: External ip cannot be shared across stateless and stateful NATs",
                    wanted.external_ip, wanted.logical_ip
                )));
            }
        }
        return Ok(());
    }
    insert(context, call, &router, wanted, gateway.asked);
    Ok(())
}

impl<'a> Wanted<'a> {
    fn parse(context: &Context<'_>, call: &'a Call) -> Result<Self, Failure> {
        let kind = parse_kind(call.argument(1))?;
        let (external_ip, logical_ip) = parse_addresses(kind, call.argument(2), call.argument(3))?;
        let (place, ports) = parse_place(context, call, kind)?;
        let is_stateless = call.has("--stateless");
        if is_stateless && kind != "dnat_and_snat" {
            return Err(Failure::new(
                "stateless is not applicable to dnat or snat types",
            ));
        }
        if kind == SNAT && call.has("--add-route") {
            return Err(Failure::new("routes cannot be added for snat types."));
        }
        Ok(Self {
            kind,
            external_ip,
            logical_ip,
            place,
            ports,
            is_stateless,
        })
    }

    /// How it relates to an existing translation.
    fn compare(&self, existing: &Nat, gateway: &Gateway) -> Result<Comparison, Failure> {
        let external = normalize_network(&existing.external_ip);
        let logical = normalize_network(&existing.logical_ip);
        let (Some(external), Some(logical)) = (external, logical) else {
            return Ok(Comparison::Different);
        };
        let has_external = external == self.external_ip;
        let has_logical = logical == self.logical_ip;
        let (name, address, is_taken, is_same) = match self.kind {
            SNAT => ("logical_ip", &self.logical_ip, has_logical, has_external),
            _ => ("external_ip", &self.external_ip, has_external, has_logical),
        };
        let kind = self.kind;
        if kind == existing.r#type && is_taken && gateway.is_of(existing) {
            if is_same {
                return Ok(Comparison::Same);
            }
            return Err(Failure::new(format!(
                "a NAT with this type ({kind}), {name} ({address}) already exists"
            )));
        }
        let is_both = |kind: &str| kind == "dnat_and_snat";
        let was_stateless = existing.options.get("stateless").map(String::as_str) == Some("true");
        if (is_both(kind) || is_both(&existing.r#type))
            && has_external
            && (was_stateless || self.is_stateless)
        {
            return Ok(Comparison::SharesExternalIp);
        }
        Ok(Comparison::Different)
    }
}

/// How a wanted translation relates to an existing one.
enum Comparison {
    Different,
    Same,
    SharesExternalIp,
}

fn parse_kind(text: &str) -> Result<&str, Failure> {
    if NatKind::ALL.iter().any(|(word, _)| *word == text) {
        return Ok(text);
    }
    Err(Failure::new(format!(
        "{text}: type must be one of \"dnat\", \"snat\" and \"dnat_and_snat\"."
    )))
}

/// The external and the logical address.
fn parse_addresses(kind: &str, external: &str, logical: &str) -> Result<(String, String), Failure> {
    let external_ip = normalize_address(external)
        .ok_or_else(|| Failure::new(format!("{external}: Not a valid IPv4 or IPv6 address.")))?;
    let is_ipv6 = external_ip.contains(':');
    let logical_ip = match kind {
        SNAT => normalize_network(logical),
        _ => normalize_address(logical),
    };
    let logical_ip = logical_ip.filter(|address| address.contains(':') == is_ipv6);
    let logical_ip = logical_ip.ok_or_else(|| {
        let family = if is_ipv6 { "IPv6" } else { "IPv4" };
        Failure::new(match kind {
            SNAT => format!("{logical}: should be an {family} address or network."),
            _ => format!("{logical}: Not a valid {family} address."),
        })
    })?;
    Ok((external_ip, logical_ip))
}

/// The port and MAC of a distributed translation, and the range of ports.
type Place<'a> = (Option<(&'a str, &'a str)>, Option<&'a str>);

fn parse_place<'a>(
    context: &Context<'_>,
    call: &'a Call,
    kind: &str,
) -> Result<Place<'a>, Failure> {
    let has_range = call.has("--portrange");
    let incomplete =
        || Failure::new("lr-nat-add with logical_port must also specify external_mac.");
    let (port, mac, range) = match &call.arguments()[4..] {
        [] => return Ok((None, None)),
        [range] if has_range => return Ok((None, Some(parse_range(range)?))),
        [_] => return Err(incomplete()),
        [port, mac, range @ ..] => (port, mac, range.first()),
    };
    if kind != "dnat_and_snat" {
        return Err(Failure::new(
            "logical_port and external_mac are only valid when type is \"dnat_and_snat\".",
        ));
    }
    if range.is_none() && has_range {
        return Err(incomplete());
    }
    require::<LogicalSwitchPort>(context, port)?;
    if !is_mac(mac) {
        return Err(Failure::new(format!("invalid mac address {mac}.")));
    }
    let range = range.map(|range| parse_range(range)).transpose()?;
    Ok((Some((port, mac)), range))
}

/// `LOW-HIGH`, where the second is greater, or one port.
fn parse_range(text: &str) -> Result<&str, Failure> {
    let port = |text: &str| text.parse().ok().filter(|&port: &u16| port > 0);
    let is_valid = match text.split_once('-') {
        Some((low, high)) => port(low)
            .zip(port(high))
            .is_some_and(|(low, high)| low < high),
        None => port(text).is_some(),
    };
    if is_valid {
        return Ok(text);
    }
    Err(Failure::new(format!("invalid port range {text}.")))
}

/// The translations of a router that exist.
pub(super) fn nats(context: &Context<'_>, router: &LogicalRouter) -> Vec<Nat> {
    let ids = router.nat.iter();
    ids.filter_map(|&id| context.rows.get(id)).collect()
}

/// Gives the existing translation its new place.
fn replace(context: &mut Context<'_>, existing: &Nat, wanted: &Wanted<'_>) {
    let (port, mac) = wanted.place.unzip();
    for (column, value) in [("logical_port", port), ("external_mac", mac)] {
        context.rows.verify(Nat::SCHEMA, existing.id.uuid(), column);
        context.rows.update(existing.id, column, Datum::set(value));
    }
}

fn insert(
    context: &mut Context<'_>,
    call: &Call,
    router: &LogicalRouter,
    wanted: Wanted<'_>,
    gateway_port: Option<Id<LogicalRouterPort>>,
) {
    let is_stateless = wanted.is_stateless.to_string();
    let mut options = BTreeMap::from([("stateless".to_owned(), is_stateless)]);
    if call.has("--add-route") {
        options.insert("add_route".to_owned(), "true".to_owned());
    }
    let (port, mac) = wanted.place.unzip();
    let nat = Nat {
        id: Id::random(),
        r#type: wanted.kind.to_owned(),
        external_ip: call.argument(2).to_owned(),
        logical_ip: wanted.logical_ip,
        external_mac: mac.map(str::to_owned),
        logical_port: port.map(str::to_owned),
        external_port_range: wanted.ports.unwrap_or_default().to_owned(),
        gateway_port,
        options,
        ..Nat::default()
    };
    context.rows.add(&nat);
    context.rows.add_element(router.id, "nat", nat.id.uuid());
}

fn delete(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let router: LogicalRouter = require(context, call.argument(0))?;
    let [_, kind, rest @ ..] = call.arguments() else {
        context.rows.update(router.id, "nat", Datum::empty_set());
        return Ok(());
    };
    parse_kind(kind)?;
    let doomed = Doomed::parse(context, kind, rest)?;
    let nats = nats(context, &router);
    let mut nats = nats.iter().filter(|nat| doomed.matches(nat)).peekable();
    if let ([ip, port], None, false) = (rest, nats.peek(), call.has("--if-exists")) {
        let (name, ip) = (
            address_name(kind),
            normalize_network(ip).unwrap_or_default(),
        );
        return Err(Failure::new(format!(
            "no matching NAT with the type ({kind}), {name} ({ip}) and gateway_port ({port})"
        )));
    }
    for nat in nats {
        context.rows.remove_element(router.id, "nat", nat.id.uuid());
    }
    Ok(())
}

/// Which translations `lr-nat-del` removes.
struct Doomed<'a> {
    kind: &'a str,
    ip: Option<String>,
    gateway_port: Option<Id<LogicalRouterPort>>,
}

impl<'a> Doomed<'a> {
    fn parse(context: &Context<'_>, kind: &'a str, arguments: &[String]) -> Result<Self, Failure> {
        let ip = arguments.first().and_then(|text| normalize_network(text));
        let port = match (arguments, &ip) {
            ([text, _], None) => return Err(invalid_ip(text)),
            // What is no address is a gateway port.
            ([port], None) | ([_, port], Some(_)) => Some(port),
            _ => None,
        };
        let port = port.map(|port| require::<LogicalRouterPort>(context, port));
        Ok(Self {
            kind,
            ip,
            gateway_port: port.transpose()?.map(|port| port.id),
        })
    }

    fn matches(&self, nat: &Nat) -> bool {
        nat.r#type == self.kind
            && (self.ip.is_none() || own_ip(nat) == self.ip)
            && (self.gateway_port.is_none() || nat.gateway_port == self.gateway_port)
    }
}

/// The address by which translations of a type are named.
fn address_name(kind: &str) -> &'static str {
    match kind {
        SNAT => "logical_ip",
        _ => "external_ip",
    }
}

fn own_ip(nat: &Nat) -> Option<String> {
    normalize_network(match nat.r#type.as_str() {
        SNAT => &nat.logical_ip,
        _ => &nat.external_ip,
    })
}

fn invalid_ip(text: &str) -> Failure {
    Failure::new(format!("{text}: Invalid IP address or CIDR"))
}

fn update_external_ips(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let router: LogicalRouter = require(context, call.argument(0))?;
    let kind = parse_kind(call.argument(1))?;
    let set: AddressSet = require(context, call.argument(3))?;
    let text = call.argument(2);
    let ip = normalize_network(text).ok_or_else(|| invalid_ip(text))?;
    let mut nats = nats(context, &router).into_iter();
    let nat = nats.find(|nat| nat.r#type == kind && own_ip(nat).as_ref() == Some(&ip));
    let nat =
        nat.ok_or_else(|| Failure::new(format!("{kind}: Could not locate nat rule for: {ip}.")))?;
    let column = match call.has("--is-exempted") {
        true => "exempted_ext_ips",
        false => "allowed_ext_ips",
    };
    context
        .rows
        .verify(LogicalRouter::SCHEMA, router.id.uuid(), "nat");
    let set = Datum::scalar(set.id.uuid());
    context.rows.update(nat.id, column, set);
    Ok(())
}
