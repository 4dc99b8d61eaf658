//! Random load balancers and translations, over addresses that random packets are for.

use std::net::IpAddr;

use packet::flow::ip_protocol::{TCP, UDP};
use pipeline::object::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use super::random::{chassis, datapath, ip, mac, port_key};

/// The balancer of every random datapath, and one that it has through a group.
pub(super) const OWN: Uuid = Uuid::from_u128(1);
const GROUPED: Uuid = Uuid::from_u128(2);
const GROUP: Uuid = Uuid::from_u128(9);

/// What every random datapath refers to.
pub(super) fn balancers() -> Balancers {
    Balancers {
        own: vec![OWN],
        groups: vec![GROUP],
    }
}

pub(super) fn object() -> impl Strategy<Value = Object> {
    prop_oneof![
        2 => balancer().prop_map(Object::Balancer),
        1 => any::<bool>().prop_map(|is_in| Object::BalancerGroup(BalancerGroup {
            uuid: GROUP,
            name: "all".to_owned(),
            balancers: if is_in { vec![GROUPED] } else { Vec::new() },
        })),
        4 => vip().prop_map(Object::Vip),
        4 => nat().prop_map(Object::Nat),
    ]
}

fn balancer() -> impl Strategy<Value = Balancer> {
    let empty = prop_oneof![Just(WhenEmpty::Drop), Just(WhenEmpty::Reject)];
    let policy = select(vec![
        TrafficPolicy::Cluster,
        TrafficPolicy::Local,
        TrafficPolicy::PreferLocal,
        TrafficPolicy::PreferZone,
    ]);
    let responder = select(vec![
        NeighborResponder::None,
        NeighborResponder::Reachable,
        NeighborResponder::All,
    ]);
    let which = select(vec![OWN, GROUPED]);
    let hairpin = vec(ip(), 0..2);
    (which, empty, policy, responder, hairpin, any::<bool>()).prop_map(
        |(uuid, when_empty, traffic_policy, neighbor_responder, hairpin_snat_ip, skip_snat)| {
            Balancer {
                when_empty,
                when_none_local: when_empty,
                skip_snat,
                hairpin_snat_ip,
                neighbor_responder,
                traffic_policy,
                ..Balancer::new(uuid, "lb")
            }
        },
    )
}

fn vip() -> impl Strategy<Value = Vip> {
    let front = prop_oneof![
        Just((0_u8, 0_u16)),
        (select(vec![TCP, UDP]), select(vec![1_u16, 2, 80])),
    ];
    let backends = vec((ip(), 0_u16..3, option::of(chassis())), 0..3);
    let key = (
        select(vec![OWN, GROUPED]),
        ip(),
        front,
        option::weighted(0.2, chassis()),
    );
    (key, backends).prop_map(
        |((balancer, ip, (protocol, port), chassis), backends)| Vip {
            key: VipKey {
                balancer,
                ip,
                protocol,
                port,
                chassis,
            },
            backends: backends
                .into_iter()
                .map(|(ip, port, chassis)| Backend {
                    ip,
                    port,
                    weight: 1,
                    state: BackendState::Ready,
                    chassis,
                    zone: String::new(),
                })
                .collect(),
        },
    )
}

fn nat() -> impl Strategy<Value = Nat> {
    let kind = select(vec![NatKind::Snat, NatKind::Dnat, NatKind::DnatAndSnat]);
    let peers = select(vec![
        NatPeers::All,
        NatPeers::Only("one".into()),
        NatPeers::AllBut("two".into()),
    ]);
    let distributed = option::weighted(0.3, (mac(), datapath(), port_key()));
    let ends = (ip(), ip());
    (
        datapath(),
        0_u128..3,
        kind,
        ends,
        peers,
        any::<bool>(),
        distributed,
    )
        .prop_map(
            |(router, uuid, kind, (external_ip, logical), peers, is_stateless, distributed)| {
                let logical: IpAddr = match logical.is_ipv4() == external_ip.is_ipv4() {
                    true => logical,
                    false => external_ip,
                };
                Nat {
                    router,
                    uuid: Uuid::from_u128(uuid),
                    kind,
                    external_ip,
                    logical: logical.into(),
                    external_ports: None,
                    distributed: distributed.map(|(mac, datapath, port)| DistributedNat {
                        mac,
                        port: PortRef { datapath, port },
                    }),
                    peers,
                    is_stateless,
                    add_route: false,
                    gateway_port: None,
                }
            },
        )
}
