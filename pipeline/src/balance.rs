//! Load balancing, for switches and routers alike: which service a packet asks for, and who serves a new connection.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use packet::flow::{Ip, Transport, ip_protocol};

use crate::conntrack::{Commit, NatRequest, State, Tracked, Tuple, Zone};
use crate::drop::DropReason;
use crate::object::{
    BackendState, Balancer, NeighborResponder, SelectionField, TrafficPolicy, VipKey, WhenEmpty,
};
use crate::record::{Entry, Recorder};
use crate::tables::{DatapathTables, Service, Slot, Whereabouts};
use crate::view;
use crate::walk::{Packet, Walk};

/// Makes all nodes choose alike.
const HASH_SEED: u64 = 0x7669_7073;

/// A service that a packet asks for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'t> {
    pub(crate) service: &'t Arc<Service>,
    pub(crate) balancer: &'t Arc<Balancer>,
}

/// Why nobody serves a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unserved {
    /// There is no backend.
    Empty(WhenEmpty),
    /// The client is outside the service's source ranges.
    Stranger,
}

/// The service that a packet asks for in a datapath: that of its port, else that of its address.
pub(crate) fn asked<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    datapath: &'t DatapathTables,
) -> Option<Asked<'t>> {
    if !datapath.balances {
        return None;
    }
    let ip = view::ip(&packet.flow)?;
    walk.depend(Slot::of_vip(ip.dst));
    let node = walk.tables.home().or(packet.node.as_ref());
    let balancing = walk.tables.balancing();
    let with_port = port(ip).and_then(|port| {
        let front = (ip.dst, ip.protocol, port);
        balancing.service(front, datapath.balancers(), node)
    });
    let found = with_port.or_else(|| balancing.service((ip.dst, 0, 0), datapath.balancers(), node));
    found.map(|(service, balancer)| Asked { service, balancer })
}

/// True if the address is that of a VIP of the datapath.
pub(crate) fn is_vip<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &Packet,
    datapath: &DatapathTables,
    ip: IpAddr,
) -> bool {
    if !datapath.balances {
        return false;
    }
    walk.depend(Slot::of_vip(ip));
    let node = walk.tables.home().or(packet.node.as_ref());
    let balancing = walk.tables.balancing();
    balancing
        .at(ip, datapath.balancers(), node)
        .next()
        .is_some()
}

/// How eagerly routers answer ARP and ND for a VIP of the datapath; `None` if the address is not one's.
pub(crate) fn responder<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &Packet,
    datapath: &DatapathTables,
    ip: IpAddr,
) -> Option<NeighborResponder> {
    if !datapath.balances {
        return None;
    }
    walk.depend(Slot::of_vip(ip));
    let node = walk.tables.home().or(packet.node.as_ref());
    let balancing = walk.tables.balancing();
    let at = balancing.at(ip, datapath.balancers(), node);
    at.map(|(_, balancer)| balancer.neighbor_responder).max()
}

/// Gives a new connection a backend, and translates the packet.
pub(crate) fn begin<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &mut Packet,
    zone: Zone,
    asked: Asked<'_>,
    commit: Commit,
) -> Result<Result<(), Unserved>, DropReason> {
    let backend = match choose(walk, packet, asked) {
        Ok(backend) => backend,
        Err(unserved) => return Ok(Err(unserved)),
    };
    let key = &asked.service.vip.key;
    walk.made_by().service = Some((key.clone(), backend));
    let nat = Some(NatRequest::Destination(backend.0, backend.1));
    walk.commit(zone, packet, Commit { nat, ..commit })?;
    walk.modify(|| translation(packet));
    Ok(Ok(()))
}

/// The new destination, in OVN's words.
pub(crate) fn translation(packet: &Packet) -> String {
    let destination = view::ip(&packet.flow).map(|ip| (view::family(ip.dst), ip.dst, port(ip)));
    match destination {
        Some((family, dst, Some(port))) => format!("{family}.dst = {dst}; port {port}"),
        Some((family, dst, None)) => format!("{family}.dst = {dst}"),
        None => String::new(),
    }
}

/// Takes a tracked packet's translation over. A datagram whose backend is gone is no part of its connection any
/// more: that is forgotten, and false is the answer. Connections of other protocols keep their backend.
pub(crate) fn go_on<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &mut Packet,
    zone: Zone,
    tracked: &mut Tracked,
) -> bool {
    let service = tracked
        .made_by
        .as_ref()
        .and_then(|made| made.service.clone());
    if let Some((key, backend)) = service
        && tracked.translated.is_some()
        && !tracked.state.intersects(State::REPLY | State::RELATED)
    {
        walk.depend(Slot::of_vip(key.ip));
        let service = walk.tables.balancing().named(&key);
        let is_kept = service.is_some_and(|service| service.keeps(backend));
        let is_datagram = view::ip(&packet.flow).is_some_and(|ip| ip.protocol == ip_protocol::UDP);
        if is_datagram && !is_kept {
            let flow = packet.flow.clone();
            walk.conntrack().forget(zone, &flow);
            *tracked = walk.track(zone, packet);
            return false;
        }
        walk.made_by().service = Some((key, backend));
    }
    if let Some(translated) = tracked.translated.take() {
        packet.flow = *translated;
        walk.modify(|| translation(packet));
        return true;
    }
    false
}

fn choose<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &Packet,
    asked: Asked<'_>,
) -> Result<(IpAddr, u16), Unserved> {
    let Asked { service, balancer } = asked;
    let Some(ip) = view::ip(&packet.flow) else {
        return Err(Unserved::Empty(balancer.when_empty));
    };
    let client = ip.src;
    let ranges = &balancer.source_ranges;
    if !ranges.is_empty() && !ranges.iter().any(|range| range.contains(&client)) {
        return Err(Unserved::Stranger);
    }
    let timeout_s = balancer.affinity_timeout_s;
    let key = &service.vip.key;
    let known = match timeout_s {
        0 => None,
        _ => walk.conntrack().affinity(key, client),
    };
    if balancer.traffic_policy == TrafficPolicy::PreferZone {
        walk.depend(Slot::CHASSIS);
    }
    let home = walk.tables.home();
    let node = home.or(packet.node.as_ref());
    let whereabouts = Whereabouts {
        node,
        zone: node.map_or("", |node| walk.tables.zone(node)),
        is_home: home.is_some(),
    };
    let backend = known
        .and_then(|backend| service.returning(backend))
        .or_else(|| {
            let hash = hash(packet, ip, &balancer.selection_fields);
            service.choose(balancer.traffic_policy, whereabouts, hash)
        })
        .ok_or_else(|| unserved(walk, asked, whereabouts))?;
    let backend = (backend.ip, backend.port);
    if timeout_s > 0 {
        walk.conntrack()
            .set_affinity(key, client, backend, timeout_s);
    }
    Ok(backend)
}

/// Nobody serves at all, which may be worth a report, or nobody on the client's node who has to.
fn unserved<R: Recorder>(
    walk: &mut Walk<'_, R>,
    asked: Asked<'_>,
    client: Whereabouts<'_>,
) -> Unserved {
    let Asked { service, balancer } = asked;
    let is_elsewhere = balancer.traffic_policy == TrafficPolicy::Local
        && service.choose(TrafficPolicy::Cluster, client, 0).is_some();
    if is_elsewhere {
        return Unserved::Empty(balancer.when_none_local);
    }
    if balancer.event && balancer.when_empty == WhenEmpty::Drop {
        walk.report_unserved(&service.vip.key);
    }
    Unserved::Empty(balancer.when_empty)
}

fn hash(packet: &Packet, ip: &Ip, fields: &[SelectionField]) -> u64 {
    let mut hasher = foldhash::quality::FixedState::with_seed(HASH_SEED).build_hasher();
    let tuple = Tuple::of(&packet.flow);
    let ports = tuple.map_or((0, 0), |tuple| (tuple.src_port, tuple.dst_port));
    if fields.is_empty() {
        (ip.src, ip.dst, ip.protocol, ports).hash(&mut hasher);
    }
    for field in fields {
        match field {
            SelectionField::EthSrc => packet.flow.eth_src.hash(&mut hasher),
            SelectionField::EthDst => packet.flow.eth_dst.hash(&mut hasher),
            SelectionField::IpSrc => ip.src.hash(&mut hasher),
            SelectionField::IpDst => ip.dst.hash(&mut hasher),
            SelectionField::TransportSrc => ports.0.hash(&mut hasher),
            SelectionField::TransportDst => ports.1.hash(&mut hasher),
        }
    }
    hasher.finish()
}

/// The ports that a translated source may have: the range that is asked for, else those of the packet's own class
/// (RFC 4787 section 4.2.2). The identifier of an ICMP query is of one class only.
pub(crate) fn source_ports(
    packet: &Packet,
    asked: Option<&RangeInclusive<u16>>,
) -> RangeInclusive<u16> {
    let own = Tuple::of(&packet.flow);
    let is_icmp =
        own.is_some_and(|own| matches!(own.protocol, ip_protocol::ICMP | ip_protocol::ICMPV6));
    match (asked, own.map(|own| own.src_port)) {
        (Some(range), _) => range.clone(),
        _ if is_icmp => 0..=u16::MAX,
        (None, Some(1..=511)) => 1..=511,
        (None, Some(512..=1023)) => 600..=1023,
        _ => 1024..=u16::MAX,
    }
}

/// The port that a packet asks for; `None` where its protocol has none.
fn port(ip: &Ip) -> Option<u16> {
    match ip.transport {
        Transport::Tcp { dst, .. } | Transport::Udp { dst, .. } | Transport::Sctp { dst, .. } => {
            Some(dst)
        }
        Transport::Icmp { .. } | Transport::Other => None,
    }
}

impl Unserved {
    pub(crate) fn reason(self) -> DropReason {
        match self {
            Self::Empty(_) => DropReason::NoBackend,
            Self::Stranger => DropReason::SourceRange,
        }
    }
}

// === in words ===

/// The entry of a service. `new` and `before` are what the stage asks for besides and does before the choice, `reject`
/// what it does instead if nobody serves.
pub(crate) fn entry(asked: Asked<'_>, new: &str, reject: [&str; 2], before: &[&str]) -> Entry {
    let Asked { service, balancer } = asked;
    let key = &service.vip.key;
    let family = view::family(key.ip);
    let (priority, transport) = match key.port {
        0 => (110, String::new()),
        port => (120, format!(" && {}.dst == {port}", protocol(key.protocol))),
    };
    let matches = format!("{new} && {family}.dst == {}{transport}", key.ip);
    let backends = service.vip.backends.iter();
    let serving = backends.filter(|backend| backend.state != BackendState::Offline);
    let backends: Vec<_> = serving.map(|it| end(it.ip, it.port)).collect();
    let (before, action) = match (backends.is_empty(), balancer.when_empty) {
        (true, WhenEmpty::Drop) if balancer.event => (&[][..], event(key)),
        (true, WhenEmpty::Drop) => (&[][..], "drop;".to_owned()),
        (true, WhenEmpty::Reject) => (&reject[..1], reject[1].to_owned()),
        (false, _) => (before, choice(&backends, balancer)),
    };
    let before = before.iter().map(|action| (*action).to_owned());
    Entry {
        priority,
        matches,
        actions: before.chain([action]).collect(),
    }
}

/// The action that chooses a backend.
fn choice(backends: &[String], balancer: &Balancer) -> String {
    let fields: Vec<_> = balancer.selection_fields.iter().map(field).collect();
    let fields = match fields.is_empty() {
        true => String::new(),
        false => format!("; hash_fields=\"{}\"", fields.join(",")),
    };
    format!("ct_lb_mark(backends={}{fields});", backends.join(","))
}

/// The action that reports clients without a backend, and drops their packets.
fn event(key: &VipKey) -> String {
    format!(
        "trigger_event(event = \"empty_lb_backends\", vip = \"{}\", protocol = \"{}\", load_balancer = \"{}\");",
        end(key.ip, key.port),
        protocol(key.protocol),
        key.balancer
    )
}

fn end(ip: IpAddr, port: u16) -> String {
    match (ip, port) {
        (ip, 0) => ip.to_string(),
        (ip, port) => std::net::SocketAddr::new(ip, port).to_string(),
    }
}

fn protocol(number: u8) -> &'static str {
    match number {
        ip_protocol::UDP => "udp",
        ip_protocol::SCTP => "sctp",
        _ => "tcp",
    }
}

fn field(field: &SelectionField) -> &'static str {
    match field {
        SelectionField::EthSrc => "eth_src",
        SelectionField::EthDst => "eth_dst",
        SelectionField::IpSrc => "ip_src",
        SelectionField::IpDst => "ip_dst",
        SelectionField::TransportSrc => "tp_src",
        SelectionField::TransportDst => "tp_dst",
    }
}
