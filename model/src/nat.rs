//! `NAT` rows as values.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use packet::Mac;

use crate::fault::RowFault;
use crate::nb::{self, AddressSet, LogicalRouterPort};
use crate::table::Id;

/// A translation of addresses at a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat {
    /// What is translated.
    pub kind: NatKind,
    /// The address outside.
    pub external_ip: IpAddr,
    /// The address or, for `snat`, the network inside; of the same family.
    pub logical_ip: IpNet,
    /// The source ports to choose from (`external_port_range`); `None` to keep the port where that can be.
    pub external_ports: Option<RangeInclusive<NonZeroU16>>,
    /// Where it is done on the node of the inside address, instead of the gateway's.
    pub distributed: Option<Distributed>,
    /// It rewrites packets without tracking connections; only of `dnat_and_snat`.
    pub is_stateless: bool,
    /// Neighbouring routers reach the external address without a route; not of `snat`.
    pub adds_route: bool,
    /// Which addresses outside it is about.
    pub peers: Peers,
    /// The gateway port that it is done at; `None` to find it by the external address.
    pub gateway_port: Option<Id<LogicalRouterPort>>,
}

/// What is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NatKind {
    /// The source of what goes out.
    Snat,
    /// The destination of what comes in.
    Dnat,
    /// Both: one address outside for one inside.
    DnatAndSnat,
}

/// A translation on the node of its inside address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distributed {
    /// The switch port that has the inside address.
    pub port: String,
    /// The MAC that the external address is answered with.
    pub mac: Mac,
}

/// Addresses outside that a translation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// All.
    All,
    /// Those of an address set (`allowed_ext_ips`).
    Only(Id<AddressSet>),
    /// All but those of an address set (`exempted_ext_ips`).
    Except(Id<AddressSet>),
    /// None: both columns are set, and OVN applies no such translation.
    Nobody,
}

impl Nat {
    /// Reads a row.
    pub fn parse(row: &nb::Nat) -> Result<Self, RowFault> {
        let kind = NatKind::parse(&row.r#type)?;
        let external_ip = parse_ip(&row.external_ip)
            .ok_or_else(|| bad("external_ip", &row.external_ip, "an IP address"))?;
        let is_true = |key| {
            let value = row.options.get(key);
            value.is_some_and(|text| text.eq_ignore_ascii_case("true"))
        };
        Ok(Self {
            kind,
            external_ip,
            logical_ip: logical_ip(kind, external_ip, &row.logical_ip)?,
            external_ports: ports(&row.external_port_range)?,
            distributed: distributed(kind, row)?,
            is_stateless: is_true("stateless") && kind == NatKind::DnatAndSnat,
            adds_route: is_true("add_route") && kind != NatKind::Snat,
            peers: peers(row),
            gateway_port: row.gateway_port,
        })
    }
}

impl NatKind {
    /// All of them, with the words of the column.
    pub const ALL: [(&str, Self); 3] = [
        ("snat", Self::Snat),
        ("dnat", Self::Dnat),
        ("dnat_and_snat", Self::DnatAndSnat),
    ];

    fn parse(text: &str) -> Result<Self, RowFault> {
        let found = Self::ALL.iter().find(|(word, _)| *word == text);
        let found = found.map(|(_, kind)| *kind);
        found.ok_or_else(|| bad("type", text, "one of snat, dnat and dnat_and_snat"))
    }
}

fn logical_ip(kind: NatKind, external: IpAddr, text: &str) -> Result<IpNet, RowFault> {
    const COLUMN: &str = "logical_ip";
    let network = parse_network(text);
    let network = network.ok_or_else(|| bad(COLUMN, text, "an IP address or network"))?;
    if kind != NatKind::Snat && network.prefix_len() != network.max_prefix_len() {
        let what = "the address of a host, which only snat does not ask for";
        return Err(bad(COLUMN, text, what));
    }
    if network.addr().is_ipv4() != external.is_ipv4() {
        let what = format!("of the address family of {external}");
        return Err(bad(COLUMN, text, &what));
    }
    Ok(network.trunc())
}

/// `LOW-HIGH` or `PORT`; nothing for any.
fn ports(text: &str) -> Result<Option<RangeInclusive<NonZeroU16>>, RowFault> {
    if text.is_empty() {
        return Ok(None);
    }
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    match (low.trim().parse(), high.trim().parse()) {
        (Ok(low), Ok(high)) if low <= high => Ok(Some(low..=high)),
        _ => Err(bad(
            "external_port_range",
            text,
            "a range of ports such as 1024-65535",
        )),
    }
}

fn distributed(kind: NatKind, row: &nb::Nat) -> Result<Option<Distributed>, RowFault> {
    const COLUMN: &str = "external_mac";
    let mac = match row.external_mac.as_deref() {
        Some(text) => {
            let mac = text
                .parse()
                .map_err(|_| bad(COLUMN, text, "a MAC address"))?;
            Some(mac)
        }
        None => None,
    };
    let port = row.logical_port.clone();
    let distributed = mac.zip(port).filter(|_| kind == NatKind::DnatAndSnat);
    Ok(distributed.map(|(mac, port)| Distributed { port, mac }))
}

fn peers(row: &nb::Nat) -> Peers {
    match (row.allowed_ext_ips, row.exempted_ext_ips) {
        (None, None) => Peers::All,
        (Some(set), None) => Peers::Only(set),
        (None, Some(set)) => Peers::Except(set),
        (Some(_), Some(_)) => Peers::Nobody,
    }
}

/// An address, perhaps with its full prefix length.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let network = parse_network(text)?;
    (network.prefix_len() == network.max_prefix_len()).then(|| network.addr())
}

/// An address, or one with a prefix length or a mask.
fn parse_network(text: &str) -> Option<IpNet> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(IpNet::from(ip));
    }
    if let Ok(network) = text.parse() {
        return Some(network);
    }
    let (ip, mask) = text.split_once('/')?;
    if let (Ok(ip), Ok(mask)) = (ip.parse::<Ipv4Addr>(), mask.parse::<Ipv4Addr>()) {
        return IpNet::with_netmask(ip.into(), mask.into()).ok();
    }
    let (ip, mask) = (ip.parse::<Ipv6Addr>().ok()?, mask.parse::<Ipv6Addr>().ok()?);
    IpNet::with_netmask(ip.into(), mask.into()).ok()
}

fn bad(column: &'static str, text: &str, what: &str) -> RowFault {
    RowFault::new(column, format!("{text:?} is not {what}"))
}
