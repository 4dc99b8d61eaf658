//! The objects of a network, as `northd` would send them to its nodes.
//!
//! ```text
//!   client, peer (node one)      16 servers (node one or two)
//!           \  /                         \  |  /
//!        switch 1, 10.1.0.0/16        switch 2, 10.2.0.0/16
//!                  \____ router 3 ________/
//! ```
//!
//! The client has [`CLIENT_ADDRESSES`] addresses. Switch 1 has a load balancer with VIPs in 10.96.0.0/16, all served by
//! the servers; policies are those of one port group with all stations in it.

mod policy;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use packet::Mac;
use packet::flow::ip_protocol;
use pipeline::object::*;
use uuid::Uuid;

pub use policy::{MEMBERS, SETS, acl, address_set};

/// Where the client is.
pub const CLIENT: (u32, u32) = (1, 1);
/// Where another station on the client's switch is.
pub const PEER: (u32, u32) = (1, 2);
/// How many servers there are: ports 1 and on of switch 2.
pub const SERVERS: u32 = 16;
/// How many addresses the client has.
pub const CLIENT_ADDRESSES: u32 = 64;
/// The port that clients ask for.
pub const PORT: u16 = 80;
/// The port that servers of VIPs listen on.
pub const TARGET_PORT: u16 = 8080;
/// The UUID of the load balancer.
pub const BALANCER: Uuid = Uuid::from_u128(77);

const ROUTER: u32 = 3;
const JOINT: u32 = 100;
const GATEWAY: u32 = 250;

/// How a network is to be.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many ACLs; with less than 4 there is no policy at all.
    pub acls: u32,
    /// How many VIPs.
    pub vips: u32,
    /// How many static routes beside those of the switches.
    pub routes: u32,
    /// The node of the servers.
    pub servers_on: &'static str,
    /// The router is a gateway on node one, and gives the clients another source.
    pub is_gateway: bool,
}

impl Plan {
    /// Switches and a router.
    pub const PLAIN: Plan = Plan {
        acls: 0,
        vips: 0,
        routes: 0,
        servers_on: "one",
        is_gateway: false,
    };
    /// With policies and services.
    pub const SERVICES: Plan = Plan {
        acls: 100,
        vips: 100,
        ..Plan::PLAIN
    };

    /// Everything that there is.
    pub fn objects(&self) -> Vec<Object> {
        let mut objects = vec![
            chassis("one", [192, 0, 2, 1]),
            chassis("two", [192, 0, 2, 2]),
            switch(1, self.vips > 0),
            switch(2, false),
            self.router(),
        ];
        let addresses = (0..CLIENT_ADDRESSES).map(client_ip).collect();
        objects.push(self.vif(CLIENT, addresses, "one"));
        objects.push(self.vif(PEER, vec![peer_ip()], "one"));
        for server in 1..=SERVERS {
            objects.push(self.vif((2, server), vec![server_ip(server)], self.servers_on));
        }
        objects.extend([1, 2].into_iter().flat_map(|switch| self.joint(switch)));
        objects.extend((0..self.routes).map(static_route));
        objects.extend(policy::objects(self.acls));
        objects.extend(services(self.vips));
        if self.is_gateway {
            objects.push(source_nat());
        }
        objects
    }

    fn router(&self) -> Object {
        let chassis = self.is_gateway.then(|| ChassisName::from("one"));
        let kind = DatapathKind::Router(Router {
            chassis,
            ..Router::default()
        });
        datapath(ROUTER, kind)
    }

    fn vif(&self, place: (u32, u32), ipv4: Vec<Ipv4Addr>, node: &str) -> Object {
        let station = StationAddresses {
            mac: mac(place),
            ipv4,
            ipv6: Vec::new(),
        };
        let kind = switch_port(Attachment::Vif, station, Some(node));
        port(place, PortKind::Switch(kind))
    }

    /// The two ports that join the router to a switch, and the route of that.
    fn joint(&self, switch: u32) -> Vec<Object> {
        let far = (ROUTER, switch);
        let net = Ipv4Net::new(Ipv4Addr::new(10, switch as u8, 255, 254), 16).expect("a net");
        let station = StationAddresses {
            mac: mac(far),
            ipv4: vec![net.addr()],
            ipv6: Vec::new(),
        };
        let node = self.is_gateway.then_some("one");
        let near = switch_port(Attachment::Router(Some(at(far))), station, node);
        let router = RouterPort {
            mac: mac(far),
            ipv4: vec![net],
            ipv6: Vec::new(),
            peer: Some(at((switch, JOINT))),
            gateway_mtu: None,
            route_table: String::new(),
            gateway: None,
        };
        vec![
            port((switch, JOINT), PortKind::Switch(near)),
            port(far, PortKind::Router(router)),
            route(net.trunc(), RouteOrigin::Connected, None, switch),
        ]
    }
}

/// A port.
///
/// # Panics
/// If one of the keys is none.
pub fn at((datapath, port): (u32, u32)) -> PortRef {
    PortRef {
        datapath: DatapathKey::new(datapath).expect("a datapath key"),
        port: PortKey::new(port).expect("a port key"),
    }
}

/// The MAC address of a station or router port.
pub fn mac((datapath, port): (u32, u32)) -> Mac {
    Mac([2, 0, 0, datapath as u8, (port >> 8) as u8, port as u8])
}

/// The station to which the hosts of a switch send what is for others.
pub fn router_mac(switch: u32) -> Mac {
    mac((ROUTER, switch))
}

/// One of the client's addresses.
pub fn client_ip(number: u32) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, 1, (number % CLIENT_ADDRESSES) as u8)
}

/// The address of the other station on the client's switch.
pub fn peer_ip() -> Ipv4Addr {
    Ipv4Addr::new(10, 1, 2, 1)
}

/// The address of a server, `1..=`[`SERVERS`].
pub fn server_ip(server: u32) -> Ipv4Addr {
    Ipv4Addr::new(10, 2, 0, server as u8)
}

/// The address of a VIP.
pub fn vip_ip(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a60_0000 + number)
}

/// A VIP with all servers.
pub fn vip(number: u32) -> Object {
    let backend = |server| Backend {
        ip: server_ip(server).into(),
        port: TARGET_PORT,
        weight: 1,
        state: BackendState::Ready,
        chassis: None,
        zone: String::new(),
    };
    Object::Vip(Vip {
        key: VipKey {
            balancer: BALANCER,
            ip: vip_ip(number).into(),
            protocol: ip_protocol::TCP,
            port: PORT,
            chassis: None,
        },
        backends: (1..=SERVERS).map(backend).collect(),
    })
}

/// A static route beside the switches' networks, for numbers less than 2^20: each of another prefix of 24 to 31 bits,
/// in no order.
pub fn static_route(number: u32) -> Object {
    let scattered = number.wrapping_mul(0x9_e377) & 0xf_ffff;
    let ip = Ipv4Addr::from(0x0b00_0000 + (scattered << 8));
    let length = 24 + (number % 8) as u8;
    let net = Ipv4Net::new(ip, length).expect("a length").trunc();
    let gateway = Ipv4Addr::new(10, 2, 0, GATEWAY as u8);
    route(net, RouteOrigin::Static, Some(gateway), 2)
}

fn route(net: Ipv4Net, origin: RouteOrigin, gateway: Option<Ipv4Addr>, out: u32) -> Object {
    Object::Route(Route {
        router: at((ROUTER, 1)).datapath,
        key: RouteKey {
            table: String::new(),
            policy: RoutePolicy::Destination,
            prefix: net.into(),
            origin,
            inport: None,
        },
        discards: 0,
        next_hops: vec![NextHop {
            port: at((ROUTER, out)).port,
            gateway: gateway.map(Into::into),
            source: Ipv4Addr::new(10, out as u8, 255, 254).into(),
        }],
    })
}

fn chassis(name: &str, ip: [u8; 4]) -> Object {
    Object::Chassis(Chassis {
        name: name.into(),
        encap_ip: ip.into(),
        encap_port: 6081,
        zone: String::new(),
        takes_partial: false,
    })
}

fn switch(key: u32, is_balanced: bool) -> Object {
    let own = if is_balanced {
        vec![BALANCER]
    } else {
        Vec::new()
    };
    let balancers = Balancers {
        own,
        groups: Vec::new(),
    };
    datapath(
        key,
        DatapathKind::Switch(Switch {
            balancers,
            ..Switch::default()
        }),
    )
}

fn datapath(key: u32, kind: DatapathKind) -> Object {
    Object::Datapath(Datapath {
        key: DatapathKey::new(key).expect("a datapath key"),
        uuid: Uuid::from_u128(key.into()),
        name: format!("dp{key}"),
        kind,
    })
}

fn port(place: (u32, u32), kind: PortKind) -> Object {
    let number = u128::from(place.0) << 16 | u128::from(place.1);
    Object::Port(Port {
        at: at(place),
        uuid: Uuid::from_u128(number),
        name: format!("p{}-{}", place.0, place.1),
        enabled: true,
        kind,
    })
}

fn switch_port(
    attachment: Attachment,
    station: StationAddresses,
    node: Option<&str>,
) -> SwitchPort {
    SwitchPort {
        attachment,
        addresses: vec![station],
        has_unknown: false,
        port_security: Vec::new(),
        requested_chassis: None,
        max_rate: None,
        min_rate: None,
        chassis: node.map(ChassisName::from),
    }
}

fn services(vips: u32) -> Vec<Object> {
    let balancer = Balancer::new(BALANCER, "services");
    let vips = (0..vips).map(vip);
    std::iter::once(Object::Balancer(balancer))
        .chain(vips)
        .collect()
}

/// What leaves by the router gets one of the router's addresses.
fn source_nat() -> Object {
    let clients = Ipv4Net::new(Ipv4Addr::new(10, 1, 0, 0), 16).expect("a net");
    Object::Nat(Nat {
        router: at((ROUTER, 1)).datapath,
        uuid: Uuid::from_u128(9),
        kind: NatKind::Snat,
        external_ip: Ipv4Addr::new(10, 2, 255, 253).into(),
        logical: clients.into(),
        external_ports: None,
        distributed: None,
        peers: NatPeers::All,
        is_stateless: false,
        add_route: false,
        gateway_port: None,
    })
}
