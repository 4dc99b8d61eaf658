//! Rates as they are compiled: rows in, objects and warnings out.

mod harness;

use std::collections::BTreeMap;

use harness::World;
use model::{Id, Table, nb};
use pipeline::object::{MeterBand, Object, PortKind};

fn map<T: Clone>(pairs: &[(&str, T)]) -> BTreeMap<String, T> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect()
}

fn world(ports: Vec<nb::LogicalSwitchPort>, rules: Vec<nb::Qos>) -> World {
    let switch = nb::LogicalSwitch {
        id: Id::random(),
        name: "s".into(),
        ports: ports.iter().map(|port| port.id).collect(),
        qos_rules: rules.iter().map(|rule| rule.id).collect(),
        ..nb::LogicalSwitch::default()
    };
    let rows = ports.iter().map(Table::insert);
    let rows = rows.chain(rules.iter().map(Table::insert));
    let operations: Vec<_> = rows.chain([switch.insert()]).collect();
    let mut world = World::new();
    world.commit(&operations);
    world
}

fn warnings(world: &World) -> Vec<String> {
    let warnings = world.control.warnings().into_iter();
    warnings.map(|warning| warning.to_string()).collect()
}

#[test]
fn a_rule_is_compiled_for_its_switch() {
    let rule = |priority, direction: &str, action, bandwidth, matches: &str| nb::Qos {
        id: Id::random(),
        action,
        bandwidth,
        direction: direction.into(),
        r#match: matches.into(),
        priority,
        ..nb::Qos::default()
    };
    let world = world(
        vec![],
        vec![
            rule(
                1,
                "from-lport",
                map(&[("dscp", 46)]),
                map(&[]),
                "ip4.src == $none",
            ),
            rule(2, "to-lport", map(&[]), map(&[("rate", 1000)]), "udp"),
            rule(
                3,
                "to-lport",
                map(&[("dscp", 0)]),
                map(&[("rate", 9), ("burst", 7)]),
                "1",
            ),
        ],
    );
    let objects = world.control.objects().values();
    let rules = objects.filter_map(|object| match &**object {
        Object::Qos(rule) => Some((
            rule.priority,
            format!(
                "{:?} {} {:?} {:?}",
                rule.direction, rule.matches, rule.dscp, rule.limit
            ),
        )),
        _ => None,
    });
    let rules: BTreeMap<_, _> = rules.collect();
    let limit = |rate, burst| Some(MeterBand { rate, burst });
    let expected = [
        (
            1,
            format!(
                "FromLport ip4 && ip4.src == $none Some(46) {:?}",
                None::<MeterBand>
            ),
        ),
        (
            2,
            format!(
                "ToLport (ip4 || ip6) && ip.proto == 17 None {:?}",
                limit(1000, 0)
            ),
        ),
        (3, format!("ToLport 1 Some(0) {:?}", limit(9, 7))),
    ];
    assert_eq!(rules, BTreeMap::from(expected));
    let warnings = warnings(&world);
    assert!(
        warnings
            .iter()
            .any(|text| text.contains("no address set $none")),
        "{warnings:?}"
    );
}

/// What the port of these options may send, and can count on, and parts of the warnings that there are.
fn check_port(
    options: &[(&str, &str)],
    (max, min): (Option<(u32, u32)>, Option<u32>),
    warned: &[&str],
) {
    let mut port = harness::port("p");
    let options = options
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    port.options = options.collect();
    let world = world(vec![port], vec![]);
    let mut objects = world.control.objects().values();
    let found = objects.find_map(|object| match &**object {
        Object::Port(port) => match &port.kind {
            PortKind::Switch(kind) => Some((kind.max_rate, kind.min_rate)),
            PortKind::Router(_) => None,
        },
        _ => None,
    });
    let max = max.map(|(rate, burst)| MeterBand { rate, burst });
    assert_eq!(found, Some((max, min)));
    let warnings = warnings(&world);
    assert_eq!(warnings.len(), warned.len(), "{warnings:?}");
    for (text, part) in warnings.iter().zip(warned) {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_ports_rate_is_in_bits_and_its_burst_a_moment_of_it() {
    let check = |options: &[(&str, &str)], max, warned: &[&str]| {
        check_port(options, (max, None), warned);
    };
    check(&[], None, &[]);
    check(
        &[("qos_max_rate", "100000000")],
        Some((100_000, 2_000)),
        &[],
    );
    check(&[("qos_max_rate", "1")], Some((1, 1_024)), &[]);
    check(
        &[("qos_max_rate", "1001"), ("qos_burst", "9000")],
        Some((2, 9)),
        &[],
    );
    check(&[("qos_burst", "9000")], None, &[]);
    check(&[("qos_max_rate", "fast")], None, &["qos_max_rate"]);
    check(&[("qos_max_rate", "0")], None, &["qos_max_rate"]);
}

#[test]
fn what_a_port_can_count_on_is_no_more_than_what_it_may_send() {
    let max = ("qos_max_rate", "5000000");
    let sent = Some((5_000, 1_024));
    for (min, expected, warned) in [
        ("1", Some(1), None),
        ("5000000", Some(5_000), None),
        ("5000001", Some(5_000), Some("more than qos_max_rate")),
        ("0", None, Some("qos_min_rate=\"0\" is not a number")),
        ("-1", None, Some("qos_min_rate=\"-1\" is not a number")),
    ] {
        let warned: Vec<&str> = warned.into_iter().collect();
        check_port(&[max, ("qos_min_rate", min)], (sent, expected), &warned);
    }
    let alone = [("qos_min_rate", "9000000000")];
    check_port(&alone, (None, Some(9_000_000)), &[]);
}
