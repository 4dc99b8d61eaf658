//! How the backends fare that nodes probe: rows of `Service_Monitor`.

use model::{Database, Datum, Id, Operation, Table, sb};
use pipeline::object::ProbeKey;
use southbound_proto::convert::{ProbeHealth, ProbeStatus};

use crate::compile::{MONITOR_INDEX, monitor_index};

/// What writes down how backends fare. Those of which nothing is said stay as they were: a node that has just
/// started knows nothing yet.
pub(super) fn record<'a>(
    database: &Database,
    probes: impl Iterator<Item = &'a ProbeHealth>,
) -> Vec<Operation> {
    let operations = probes.filter_map(|probe| {
        let status = status(probe.status);
        match monitor(database, &probe.key) {
            Some(monitor) if monitor.status == status => None,
            Some(monitor) => {
                let status = ("status", Datum::scalar(status));
                Some(Operation::update(monitor.id, [status]))
            }
            None => Some(new(&probe.key, status).insert()),
        }
    });
    operations.collect()
}

/// What forgets how backends fare that are probed no more.
pub(super) fn forget<'a>(
    database: &Database,
    probes: impl Iterator<Item = &'a ProbeKey>,
) -> Vec<Operation> {
    let monitors = probes.filter_map(|probe| monitor(database, probe));
    monitors
        .map(|monitor| Operation::delete(monitor.id))
        .collect()
}

fn monitor(database: &Database, probe: &ProbeKey) -> Option<sb::ServiceMonitor> {
    let table = database.table::<sb::ServiceMonitor>();
    table.find(&MONITOR_INDEX, monitor_index(probe))
}

fn new(probe: &ProbeKey, status: &str) -> sb::ServiceMonitor {
    sb::ServiceMonitor {
        id: Id::random(),
        datapath: i64::from(probe.port.datapath.get()),
        port: i64::from(probe.port.port.get()),
        ip: probe.ip.to_string(),
        protocol: i64::from(probe.protocol),
        service_port: i64::from(probe.transport_port),
        status: status.to_owned(),
    }
}

fn status(status: ProbeStatus) -> &'static str {
    match status {
        ProbeStatus::Online => "online",
        ProbeStatus::Offline => "offline",
        ProbeStatus::Error => "error",
    }
}
