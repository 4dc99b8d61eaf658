//! Clients that found no backend: rows of `Controller_Event`, for whoever can start one.
//!
//! There is one row for a VIP and node, which counts. It goes when the VIP has a backend again, is gone, or is to
//! be reported no more.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use model::{Database, Datum, Id, Operation, Table, nb, sb};
use pipeline::object::{BackendState, Object, ObjectKey, VipKey};
use uuid::Uuid;

/// The most rows; with further ones, those that were not told for the longest time go.
pub const EVENTS_MAX: usize = 1_024;

const EMPTY: &str = "empty_lb_backends";

/// The compiled objects.
type Objects = BTreeMap<ObjectKey, Arc<Object>>;

/// What writes down that a node's clients found no backend for these VIPs.
pub(super) fn record(
    database: &Database,
    objects: &Objects,
    (node, unix_ms): (&str, i64),
    vips: &[VipKey],
) -> Vec<Operation> {
    let vips: BTreeSet<&VipKey> = vips.iter().collect();
    let vips = vips.into_iter().filter(|vip| is_unserved(objects, vip));
    let events: Vec<_> = vips
        .take(EVENTS_MAX)
        .map(|vip| event(database, vip, (node, unix_ms)))
        .collect();
    let mut known: Vec<sb::ControllerEvent> = database.table().iter().collect();
    let mut operations = Vec::new();
    let mut new_count = 0;
    for event in events {
        let is_same = |old: &sb::ControllerEvent| {
            (&old.chassis, &old.event_info) == (&event.chassis, &event.event_info)
        };
        let Some(place) = known.iter().position(is_same) else {
            new_count += 1;
            operations.push(event.insert());
            continue;
        };
        let old = known.swap_remove(place);
        let columns = [
            ("seq_num", Datum::scalar(old.seq_num.saturating_add(1))),
            ("timestamp", Datum::scalar(unix_ms)),
        ];
        operations.push(Operation::update(old.id, columns));
    }
    let excess =
        (database.row_count(sb::ControllerEvent::NAME) + new_count).saturating_sub(EVENTS_MAX);
    known.sort_by_key(|event| (event.timestamp, event.id));
    let oldest = known.iter().take(excess);
    operations.extend(oldest.map(|event| Operation::delete(event.id)));
    operations
}

/// What removes the rows that have become pointless, if load balancers changed; `is_first` looks at them anyway.
pub(super) fn forget<'a>(
    database: &Database,
    (objects, mut changed): (&Objects, impl Iterator<Item = &'a ObjectKey>),
    is_first: bool,
) -> Vec<Operation> {
    let concerns = |key: &ObjectKey| matches!(key, ObjectKey::Vip(_) | ObjectKey::Balancer(_));
    if !is_first && !changed.any(concerns) {
        return Vec::new();
    }
    let rows = database.table::<sb::ControllerEvent>().iter();
    let is_pointless = |event: &sb::ControllerEvent| {
        let mut vips = vips_of(event).into_iter();
        !vips.any(|vip| is_unserved(objects, &vip))
    };
    rows.filter(is_pointless)
        .map(|event| Operation::delete(event.id))
        .collect()
}

/// True if the VIP has no backend and that is to be reported.
fn is_unserved(objects: &Objects, vip: &VipKey) -> bool {
    let object = |key| objects.get(&key).map(|object| &**object);
    let is_told = match object(ObjectKey::Balancer(vip.balancer)) {
        Some(Object::Balancer(balancer)) => balancer.event,
        _ => false,
    };
    let is_served = match object(ObjectKey::Vip(vip.clone())) {
        Some(Object::Vip(vip)) => {
            let mut backends = vip.backends.iter();
            let takes = |state| matches!(state, BackendState::Ready | BackendState::Serving);
            backends.any(|backend| takes(backend.state))
        }
        _ => true,
    };
    is_told && !is_served
}

fn event(database: &Database, vip: &VipKey, (node, unix_ms): (&str, i64)) -> sb::ControllerEvent {
    let balancer = database
        .table::<nb::LoadBalancer>()
        .get(Id::new(vip.balancer));
    let protocol = balancer.and_then(|balancer| balancer.protocol);
    let address = match vip.port {
        0 => vip.ip.to_string(),
        port => SocketAddr::new(vip.ip, port).to_string(),
    };
    let info = [
        ("vip", address),
        ("protocol", protocol.unwrap_or_else(|| "tcp".to_owned())),
        ("load_balancer", vip.balancer.to_string()),
    ];
    sb::ControllerEvent {
        id: Id::random(),
        chassis: node.to_owned(),
        event_info: info.map(|(key, value)| (key.to_owned(), value)).into(),
        event_type: EMPTY.to_owned(),
        seq_num: 1,
        timestamp: unix_ms,
    }
}

/// The VIPs that a row may be about: that of all nodes, and that of its own.
fn vips_of(event: &sb::ControllerEvent) -> Vec<VipKey> {
    let text = |key: &str| event.event_info.get(key).map_or("", String::as_str);
    let Ok(balancer) = text("load_balancer").parse::<Uuid>() else {
        return Vec::new();
    };
    let (ip, port) = match text("vip").parse::<SocketAddr>() {
        Ok(address) => (address.ip(), address.port()),
        Err(_) => match text("vip").parse::<IpAddr>() {
            Ok(ip) => (ip, 0),
            Err(_) => return Vec::new(),
        },
    };
    let protocol = match (port, text("protocol")) {
        (0, _) => 0,
        (_, "udp") => 17,
        (_, "sctp") => 132,
        _ => 6,
    };
    let chassis = [None, Some(event.chassis.as_str().into())];
    chassis
        .map(|chassis| VipKey {
            balancer,
            ip,
            protocol,
            port,
            chassis,
        })
        .into()
}
