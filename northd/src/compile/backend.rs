//! The backends of a VIP: where they are, how they fare, and how that is found out.

use std::net::IpAddr;

use model::lb::{self, HealthCheck, LoadBalancer, TrafficPolicy};
use model::{nb, sb};
use packet::Mac;
use pipeline::object::{Backend, BackendState, ChassisName, Object, Probe, ProbeKey, ProbeKind};
use uuid::Uuid;

use super::address::stations_of;
use super::index::Lookup;
use super::load_balancer::protocol;
use super::{Output, Reader, switch_port};

/// What a backend's state depends on, for one load balancer.
pub(super) struct Backends<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) balancer: &'r LoadBalancer,
    pub(super) out: &'r mut Output,
}

impl Backends<'_, '_> {
    /// The backends of a VIP. The probes of those that are checked are put out.
    pub(super) fn of(&mut self, vip: &lb::Vip, check: Option<&HealthCheck>) -> Vec<Backend> {
        let backends = vip.backends.iter();
        backends
            .map(|backend| {
                let is_offline = check.is_some_and(|check| self.check(backend, check));
                let chassis = self.chassis(backend);
                Backend {
                    ip: backend.endpoint.ip,
                    port: backend.endpoint.port.map_or(0, |port| port.get()),
                    weight: backend.weight,
                    state: state(backend, is_offline),
                    zone: self.zone(backend, chassis.as_deref()),
                    chassis,
                }
            })
            .collect()
    }

    /// The node of a backend, where it matters.
    fn chassis(&mut self, backend: &lb::Backend) -> Option<ChassisName> {
        if self.balancer.options.traffic_policy == TrafficPolicy::Cluster {
            return None;
        }
        let port = self.port(backend)?;
        switch_port::chassis(self.reader, port)
    }

    /// What was written, else the zone of its node, where it matters.
    fn zone(&mut self, backend: &lb::Backend, chassis: Option<&str>) -> String {
        if self.balancer.options.traffic_policy != TrafficPolicy::PreferZone {
            return String::new();
        }
        match (&backend.zone, chassis) {
            (Some(zone), _) => zone.clone(),
            (None, Some(chassis)) => self.reader.zone(chassis),
            (None, None) => String::new(),
        }
    }

    /// The switch port of a backend: the one that was written, else the only one that has its address.
    fn port(&mut self, backend: &lb::Backend) -> Option<Uuid> {
        let lookup = match &backend.mapping {
            Some(mapping) => Lookup::SwitchPort(mapping.port.clone()),
            None => Lookup::PortsWith(backend.endpoint.ip),
        };
        match self.reader.lookup(lookup)[..] {
            [port] => Some(port),
            _ => None,
        }
    }

    /// Lets a backend be probed, and says whether it was found to do its work no more.
    fn check(&mut self, backend: &lb::Backend, check: &HealthCheck) -> bool {
        let Some(probe) = self.probe(backend, check) else {
            return false;
        };
        let monitor = Lookup::ServiceMonitor(probe.key.clone());
        self.out.object(Object::Probe(probe));
        let Some(monitor) = self.reader.find(monitor) else {
            return false;
        };
        let status: Option<Option<String>> = self
            .reader
            .column::<sb::ServiceMonitor, _>(monitor, "status");
        status.flatten().is_some_and(|status| status != "online")
    }

    fn probe(&mut self, backend: &lb::Backend, check: &HealthCheck) -> Option<Probe> {
        let mapping = backend.mapping.as_ref()?;
        let transport_port = backend.endpoint.port?.get();
        let protocol = protocol(self.balancer.protocol);
        let kind = match (self.balancer.protocol, &check.http) {
            (lb::Protocol::Sctp, _) => {
                let message = "backends that speak SCTP are not probed";
                self.out.warn("health_check", message);
                return None;
            }
            (lb::Protocol::Tcp, Some(http)) => ProbeKind::Http {
                path: http.path.as_str().into(),
            },
            (lb::Protocol::Tcp, None) => ProbeKind::Tcp,
            (lb::Protocol::Udp, _) => ProbeKind::Udp,
        };
        let Some(source_ip) = mapping.probe_source else {
            let message = format!("{} is not probed: no source is given", backend.endpoint.ip);
            self.out.warn("ip_port_mappings", message);
            return None;
        };
        let Some(port) = self.port(backend) else {
            let message = format!("there is no logical switch port {:?}", mapping.port);
            self.out.warn("ip_port_mappings", message);
            return None;
        };
        let seconds = |seconds: u32| u16::try_from(seconds).unwrap_or(u16::MAX);
        Some(Probe {
            key: ProbeKey {
                port: self.reader.port_ref(port)?,
                ip: backend.endpoint.ip,
                protocol,
                transport_port,
            },
            source_mac: self.reader.probe_mac()?,
            source_ip,
            mac: self.mac(port, backend.endpoint.ip)?,
            kind,
            interval_s: seconds(check.interval_s),
            timeout_s: seconds(check.timeout_s),
            success_count: seconds(check.success_count),
            failure_count: seconds(check.failure_count),
        })
    }

    /// The station behind a port that has an address, else its first.
    fn mac(&mut self, port: Uuid, ip: IpAddr) -> Option<Mac> {
        let port = self.reader.row::<nb::LogicalSwitchPort>(port)?;
        let chosen: Option<Option<String>> = self
            .reader
            .column::<nb::LogicalSwitchPort, _>(port.id.uuid(), "dynamic_addresses");
        let texts = port.addresses.into_iter().chain(chosen.flatten());
        let texts: Vec<String> = texts.collect();
        let stations: Vec<_> = stations_of(&texts).collect();
        let owner = stations.iter().find(|station| match ip {
            IpAddr::V4(ip) => station.ipv4.contains(&ip),
            IpAddr::V6(ip) => station.ipv6.contains(&ip),
        });
        owner.or(stations.first()).map(|station| station.mac)
    }
}

fn state(backend: &lb::Backend, is_offline: bool) -> BackendState {
    if is_offline {
        BackendState::Offline
    } else if backend.weight == 0 {
        BackendState::Draining
    } else if backend.is_terminating {
        BackendState::Serving
    } else {
        BackendState::Ready
    }
}
