//! Tracked connections as `vsctl ct-list` shows them: with the names that people gave.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use packet::flow::ip_protocol;
use pipeline::Tables;
use pipeline::conntrack::{Mark, Tuple, Zone, ZoneKind};
use pipeline::object::{Acl, DatapathKey, Nat, PortRef};
use southbound_proto::node as wire;
use tonic::Status;
use uuid::Uuid;

use crate::conntrack::{End, Filter, Listed, Survey, TrackingCounts, Within};

/// The most connections that one answer tells of.
pub(super) const MOST_LISTED: usize = 100_000;

const PROTOCOLS: [(&str, u8); 5] = [
    ("tcp", ip_protocol::TCP),
    ("udp", ip_protocol::UDP),
    ("sctp", ip_protocol::SCTP),
    ("icmp", ip_protocol::ICMP),
    ("icmp6", ip_protocol::ICMPV6),
];

/// What a filter with people's names means.
pub(super) fn filter(wanted: &wire::ConnectionFilter, tables: &Tables) -> Result<Filter, Status> {
    Ok(Filter {
        within: within(&wanted.zone, tables)?,
        protocol: protocol_of(&wanted.protocol)?,
        either: end(&wanted.ip, wanted.port)?,
        src: end(&wanted.src, wanted.src_port)?,
        dst: end(&wanted.dst, wanted.dst_port)?,
        state: Some(wanted.state.clone()).filter(|state| !state.is_empty()),
        rules: rules(&wanted.rule, tables)?,
        vip: endpoint_of(&wanted.vip)?,
        backend: endpoint_of(&wanted.backend)?,
    })
}

/// The rules that a UUID or name may stand for.
fn rules(name: &str, tables: &Tables) -> Result<Option<Vec<Uuid>>, Status> {
    if name.is_empty() {
        return Ok(None);
    }
    if let Ok(uuid) = name.parse() {
        return Ok(Some(vec![uuid]));
    }
    let acls = tables.all_acls().filter(|acl| acl.name == name);
    let acls = acls.map(|acl| acl.uuid);
    let balancers = tables.balancers().filter(|balancer| balancer.name == name);
    let found: Vec<Uuid> = acls.chain(balancers.map(|it| it.uuid)).collect();
    let unknown = || Status::not_found(format!("{name}: no ACL or load balancer of this node"));
    match found.is_empty() {
        true => Err(unknown()),
        false => Ok(Some(found)),
    }
}

/// An address or network, or an address with a port.
fn endpoint_of(text: &str) -> Result<End, Status> {
    match text.parse::<SocketAddr>() {
        Ok(address) => Ok(End {
            network: Some(address.ip().into()),
            port: Some(address.port()),
        }),
        Err(_) => end(text, 0),
    }
}

fn end(network: &str, port: u32) -> Result<End, Status> {
    let network = match network {
        "" => None,
        text => Some(network_of(text)?),
    };
    let port = match port {
        0 => None,
        port => {
            let wrong = |_| Status::invalid_argument(format!("{port} is no port"));
            Some(u16::try_from(port).map_err(wrong)?)
        }
    };
    Ok(End { network, port })
}

fn network_of(text: &str) -> Result<IpNet, Status> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let wrong = |_| Status::invalid_argument(format!("{text:?} is no IP address or network"));
    text.parse::<IpNet>().or_else(|_| address()).map_err(wrong)
}

fn protocol_of(name: &str) -> Result<Option<u8>, Status> {
    if name.is_empty() {
        return Ok(None);
    }
    let known = PROTOCOLS.iter().find(|(known, _)| *known == name);
    let number = known
        .map(|(_, number)| *number)
        .or_else(|| name.parse().ok());
    number.map(Some).ok_or_else(|| {
        let names: Vec<_> = PROTOCOLS.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        Status::invalid_argument(format!("{name:?}: expected {names} or a number"))
    })
}

/// A port has one zone, a switch or router its own and those of its ports.
fn within(name: &str, tables: &Tables) -> Result<Option<Within>, Status> {
    if name.is_empty() {
        return Ok(None);
    }
    if let Some(port) = tables.port_named(name) {
        let zone = Zone::new(ZoneKind::Port(port.at), port.uuid);
        return Ok(Some(Within::Zone(zone)));
    }
    let datapaths = tables.all_datapaths();
    let named = datapaths.into_iter().find(|datapath| datapath.name == name);
    let unknown = || Status::not_found(format!("{name}: no port, switch or router of this node"));
    let datapath = named.ok_or_else(unknown)?;
    Ok(Some(Within::Datapath(datapath.key)))
}

/// The answer, with no more than `limit` connections.
pub(super) fn reply(
    mut listed: Vec<Listed>,
    limit: usize,
    tables: &Tables,
) -> wire::ConnectionsReply {
    let has_more = listed.len() > limit;
    listed.truncate(limit);
    listed.sort_by_key(|listed| (listed.kept.zone, listed.kept.original));
    let names = Names::new(tables);
    let mut connections: Vec<_> = listed
        .iter()
        .map(|listed| names.connection(listed))
        .collect();
    connections.sort_by(|a, b| (&a.zone, &a.zone_kind).cmp(&(&b.zone, &b.zone_kind)));
    wire::ConnectionsReply {
        connections,
        has_more,
    }
}

/// What numbers are called.
struct Names<'t> {
    tables: &'t Tables,
    acls: HashMap<Uuid, &'t Acl>,
    nats: HashMap<Uuid, &'t Nat>,
}

impl<'t> Names<'t> {
    fn new(tables: &'t Tables) -> Names<'t> {
        let acls = tables.all_acls().map(|acl| (acl.uuid, &**acl));
        let nats = tables.all_nats().map(|nat| (nat.uuid, &**nat));
        Names {
            tables,
            acls: acls.collect(),
            nats: nats.collect(),
        }
    }

    fn connection(&self, listed: &Listed) -> wire::TrackedConnection {
        let kept = &listed.kept;
        let made_by = &kept.made_by;
        let (zone, zone_kind) = zone_name(kept.zone, self.tables);
        let (vip, backend) = match &made_by.service {
            Some((vip, (ip, port))) => (endpoint(vip.ip, vip.port), endpoint(*ip, *port)),
            None => Default::default(),
        };
        let balancer = made_by.service.as_ref().map(|(vip, _)| vip.balancer);
        wire::TrackedConnection {
            zone,
            zone_kind: zone_kind.to_owned(),
            protocol: protocol_name(kept.original.protocol),
            state: kept.progress.name().to_owned(),
            original: Some(tuple(&kept.original)),
            reply: Some(tuple(&kept.reply)),
            is_translated: kept.reply != kept.original.reversed(),
            marks: marks(kept.mark),
            label: kept.label,
            left_ms: listed.left_ms,
            age_ms: listed.age_ms,
            acls: made_by.acls.iter().map(|uuid| self.acl(*uuid)).collect(),
            balancer: balancer.map(|uuid| self.balancer(uuid)),
            vip,
            backend,
            nats: made_by.nats.iter().map(|uuid| self.nat(*uuid)).collect(),
            route: match &made_by.route {
                Some(route) => route.prefix.to_string(),
                None => String::new(),
            },
        }
    }

    /// Direction, priority, and the name or else the UUID.
    fn acl(&self, uuid: Uuid) -> wire::Decider {
        let text = self.acls.get(&uuid).map(|acl| {
            let name = match acl.name.as_str() {
                "" => uuid.to_string(),
                name => name.to_owned(),
            };
            format!("{} {} {name}", acl.stage.direction(), acl.priority)
        });
        decider(uuid, text)
    }

    fn balancer(&self, uuid: Uuid) -> wire::Decider {
        let balancer = self.tables.balancer(uuid);
        decider(uuid, balancer.map(|balancer| balancer.name.clone()))
    }

    /// Type, external and logical address, and the router.
    fn nat(&self, uuid: Uuid) -> wire::Decider {
        let text = self.nats.get(&uuid).map(|nat| {
            let logical = match nat.logical.prefix_len() == nat.logical.max_prefix_len() {
                true => nat.logical.addr().to_string(),
                false => nat.logical.to_string(),
            };
            let router = datapath_name(nat.router, self.tables);
            format!(
                "{} {} {logical} on {router}",
                nat.kind.name(),
                nat.external_ip
            )
        });
        decider(uuid, text)
    }
}

fn decider(uuid: Uuid, text: Option<String>) -> wire::Decider {
    wire::Decider {
        uuid: uuid.to_string(),
        text: text.unwrap_or_default(),
    }
}

fn zone_name(zone: Zone, tables: &Tables) -> (String, &'static str) {
    match zone.kind() {
        Some(ZoneKind::Port(at)) => (port_name(at, tables), "port"),
        Some(ZoneKind::Dnat(key)) => (datapath_name(key, tables), "dnat"),
        Some(ZoneKind::Snat(key)) => (datapath_name(key, tables), "snat"),
        None => (zone.number().to_string(), ""),
    }
}

fn port_name(at: PortRef, tables: &Tables) -> String {
    let unknown = || format!("{}/{}", at.datapath, at.port);
    tables
        .port(at)
        .map_or_else(unknown, |port| port.name.clone())
}

fn datapath_name(key: DatapathKey, tables: &Tables) -> String {
    let datapath = tables.datapath(key);
    datapath.map_or_else(|| key.to_string(), |datapath| datapath.name.clone())
}

fn tuple(tuple: &Tuple) -> wire::ConnectionTuple {
    wire::ConnectionTuple {
        src: tuple.src.to_string(),
        dst: tuple.dst.to_string(),
        src_port: tuple.src_port.into(),
        dst_port: tuple.dst_port.into(),
    }
}

fn endpoint(ip: IpAddr, port: u16) -> String {
    match port {
        0 => ip.to_string(),
        port => SocketAddr::new(ip, port).to_string(),
    }
}

fn protocol_name(number: u8) -> String {
    let known = PROTOCOLS.iter().find(|(_, known)| *known == number);
    known.map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
}

fn marks(mark: Mark) -> Vec<String> {
    let names = mark.iter_names();
    names.map(|(name, _)| name.to_lowercase()).collect()
}

/// How full the table is, of what, and what was refused. `refused` counts by zone.
pub(super) fn tracking(
    counts: &TrackingCounts,
    survey: &Survey,
    refused: impl Fn(Zone) -> u64,
    tables: &Tables,
) -> wire::TrackingReply {
    let states = survey.states.iter();
    let states = states.map(|((protocol, state), connections)| wire::StateCount {
        protocol: protocol_name(*protocol),
        state: (*state).to_owned(),
        connections: *connections,
    });
    // A zone whose connections are all gone may have been refused some.
    let mut zones = survey.zones.clone();
    for zone in port_zones(tables) {
        zones.entry(zone).or_default();
    }
    let zones = zones.into_iter().filter_map(|(zone, counts)| {
        let refused = refused(zone);
        let (name, kind) = zone_name(zone, tables);
        (counts.connections > 0 || refused > 0).then(|| wire::ZoneCount {
            zone: name,
            zone_kind: kind.to_owned(),
            connections: counts.connections,
            half_open: counts.half_open,
            refused,
        })
    });
    wire::TrackingReply {
        counts: totals(counts),
        states: states.collect(),
        zones: zones.collect(),
    }
}

fn port_zones(tables: &Tables) -> impl Iterator<Item = Zone> {
    let datapaths = tables.all_datapaths().into_iter();
    let ports = datapaths.flat_map(|datapath| tables.ports(datapath.key));
    ports.map(|port| Zone::new(ZoneKind::Port(port.at), port.uuid))
}

fn totals(counts: &TrackingCounts) -> Vec<wire::TrackingCount> {
    let count = |(name, description, value): (&str, &str, u64)| wire::TrackingCount {
        name: name.to_owned(),
        description: description.trim().to_owned(),
        value,
    };
    counts.gauges().chain(counts.totals()).map(count).collect()
}
