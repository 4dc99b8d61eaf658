//! `Service_Monitor`: how the backends fare that nodes probe.

use model::{Datum, sb};
use pipeline::object::ProbeKey;

use super::reader::port_at;

/// The columns that tell one row from another.
pub(crate) const INDEX: [&str; 5] = ["datapath", "port", "ip", "protocol", "service_port"];

/// The values of [`INDEX`] for a probe.
pub(crate) fn index_of(probe: &ProbeKey) -> Vec<Datum> {
    vec![
        Datum::scalar(i64::from(probe.port.datapath.get())),
        Datum::scalar(i64::from(probe.port.port.get())),
        Datum::scalar(probe.ip.to_string()),
        Datum::scalar(i64::from(probe.protocol)),
        Datum::scalar(i64::from(probe.transport_port)),
    ]
}

/// The probe that a row is about.
pub(super) fn probe_of(monitor: &sb::ServiceMonitor) -> Option<ProbeKey> {
    Some(ProbeKey {
        port: port_at(monitor.datapath, monitor.port)?,
        ip: monitor.ip.parse().ok()?,
        protocol: u8::try_from(monitor.protocol).ok()?,
        transport_port: u16::try_from(monitor.service_port).ok()?,
    })
}
