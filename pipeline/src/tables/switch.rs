//! What a logical switch looks things up in.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use packet::Mac;
use uuid::Uuid;

use crate::object::{
    Attachment, MulticastGroup, Nat, NatKind, Port, PortKey, PortKind, PortRef, ProbeKey,
    RouterPort, SwitchPort,
};

/// The NATs of a router.
pub(super) type Nats = BTreeMap<Uuid, Arc<Nat>>;

type Exact<K, V> = HashMap<K, V, crate::seed::Seed>;

/// The compiled tables of a logical switch: functions of its ports and of the router ports they join.
///
/// Where two ports claim one address, an enabled one wins over a disabled one and then the lower key.
#[derive(Clone, Debug, Default)]
pub(crate) struct SwitchTables {
    /// `ls_in_l2_lkup`: the port behind which a station is.
    pub(crate) stations: Exact<Mac, PortKey>,
    /// `ls_in_arp_rsp`: the addresses the switch answers for.
    pub(crate) responders: Exact<IpAddr, Responder>,
    /// `ls_in_arp_rsp`: the addresses that probes of backends come from, and their station.
    pub(crate) probe_sources: Exact<IpAddr, Mac>,
    /// The addresses that routers need not ask for (`lr_in_arp_resolve` of their side).
    pub(crate) hosts: Exact<IpAddr, Mac>,
    /// The joined routers' own addresses, and the switch port each is behind.
    pub(crate) router_addresses: Exact<IpAddr, PortKey>,
    /// The destinations that joined routers translate, and the switch port each router is behind.
    pub(crate) translated: Exact<IpAddr, PortKey>,
    /// The joined routers' ports, each with the switch port it is behind.
    pub(crate) routers: Vec<(PortKey, PortRef)>,
    /// The joined routers' own MAC addresses.
    pub(crate) router_macs: HashSet<Mac, crate::seed::Seed>,
    /// `_MC_flood`: every enabled port.
    pub(crate) flood: Vec<PortKey>,
    /// `_MC_unknown`: every enabled port that takes unknown addresses.
    pub(crate) unknown: Vec<PortKey>,
    /// `_MC_flood_l2`: every enabled port that is no router's.
    pub(crate) flood_l2: Vec<PortKey>,
}

/// Who owns an address that the switch answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Responder {
    pub(crate) port: PortKey,
    pub(crate) mac: Mac,
    /// The owner is a router: its advertisements say so.
    pub(crate) is_router: bool,
}

impl SwitchTables {
    /// `peer` gives the router port that a port of the switch is joined to, and the NATs of that router.
    pub(crate) fn compile<'a>(
        ports: &BTreeMap<PortKey, Arc<Port>>,
        probes: &BTreeMap<ProbeKey, (IpAddr, Mac)>,
        peer: impl Fn(&SwitchPort) -> Option<(&'a RouterPort, &'a Nats)>,
    ) -> Self {
        let mut tables = SwitchTables {
            probe_sources: probes.values().copied().collect(),
            ..SwitchTables::default()
        };
        for is_enabled in [true, false] {
            for port in ports.values().filter(|port| port.enabled == is_enabled) {
                if let PortKind::Switch(kind) = &port.kind {
                    tables.add_port(port, kind, peer(kind));
                }
            }
        }
        tables
    }

    /// The members of a group, in the order of their keys.
    pub(crate) fn members(&self, group: MulticastGroup) -> &[PortKey] {
        match group {
            MulticastGroup::Flood => &self.flood,
            MulticastGroup::Unknown => &self.unknown,
            MulticastGroup::FloodL2 => &self.flood_l2,
        }
    }

    fn add_port(&mut self, port: &Port, kind: &SwitchPort, peer: Option<(&RouterPort, &Nats)>) {
        let is_router = matches!(kind.attachment, Attachment::Router(_));
        self.add_stations(port, kind, is_router);
        if let Some((peer, nats)) = peer {
            self.add_router(port, peer);
            self.add_translated(port, peer, nats);
        }
        if let Attachment::Router(Some(at)) = kind.attachment {
            self.routers.push((port.at.port, at));
        }
        if !port.enabled {
            return;
        }
        self.flood.push(port.at.port);
        if kind.has_unknown {
            self.unknown.push(port.at.port);
        }
        if !is_router {
            self.flood_l2.push(port.at.port);
        }
    }

    fn add_stations(&mut self, port: &Port, kind: &SwitchPort, is_router: bool) {
        for station in &kind.addresses {
            // A disabled router port is no destination; a disabled pod's is one that drops.
            if port.enabled || !is_router {
                self.stations.entry(station.mac).or_insert(port.at.port);
            }
            let ipv4 = station.ipv4.iter().map(|ip| IpAddr::V4(*ip));
            let ipv6 = station.ipv6.iter().map(|ip| IpAddr::V6(*ip));
            for ip in ipv4.chain(ipv6) {
                if !kind.has_unknown {
                    self.responders.entry(ip).or_insert(Responder {
                        port: port.at.port,
                        mac: station.mac,
                        is_router,
                    });
                }
                if port.enabled && !is_router {
                    self.hosts.entry(ip).or_insert(station.mac);
                }
            }
        }
    }

    fn add_router(&mut self, port: &Port, peer: &RouterPort) {
        for ip in peer.addresses() {
            self.router_addresses.entry(ip).or_insert(port.at.port);
        }
        if port.enabled {
            self.router_macs.insert(peer.mac);
        }
    }

    fn add_translated(&mut self, port: &Port, peer: &RouterPort, nats: &Nats) {
        for nat in nats.values() {
            if nat.kind != NatKind::Snat {
                let known = self.translated.entry(nat.external_ip);
                known.or_insert(port.at.port);
            }
            if let Some(distributed) = &nat.distributed {
                self.router_macs.insert(distributed.mac);
                if port.enabled && peer.gateway.is_some() {
                    let known = self.stations.entry(distributed.mac);
                    known.or_insert(port.at.port);
                }
            }
        }
    }
}
