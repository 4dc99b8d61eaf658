//! What an interface is to be, worked out from the port's row and the routers of its switch.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use packet::Mac;
use pipeline::Tables;
use pipeline::object::{Attachment, Port, PortKind, RouterPort, StationAddresses, SwitchPort};
use serde::{Deserialize, Serialize};

/// The configuration of an attached interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfacePlan {
    /// Its MAC address; `None` leaves the one that the kernel chose.
    pub mac: Option<Mac>,
    /// Its MTU, in bytes of L3.
    pub mtu: u32,
    /// Its addresses, each with the length of its network.
    pub addresses: Vec<IpNet>,
    /// Its default routes, at most one a family.
    pub routes: Vec<DefaultRoute>,
}

/// The way out of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefaultRoute {
    /// By a logical router's port.
    Via(IpAddr),
    /// There is no router: all IPv4 stations are on the link.
    OnLinkIpv4,
    /// There is no router: all IPv6 stations are on the link.
    OnLinkIpv6,
}

impl InterfacePlan {
    /// What the interface of `port` is to be. A bare one gets its MAC address and MTU only.
    pub fn new(tables: &Tables, port: &Port, is_bare: bool, mtu: u32) -> Self {
        let PortKind::Switch(row) = &port.kind else {
            return Self {
                mtu,
                ..Self::default()
            };
        };
        let mac = row.addresses.first().map(|station| station.mac);
        let mut plan = Self {
            mac,
            mtu,
            ..Self::default()
        };
        if !is_bare {
            let routers = routers(tables, port);
            for address in addresses(row, mac) {
                plan.add(address, &routers);
            }
        }
        plan
    }

    fn add(&mut self, address: IpAddr, routers: &[RouterPort]) {
        let gateway = routers
            .iter()
            .find_map(|router| containing(router, address));
        let network = gateway.map_or_else(
            || IpNet::from(address),
            |gateway| IpNet::new_assert(address, gateway.prefix_len()),
        );
        self.addresses.push(network);
        let route = match (gateway, address) {
            (Some(gateway), _) => DefaultRoute::Via(gateway.addr()),
            (None, IpAddr::V4(_)) => DefaultRoute::OnLinkIpv4,
            (None, IpAddr::V6(_)) => DefaultRoute::OnLinkIpv6,
        };
        let of_family = self
            .routes
            .iter_mut()
            .find(|other| other.is_ipv4() == route.is_ipv4());
        match of_family {
            None => self.routes.push(route),
            Some(other) if !matches!(other, DefaultRoute::Via(_)) => *other = route,
            Some(_) => {}
        }
    }
}

impl DefaultRoute {
    /// True for a route of IPv4 packets.
    pub fn is_ipv4(self) -> bool {
        match self {
            Self::Via(gateway) => gateway.is_ipv4(),
            Self::OnLinkIpv4 => true,
            Self::OnLinkIpv6 => false,
        }
    }
}

/// The addresses of the station that the interface is: those of other MAC addresses are others'.
fn addresses(row: &SwitchPort, mac: Option<Mac>) -> impl Iterator<Item = IpAddr> {
    let own = move |station: &&StationAddresses| Some(station.mac) == mac;
    row.addresses.iter().filter(own).flat_map(|station| {
        let ipv4 = station.ipv4.iter().copied().map(IpAddr::V4);
        ipv4.chain(station.ipv6.iter().copied().map(IpAddr::V6))
    })
}

/// The router ports that are joined to the port's switch, by key.
fn routers(tables: &Tables, port: &Port) -> Vec<RouterPort> {
    let peers = tables.ports(port.at.datapath).filter_map(|port| {
        let PortKind::Switch(SwitchPort {
            attachment: Attachment::Router(peer),
            ..
        }) = &port.kind
        else {
            return None;
        };
        peer.and_then(|peer| tables.port(peer))
    });
    let mut peers: Vec<_> = peers.collect();
    peers.sort_by_key(|peer| peer.at);
    let router_port = |port: &Port| match &port.kind {
        PortKind::Router(router) => Some(router.clone()),
        PortKind::Switch(_) => None,
    };
    peers
        .into_iter()
        .filter_map(|peer| router_port(peer))
        .collect()
}

/// The router port's own address whose network contains `address`.
fn containing(router: &RouterPort, address: IpAddr) -> Option<IpNet> {
    match address {
        IpAddr::V4(address) => {
            let contains = |network: &&Ipv4Net| network.contains(&address);
            router.ipv4.iter().find(contains).copied().map(IpNet::V4)
        }
        IpAddr::V6(address) => {
            let contains = |network: &&Ipv6Net| network.contains(&address);
            router.ipv6.iter().find(contains).copied().map(IpNet::V6)
        }
    }
}
