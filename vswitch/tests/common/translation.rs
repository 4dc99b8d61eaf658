//! The router as a gateway on node one, which translates what goes to switch 2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pipeline::object::*;
use uuid::Uuid;

use super::{c, ipv4, ipv6, mac, network_with_service, router_port, u};

/// What the stations of switch 1 are in switch 2, but for `c`.
pub const OUTSIDE: ([u8; 4], u16) = ([10, 0, 2, 100], 0x100);
/// What `c` is in switch 2.
pub const OUTSIDE_OF_C: ([u8; 4], u16) = ([10, 0, 2, 101], 0x101);

/// An address outside, of either family.
pub fn outside((v4, v6): ([u8; 4], u16), is_ipv6: bool) -> IpAddr {
    match is_ipv6 {
        true => Ipv6Addr::new(0xfd02, 0, 0, 0, 0, 0, 0, v6).into(),
        false => Ipv4Addr::from(v4).into(),
    }
}

/// The network with its service and a gateway.
pub fn network_with_gateway() -> Vec<Object> {
    let mut objects = network_with_service();
    for object in &mut objects {
        match object {
            Object::Datapath(datapath) => {
                if let DatapathKind::Router(router) = &mut datapath.kind {
                    router.chassis = Some("one".into());
                }
            }
            Object::Port(Port {
                kind: PortKind::Switch(port),
                ..
            }) if matches!(port.attachment, Attachment::Router(_)) => {
                port.chassis = Some("one".into());
            }
            _ => {}
        }
    }
    for is_ipv6 in [false, true] {
        let (station, all, outsider): (IpAddr, &str, IpAddr) = match is_ipv6 {
            true => (ipv6(c()).into(), "fd01::/64", ipv6(u()).into()),
            false => (ipv4(c()).into(), "10.0.1.0/24", ipv4(u()).into()),
        };
        let all = all.parse().expect("a network");
        objects.push(nat(NatKind::Snat, outside(OUTSIDE, is_ipv6), all));
        let of_c = outside(OUTSIDE_OF_C, is_ipv6);
        objects.push(nat(NatKind::DnatAndSnat, of_c, station.into()));
        objects.push(Object::Neighbor(Neighbor {
            port: router_port(2),
            ip: outsider,
            fixed: None,
            learned: Some(mac(u())),
        }));
    }
    objects
}

fn nat(kind: NatKind, external_ip: IpAddr, logical: ipnet::IpNet) -> Object {
    let number = match external_ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    Object::Nat(Nat {
        router: router_port(1).datapath,
        uuid: Uuid::from_u128(number),
        kind,
        external_ip,
        logical,
        external_ports: None,
        distributed: None,
        peers: NatPeers::All,
        is_stateless: false,
        add_route: false,
        gateway_port: None,
    })
}
