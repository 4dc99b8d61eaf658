//! A service of switch 1.

use std::net::{IpAddr, Ipv6Addr};

use pipeline::object::*;
use uuid::Uuid;

use super::{a, c, ipv4, ipv6, network};

/// The addresses of the service; its port is 80.
pub const VIP: [u8; 4] = [10, 96, 0, 1];
pub const VIP6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, 1);

/// A switch with a service of these backends.
pub fn service(backends: &[PortRef]) -> Vec<Object> {
    let uuid = Uuid::from_u128(77);
    let vip = |ip: IpAddr, of: fn(PortRef) -> IpAddr| {
        let backend = |at: &PortRef| Backend {
            ip: of(*at),
            port: 8080,
            weight: 1,
            state: BackendState::Ready,
            chassis: None,
            zone: String::new(),
        };
        Object::Vip(Vip {
            key: VipKey {
                balancer: uuid,
                ip,
                protocol: 6,
                port: 80,
                chassis: None,
            },
            backends: backends.iter().map(backend).collect(),
        })
    };
    vec![
        Object::Balancer(Balancer::new(uuid, "web")),
        vip(VIP.into(), |at| ipv4(at).into()),
        vip(VIP6.into(), |at| ipv6(at).into()),
    ]
}

/// The network, in which switch 1 has the service.
pub fn network_with_service() -> Vec<Object> {
    let mut objects = network();
    for object in &mut objects {
        if let Object::Datapath(datapath) = object
            && datapath.key == a().datapath
            && let DatapathKind::Switch(switch) = &mut datapath.kind
        {
            switch.balancers.own = vec![Uuid::from_u128(77)];
        }
    }
    objects.extend(service(&[c()]));
    objects
}
