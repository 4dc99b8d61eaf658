//! The conversion between compiled objects and their messages, at its boundary.

mod common;

use pipeline::object::ObjectKey;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use prost::Message;
use southbound_proto::convert::{
    Count, Hello, LearnedNeighbor, LearnedStation, ProbeHealth, ProbeStatus, RuleCount, RuleKey,
};
use southbound_proto::convert::{decode_object, encode_object};
use southbound_proto::{southbound as wire, version};

/// How many damaged messages every decoder is shown.
const MUTATED_MESSAGES: u32 = 10_000;

proptest! {
    /// Input: any object. Output: the same object, after its bytes crossed the wire.
    #[test]
    fn objects_survive_the_wire(object in common::object()) {
        let bytes = encode_object(&object).encode_to_vec();
        let received = wire::Object::decode(bytes.as_slice()).expect("just encoded");
        let decoded = decode_object(&received).expect("just encoded");
        prop_assert_eq!(decoded.version, version(&object));
        prop_assert_eq!(decoded.object, object);
    }

    /// Input: any object. Output: its key, after the key's bytes crossed the wire.
    #[test]
    fn keys_survive_the_wire(object in common::object()) {
        let bytes = wire::ObjectKey::from(&object.key()).encode_to_vec();
        let received = wire::ObjectKey::decode(bytes.as_slice()).expect("just encoded");
        prop_assert_eq!(ObjectKey::try_from(&received).expect("just encoded"), object.key());
    }

    /// Input: two objects. Output: one version exactly if they are equal.
    #[test]
    fn versions_tell_objects_apart(one in common::object(), other in common::object()) {
        prop_assert_eq!(version(&one) == version(&other), one == other);
        prop_assert_eq!(version(&one), version(&one.clone()));
    }
}

/// Input: the bytes of messages with some flipped, cut or repeated. Output: a decoded message or an error
/// with a path; what decodes can be encoded again.
#[test]
fn ten_thousand_mutated_messages_never_panic() {
    let mutation = (any::<prop::sample::Index>(), any::<u8>(), 0..4u8);
    let mutations = prop::collection::vec(mutation, 1..8);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: MUTATED_MESSAGES,
        ..ProptestConfig::default()
    });
    let cases = (common::object(), mutations);
    let outcome = runner.run(&cases, |(object, mutations)| {
        let mut bytes = encode_object(&object).encode_to_vec();
        for (index, value, kind) in mutations {
            mutate(&mut bytes, index, value, kind);
        }
        decode_everything(&bytes);
        Ok(())
    });
    outcome.expect("no decoder panics");
}

fn mutate(bytes: &mut Vec<u8>, index: prop::sample::Index, value: u8, kind: u8) {
    if bytes.is_empty() {
        return;
    }
    let at = index.index(bytes.len());
    match kind {
        0 => bytes[at] = value,
        1 => bytes.truncate(at),
        2 => bytes.insert(at, value),
        _ => bytes.extend_from_within(at..),
    }
}

fn decode_everything(bytes: &[u8]) {
    if let Ok(message) = wire::Object::decode(bytes) {
        match decode_object(&message) {
            Ok(decoded) => drop(encode_object(&decoded.object)),
            Err(error) => assert!(!error.path.is_empty()),
        }
    }
    if let Ok(message) = wire::ObjectKey::decode(bytes) {
        let _ = ObjectKey::try_from(&message);
    }
    if let Ok(message) = wire::Hello::decode(bytes) {
        let _ = Hello::try_from(&message);
    }
    if let Ok(message) = wire::LearnedNeighbor::decode(bytes) {
        let _ = LearnedNeighbor::try_from(&message);
    }
    if let Ok(message) = wire::LearnedStation::decode(bytes) {
        let _ = LearnedStation::try_from(&message);
    }
    if let Ok(message) = wire::RuleCount::decode(bytes) {
        let _ = RuleCount::try_from(&message);
    }
    if let Ok(message) = wire::ProbeHealth::decode(bytes) {
        let _ = ProbeHealth::try_from(&message);
    }
}

/// Input: the health of a backend. Output: the same, after its bytes crossed the wire; none without a status.
#[test]
fn the_health_of_a_backend_survives_the_wire() {
    for status in [
        ProbeStatus::Online,
        ProbeStatus::Offline,
        ProbeStatus::Error,
    ] {
        let port = wire::PortRef {
            datapath: 1,
            port: 2,
        };
        let key = wire::ProbeKey {
            port: Some(port),
            ip: vec![10, 0, 0, 1].into(),
            protocol: 17,
            transport_port: 53,
        };
        let key = ObjectKey::try_from(&wire::ObjectKey {
            key: Some(wire::object_key::Key::Probe(key)),
        });
        let Ok(ObjectKey::Probe(key)) = key else {
            panic!("the key of a probe, not {key:?}");
        };
        let health = ProbeHealth { key, status };
        let message = wire::ProbeHealth::from(&health);
        assert_eq!(ProbeHealth::try_from(&message), Ok(health));
        let bare = wire::ProbeHealth {
            status: 0,
            ..message
        };
        let error = ProbeHealth::try_from(&bare).expect_err("a missing status");
        assert_eq!(error.to_string(), "status: is missing");
    }
}

fn check_refused(object: wire::object::Object, expected: &str) {
    let message = wire::Object {
        version: 1,
        object: Some(object),
    };
    let error = decode_object(&message).expect_err("a bad field");
    assert_eq!(error.to_string(), expected);
}

/// Input: messages with one bad field each. Output: the error names the field and what is wrong.
#[test]
fn bad_fields_are_refused_by_name() {
    use wire::object::Object as Kind;
    let fdb = |datapath, mac: &'static [u8], port| {
        let mac = mac.into();
        let key = Some(wire::FdbKey { datapath, mac });
        Kind::Fdb(wire::Fdb { key, port })
    };
    check_refused(
        fdb(0, &[1; 6], 1),
        "fdb.key.datapath: datapath tunnel key 0 is outside 1..=16777215",
    );
    check_refused(fdb(1, &[1; 5], 1), "fdb.key.mac: has 5 bytes, not 6");
    check_refused(
        fdb(1, &[1; 6], 32768),
        "fdb.port: port tunnel key 32768 is outside 1..=32767",
    );
    check_refused(Kind::Fdb(wire::Fdb::default()), "fdb.key: is missing");
    check_refused(
        Kind::Chassis(wire::Chassis {
            name: String::new(),
            encap_ip: vec![127, 0, 0, 1].into(),
            encap_port: 6081,
            ..wire::Chassis::default()
        }),
        "chassis.name: is empty",
    );
    let nested = wire::SwitchPort {
        attachment: Some(wire::switch_port::Attachment::Nested(wire::Nested {
            parent: "p".into(),
            tag: 4095,
        })),
        ..wire::SwitchPort::default()
    };
    check_refused(
        switch_port(nested),
        "port.switch_port.nested.tag: 4095 is outside 1..=4094",
    );
    let stations = wire::SwitchPort {
        attachment: Some(wire::switch_port::Attachment::Vif(wire::Empty {})),
        addresses: vec![wire::StationAddresses {
            mac: vec![2; 6].into(),
            ipv4: vec![vec![1; 4].into(), vec![1; 16].into()],
            ipv6: vec![],
        }],
        ..wire::SwitchPort::default()
    };
    check_refused(
        switch_port(stations),
        "port.switch_port.addresses[0].ipv4[1]: has 16 bytes, not 4",
    );
    check_refused(
        Kind::Route(wire::Route {
            key: Some(wire::RouteKey {
                router: 1,
                prefix: vec![10, 0, 0, 1].into(),
                prefix_length: 24,
                ..wire::RouteKey::default()
            }),
            ..wire::Route::default()
        }),
        "route.key.prefix.address: has host bits set",
    );
    check_refused(
        Kind::Route(wire::Route {
            key: Some(wire::RouteKey {
                router: 1,
                prefix: vec![10, 0, 0, 0].into(),
                prefix_length: 24,
                ..wire::RouteKey::default()
            }),
            discards: 65536,
            ..wire::Route::default()
        }),
        "route.discards: 65536 is outside 0..=65535",
    );
    check_refused(
        Kind::Neighbor(wire::Neighbor {
            key: Some(wire::NeighborKey {
                port: Some(wire::PortRef {
                    datapath: 1,
                    port: 1,
                }),
                ip: vec![10, 0, 0, 1].into(),
            }),
            fixed_overrides_learned: true,
            ..wire::Neighbor::default()
        }),
        "neighbor.fixed_overrides_learned: is set without a fixed_mac",
    );
}

/// Input: lists of nodes that make no tree. Output: the error says which node, or that one is missing.
#[test]
fn predicates_that_are_no_tree_are_refused() {
    use wire::predicate_node::Node;
    let check = |nodes: Vec<Node>, expected: &str| {
        let nodes = nodes.into_iter().map(|node| wire::PredicateNode {
            node: Some(node),
            fails: false,
        });
        let nodes = nodes.collect();
        check_refused(acl(wire::Predicate { nodes }), expected);
    };
    check(vec![], "acl.matches.nodes: is missing");
    check(
        vec![Node::All(2), Node::Constant(true)],
        "acl.matches.nodes: is missing",
    );
    check(
        vec![Node::Any(1), Node::Constant(true)],
        "acl.matches.nodes[0].any: 1 is outside 2..=4294967295",
    );
    check(
        vec![Node::Constant(true), Node::Constant(true)],
        "acl.matches.nodes[1].node: belongs to no predicate",
    );
    check(
        vec![Node::All(2); 1000],
        "acl.matches.nodes[200].all: is nested too deeply",
    );
    check(vec![Node::Any(u32::MAX)], "acl.matches.nodes: is missing");
    check(
        vec![Node::Masked(wire::Masked {
            field: 99,
            ..wire::Masked::default()
        })],
        "acl.matches.nodes[0].masked.field: 99 is not known",
    );
    check(
        vec![Node::Range(wire::Range {
            field: 1,
            bits: Some(wire::Bits { low: 3, high: 2 }),
            ..wire::Range::default()
        })],
        "acl.matches.nodes[0].range.bits.low: 3 is outside 0..=2",
    );
}

/// Input: the deepest expression that is parsed. Output: it crosses the wire.
#[test]
fn the_deepest_expression_survives_the_wire() {
    let mut text = "ip4.mcast".to_owned();
    for level in 1..expr::MAX_DEPTH {
        let (field, operator) = match level % 2 {
            0 => ("eth.src", "&&"),
            _ => ("eth.dst", "||"),
        };
        text = format!("!({field} == {level} {operator} {text})");
    }
    let predicate = expr::parse(&text).expect("just within bounds").lower();
    let bytes = wire::Predicate::from(&predicate).encode_to_vec();
    let received = wire::Predicate::decode(bytes.as_slice()).expect("just encoded");
    assert_eq!(expr::Predicate::try_from(&received), Ok(predicate));
}

fn acl(matches: wire::Predicate) -> wire::object::Object {
    wire::object::Object::Acl(wire::Acl {
        key: Some(wire::AclKey {
            owner: Some(wire::acl_key::Owner::Switch(1)),
            uuid: vec![7; 16].into(),
        }),
        stage: wire::AclStage::ToLport.into(),
        action: wire::AclAction::Drop.into(),
        matches: Some(matches),
        ..wire::Acl::default()
    })
}

fn switch_port(port: wire::SwitchPort) -> wire::object::Object {
    wire::object::Object::Port(wire::Port {
        at: Some(wire::PortRef {
            datapath: 1,
            port: 1,
        }),
        uuid: vec![7; 16].into(),
        name: "p".into(),
        enabled: true,
        kind: Some(wire::port::Kind::SwitchPort(port)),
    })
}

/// Input: an object. Output: nothing of it is lost when the message carries fields of a later protocol.
#[test]
fn unknown_fields_are_ignored() {
    let mut bytes = wire::Global {
        nb_cfg: 7,
        fdb_age_s: 1,
        neighbor_age_s: 2,
        ..wire::Global::default()
    }
    .encode_to_vec();
    bytes.extend([0xfa, 0x3f, 0x01, 0x00]);
    let global = wire::Global::decode(bytes.as_slice()).expect("unknown fields are legal");
    assert_eq!(global.nb_cfg, 7);
}

/// Input: what a rule has come to. Output: the same, after its bytes crossed the wire; none of a rule without a name.
#[test]
fn what_rules_have_come_to_survives_the_wire() {
    let row = uuid::Uuid::from_u128(7);
    let vip = pipeline::object::VipKey {
        balancer: row,
        ip: [10, 96, 0, 1].into(),
        protocol: 6,
        port: 80,
        chassis: None,
    };
    let backend = ([10, 0, 0, 1].into(), 8080);
    for rule in [
        RuleKey::Acl(row),
        RuleKey::Nat(row),
        RuleKey::Qos(row),
        RuleKey::Vip(vip.clone()),
        RuleKey::Backend(vip, backend),
    ] {
        let count = Count {
            packets: 1,
            bytes: 2,
            connections: 3,
            last_unix_ms: 4,
            dropped_packets: 5,
            dropped_bytes: 6,
        };
        let counted = RuleCount { rule, count };
        let bytes = wire::RuleCount::from(&counted).encode_to_vec();
        let message = wire::RuleCount::decode(&bytes[..]).expect("a message");
        assert_eq!(RuleCount::try_from(&message), Ok(counted));
        let bare = wire::RuleCount {
            rule: None,
            ..message
        };
        let error = RuleCount::try_from(&bare).expect_err("a missing rule");
        assert!(error.to_string().starts_with("rule"), "{error}");
    }
}
