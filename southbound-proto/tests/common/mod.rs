//! Arbitrary compiled objects, of every kind, within the bounds that their types state.

mod policy;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use packet::Mac;
use pipeline::object::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

/// Any object.
pub(crate) fn object() -> impl Strategy<Value = Object> {
    prop_oneof![
        global().prop_map(Object::Global),
        chassis().prop_map(Object::Chassis),
        datapath().prop_map(Object::Datapath),
        port().prop_map(Object::Port),
        route().prop_map(Object::Route),
        neighbor().prop_map(Object::Neighbor),
        fdb_entry().prop_map(Object::Fdb),
        policy::object(),
    ]
}

fn global() -> impl Strategy<Value = Global> {
    let fields = (any::<(i64, u32, u32, bool)>(), mac());
    fields.prop_map(
        |((nb_cfg, fdb_age_s, neighbor_age_s, default_acl_drop), probe_mac)| Global {
            nb_cfg,
            fdb_age_s,
            neighbor_age_s,
            default_acl_drop,
            probe_mac,
        },
    )
}

fn chassis() -> impl Strategy<Value = Chassis> {
    let fields = (
        chassis_name(),
        address(),
        1..=u16::MAX,
        "[a-z]{0,8}",
        any::<bool>(),
    );
    fields.prop_map(
        |(name, encap_ip, encap_port, zone, takes_partial)| Chassis {
            name,
            encap_ip,
            encap_port,
            zone,
            takes_partial,
        },
    )
}

fn datapath() -> impl Strategy<Value = Datapath> {
    let kind = prop_oneof![
        (any::<bool>(), balancers()).prop_map(|(vlan_passthru, balancers)| {
            DatapathKind::Switch(Switch {
                vlan_passthru,
                balancers,
            })
        }),
        router().prop_map(DatapathKind::Router),
    ];
    (datapath_key(), uuid(), "[a-z]{0,8}", kind).prop_map(|(key, uuid, name, kind)| Datapath {
        key,
        uuid,
        name,
        kind,
    })
}

fn router() -> impl Strategy<Value = Router> {
    (
        any::<[bool; 2]>(),
        option::of(chassis_name()),
        balancers(),
        force_snat(),
        force_snat(),
    )
        .prop_map(|fields| Router {
            always_learn_from_arp_request: fields.0[0],
            enabled: fields.0[1],
            chassis: fields.1,
            balancers: fields.2,
            lb_force_snat: fields.3,
            dnat_force_snat: fields.4,
        })
}

fn balancers() -> impl Strategy<Value = Balancers> {
    (vec(uuid(), 0..3), vec(uuid(), 0..3)).prop_map(|(own, groups)| Balancers { own, groups })
}

fn force_snat() -> impl Strategy<Value = ForceSnat> {
    prop_oneof![
        Just(ForceSnat::No),
        Just(ForceSnat::RouterIp),
        vec(address(), 0..3).prop_map(ForceSnat::Addresses),
    ]
}

fn port() -> impl Strategy<Value = Port> {
    let kind = prop_oneof![
        switch_port().prop_map(PortKind::Switch),
        router_port().prop_map(PortKind::Router),
    ];
    (port_ref(), uuid(), "[a-z]{1,8}", any::<bool>(), kind).prop_map(
        |(at, uuid, name, enabled, kind)| Port {
            at,
            uuid,
            name,
            enabled,
            kind,
        },
    )
}

fn switch_port() -> impl Strategy<Value = SwitchPort> {
    let attachment = prop_oneof![
        Just(Attachment::Vif),
        Just(Attachment::Localport),
        option::of(port_ref()).prop_map(Attachment::Router),
        ("[a-z]{1,8}", 1..=4094u16).prop_map(|(parent, tag)| Attachment::Nested { parent, tag }),
    ];
    (
        attachment,
        vec(station(), 0..4),
        any::<bool>(),
        vec(port_security(), 0..4),
        option::of(chassis_name()),
        option::of(chassis_name()),
        option::of(any::<(u32, u32)>()),
        option::of(1..=u32::MAX),
    )
        .prop_map(|fields| SwitchPort {
            attachment: fields.0,
            addresses: fields.1,
            has_unknown: fields.2,
            port_security: fields.3,
            requested_chassis: fields.4,
            chassis: fields.5,
            max_rate: fields.6.map(|(rate, burst)| MeterBand { rate, burst }),
            min_rate: fields.7,
        })
}

fn station() -> impl Strategy<Value = StationAddresses> {
    let ipv4 = vec(any::<[u8; 4]>().prop_map(Into::into), 0..4);
    let ipv6 = vec(any::<[u8; 16]>().prop_map(Into::into), 0..4);
    (mac(), ipv4, ipv6).prop_map(|(mac, ipv4, ipv6)| StationAddresses { mac, ipv4, ipv6 })
}

fn port_security() -> impl Strategy<Value = PortSecurity> {
    let fields = (mac(), vec(ipv4_net(), 0..4), vec(ipv6_net(), 0..4));
    fields.prop_map(|(mac, ipv4, ipv6)| PortSecurity { mac, ipv4, ipv6 })
}

fn router_port() -> impl Strategy<Value = RouterPort> {
    (
        mac(),
        vec(ipv4_net(), 0..4),
        vec(ipv6_net(), 0..4),
        option::of(port_ref()),
        option::of(1..=u16::MAX),
        "[a-z]{0,8}",
        option::of(chassis_name()),
    )
        .prop_map(|fields| RouterPort {
            mac: fields.0,
            ipv4: fields.1,
            ipv6: fields.2,
            peer: fields.3,
            gateway_mtu: fields.4,
            route_table: fields.5,
            gateway: fields.6,
        })
}

fn route() -> impl Strategy<Value = Route> {
    let policy = prop_oneof![Just(RoutePolicy::Destination), Just(RoutePolicy::Source)];
    let origin = prop_oneof![Just(RouteOrigin::Connected), Just(RouteOrigin::Static)];
    let key = (
        "[a-z]{0,8}",
        policy,
        ip_net(),
        origin,
        option::of(port_key()),
    )
        .prop_map(|(table, policy, prefix, origin, inport)| RouteKey {
            table,
            policy,
            prefix: prefix.trunc(),
            origin,
            inport,
        });
    (datapath_key(), key, vec(next_hop(), 0..4), any::<u16>()).prop_map(
        |(router, key, next_hops, discards)| Route {
            router,
            key,
            next_hops,
            discards,
        },
    )
}

fn next_hop() -> impl Strategy<Value = NextHop> {
    let ipv4 = (any::<[u8; 4]>(), option::of(any::<[u8; 4]>()))
        .prop_map(|(source, gateway)| (source.into(), gateway.map(Into::into)));
    let ipv6 = (any::<[u8; 16]>(), option::of(any::<[u8; 16]>()))
        .prop_map(|(source, gateway)| (source.into(), gateway.map(Into::into)));
    (port_key(), prop_oneof![ipv4, ipv6]).prop_map(|(port, (source, gateway))| NextHop {
        port,
        gateway,
        source,
    })
}

fn neighbor() -> impl Strategy<Value = Neighbor> {
    let fixed = (mac(), any::<bool>()).prop_map(|(mac, overrides_learned)| FixedBinding {
        mac,
        overrides_learned,
    });
    (port_ref(), address(), option::of(fixed), option::of(mac())).prop_map(
        |(port, ip, fixed, learned)| Neighbor {
            port,
            ip,
            fixed,
            learned,
        },
    )
}

fn fdb_entry() -> impl Strategy<Value = FdbEntry> {
    (datapath_key(), mac(), port_key()).prop_map(|(switch, mac, port)| FdbEntry {
        switch,
        mac,
        port,
    })
}

fn chassis_name() -> impl Strategy<Value = ChassisName> {
    text()
}

fn text() -> impl Strategy<Value = Arc<str>> {
    "[a-z]{1,8}".prop_map(|text| text.as_str().into())
}

fn datapath_key() -> impl Strategy<Value = DatapathKey> {
    (1..=DatapathKey::MAX).prop_map(|key| DatapathKey::new(key).expect("in range"))
}

fn port_key() -> impl Strategy<Value = PortKey> {
    (1..=u32::from(PortKey::MAX)).prop_map(|key| PortKey::new(key).expect("in range"))
}

fn port_ref() -> impl Strategy<Value = PortRef> {
    (datapath_key(), port_key()).prop_map(|(datapath, port)| PortRef { datapath, port })
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(Mac)
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
    ]
}

fn ipv4_net() -> impl Strategy<Value = Ipv4Net> {
    (any::<[u8; 4]>(), 0..=32u8)
        .prop_map(|(address, length)| Ipv4Net::new(address.into(), length).expect("in range"))
}

fn ipv6_net() -> impl Strategy<Value = Ipv6Net> {
    (any::<[u8; 16]>(), 0..=128u8)
        .prop_map(|(address, length)| Ipv6Net::new(address.into(), length).expect("in range"))
}

fn ip_net() -> impl Strategy<Value = IpNet> {
    prop_oneof![
        ipv4_net().prop_map(IpNet::from),
        ipv6_net().prop_map(IpNet::from),
    ]
}
