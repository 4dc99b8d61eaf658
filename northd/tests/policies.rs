//! Policies as they are compiled: rows in, objects and warnings out.

mod harness;

use std::collections::BTreeSet;

use harness::World;
use model::{Database, Datum, Id, Operation, Table, nb};
use northd::compile::Compiler;
use pipeline::object::{Acl, Object, ObjectKey};
use uuid::Uuid;

fn id<T>(number: u128) -> Id<T> {
    Id::new(Uuid::from_u128(number))
}

fn texts(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn rule(number: u128, action: &str, matches: &str) -> nb::Acl {
    nb::Acl {
        id: id(number),
        action: action.into(),
        direction: "to-lport".into(),
        r#match: matches.into(),
        priority: 1000 + i64::try_from(number).expect("small"),
        ..nb::Acl::default()
    }
}

/// The objects of policies and all warnings, in lines.
fn listing(operations: &[Operation]) -> String {
    let mut world = World::new();
    world.commit(operations);
    let objects = world.control.objects().values();
    let objects = objects.filter_map(|object| match &**object {
        Object::Acl(acl) => Some(acl_line(acl)),
        Object::AddressSet(set) => {
            let members: Vec<_> = set.members.iter().map(ToString::to_string).collect();
            Some(format!("${} has {}", set.name, members.join(" ")))
        }
        Object::PortGroup(group) => Some(format!(
            "@{} in {} has {:?}",
            group.name, group.datapath, group.members
        )),
        Object::Meter(meter) => Some(format!("{meter:?}")),
        _ => None,
    });
    let warnings = world.control.warnings().into_iter();
    let warnings = warnings.map(|warning| format!("warning: {warning}"));
    let mut lines: Vec<_> = objects.chain(warnings).collect();
    lines.sort();
    lines.join("\n")
}

fn acl_line(acl: &Acl) -> String {
    format!(
        "acl of {:?}: {:?} tier {} priority {} {:?} label {} log {:?} {:?} when {:?}",
        acl.owner,
        acl.stage,
        acl.tier,
        acl.priority,
        acl.action,
        acl.label,
        acl.log,
        acl.name,
        acl.matches
    )
}

#[test]
fn rules_of_a_switch_and_of_a_group_with_what_they_name() {
    let port = |name: &str, key: &str, addresses: &[&str]| nb::LogicalSwitchPort {
        addresses: texts(addresses),
        options: [("requested-tnl-key".to_owned(), key.to_owned())].into(),
        ..harness::port(name)
    };
    let ports = [
        port("a", "1", &["02:00:00:00:00:01 10.0.0.2 fd00::2", "unknown"]),
        port("b", "2", &["02:00:00:00:00:02 10.0.0.3/24 bad 10.0.0.4"]),
        port("c", "3", &["unknown", "02:00:00:00:00:03"]),
    ];
    let mut late = rule(1, "allow-related", "inport == @pg && ip4.src == $pg_ip4");
    late.direction = "from-lport".into();
    late.options = [("apply-after-lb".to_owned(), "true".to_owned())].into();
    let mut logged = rule(2, "drop", "ip6.dst == $set || tcp.dst > 80");
    logged.name = Some("web".into());
    logged.log = true;
    logged.meter = Some("slow".into());
    logged.severity = Some("alert".into());
    logged.label = 7;
    logged.options = [("log-related".to_owned(), "true".to_owned())].into();
    let mut unknown = rule(
        3,
        "pass",
        "ip4.src != $none && outport == {@nobody, \"nothing\"} && ip4.dst == $other_ip4",
    );
    unknown.tier = 2;
    unknown.log = true;
    unknown.meter = Some("missing".into());
    let group = nb::PortGroup {
        id: id(10),
        name: "pg".into(),
        acls: [late.id, logged.id].into(),
        ports: ports[..2].iter().map(|port| port.id).collect(),
        ..nb::PortGroup::default()
    };
    let switch = nb::LogicalSwitch {
        id: id(11),
        name: "s".into(),
        other_config: [("requested-tnl-key".to_owned(), "5".to_owned())].into(),
        ports: ports.iter().map(|port| port.id).collect(),
        acls: [logged.id, unknown.id].into(),
        ..nb::LogicalSwitch::default()
    };
    let set = nb::AddressSet {
        id: id(12),
        name: "set".into(),
        addresses: texts(&["fd00::/64", "fd01::1"]),
        ..nb::AddressSet::default()
    };
    let band = nb::MeterBand {
        id: id(13),
        action: "drop".into(),
        rate: 100,
        burst_size: 10,
        ..nb::MeterBand::default()
    };
    let meter = nb::Meter {
        id: id(14),
        name: "slow".into(),
        unit: "pktps".into(),
        bands: [band.id].into(),
        fair: Some(true),
        ..nb::Meter::default()
    };
    let mut operations: Vec<_> = ports.iter().map(Table::insert).collect();
    operations.extend([late.insert(), logged.insert(), unknown.insert()]);
    operations.extend([group.insert(), switch.insert(), set.insert()]);
    operations.extend([band.insert(), meter.insert()]);
    insta::assert_snapshot!(listing(&operations));
}

/// Input: a set of 10,000 addresses, and one that is exchanged. Output: its part alone is sent anew.
#[test]
fn one_changed_address_of_a_large_set_is_one_changed_object() {
    let set = nb::AddressSet {
        id: id(1),
        name: "large".into(),
        addresses: (0..10_000)
            .map(|number| format!("10.0.{}.{}", number / 250, number % 250))
            .collect(),
        ..nb::AddressSet::default()
    };
    let mut world = World::new();
    world.commit(&[set.insert()]);
    let (mut compiler, all) = Compiler::from_scratch(&world.database);
    let parts = all.objects.keys();
    let parts = parts.filter(|key| matches!(key, ObjectKey::AddressSet(..)));
    assert_eq!(parts.count(), 64);
    let before: Database = world.database.clone();
    let mut addresses = set.addresses;
    addresses.insert("192.0.2.1".into());
    world.commit(&[Operation::update(
        set.id,
        [("addresses", Datum::set(addresses))],
    )]);
    let started = std::time::Instant::now();
    let changes = world.database.changes_since(&before);
    let more = compiler.apply(&world.database, &changes);
    println!("compiling it: {:?}", started.elapsed());
    assert_eq!((more.units_run, more.objects.len()), (1, 1));
}
