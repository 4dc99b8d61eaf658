//! Arbitrary objects of policy: ACLs with their matches, sets, groups, meters, balancers and NATs.

use expr::{Bits, Condition, Constant, Field, Notation, Polarity, PortField, Predicate};
use pipeline::object::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{address, chassis_name, datapath_key, ip_net, mac, port_key, port_ref, text, uuid};

/// Any object that this file knows.
pub(super) fn object() -> impl Strategy<Value = Object> {
    prop_oneof![
        address_set().prop_map(Object::AddressSet),
        port_group().prop_map(Object::PortGroup),
        acl().prop_map(Object::Acl),
        meter().prop_map(Object::Meter),
        balancer().prop_map(Object::Balancer),
        balancer_group().prop_map(Object::BalancerGroup),
        vip().prop_map(Object::Vip),
        probe().prop_map(Object::Probe),
        nat().prop_map(Object::Nat),
        qos().prop_map(Object::Qos),
    ]
}

fn address_set() -> impl Strategy<Value = AddressSet> {
    let fields = (text(), 0..ADDRESS_SET_BUCKETS, vec(constant(), 0..4));
    fields.prop_map(|(name, bucket, members)| AddressSet {
        name,
        bucket,
        members,
    })
}

fn constant() -> impl Strategy<Value = Constant> {
    let notation = prop_oneof![
        Just((Notation::Decimal, 64)),
        Just((Notation::Hexadecimal, 128)),
        Just((Notation::Ipv4, 32)),
        Just((Notation::Ipv6, 128)),
        Just((Notation::Ethernet, 48)),
    ];
    (any::<u128>(), option::of(any::<u128>()), notation).prop_map(
        |(value, mask, (notation, width))| {
            let mask = mask.map(|mask| mask >> (128 - width));
            Constant {
                value: value >> (128 - width) & mask.unwrap_or(u128::MAX),
                mask,
                notation,
            }
        },
    )
}

fn port_group() -> impl Strategy<Value = PortGroup> {
    let fields = (text(), datapath_key(), vec(port_key(), 0..4));
    fields.prop_map(|(name, datapath, members)| PortGroup {
        name,
        datapath,
        members,
    })
}

fn acl() -> impl Strategy<Value = Acl> {
    let owner = prop_oneof![
        datapath_key().prop_map(PolicyOwner::Switch),
        text().prop_map(PolicyOwner::Group),
    ];
    let stage = prop::sample::select(vec![
        AclStage::FromLport,
        AclStage::FromLportAfterLb,
        AclStage::ToLport,
    ]);
    let action = prop::sample::select(vec![
        AclAction::Allow,
        AclAction::AllowRelated,
        AclAction::AllowStateless,
        AclAction::Drop,
        AclAction::Reject,
        AclAction::Pass,
    ]);
    (
        (owner, uuid(), "[a-z]{0,8}", stage, 0..=3u8, 0..=32767u16),
        (predicate(), action, any::<u32>(), option::of(acl_log())),
    )
        .prop_map(|(row, rule)| Acl {
            owner: row.0,
            uuid: row.1,
            name: row.2,
            stage: row.3,
            tier: row.4,
            priority: row.5,
            matches: rule.0,
            action: rule.1,
            label: rule.2,
            log: rule.3,
        })
}

fn acl_log() -> impl Strategy<Value = AclLog> {
    let severity = prop::sample::select(vec![
        Severity::Alert,
        Severity::Warning,
        Severity::Notice,
        Severity::Info,
        Severity::Debug,
    ]);
    (severity, option::of(text()), any::<bool>()).prop_map(|(severity, meter, related)| AclLog {
        severity,
        meter,
        related,
    })
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let polarity = prop::sample::select(vec![Polarity::Holds, Polarity::Fails]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Predicate::Constant),
        (condition(), polarity).prop_map(|(condition, asked)| Predicate::Test(condition, asked)),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Predicate::All),
            vec(inner, 2..4).prop_map(Predicate::Any),
        ]
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    let port_field = || prop::sample::select(vec![PortField::Inport, PortField::Outport]);
    prop_oneof![
        (field(), any::<u128>(), any::<u128>()).prop_map(|(field, value, mask)| {
            let value = value & mask;
            Condition::Masked { field, value, mask }
        }),
        (field(), bits(), any::<[u128; 2]>()).prop_map(|(field, bits, [one, other])| {
            let (low, high) = (one.min(other), one.max(other));
            Condition::Range {
                field,
                bits,
                low,
                high,
            }
        }),
        (field(), bits(), text()).prop_map(|(field, bits, set)| Condition::AddressSet {
            field,
            bits,
            set
        }),
        (port_field(), text()).prop_map(|(field, name)| Condition::Port(field, name)),
        (port_field(), text()).prop_map(|(field, name)| Condition::PortGroup(field, name)),
        text().prop_map(Condition::Resident),
    ]
}

fn bits() -> impl Strategy<Value = Bits> {
    any::<[u8; 2]>().prop_map(|[one, other]| {
        let (one, other) = (u32::from(one % 128), u32::from(other % 128));
        Bits {
            low: one.min(other),
            high: one.max(other),
        }
    })
}

fn field() -> impl Strategy<Value = Field> {
    use Field::*;
    prop::sample::select(vec![
        Flags, CtMark, CtLabel, CtState, EthSrc, EthDst, EthType, VlanTci, IpProto, IpDscp, IpEcn,
        IpTtl, IpFrag, Ip4Src, Ip4Dst, Ip6Src, Ip6Dst, Ip6Label, Icmp4Type, Icmp4Code, Icmp6Type,
        Icmp6Code, ArpOp, ArpSpa, ArpSha, ArpTpa, ArpTha, NdTarget, NdSll, NdTll, TcpSrc, TcpDst,
        TcpFlags, UdpSrc, UdpDst, SctpSrc, SctpDst,
    ])
}

fn qos() -> impl Strategy<Value = Qos> {
    let direction = prop::sample::select(QosDirection::ALL.to_vec());
    let limit = any::<(u32, u32)>().prop_map(|(rate, burst)| MeterBand { rate, burst });
    let key = (datapath_key(), uuid(), direction, 0..=32767u16);
    (key, predicate(), option::of(0..64u8), option::of(limit)).prop_map(
        |((switch, uuid, direction, priority), matches, dscp, limit)| Qos {
            switch,
            uuid,
            direction,
            priority,
            matches,
            dscp,
            limit,
        },
    )
}

fn meter() -> impl Strategy<Value = Meter> {
    let unit = prop::sample::select(vec![MeterUnit::Kilobits, MeterUnit::Packets]);
    let band = any::<(u32, u32)>().prop_map(|(rate, burst)| MeterBand { rate, burst });
    (text(), unit, any::<bool>(), vec(band, 0..3)).prop_map(|(name, unit, fair, bands)| Meter {
        name,
        unit,
        fair,
        bands,
    })
}

fn balancer() -> impl Strategy<Value = Balancer> {
    let selection = prop::sample::select(vec![
        SelectionField::EthSrc,
        SelectionField::EthDst,
        SelectionField::IpSrc,
        SelectionField::IpDst,
        SelectionField::TransportSrc,
        SelectionField::TransportDst,
    ]);
    let responder = prop::sample::select(vec![
        NeighborResponder::None,
        NeighborResponder::Reachable,
        NeighborResponder::All,
    ]);
    let policy = prop::sample::select(vec![
        TrafficPolicy::Cluster,
        TrafficPolicy::Local,
        TrafficPolicy::PreferLocal,
        TrafficPolicy::PreferZone,
    ]);
    let when_empty = || prop::sample::select(vec![WhenEmpty::Drop, WhenEmpty::Reject]);
    let when_empty = (when_empty(), when_empty());
    (
        (uuid(), "[a-z]{0,8}", when_empty, any::<[bool; 3]>()),
        (vec(address(), 0..3), any::<u16>(), vec(selection, 0..4)),
        (responder, vec(ip_net(), 0..3), policy),
    )
        .prop_map(|(row, choice, reach)| Balancer {
            uuid: row.0,
            name: row.1,
            when_empty: row.2.0,
            when_none_local: row.2.1,
            event: row.3[0],
            ct_flush: row.3[0] != row.3[1],
            skip_snat: row.3[1],
            add_route: row.3[2],
            hairpin_snat_ip: choice.0,
            affinity_timeout_s: choice.1,
            selection_fields: choice.2,
            neighbor_responder: reach.0,
            source_ranges: reach.1,
            traffic_policy: reach.2,
        })
}

fn balancer_group() -> impl Strategy<Value = BalancerGroup> {
    let fields = (uuid(), "[a-z]{0,8}", vec(uuid(), 0..4));
    fields.prop_map(|(uuid, name, balancers)| BalancerGroup {
        uuid,
        name,
        balancers,
    })
}

fn vip() -> impl Strategy<Value = Vip> {
    let protocol = prop_oneof![
        Just((0, 0)),
        (prop::sample::select(vec![6, 17, 132]), any::<u16>()),
    ];
    let key = (uuid(), address(), protocol, option::of(chassis_name())).prop_map(
        |(balancer, ip, (protocol, port), chassis)| VipKey {
            balancer,
            ip,
            protocol,
            port,
            chassis,
        },
    );
    (key, vec(backend(), 0..4)).prop_map(|(key, backends)| Vip { key, backends })
}

fn backend() -> impl Strategy<Value = Backend> {
    let state = prop::sample::select(vec![
        BackendState::Ready,
        BackendState::Serving,
        BackendState::Draining,
        BackendState::Offline,
    ]);
    (
        (address(), any::<u16>(), any::<u16>(), state),
        (option::of(chassis_name()), "[a-z]{0,8}"),
    )
        .prop_map(|((ip, port, weight, state), (chassis, zone))| Backend {
            ip,
            port,
            weight,
            state,
            chassis,
            zone,
        })
}

fn probe() -> impl Strategy<Value = Probe> {
    let key = (
        port_ref(),
        address(),
        prop::sample::select(vec![6, 17]),
        1..=u16::MAX,
    )
        .prop_map(|(port, ip, protocol, transport_port)| ProbeKey {
            port,
            ip,
            protocol,
            transport_port,
        });
    let kind = prop_oneof![
        Just(ProbeKind::Tcp),
        Just(ProbeKind::Udp),
        text().prop_map(|path| ProbeKind::Http { path }),
    ];
    let positive = || 1..=u16::MAX;
    let timing = (positive(), positive(), positive(), positive());
    (key, (mac(), address(), mac()), kind, timing).prop_map(|(key, stations, kind, timing)| Probe {
        key,
        source_mac: stations.0,
        source_ip: stations.1,
        mac: stations.2,
        kind,
        interval_s: timing.0,
        timeout_s: timing.1,
        success_count: timing.2,
        failure_count: timing.3,
    })
}

fn nat() -> impl Strategy<Value = Nat> {
    let kind = prop::sample::select(vec![NatKind::Snat, NatKind::Dnat, NatKind::DnatAndSnat]);
    let ports =
        (1..=u16::MAX, 1..=u16::MAX).prop_map(|(one, other)| one.min(other)..=one.max(other));
    let distributed = (mac(), port_ref()).prop_map(|(mac, port)| DistributedNat { mac, port });
    let peers = prop_oneof![
        Just(NatPeers::All),
        text().prop_map(NatPeers::Only),
        text().prop_map(NatPeers::AllBut),
    ];
    (
        (datapath_key(), uuid(), kind, address(), ip_net()),
        (option::of(ports), option::of(distributed), peers),
        (any::<[bool; 2]>(), option::of(port_key())),
    )
        .prop_map(|(row, how, more)| Nat {
            router: row.0,
            uuid: row.1,
            kind: row.2,
            external_ip: row.3,
            logical: row.4,
            external_ports: how.0,
            distributed: how.1,
            peers: how.2,
            is_stateless: more.0[0],
            add_route: more.0[1],
            gateway_port: more.1,
        })
}
