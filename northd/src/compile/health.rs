//! `Service_Monitor`: how the backends fare that nodes probe.

use model::{Datum, sb};
use pipeline::object::ProbeKey;

use super::reader::port_at;

/// The columns that tell one row from another.
pub(crate) const INDEX: [&str; 5] = ["datapath", "tunnel_key", "ip", "protocol", "port"];

/// Protocols by their numbers in IP headers.
const PROTOCOLS: [(u8, &str); 2] = [(6, "tcp"), (17, "udp")];

/// The values of [`INDEX`] for a probe.
pub(crate) fn index_of(probe: &ProbeKey) -> Vec<Datum> {
    vec![
        Datum::scalar(i64::from(probe.port.datapath.get())),
        Datum::scalar(i64::from(probe.port.port.get())),
        Datum::scalar(probe.ip.to_string()),
        Datum::scalar(protocol_name(probe.protocol)),
        Datum::scalar(i64::from(probe.transport_port)),
    ]
}

/// The name of a protocol that is probed.
pub(crate) fn protocol_name(number: u8) -> &'static str {
    let found = PROTOCOLS.iter().find(|(known, _)| *known == number);
    found.map_or("tcp", |(_, name)| name)
}

/// The probe that a row is about.
pub(crate) fn probe_of(monitor: &sb::ServiceMonitor) -> Option<ProbeKey> {
    let mut protocols = PROTOCOLS.iter();
    Some(ProbeKey {
        port: port_at(monitor.datapath, monitor.tunnel_key)?,
        ip: monitor.ip.parse().ok()?,
        protocol: protocols.find(|(_, name)| *name == monitor.protocol)?.0,
        transport_port: u16::try_from(monitor.port).ok()?,
    })
}
