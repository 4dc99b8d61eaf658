//! A service of switch 1.

use pipeline::object::*;
use uuid::Uuid;

use super::{a, c, ipv4, network};

/// The address of the service; its port is 80.
pub const VIP: [u8; 4] = [10, 96, 0, 1];

/// A switch with a service of these backends.
pub fn service(backends: &[PortRef]) -> Vec<Object> {
    let uuid = Uuid::from_u128(77);
    let key = VipKey {
        balancer: uuid,
        ip: VIP.into(),
        protocol: 6,
        port: 80,
        chassis: None,
    };
    let backend = |at: &PortRef| Backend {
        ip: ipv4(*at).into(),
        port: 8080,
        weight: 1,
        state: BackendState::Ready,
        chassis: None,
        zone: String::new(),
    };
    vec![
        Object::Balancer(Balancer::new(uuid, "web")),
        Object::Vip(Vip {
            key,
            backends: backends.iter().map(backend).collect(),
        }),
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
