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

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::object::{Datapath, DatapathKey, DatapathKind, Object, PortKey, PortRef, Switch};
    use uuid::Uuid;

    const SWITCH: u32 = 1;
    const ROUTER: u32 = 2;
    const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn at(datapath: u32, port: u32) -> PortRef {
        PortRef {
            datapath: DatapathKey::new(datapath).unwrap(),
            port: PortKey::new(port).unwrap(),
        }
    }

    fn port(at: PortRef, kind: PortKind) -> Port {
        Port {
            at,
            uuid: Uuid::nil(),
            name: format!("{}-{}", at.datapath, at.port),
            enabled: true,
            kind,
        }
    }

    fn switch_port(attachment: Attachment, addresses: Vec<StationAddresses>) -> PortKind {
        PortKind::Switch(SwitchPort {
            attachment,
            addresses,
            has_unknown: false,
            port_security: Vec::new(),
            requested_chassis: None,
            max_rate: None,
            min_rate: None,
            chassis: None,
        })
    }

    fn station(mac: Mac, addresses: &[&str]) -> StationAddresses {
        let mut station = StationAddresses {
            mac,
            ..StationAddresses::default()
        };
        for address in addresses {
            match address.parse().unwrap() {
                IpAddr::V4(address) => station.ipv4.push(address),
                IpAddr::V6(address) => station.ipv6.push(address),
            }
        }
        station
    }

    /// Input: the port's addresses and those of the router on its switch, if there is one. Output: the plan in
    /// words.
    fn check(stations: Vec<StationAddresses>, router: &[&str], is_bare: bool, expected: &str) {
        let own = port(at(SWITCH, 1), switch_port(Attachment::Vif, stations));
        let kind = DatapathKind::Switch(Switch::default());
        let datapath = Datapath {
            key: at(SWITCH, 1).datapath,
            uuid: Uuid::nil(),
            name: String::new(),
            kind,
        };
        let mut objects = vec![Object::Datapath(datapath), Object::Port(own.clone())];
        if !router.is_empty() {
            let networks: Vec<IpNet> = router.iter().map(|text| text.parse().unwrap()).collect();
            let gateway = RouterPort {
                mac: Mac([2, 0, 0, 0, 0, 0xff]),
                ipv4: networks
                    .iter()
                    .filter_map(|network| as_ipv4(*network))
                    .collect(),
                ipv6: networks
                    .iter()
                    .filter_map(|network| as_ipv6(*network))
                    .collect(),
                peer: Some(at(SWITCH, 2)),
                gateway_mtu: None,
                route_table: String::new(),
                gateway: None,
            };
            let join = Attachment::Router(Some(at(ROUTER, 1)));
            objects.push(Object::Port(port(
                at(SWITCH, 2),
                switch_port(join, Vec::new()),
            )));
            objects.push(Object::Port(port(at(ROUTER, 1), PortKind::Router(gateway))));
        }
        let tables = Tables::new(None).apply(objects, []).unwrap();
        let plan = InterfacePlan::new(&tables, &own, is_bare, 1442);
        let addresses = plan.addresses.iter().map(ToString::to_string);
        let routes = plan.routes.iter().map(|route| match route {
            DefaultRoute::Via(gateway) => format!("via {gateway}"),
            DefaultRoute::OnLinkIpv4 => "on-link-4".to_owned(),
            DefaultRoute::OnLinkIpv6 => "on-link-6".to_owned(),
        });
        let mac = plan.mac.map(|mac| mac.to_string());
        let words: Vec<String> = mac.into_iter().chain(addresses).chain(routes).collect();
        assert_eq!(words.join(" "), expected);
        assert_eq!(plan.mtu, 1442);
    }

    fn as_ipv4(network: IpNet) -> Option<Ipv4Net> {
        match network {
            IpNet::V4(network) => Some(network),
            IpNet::V6(_) => None,
        }
    }

    fn as_ipv6(network: IpNet) -> Option<Ipv6Net> {
        match network {
            IpNet::V6(network) => Some(network),
            IpNet::V4(_) => None,
        }
    }

    #[test]
    fn addresses_have_the_length_of_the_routers_network_and_its_address_as_gateway() {
        check(
            vec![station(OWN, &["10.0.0.5", "fd00::5"])],
            &["10.0.0.1/24", "fd00::1/64"],
            false,
            "02:00:00:00:00:01 10.0.0.5/24 fd00::5/64 via 10.0.0.1 via fd00::1",
        );
    }

    #[test]
    fn without_a_router_all_stations_of_a_family_are_on_the_link() {
        check(
            vec![station(OWN, &["10.0.0.5", "fd00::5"])],
            &[],
            false,
            "02:00:00:00:00:01 10.0.0.5/32 fd00::5/128 on-link-4 on-link-6",
        );
    }

    #[test]
    fn one_gateway_is_enough_for_a_family() {
        check(
            vec![station(OWN, &["192.0.2.7", "10.0.0.5", "10.0.0.6"])],
            &["10.0.0.1/24"],
            false,
            "02:00:00:00:00:01 192.0.2.7/32 10.0.0.5/24 10.0.0.6/24 via 10.0.0.1",
        );
    }

    #[test]
    fn addresses_of_other_stations_behind_the_port_are_not_the_interfaces() {
        let other = Mac([2, 0, 0, 0, 0, 2]);
        check(
            vec![station(OWN, &["10.0.0.5"]), station(other, &["10.0.0.6"])],
            &["10.0.0.1/24"],
            false,
            "02:00:00:00:00:01 10.0.0.5/24 via 10.0.0.1",
        );
    }

    #[test]
    fn a_bare_interface_and_a_port_without_addresses_get_none() {
        let stations = vec![station(OWN, &["10.0.0.5"])];
        check(stations, &["10.0.0.1/24"], true, "02:00:00:00:00:01");
        check(Vec::new(), &["10.0.0.1/24"], false, "");
    }
}
