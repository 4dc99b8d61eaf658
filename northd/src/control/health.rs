//! The backends that nodes probe and how they fare: rows of `Service_Monitor`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Database, Datum, Id, Operation, Row, Table, sb};
use pipeline::object::{Object, ObjectKey, Probe, ProbeKey, ProbeKind};
use southbound_proto::convert::{ProbeHealth, ProbeStatus};

use crate::compile::{MONITOR_INDEX, monitor_index, probe_of, protocol_name};

/// The compiled objects.
type Objects = BTreeMap<ObjectKey, Arc<Object>>;

/// What writes down how backends fare. Those of which nothing is said stay as they were: a node that has just
/// started knows nothing yet.
pub(super) fn record<'a>(
    database: &Database,
    probes: impl Iterator<Item = &'a ProbeHealth>,
) -> Vec<Operation> {
    let operations = probes.filter_map(|probe| {
        let status = status(probe.status);
        let monitor = monitor(database, &probe.key)?;
        let is_new = monitor.status.as_deref() != Some(status);
        is_new.then(|| Operation::update(monitor.id, [("status", Datum::scalar(status))]))
    });
    operations.collect()
}

/// What makes the rows of probes that changed say what is probed; those of probes that are no more go. `is_first`
/// looks at all rows.
pub(super) fn follow<'a>(
    database: &Database,
    (objects, changed): (&Objects, impl Iterator<Item = &'a ObjectKey>),
    is_first: bool,
) -> Vec<Operation> {
    let changed = changed.filter_map(|key| match key {
        ObjectKey::Probe(probe) => Some(probe.clone()),
        _ => None,
    });
    let rows = database.table::<sb::ServiceMonitor>().iter();
    let known = rows
        .take_while(|_| is_first)
        .filter_map(|row| probe_of(&row));
    let probes: BTreeSet<ProbeKey> = changed.chain(known).collect();
    let operations = probes.iter().filter_map(|key| {
        let old = monitor(database, key);
        let probe = match objects.get(&ObjectKey::Probe(key.clone())).map(|it| &**it) {
            Some(Object::Probe(probe)) => probe,
            _ => return old.map(|old| Operation::delete(old.id)),
        };
        let id = old.as_ref().map_or_else(Id::random, |old| old.id);
        let status = old.as_ref().and_then(|old| old.status.clone());
        let row = row(id, probe, port_name(objects, key), status);
        match old {
            Some(old) if old == row => None,
            Some(_) => Some(Operation::update(id, columns(&row))),
            None => Some(row.insert()),
        }
    });
    operations.collect()
}

fn monitor(database: &Database, probe: &ProbeKey) -> Option<sb::ServiceMonitor> {
    let table = database.table::<sb::ServiceMonitor>();
    table.find(&MONITOR_INDEX, monitor_index(probe))
}

fn port_name(objects: &Objects, probe: &ProbeKey) -> String {
    match objects.get(&ObjectKey::Port(probe.port)).map(|it| &**it) {
        Some(Object::Port(port)) => port.name.clone(),
        _ => String::new(),
    }
}

fn row(
    id: Id<sb::ServiceMonitor>,
    probe: &Probe,
    logical_port: String,
    status: Option<String>,
) -> sb::ServiceMonitor {
    let numbers = [
        ("interval", probe.interval_s),
        ("timeout", probe.timeout_s),
        ("success_count", probe.success_count),
        ("failure_count", probe.failure_count),
    ];
    let numbers = numbers.map(|(name, number)| (name.to_owned(), number.to_string()));
    let path = match &probe.kind {
        ProbeKind::Http { path } => Some(("http_path".to_owned(), path.to_string())),
        ProbeKind::Tcp | ProbeKind::Udp => None,
    };
    sb::ServiceMonitor {
        id,
        datapath: i64::from(probe.key.port.datapath.get()),
        ip: probe.key.ip.to_string(),
        logical_port,
        options: numbers.into_iter().chain(path).collect(),
        port: i64::from(probe.key.transport_port),
        protocol: protocol_name(probe.key.protocol).to_owned(),
        src_ip: probe.source_ip.to_string(),
        src_mac: probe.source_mac.to_string(),
        status,
        tunnel_key: i64::from(probe.key.port.port.get()),
    }
}

/// All columns of a row.
fn columns(row: &sb::ServiceMonitor) -> impl Iterator<Item = (&'static str, Datum)> {
    let Row { columns, .. } = row.to_row();
    let names = sb::ServiceMonitor::SCHEMA.columns.iter();
    names
        .zip(columns.to_vec())
        .map(|(column, datum)| (column.name, datum))
}

fn status(status: ProbeStatus) -> &'static str {
    match status {
        ProbeStatus::Online => "online",
        ProbeStatus::Offline => "offline",
        ProbeStatus::Error => "error",
    }
}
