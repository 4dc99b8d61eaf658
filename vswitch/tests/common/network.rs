//! The logical network, and the addresses in it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use packet::Mac;
use pipeline::Tables;
use pipeline::object::*;
use uuid::Uuid;

pub const ROUTER: u32 = 3;
/// The greatest L3 length that the tunnel takes.
pub const TUNNEL_MTU: u16 = 1442;

pub fn at(datapath: u32, port: u32) -> PortRef {
    let datapath = DatapathKey::new(datapath).expect("a datapath key");
    PortRef {
        datapath,
        port: PortKey::new(port).expect("a port key"),
    }
}

pub fn a() -> PortRef {
    at(1, 1)
}
pub fn b() -> PortRef {
    at(1, 2)
}
pub fn c() -> PortRef {
    at(1, 3)
}
pub fn d() -> PortRef {
    at(2, 1)
}
pub fn u() -> PortRef {
    at(2, 2)
}

/// The router port that faces a switch.
pub fn router_port(switch: u32) -> PortRef {
    at(ROUTER, switch)
}

/// The MAC address of a station or router port.
pub fn mac(at: PortRef) -> Mac {
    Mac([2, 0, 0, 0, at.datapath.get() as u8, at.port.get() as u8])
}

pub fn ipv4(at: PortRef) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, at.datapath.get() as u8, 10 + at.port.get() as u8)
}

pub fn ipv6(at: PortRef) -> Ipv6Addr {
    Ipv6Addr::new(
        0xfd00 | at.datapath.get() as u16,
        0,
        0,
        0,
        0,
        0,
        0,
        10 + at.port.get(),
    )
}

pub fn encap_ip(node: &str) -> IpAddr {
    match node {
        "one" => [192, 0, 2, 1].into(),
        _ => [192, 0, 2, 2].into(),
    }
}

fn chassis(name: &str, encap_ip: IpAddr, encap_port: u16) -> Object {
    Object::Chassis(Chassis {
        name: name.into(),
        encap_ip,
        encap_port,
        zone: String::new(),
        takes_partial: false,
    })
}

fn datapath(key: u32, kind: DatapathKind) -> Object {
    let key = DatapathKey::new(key).expect("a datapath key");
    let uuid = Uuid::from_u128(key.get().into());
    Object::Datapath(Datapath {
        key,
        uuid,
        name: format!("dp{key}"),
        kind,
    })
}

fn port(at: PortRef, kind: PortKind) -> Object {
    let number = u128::from(at.datapath.get()) << 16 | u128::from(at.port.get());
    let name = format!("p{}-{}", at.datapath, at.port);
    Object::Port(Port {
        at,
        uuid: Uuid::from_u128(number),
        name,
        enabled: true,
        kind,
    })
}

/// A station's port on a node.
pub fn vif(at: PortRef, node: &str) -> Object {
    let station = StationAddresses {
        mac: mac(at),
        ipv4: vec![ipv4(at)],
        ipv6: vec![ipv6(at)],
    };
    port(
        at,
        PortKind::Switch(switch_port(Attachment::Vif, vec![station], Some(node))),
    )
}

/// A port behind which any station may be.
pub fn unknown_vif(at: PortRef, node: &str) -> Object {
    let kind = switch_port(Attachment::Vif, Vec::new(), Some(node));
    port(
        at,
        PortKind::Switch(SwitchPort {
            has_unknown: true,
            ..kind
        }),
    )
}

fn switch_port(
    attachment: Attachment,
    addresses: Vec<StationAddresses>,
    node: Option<&str>,
) -> SwitchPort {
    SwitchPort {
        attachment,
        addresses,
        has_unknown: false,
        port_security: Vec::new(),
        requested_chassis: None,
        max_rate: None,
        min_rate: None,
        chassis: node.map(ChassisName::from),
    }
}

/// The two ports that join the router to a switch, and the routes of that.
fn joint(switch: u32) -> Vec<Object> {
    let (near, far) = (at(switch, 100), router_port(switch));
    let ipv4_net = ipnet::Ipv4Net::new(Ipv4Addr::new(10, 0, switch as u8, 1), 24).expect("a net");
    let ipv6_address = Ipv6Addr::new(0xfd00 | switch as u16, 0, 0, 0, 0, 0, 0, 1);
    let ipv6_net = ipnet::Ipv6Net::new(ipv6_address, 64).expect("a net");
    let station = StationAddresses {
        mac: mac(far),
        ipv4: vec![ipv4_net.addr()],
        ipv6: vec![ipv6_net.addr()],
    };
    let kind = switch_port(Attachment::Router(Some(far)), vec![station], None);
    let router = RouterPort {
        mac: mac(far),
        ipv4: vec![ipv4_net],
        ipv6: vec![ipv6_net],
        peer: Some(near),
        gateway_mtu: None,
        route_table: String::new(),
        gateway: None,
    };
    let route = |prefix: ipnet::IpNet, source: IpAddr| {
        Object::Route(Route {
            router: far.datapath,
            key: RouteKey {
                table: String::new(),
                policy: RoutePolicy::Destination,
                prefix: prefix.trunc(),
                origin: RouteOrigin::Connected,
                inport: None,
            },
            discards: 0,
            next_hops: vec![NextHop {
                port: far.port,
                gateway: None,
                source,
            }],
        })
    };
    vec![
        port(near, PortKind::Switch(kind)),
        port(far, PortKind::Router(router)),
        route(ipv4_net.into(), ipv4_net.addr().into()),
        route(ipv6_net.into(), ipv6_net.addr().into()),
    ]
}

/// The network of the picture.
pub fn network() -> Vec<Object> {
    network_over([(encap_ip("one"), 6081), (encap_ip("two"), 6081)])
}

/// The network, with the nodes' Geneve sockets at these addresses.
pub fn network_over(sockets: [(IpAddr, u16); 2]) -> Vec<Object> {
    let switch = DatapathKind::Switch(Switch::default());
    let router = DatapathKind::Router(Router::default());
    let mut objects = vec![
        chassis("one", sockets[0].0, sockets[0].1),
        chassis("two", sockets[1].0, sockets[1].1),
        datapath(1, switch.clone()),
        datapath(2, switch),
        datapath(ROUTER, router),
        vif(a(), "one"),
        vif(b(), "two"),
        vif(c(), "one"),
        vif(d(), "two"),
        unknown_vif(u(), "one"),
    ];
    objects.extend(joint(1));
    objects.extend(joint(2));
    objects
}

pub fn tables(node: &str, objects: Vec<Object>) -> Tables {
    Tables::new(Some(node.into()))
        .apply(objects, [])
        .expect("legal objects")
}
