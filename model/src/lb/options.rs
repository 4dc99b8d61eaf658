//! `Load_Balancer.options`: OVN's, and those that Kubernetes services need beyond them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use ipnet::IpNet;

use super::{Backend, MAX_WEIGHT, items};
use crate::endpoint::Endpoint;
use crate::fault::RowFault;

/// A key of the `options` column.
#[derive(Clone, Copy, Debug)]
pub struct OptionDeclaration {
    /// The key.
    pub name: &'static str,
    /// What its values look like.
    pub values: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// It is not one of OVN's.
    pub is_own: bool,
}

pub(super) const fn ovn(
    name: &'static str,
    values: &'static str,
    summary: &'static str,
) -> OptionDeclaration {
    OptionDeclaration {
        name,
        values,
        summary,
        is_own: false,
    }
}

pub(super) const fn own(
    name: &'static str,
    values: &'static str,
    summary: &'static str,
) -> OptionDeclaration {
    OptionDeclaration {
        is_own: true,
        ..ovn(name, values, summary)
    }
}

/// Every key that is carried out.
pub const OPTIONS: &[OptionDeclaration] = &[
    ovn(
        "reject",
        "true|false",
        "Answer clients of a virtual address without backends, instead of dropping what they send.",
    ),
    ovn(
        "event",
        "true|false",
        "Drop what clients send to a virtual address without backends, and tell of it in Controller_Event. \
         NB_Global.options:controller_event=true is the same for all. The Meter named event-elb, if there is one, \
         limits what each node tells.",
    ),
    ovn(
        "ct_flush",
        "true|false",
        "End connections when their backend or virtual address goes; by default those of TCP and SCTP stay.",
    ),
    ovn(
        "hairpin_snat_ip",
        "[IPv4] [IPv6]",
        "The source that a backend sees when it is its own client; the virtual address where none is given.",
    ),
    ovn(
        "skip_snat",
        "true|false",
        "Leave the source alone, whatever lb_force_snat_ip of the router says.",
    ),
    ovn(
        "add_route",
        "true|false",
        "Let neighbouring routers reach the virtual addresses without a route or ARP.",
    ),
    ovn(
        "neighbor_responder",
        "reachable|all|none",
        "For which virtual addresses routers answer ARP and ND: those on the port's networks, all or none. \
         The default is reachable, and none for templates.",
    ),
    ovn(
        "template",
        "true|false",
        "The addresses are variables of Chassis_Template_Var.",
    ),
    ovn(
        "address-family",
        "ipv4|ipv6",
        "What the variables of a template are; the default is ipv4.",
    ),
    ovn(
        "affinity_timeout",
        "0..65535",
        "Send a client to the backend that it had within so many seconds; 0 does not.",
    ),
    own(
        "backend_weights",
        "BACKEND=WEIGHT,...",
        "Shares of new connections, 0 to 1000 and 1 where none is given; with 0 a backend keeps its connections \
         and gets no new ones. BACKEND is IP:PORT, or an IP for all its ports.",
    ),
    own(
        "terminating_backends",
        "BACKEND,...",
        "Backends that serve what they have, and get new connections only while there is no other.",
    ),
    own(
        "backend_zones",
        "BACKEND=ZONE,...",
        "Where backends are, for traffic_policy=prefer-zone. A node's zone is its Chassis_Template_Var zone, and \
         a backend's that of its node where none is given here.",
    ),
    own(
        "traffic_policy",
        "cluster|local|prefer-local|prefer-zone",
        "Which backends are used: all; those of the client's node; those of the client's node, or all if there \
         are none; those of the client's zone, or all if there are none.",
    ),
    own(
        "source_ranges",
        "NETWORK,...",
        "Drop what comes from elsewhere.",
    ),
    own(
        "empty_backends",
        "drop|reject",
        "What happens to clients when there is no backend at all; it counts more than reject.",
    ),
    own(
        "empty_local_backends",
        "drop|reject",
        "What happens to clients with traffic_policy=local when only other nodes have backends; the default is \
         drop.",
    ),
];

/// How a load balancer behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Without any backend.
    pub empty: EmptyPolicy,
    /// Without a backend on the client's node, when only those are used.
    pub empty_local: EmptyPolicy,
    /// Which backends are used.
    pub traffic_policy: TrafficPolicy,
    /// From where clients may come; empty for everywhere.
    pub source_ranges: Vec<IpNet>,
    /// The source that a backend sees when it is its own client.
    pub hairpin_source: HairpinSource,
    /// The router's `lb_force_snat_ip` does not apply.
    pub skips_snat: bool,
    /// Neighbouring routers reach the virtual addresses without a route.
    pub adds_route: bool,
    /// For which virtual addresses routers answer ARP and ND.
    pub neighbor_responder: NeighborResponder,
    /// Connections end with their backend.
    pub flushes: bool,
    /// How long a client without connections keeps its backend, in seconds.
    pub affinity_timeout_s: Option<NonZeroU16>,
}

/// What happens to clients when there is no backend for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyPolicy {
    /// Their packets are dropped.
    Drop,
    /// Their packets are dropped and told of.
    Event,
    /// They get a TCP RST, an SCTP ABORT or an ICMP unreachable.
    Reject,
}

/// Which backends are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrafficPolicy {
    /// All.
    Cluster,
    /// Those of the client's node.
    Local,
    /// Those of the client's node; all if there are none.
    PreferLocal,
    /// Those of the client's zone; all if there are none.
    PreferZone,
}

/// For which virtual addresses a router answers ARP and ND.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighborResponder {
    /// Those on the networks of the port that is asked.
    Reachable,
    /// All.
    All,
    /// None.
    None,
}

/// The sources of `hairpin_snat_ip`; the virtual address where there is none of the family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HairpinSource {
    /// For IPv4.
    pub ipv4: Option<Ipv4Addr>,
    /// For IPv6.
    pub ipv6: Option<Ipv6Addr>,
}

type Map = BTreeMap<String, String>;

impl Options {
    /// Reads the column. Keys that are not in [`OPTIONS`] are passed over.
    pub fn parse(map: &Map) -> Result<Self, RowFault> {
        let rejects = flag(map, "reject")?;
        let tells = flag(map, "event")?;
        let empty = match (rejects, tells) {
            (true, _) => EmptyPolicy::Reject,
            (false, true) => EmptyPolicy::Event,
            (false, false) => EmptyPolicy::Drop,
        };
        let responder = match flag(map, "template")? {
            true => NeighborResponder::None,
            false => NeighborResponder::Reachable,
        };
        const EMPTY: &[(&str, EmptyPolicy)] =
            &[("drop", EmptyPolicy::Drop), ("reject", EmptyPolicy::Reject)];
        const POLICIES: &[(&str, TrafficPolicy)] = &[
            ("cluster", TrafficPolicy::Cluster),
            ("local", TrafficPolicy::Local),
            ("prefer-local", TrafficPolicy::PreferLocal),
            ("prefer-zone", TrafficPolicy::PreferZone),
        ];
        const RESPONDERS: &[(&str, NeighborResponder)] = &[
            ("reachable", NeighborResponder::Reachable),
            ("all", NeighborResponder::All),
            ("none", NeighborResponder::None),
        ];
        Ok(Self {
            empty: word(map, "empty_backends", EMPTY)?.unwrap_or(empty),
            empty_local: word(map, "empty_local_backends", EMPTY)?.unwrap_or(EmptyPolicy::Drop),
            traffic_policy: word(map, "traffic_policy", POLICIES)?
                .unwrap_or(TrafficPolicy::Cluster),
            source_ranges: source_ranges(map)?,
            hairpin_source: hairpin_source(map)?,
            skips_snat: flag(map, "skip_snat")?,
            adds_route: flag(map, "add_route")?,
            flushes: flag(map, "ct_flush")?,
            neighbor_responder: word(map, "neighbor_responder", RESPONDERS)?.unwrap_or(responder),
            affinity_timeout_s: affinity_timeout(map)?,
        })
    }
}

/// What options say of single backends.
pub(super) struct BackendDetails {
    weights: BTreeMap<Endpoint, u16>,
    terminating: BTreeSet<Endpoint>,
    zones: BTreeMap<Endpoint, String>,
}

impl BackendDetails {
    pub(super) fn parse(map: &Map) -> Result<Self, RowFault> {
        let terminating = values(map, "terminating_backends").map(|text| {
            let endpoint = text.parse::<Endpoint>();
            endpoint.map_err(|error| bad("terminating_backends", error))
        });
        Ok(Self {
            weights: pairs(map, "backend_weights", |text| {
                let weight = text.parse().ok();
                let weight = weight.filter(|&weight| weight <= MAX_WEIGHT);
                weight.ok_or_else(|| format!("{text:?} is not a weight from 0 to {MAX_WEIGHT}"))
            })?,
            terminating: terminating.collect::<Result<_, _>>()?,
            zones: pairs(map, "backend_zones", |text| match text {
                "" => Err("a zone has a name".to_owned()),
                zone => Ok(zone.to_owned()),
            })?,
        })
    }

    /// Enters what is said of a backend. What is said of its port counts more than what is said of its
    /// address.
    pub(super) fn apply(&self, backend: &mut Backend) {
        let keys = [
            backend.endpoint,
            Endpoint {
                port: None,
                ..backend.endpoint
            },
        ];
        let weight = keys.iter().find_map(|key| self.weights.get(key));
        backend.weight = weight.copied().unwrap_or(1);
        backend.zone = keys.iter().find_map(|key| self.zones.get(key)).cloned();
        backend.is_terminating = keys.iter().any(|key| self.terminating.contains(key));
    }
}

/// OVN's truth: `true` in any case. What is neither that nor `false` is refused.
pub(super) fn flag(map: &Map, key: &'static str) -> Result<bool, RowFault> {
    let Some(text) = map.get(key) else {
        return Ok(false);
    };
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" | "" => Ok(false),
        _ => Err(bad(key, format!("{text:?} is neither true nor false"))),
    }
}

/// One of a few words; `None` where nothing is said.
pub(super) fn word<T: Copy>(
    map: &Map,
    key: &'static str,
    words: &[(&str, T)],
) -> Result<Option<T>, RowFault> {
    let Some(text) = map.get(key).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let found = words.iter().find(|(word, _)| word == text);
    let found = found.map(|(_, value)| Some(*value));
    found.ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        bad(key, format!("{text:?} is none of {}", words.join(", ")))
    })
}

fn affinity_timeout(map: &Map) -> Result<Option<NonZeroU16>, RowFault> {
    const KEY: &str = "affinity_timeout";
    let Some(text) = map.get(KEY).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let seconds: Result<u16, _> = text.parse();
    let message = || format!("{text:?} is not a number of seconds from 0 to 65535");
    seconds
        .map(NonZeroU16::new)
        .map_err(|_| bad(KEY, message()))
}

fn hairpin_source(map: &Map) -> Result<HairpinSource, RowFault> {
    const KEY: &str = "hairpin_snat_ip";
    let mut source = HairpinSource::default();
    for text in values(map, KEY) {
        let is_second = match text.parse() {
            Ok(IpAddr::V4(ip)) => source.ipv4.replace(ip).is_some(),
            Ok(IpAddr::V6(ip)) => source.ipv6.replace(ip).is_some(),
            Err(_) => return Err(bad(KEY, format!("{text:?} is not an IP address"))),
        };
        if is_second {
            let message = format!("{text:?} is the second address of its family");
            return Err(bad(KEY, message));
        }
    }
    Ok(source)
}

fn source_ranges(map: &Map) -> Result<Vec<IpNet>, RowFault> {
    const KEY: &str = "source_ranges";
    let ranges = values(map, KEY).map(|text| {
        let host = || text.parse::<IpAddr>().map(IpNet::from);
        let range: Result<IpNet, _> = text.parse().or_else(|_| host());
        range
            .map(|range| range.trunc())
            .map_err(|_| bad(KEY, format!("{text:?} is not a network")))
    });
    ranges.collect()
}

/// The words of an option that is a list.
fn values<'a>(map: &'a Map, key: &str) -> impl Iterator<Item = &'a str> {
    map.get(key).into_iter().flat_map(|text| items(text))
}

/// The pairs of an option that says something of backends.
fn pairs<T>(
    map: &Map,
    key: &'static str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<BTreeMap<Endpoint, T>, RowFault> {
    let pairs = values(map, key).map(|text| {
        let (backend, value) = text
            .split_once('=')
            .ok_or_else(|| bad(key, format!("{text:?} is not of the form BACKEND=VALUE")))?;
        let backend = backend.parse().map_err(|error| bad(key, error))?;
        let value = read(value).map_err(|message| bad(key, message))?;
        Ok((backend, value))
    });
    pairs.collect()
}

pub(super) fn bad(key: &str, message: impl std::fmt::Display) -> RowFault {
    RowFault::new("options", format!("{key}: {message}"))
}
