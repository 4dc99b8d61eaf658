//! `Load_Balancer` rows as values: the one place that says what their texts mean.
//!
//! [`LoadBalancer::parse`] reads a row whose texts are addresses. A row with `options:template=true` is
//! first made such a row for a node, from that node's variables, by [`expand`]. [`check`] is for the writer,
//! who has no node: it refuses what no variables could make right.

mod health;
mod options;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::endpoint::Endpoint;
use crate::fault::RowFault;
use crate::nb;

pub use health::{HealthCheck, HttpProbe, OPTIONS as HEALTH_CHECK_OPTIONS};
pub use options::{
    EmptyPolicy, HairpinSource, NeighborResponder, OPTIONS, OptionDeclaration, Options,
    TrafficPolicy,
};
pub use template::expand;

/// The most virtual addresses of a load balancer, and backends of a virtual address.
pub const MAX_ENDPOINTS: usize = 1 << 14;

/// The greatest weight of a backend.
pub const MAX_WEIGHT: u16 = 1000;

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    /// What its virtual addresses with ports are spoken to in. Those without balance every protocol.
    pub protocol: Protocol,
    /// The virtual addresses, in order, each once.
    pub vips: Vec<Vip>,
    /// What a connection's backend is chosen by, instead of the whole 5-tuple; empty for that.
    pub selection_fields: BTreeSet<SelectionField>,
    /// How it behaves.
    pub options: Options,
}

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "they are called so")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// A virtual address with the backends that serve it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vip {
    /// The address that clients speak to.
    pub endpoint: Endpoint,
    /// Where their connections go, in order, each once. They have ports just if the virtual address has one,
    /// and its address family.
    pub backends: Vec<Backend>,
}

/// A server behind a virtual address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Its share of the connections, relative to the others' (`backend_weights`). With 0 it keeps the
    /// connections it has and gets no new ones.
    pub weight: u16,
    /// It gets new connections only while there is no other (`terminating_backends`).
    pub is_terminating: bool,
    /// Where it is (`backend_zones`); `None` if nothing is said.
    pub zone: Option<String>,
    /// The switch port that has its address, and from where it is probed (`ip_port_mappings`).
    pub mapping: Option<PortMapping>,
}

/// Whose address a backend's is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// The name of the switch port.
    pub port: String,
    /// The source address of the probes; without it there are none.
    pub probe_source: Option<IpAddr>,
}

/// A part of a packet that the choice of a backend may depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "named as in the column")]
pub enum SelectionField {
    EthSrc,
    EthDst,
    IpSrc,
    IpDst,
    TpSrc,
    TpDst,
}

/// Refuses a row that no variables could make right.
pub fn check(row: &nb::LoadBalancer) -> Result<(), RowFault> {
    if template::is_template(row) {
        template::check(row)
    } else {
        LoadBalancer::parse(row).map(drop)
    }
}

impl LoadBalancer {
    /// Reads a row whose texts are addresses, not variables.
    pub fn parse(row: &nb::LoadBalancer) -> Result<Self, RowFault> {
        let mappings = mappings(&row.ip_port_mappings)?;
        let details = options::BackendDetails::parse(&row.options)?;
        let mut vips = BTreeMap::new();
        for (key, value) in &row.vips {
            let mut vip = parse_vip(key, value)?;
            for backend in &mut vip.backends {
                details.apply(backend);
                backend.mapping = mappings.get(&backend.endpoint.ip).cloned();
            }
            if vips.insert(vip.endpoint, vip).is_some() {
                return Err(fault(format!("{key:?} is there twice")));
            }
        }
        if vips.len() > MAX_ENDPOINTS {
            return Err(fault(format!("there are more than {MAX_ENDPOINTS}")));
        }
        Ok(Self {
            protocol: Protocol::parse(row.protocol.as_deref()),
            vips: vips.into_values().collect(),
            selection_fields: row
                .selection_fields
                .iter()
                .filter_map(|field| SelectionField::parse(field))
                .collect(),
            options: Options::parse(&row.options)?,
        })
    }
}

impl Protocol {
    /// The protocol of the `protocol` column, which TCP is where there is none.
    fn parse(text: Option<&str>) -> Self {
        match text {
            Some("udp") => Self::Udp,
            Some("sctp") => Self::Sctp,
            _ => Self::Tcp,
        }
    }
}

impl SelectionField {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "eth_src" => Self::EthSrc,
            "eth_dst" => Self::EthDst,
            "ip_src" => Self::IpSrc,
            "ip_dst" => Self::IpDst,
            "tp_src" => Self::TpSrc,
            "tp_dst" => Self::TpDst,
            _ => return None,
        })
    }
}

/// A pair of `vips`.
fn parse_vip(key: &str, value: &str) -> Result<Vip, RowFault> {
    let endpoint = parse_endpoint(key)?;
    let mut backends: Vec<Backend> = Vec::new();
    for text in items(value) {
        let backend = parse_backend(endpoint, text)?;
        if backends.iter().all(|other| other.endpoint != backend) {
            backends.push(Backend::new(backend));
        }
    }
    if backends.len() > MAX_ENDPOINTS {
        let message = format!("{key:?} has more than {MAX_ENDPOINTS} backends");
        return Err(fault(message));
    }
    backends.sort_by_key(|backend| backend.endpoint);
    Ok(Vip { endpoint, backends })
}

fn parse_backend(vip: Endpoint, text: &str) -> Result<Endpoint, RowFault> {
    let backend = parse_endpoint(text)?;
    if backend.ip.is_ipv4() != vip.ip.is_ipv4() {
        let message = format!("{text:?} is not of the address family of {vip}");
        return Err(fault(message));
    }
    match (vip.port, backend.port) {
        (Some(_), None) => Err(fault(format!("{text:?} needs a port, since {vip} has one"))),
        (None, Some(_)) => Err(fault(format!(
            "{text:?} must not have a port, since {vip} has none"
        ))),
        _ => Ok(backend),
    }
}

impl Backend {
    /// A backend of which only the address is known.
    fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            weight: 1,
            is_terminating: false,
            zone: None,
            mapping: None,
        }
    }
}

fn parse_endpoint(text: &str) -> Result<Endpoint, RowFault> {
    text.parse().map_err(|error| fault(format!("{error}")))
}

fn fault(message: String) -> RowFault {
    RowFault::new("vips", message)
}

/// The words of a list with commas or spaces.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', '\t', '\n'])
        .filter(|item| !item.is_empty())
}

/// `IP=PORT_NAME[:SOURCE_IP]`, with brackets around IPv6 addresses.
fn mappings(column: &BTreeMap<String, String>) -> Result<BTreeMap<IpAddr, PortMapping>, RowFault> {
    let pairs = column.iter().map(|(key, value)| {
        let mapping = parse_ip(key).zip(parse_mapping(value));
        mapping.ok_or_else(|| {
            let message = format!(
                "\"{key}={value}\" is not of the form IP=PORT[:SOURCE_IP] (IPv6 addresses in [])"
            );
            RowFault::new("ip_port_mappings", message)
        })
    });
    pairs.collect()
}

fn parse_mapping(value: &str) -> Option<PortMapping> {
    let (port, source) = match value.strip_suffix(']') {
        Some(value) => value.rsplit_once(":[")?,
        None => value.rsplit_once(':').unwrap_or((value, "")),
    };
    let has_source = value.contains(':');
    Some(PortMapping {
        port: Some(port).filter(|port| !port.is_empty())?.to_owned(),
        probe_source: match has_source {
            true => Some(source.parse().ok()?),
            false => None,
        },
    })
}

/// An address, in brackets or not.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let endpoint: Endpoint = text.parse().ok()?;
    endpoint.port.is_none().then_some(endpoint.ip)
}
