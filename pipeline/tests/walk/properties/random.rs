//! Random objects and packets over few values, so that they meet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use packet::flow::*;
use packet::{Flow, Mac};
use pipeline::Ingress;
use pipeline::object::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// A step from one set of objects to the next.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a test value")]
pub(super) enum Change {
    Put(Object),
    Remove(ObjectKey),
}

pub(super) fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => object().prop_map(Change::Put),
        1 => object().prop_map(|object| Change::Remove(object.key())),
    ]
}

pub(super) fn home() -> impl Strategy<Value = Option<ChassisName>> {
    option::of(chassis())
}

pub(super) fn chassis() -> impl Strategy<Value = ChassisName> {
    select(vec!["n1", "n2"]).prop_map(Into::into)
}

/// Odd datapaths are switches, even ones routers.
pub(super) fn datapath() -> impl Strategy<Value = DatapathKey> {
    (1_u32..=4).prop_map(|key| DatapathKey::new(key).unwrap())
}

pub(super) fn port_key() -> impl Strategy<Value = PortKey> {
    (1_u32..=4).prop_map(|key| PortKey::new(key).unwrap())
}

fn at() -> impl Strategy<Value = PortRef> {
    (datapath(), port_key()).prop_map(|(datapath, port)| PortRef { datapath, port })
}

pub(super) fn mac() -> impl Strategy<Value = Mac> {
    (1_u8..=6).prop_map(|last| Mac([0x0a, 0, 0, 0, 0, last]))
}

fn ipv4() -> impl Strategy<Value = Ipv4Addr> {
    (1_u8..=2, 0_u8..=5).prop_map(|(net, host)| Ipv4Addr::new(10, 0, net, host))
}

fn ipv6() -> impl Strategy<Value = Ipv6Addr> {
    let scopes = select(vec![0xfd00_u16, 0xfe80, 0xfd01]);
    (scopes, 0_u16..=5).prop_map(|(scope, host)| Ipv6Addr::new(scope, 0, 0, 0, 0, 0, 0, host))
}

pub(super) fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![ipv4().prop_map(IpAddr::V4), ipv6().prop_map(IpAddr::V6)]
}

fn prefix() -> impl Strategy<Value = IpNet> {
    prop_oneof![
        (ipv4(), select(vec![0, 8, 22, 24, 31, 32])).prop_map(|(ip, length)| IpNet::new(
            ip.into(),
            length
        )
        .unwrap()),
        (ipv6(), select(vec![0, 8, 64, 128])).prop_map(|(ip, length)| IpNet::new(
            ip.into(),
            length
        )
        .unwrap()),
    ]
}

pub(super) fn table() -> impl Strategy<Value = String> {
    select(vec!["", "blue"]).prop_map(str::to_owned)
}

pub(super) fn object() -> impl Strategy<Value = Object> {
    prop_oneof![
        1 => chassis().prop_map(|name| Object::Chassis(Chassis {
            name,
            encap_ip: Ipv4Addr::LOCALHOST.into(),
            encap_port: 6081,
            zone: String::new(),
            takes_partial: false,
        })),
        2 => (datapath(), any::<bool>(), prop::bool::weighted(0.9)).prop_map(row),
        8 => port().prop_map(Object::Port),
        4 => route().prop_map(Object::Route),
        2 => neighbor().prop_map(Object::Neighbor),
        1 => (datapath(), mac(), port_key())
            .prop_map(|(switch, mac, port)| Object::Fdb(FdbEntry { switch, mac, port })),
        6 => super::policy::object(),
        6 => super::service::object(),
    ]
}

pub(super) fn row((key, flag, enabled): (DatapathKey, bool, bool)) -> Object {
    let kind = match key.get() % 2 {
        1 => DatapathKind::Switch(Switch {
            vlan_passthru: flag,
            balancers: super::service::balancers(),
        }),
        _ => DatapathKind::Router(Router {
            always_learn_from_arp_request: flag,
            enabled,
            balancers: super::service::balancers(),
            chassis: (!flag).then(|| "n1".into()),
            lb_force_snat: match flag {
                true => ForceSnat::RouterIp,
                false => ForceSnat::No,
            },
            ..Router::default()
        }),
    };
    let name = format!("dp{key}");
    Object::Datapath(Datapath {
        key,
        uuid: uuid::Uuid::nil(),
        name,
        kind,
    })
}

pub(super) fn port() -> impl Strategy<Value = Port> {
    let kinds = (switch_port(), router_port());
    (at(), prop::bool::weighted(0.9), kinds).prop_map(|(at, enabled, (switch, router))| Port {
        at,
        uuid: uuid::Uuid::nil(),
        name: format!("p{}-{}", at.datapath, at.port),
        enabled,
        kind: match at.datapath.get() % 2 {
            1 => PortKind::Switch(switch),
            _ => PortKind::Router(router),
        },
    })
}

fn switch_port() -> impl Strategy<Value = SwitchPort> {
    let attachment = prop_oneof![
        4 => Just(Attachment::Vif),
        1 => Just(Attachment::Localport),
        1 => (at(), 1_u16..=2).prop_map(|(at, tag)| Attachment::Nested {
            parent: format!("p{}-{}", at.datapath, at.port),
            tag,
        }),
        4 => option::of(at()).prop_map(Attachment::Router),
    ];
    let addresses = vec((mac(), vec(ipv4(), 0..2), vec(ipv6(), 0..2)), 0..2);
    let security = vec((mac(), vec(ipv4(), 0..2), vec(ipv6(), 0..2)), 0..2);
    let chassis = (
        option::weighted(0.2, chassis()),
        option::weighted(0.9, chassis()),
    );
    (attachment, addresses, any::<bool>(), security, chassis).prop_map(
        |(attachment, addresses, has_unknown, security, (requested_chassis, chassis))| SwitchPort {
            attachment,
            addresses: addresses
                .into_iter()
                .map(|(mac, ipv4, ipv6)| StationAddresses { mac, ipv4, ipv6 })
                .collect(),
            has_unknown,
            port_security: security
                .into_iter()
                .map(|(mac, ipv4, ipv6)| PortSecurity {
                    mac,
                    ipv4: ipv4.into_iter().map(Into::into).collect(),
                    ipv6: ipv6.into_iter().map(Into::into).collect(),
                })
                .collect(),
            requested_chassis,
            max_rate: None,
            min_rate: None,
            chassis,
        },
    )
}

fn router_port() -> impl Strategy<Value = RouterPort> {
    let networks = (vec(ipv4(), 0..2), vec(ipv6(), 0..2));
    let mtu = option::weighted(0.3, select(vec![200_u16, 600]));
    let gateway = option::weighted(0.3, chassis());
    (mac(), networks, option::of(at()), mtu, table(), gateway).prop_map(
        |(mac, (ipv4, ipv6), peer, gateway_mtu, route_table, gateway)| RouterPort {
            mac,
            ipv4: ipv4
                .into_iter()
                .map(|ip| ipnet::Ipv4Net::new(ip, 24).unwrap())
                .collect(),
            ipv6: ipv6
                .into_iter()
                .map(|ip| ipnet::Ipv6Net::new(ip, 64).unwrap())
                .collect(),
            peer,
            gateway_mtu,
            route_table,
            gateway,
        },
    )
}

pub(super) fn route() -> impl Strategy<Value = Route> {
    let policy = prop_oneof![3 => Just(RoutePolicy::Destination), 1 => Just(RoutePolicy::Source)];
    let origin = prop_oneof![Just(RouteOrigin::Static), Just(RouteOrigin::Connected)];
    let hops = vec(
        (port_key(), option::of((ipv4(), ipv6())), ipv4(), ipv6()),
        0..3,
    );
    let key = (
        table(),
        policy,
        prefix(),
        origin,
        option::weighted(0.2, port_key()),
    );
    let discards = option::weighted(0.2, 1..3u16);
    (datapath(), key, hops, discards).prop_map(|(router, key, hops, discards)| {
        let (table, policy, prefix, origin, inport) = key;
        let is_ipv4 = prefix.addr().is_ipv4();
        let pick = |ipv4: Ipv4Addr, ipv6: Ipv6Addr| match is_ipv4 {
            true => IpAddr::V4(ipv4),
            false => IpAddr::V6(ipv6),
        };
        let next_hops = hops.into_iter().map(|(port, gateway, ipv4, ipv6)| NextHop {
            port,
            gateway: gateway.map(|(ipv4, ipv6)| pick(ipv4, ipv6)),
            source: pick(ipv4, ipv6),
        });
        let key = RouteKey {
            table,
            policy,
            prefix: prefix.trunc(),
            origin,
            inport,
        };
        Route {
            router,
            key,
            next_hops: next_hops.collect(),
            discards: discards.unwrap_or(0),
        }
    })
}

fn neighbor() -> impl Strategy<Value = Neighbor> {
    let fixed = option::of((mac(), any::<bool>()));
    (at(), ip(), fixed, option::of(mac())).prop_map(|(port, ip, fixed, learned)| Neighbor {
        port,
        ip,
        fixed: fixed.map(|(mac, overrides_learned)| FixedBinding {
            mac,
            overrides_learned,
        }),
        learned,
    })
}

pub(super) fn ingress() -> impl Strategy<Value = Ingress> {
    prop_oneof![
        4 => at().prop_map(Ingress::Interface),
        1 => (0_u32..6, 0_u16..6, select(vec![0_u16, 1, 2, 3, 4, 32768, 32769, 32772, 40000]))
            .prop_map(|(vni, inport, outport)| Ingress::Tunnel { vni, inport, outport }),
    ]
}

pub(super) fn flow() -> impl Strategy<Value = Flow> {
    let eth_dst = prop_oneof![4 => mac(), 1 => Just(Mac::BROADCAST), 1 => Just(Mac([0x33; 6]))];
    let eth_src = prop_oneof![9 => mac(), 1 => Just(Mac::BROADCAST)];
    let vlan = option::weighted(0.2, (1_u16..=2).prop_map(|id| VlanTag { id, priority: 0 }));
    (eth_src, eth_dst, vlan, network(), 0_u32..1500).prop_map(
        |(eth_src, eth_dst, vlan, network, length)| Flow {
            eth_src,
            eth_dst,
            vlan,
            eth_type: match &network {
                Network::Other => 0x88b5,
                Network::Arp(_) => ether_type::ARP,
                Network::Ip(ip) if ip.src.is_ipv4() => ether_type::IPV4,
                Network::Ip(_) => ether_type::IPV6,
            },
            network,
            length,
        },
    )
}

fn network() -> impl Strategy<Value = Network> {
    prop_oneof![
        1 => Just(Network::Other),
        2 => (1_u16..=3, mac(), ipv4(), mac(), ipv4()).prop_map(|(operation, sha, spa, tha, tpa)| {
            Network::Arp(Arp { operation, sha, spa, tha, tpa })
        }),
        6 => ip_packet().prop_map(Network::Ip),
    ]
}

fn ip_packet() -> impl Strategy<Value = Ip> {
    let addresses = prop_oneof![
        (ipv4(), ipv4()).prop_map(|(src, dst)| (IpAddr::V4(src), IpAddr::V4(dst))),
        (ipv6(), ipv6()).prop_map(|(src, dst)| (IpAddr::V6(src), IpAddr::V6(dst))),
    ];
    let ttl = prop_oneof![select(vec![0_u8, 1, 2, 3, 255]), any::<u8>()];
    let fragment = select(vec![
        Fragment::Whole,
        Fragment::Whole,
        Fragment::First,
        Fragment::Later,
    ]);
    let packet = (addresses, ttl, 0_u32..3, fragment, transport());
    packet.prop_map(|((src, dst), ttl, label, fragment, transport)| Ip {
        src,
        dst,
        protocol: protocol_of(&transport, src),
        ttl,
        dscp: 0,
        ecn: 0,
        label: if src.is_ipv6() { label } else { 0 },
        fragment,
        dont_fragment: false,
        transport: match transport {
            _ if fragment == Fragment::Later => Transport::Other,
            Transport::Icmp {
                kind,
                code,
                identifier,
                quoted,
                ..
            } if src.is_ipv4() => Transport::Icmp {
                kind,
                code,
                identifier,
                discovery: None,
                quoted,
            },
            transport => transport,
        },
    })
}

fn protocol_of(transport: &Transport, src: IpAddr) -> u8 {
    match transport {
        Transport::Tcp { .. } => ip_protocol::TCP,
        Transport::Sctp { .. } => ip_protocol::SCTP,
        Transport::Icmp { .. } if src.is_ipv6() => ip_protocol::ICMPV6,
        Transport::Icmp { .. } => ip_protocol::ICMP,
        Transport::Udp { .. } | Transport::Other => ip_protocol::UDP,
    }
}

fn transport() -> impl Strategy<Value = Transport> {
    let discovery = (ipv6(), option::of(mac()), option::of(mac())).prop_map(
        |(target, source_mac, target_mac)| Discovery {
            target,
            source_mac,
            target_mac,
            flags: 0,
        },
    );
    prop_oneof![
        Just(Transport::Other),
        (0_u16..3, 0_u16..3, 0_u16..64).prop_map(|(src, dst, flags)| Transport::Tcp {
            src,
            dst,
            flags
        }),
        (0_u16..3, 0_u16..3).prop_map(|(src, dst)| Transport::Udp { src, dst }),
        (
            select(vec![0_u8, 3, 8, 11, 128, 129, 133, 135, 136]),
            option::of(discovery)
        )
            .prop_map(|(kind, discovery)| Transport::Icmp {
                quoted: None,
                kind,
                code: 0,
                identifier: 0,
                discovery
            }),
    ]
}

/// A network that works, in the values that packets and changes are drawn from: two switches and the router
/// between them, with interfaces on both nodes, a default route and what was learned.
pub(super) fn working() -> Vec<Object> {
    let key = |datapath| DatapathKey::new(datapath).unwrap();
    let port = |port| PortKey::new(port).unwrap();
    let at = |datapath, number| PortRef {
        datapath: key(datapath),
        port: port(number),
    };
    let mac = |last| Mac([0x0a, 0, 0, 0, 0, last]);
    let station = |last: u8, net: u8| StationAddresses {
        mac: mac(last),
        ipv4: vec![Ipv4Addr::new(10, 0, net, last)],
        ipv6: Vec::new(),
    };
    let switch_port = |at: PortRef, attachment, station, has_unknown, node: &str| {
        Object::Port(Port {
            at,
            uuid: uuid::Uuid::nil(),
            name: format!("p{}-{}", at.datapath, at.port),
            enabled: true,
            kind: PortKind::Switch(SwitchPort {
                attachment,
                addresses: vec![station],
                has_unknown,
                port_security: Vec::new(),
                requested_chassis: None,
                max_rate: None,
                min_rate: None,
                chassis: Some(node.into()),
            }),
        })
    };
    let router_port = |number, last: u8, net: u8| {
        let address = Ipv4Addr::new(10, 0, net, last);
        let prefix = ipnet::Ipv4Net::new(address, 24).unwrap();
        let route = Route {
            router: key(2),
            key: RouteKey {
                table: String::new(),
                policy: RoutePolicy::Destination,
                prefix: prefix.trunc().into(),
                origin: RouteOrigin::Connected,
                inport: None,
            },
            discards: 0,
            next_hops: vec![NextHop {
                port: port(number),
                gateway: None,
                source: address.into(),
            }],
        };
        let port = Port {
            at: at(2, number),
            uuid: uuid::Uuid::nil(),
            name: format!("p2-{number}"),
            enabled: true,
            kind: PortKind::Router(RouterPort {
                mac: mac(last),
                ipv4: vec![prefix],
                ipv6: Vec::new(),
                peer: Some(at(number * 2 - 1, 1)),
                gateway_mtu: None,
                route_table: String::new(),
                gateway: None,
            }),
        };
        [Object::Port(port), Object::Route(route)]
    };
    let joined = |number| Attachment::Router(Some(at(2, number)));
    let learned = |last: u8| {
        Object::Neighbor(Neighbor {
            port: at(2, 2),
            ip: Ipv4Addr::new(10, 0, 2, last).into(),
            fixed: None,
            learned: Some(mac(6)),
        })
    };
    let node = |name: &str| {
        Object::Chassis(Chassis {
            name: name.into(),
            encap_ip: Ipv4Addr::LOCALHOST.into(),
            encap_port: 6081,
            zone: String::new(),
            takes_partial: false,
        })
    };
    let mut objects = vec![node("n1"), node("n2")];
    objects.extend((1..=3).map(|datapath| row((key(datapath), true, true))));
    objects.extend(router_port(1, 5, 1));
    objects.extend(router_port(2, 5, 2));
    objects.extend([
        switch_port(at(1, 1), joined(1), station(5, 1), false, "n1"),
        switch_port(at(1, 2), Attachment::Vif, station(1, 1), false, "n1"),
        switch_port(at(1, 3), Attachment::Vif, station(2, 1), false, "n2"),
        switch_port(at(3, 1), joined(2), station(5, 2), false, "n1"),
        switch_port(at(3, 2), Attachment::Vif, station(3, 2), false, "n1"),
        switch_port(at(3, 3), Attachment::Vif, station(4, 2), true, "n2"),
        learned(0),
        learned(1),
        Object::Fdb(FdbEntry {
            switch: key(3),
            mac: mac(6),
            port: port(3),
        }),
    ]);
    objects
}
