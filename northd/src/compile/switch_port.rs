//! `Logical_Switch_Port` → `Port`.

use std::collections::BTreeSet;

use model::{Datum, nb, sb};
use packet::Mac;
use pipeline::object::{
    Attachment, ChassisName, MeterBand, Object, Port, PortKind, PortSecurity, StationAddresses,
    SwitchPort,
};
use uuid::Uuid;

use super::address::Station;
use super::gateway;
use super::index::Lookup;
use super::networks::Networks;
use super::options::Options;
use super::switch::requested_key;
use super::{Output, Reader};
use crate::ipam::{Pool, Wish};

const OPTIONS: &[&str] = &["requested-chassis", "requested-tnl-key"];
const VIF_OPTIONS: &[&str] = &[
    "qos_burst",
    "qos_max_rate",
    "qos_min_rate",
    "requested-chassis",
    "requested-tnl-key",
];
const ROUTER_OPTIONS: &[&str] = &["requested-tnl-key", "router-port"];

/// The VLAN ids that a nested port may have (IEEE 802.1Q: 0 and 4095 are reserved).
const TAGS: std::ops::RangeInclusive<i64> = 1..=4094;

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(port) = reader.row::<nb::LogicalSwitchPort>(row) else {
        return;
    };
    out.name(&port.name);
    let bound = bound(reader, &port);
    let is_up = port.r#type == "router" || bound.as_ref().is_some_and(|bound| bound.up);
    out.report("up", Datum::scalar(is_up));
    let Some(attachment) = attachment(reader, &port, out) else {
        return;
    };
    let Some(at) = reader.port_ref(row) else {
        out.warn("name", "no tunnel key is free: the port is not in force");
        return;
    };
    requested_key(&port.options, "options", u32::from(at.port.get()), out);
    let addresses = addresses(reader, &port, out);
    let port_security = port_security(&port, out);
    let rates = Rates::of(&port, &attachment, out);
    out.object(Object::Port(Port {
        at,
        uuid: row,
        enabled: port.enabled.unwrap_or(true),
        kind: PortKind::Switch(SwitchPort {
            addresses: addresses.stations,
            has_unknown: addresses.has_unknown,
            port_security,
            requested_chassis: requested_chassis(&port),
            chassis: match attachment {
                Attachment::Router(_) => gateway_chassis(reader, &port),
                _ => bound.and_then(|bound| bound.chassis),
            },
            max_rate: rates.max,
            min_rate: rates.min,
            attachment,
        }),
        name: port.name,
    }));
}

/// How many milliseconds of its rate a port may send at once, unless that is set.
const BURST_MS: u64 = 20;
/// Kilobits that any port may send at once: a super-packet.
const BURST_LEAST: u64 = 1 << 10;

/// What a port's interface may send at most, and what it can count on.
#[derive(Default)]
struct Rates {
    max: Option<MeterBand>,
    min: Option<u32>,
}

impl Rates {
    /// As `options` say. The columns count bits.
    fn of(port: &nb::LogicalSwitchPort, attachment: &Attachment, out: &mut Output) -> Rates {
        if *attachment != Attachment::Vif {
            return Rates::default();
        }
        // What is not known of the options has been warned about.
        let options = Options::of("options", &port.options);
        let mut kilobits = |key| {
            let bits = options.number(key, 1, u64::from(u32::MAX) * 1_000, out)?;
            u32::try_from(bits.div_ceil(1_000)).ok()
        };
        let (rate, burst) = (kilobits("qos_max_rate"), kilobits("qos_burst"));
        let min = kilobits("qos_min_rate");
        let max = rate.map(|rate| {
            let usual = (u64::from(rate) * BURST_MS / 1_000).max(BURST_LEAST);
            MeterBand {
                rate,
                burst: burst.unwrap_or(u32::try_from(usual).unwrap_or(u32::MAX)),
            }
        });
        let most = rate.unwrap_or(u32::MAX);
        if min.is_some_and(|min| min > most) {
            out.warn(
                "options",
                "qos_min_rate is more than qos_max_rate, and counts as much as that",
            );
        }
        Rates {
            max,
            min: min.map(|min| min.min(most)),
        }
    }
}

/// The node that a port must be bound on, if it says so. Of several, the first.
pub(crate) fn requested_chassis(port: &nb::LogicalSwitchPort) -> Option<ChassisName> {
    let list = port.options.get("requested-chassis")?;
    let first = list.split(',').next().map(str::trim);
    first.filter(|name| !name.is_empty()).map(Into::into)
}

/// Where a port is, and whether it is in force there.
struct Bound {
    chassis: Option<ChassisName>,
    up: bool,
}

/// The node that binds a port.
pub(super) fn chassis(reader: &mut Reader<'_>, port: Uuid) -> Option<ChassisName> {
    let port = reader.row::<nb::LogicalSwitchPort>(port)?;
    bound(reader, &port)?.chassis
}

/// The node of the gateway router that a port is joined to.
fn gateway_chassis(reader: &mut Reader<'_>, port: &nb::LogicalSwitchPort) -> Option<ChassisName> {
    let name = port.options.get("router-port")?;
    let peer = reader.find(Lookup::RouterPort(name.clone()))?;
    let router = reader.find(Lookup::RouterOf(peer))?;
    gateway::chassis(reader, router)
}

/// A nested port is bound where its parent is.
fn bound(reader: &mut Reader<'_>, port: &nb::LogicalSwitchPort) -> Option<Bound> {
    let own = reader.find(Lookup::PortBinding(port.id.uuid()))?;
    let own_up: bool = reader.column::<sb::PortBinding, _>(own, "up")?;
    let holder = match parent(port) {
        None => own,
        Some(parent) => {
            let parent = reader.find(Lookup::SwitchPort(parent.to_owned()))?;
            reader.find(Lookup::PortBinding(parent))?
        }
    };
    let chassis: Option<String> = reader.column::<sb::PortBinding, _>(holder, "chassis")?;
    Some(Bound {
        up: own_up && chassis.is_some(),
        chassis: chassis.map(Into::into),
    })
}

/// The name of the port that this one is nested in.
pub(crate) fn parent(port: &nb::LogicalSwitchPort) -> Option<&str> {
    let parent = port.parent_name.as_deref();
    parent.filter(|name| !name.is_empty() && port.r#type.is_empty())
}

/// What is plugged in; `None`, with a warning, when nothing of the port can be in force.
fn attachment(
    reader: &mut Reader<'_>,
    port: &nb::LogicalSwitchPort,
    out: &mut Output,
) -> Option<Attachment> {
    match port.r#type.as_str() {
        "" => {
            let known = parent(port).map_or(VIF_OPTIONS, |_| OPTIONS);
            Options::new("options", &port.options, known, out);
            match parent(port) {
                None => {
                    warn_of_tag(port, out);
                    Some(Attachment::Vif)
                }
                Some(parent) => nested(reader, port, parent, out),
            }
        }
        "localport" => {
            Options::new("options", &port.options, OPTIONS, out);
            warn_of_tag(port, out);
            Some(Attachment::Localport)
        }
        "router" => {
            Options::new("options", &port.options, ROUTER_OPTIONS, out);
            warn_of_tag(port, out);
            Some(router(reader, port, out))
        }
        other => {
            out.warn(
                "type",
                format!("ports of type {other:?} are not carried out"),
            );
            None
        }
    }
}

/// A tag says which of its parent's frames are a nested port's. To others it does nothing, as in OVN.
fn warn_of_tag(port: &nb::LogicalSwitchPort, out: &mut Output) {
    let column = match (port.tag_request, port.tag) {
        (Some(_), _) => "tag_request",
        (None, Some(_)) => "tag",
        (None, None) => return,
    };
    out.warn(
        column,
        "it has no effect on a port that is not nested: parent_name names no parent",
    );
}

fn nested(
    reader: &mut Reader<'_>,
    port: &nb::LogicalSwitchPort,
    parent: &str,
    out: &mut Output,
) -> Option<Attachment> {
    let lookup = Lookup::SwitchPort(parent.to_owned());
    if reader.find(lookup).is_none() {
        let message = format!("there is no logical switch port {parent:?}");
        out.warn("parent_name", message);
    }
    let tag = port.tag.filter(|tag| TAGS.contains(tag));
    let Some(tag) = tag.and_then(|tag| u16::try_from(tag).ok()) else {
        out.warn("tag", "a nested port needs a VLAN id in 1..=4094");
        return None;
    };
    Some(Attachment::Nested {
        parent: parent.to_owned(),
        tag,
    })
}

fn router(reader: &mut Reader<'_>, port: &nb::LogicalSwitchPort, out: &mut Output) -> Attachment {
    let Some(name) = port.options.get("router-port") else {
        out.warn(
            "options",
            "a port of type \"router\" needs options:router-port",
        );
        return Attachment::Router(None);
    };
    let Some(peer) = reader.router_port(name) else {
        out.warn(
            "options",
            format!("there is no logical router port {name:?}"),
        );
        return Attachment::Router(None);
    };
    Attachment::Router(reader.port_ref(peer.id.uuid()))
}

/// What `addresses` comes to.
#[derive(Default)]
struct Addresses {
    stations: Vec<StationAddresses>,
    has_unknown: bool,
}

fn addresses(reader: &mut Reader<'_>, port: &nb::LogicalSwitchPort, out: &mut Output) -> Addresses {
    let mut found = Addresses::default();
    let mut is_dynamic = false;
    for text in &port.addresses {
        match text.trim() {
            "unknown" => found.has_unknown = true,
            "router" => found.stations.extend(router_addresses(reader, port, out)),
            text if Wish::parse(text).is_some() && is_dynamic => {
                out.warn(
                    "addresses",
                    format!("{text:?}: one address is chosen already"),
                );
            }
            text if Wish::parse(text).is_some() => is_dynamic = true,
            text => {
                let station = station(text, "addresses", out);
                found.stations.extend(station.map(Station::into_addresses));
            }
        }
    }
    if is_dynamic {
        found.stations.extend(chosen_addresses(reader, port, out));
    }
    found
}

/// The addresses that were chosen for the port.
fn chosen_addresses(
    reader: &mut Reader<'_>,
    port: &nb::LogicalSwitchPort,
    out: &mut Output,
) -> Option<StationAddresses> {
    let row = port.id.uuid();
    let switch = reader.find(Lookup::SwitchOf(row))?;
    let config = reader.column::<nb::LogicalSwitch, _>(switch, "other_config")?;
    let pool = Pool::parse(&config);
    if !pool.is_in_use() {
        out.warn(
            "addresses",
            "no address is chosen: the switch has no other_config subnet, ipv6_prefix or mac_only",
        );
        return None;
    }
    let chosen: Option<String> =
        reader.column::<nb::LogicalSwitchPort, _>(row, "dynamic_addresses")?;
    let Some(chosen) = chosen.and_then(|text| Station::parse(&text).ok()) else {
        out.warn("addresses", "no MAC address is left to be chosen");
        return None;
    };
    let addresses = chosen.into_addresses();
    if pool.has_ipv4() && addresses.ipv4.is_empty() {
        out.warn("addresses", "no address of the switch's subnet is left");
    }
    Some(addresses)
}

fn station(text: &str, column: &'static str, out: &mut Output) -> Option<Station> {
    let station = out.checked(column, Station::parse(text))?;
    if let Some(complaint) = station.complaint() {
        out.warn(column, complaint);
    }
    Some(station)
}

/// The addresses of the router port that this port is joined to.
fn router_addresses(
    reader: &mut Reader<'_>,
    port: &nb::LogicalSwitchPort,
    out: &mut Output,
) -> Option<StationAddresses> {
    if port.r#type != "router" {
        out.warn("addresses", "\"router\" is for ports of type \"router\"");
        return None;
    }
    let peer = reader.router_port(port.options.get("router-port")?)?;
    let mac: Mac = peer.mac.parse().ok()?;
    let networks = Networks::parse(mac, &peer.networks);
    Some(StationAddresses {
        mac,
        ipv4: networks.ipv4.iter().map(|network| network.addr()).collect(),
        ipv6: networks.ipv6.iter().map(|network| network.addr()).collect(),
    })
}

fn port_security(port: &nb::LogicalSwitchPort, out: &mut Output) -> Vec<PortSecurity> {
    let texts: &BTreeSet<String> = &port.port_security;
    let stations = texts
        .iter()
        .filter_map(|text| station(text, "port_security", out));
    stations.map(Station::into_port_security).collect()
}
