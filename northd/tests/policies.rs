//! Policies as they are compiled: rows in, objects and warnings out.

mod harness;

use std::collections::BTreeSet;

use harness::World;
use harness::story::Story;
use model::{Database, Datum, Id, Operation, Table, nb};
use northd::compile::Compiler;
use northd::control::{Output, StreamId};
use pipeline::object::{Acl, Object};
use prost::Message;
use southbound_proto::southbound as wire;
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

/// A set of 10,000 addresses.
fn large_set() -> nb::AddressSet {
    let address = |number| format!("10.0.{}.{}", number / 250, number % 250);
    nb::AddressSet {
        id: id(1),
        name: "large".into(),
        addresses: (0..10_000).map(address).collect(),
        ..nb::AddressSet::default()
    }
}

/// The set with one address more.
fn one_more(mut set: nb::AddressSet) -> Operation {
    set.addresses.insert("192.0.2.1".into());
    Operation::update(set.id, [("addresses", Datum::set(set.addresses))])
}

/// Input: a set of 10,000 addresses, and one more. Output: its part alone is compiled anew, and no part is a large one.
#[test]
fn one_changed_address_of_a_large_set_is_one_changed_object() {
    let mut world = World::new();
    world.commit(&[large_set().insert()]);
    let (mut compiler, all) = Compiler::from_scratch(&world.database);
    let members = all.objects.values().flatten();
    let members = members.filter_map(|object| match &**object {
        Object::AddressSet(set) => Some(set.members.len()),
        _ => None,
    });
    let members: Vec<_> = members.collect();
    assert_eq!((members.len(), members.iter().sum::<usize>()), (64, 10_000));
    assert!(members.iter().all(|count| *count < 2 * 10_000 / 64));
    let before: Database = world.database.clone();
    world.commit(&[one_more(large_set())]);
    let started = std::time::Instant::now();
    let changes = world.database.changes_since(&before);
    let more = compiler.apply(&world.database, &changes);
    println!("compiling it: {:?}", started.elapsed());
    assert_eq!((more.units_run, more.objects.len()), (1, 1));
}

/// Input: two nodes, one of which has a switch whose rule names the set; then an address more. Output: that node gets
/// the address's part, in few bytes, and the other gets nothing.
#[test]
fn one_changed_address_of_a_large_set_is_a_small_step_for_the_nodes_that_use_it() {
    let mut story = Story::begin(&["n1", "n2"]);
    let guard = rule(2, "drop", "ip4.src == $large");
    let inside = harness::port("inside");
    let guarded = nb::LogicalSwitch {
        id: id(3),
        name: "guarded".into(),
        acls: [guard.id].into(),
        ports: [inside.id].into(),
        ..nb::LogicalSwitch::default()
    };
    let rows = [inside.insert(), guard.insert(), guarded.insert()];
    story.world.commit(&rows);
    story.world.commit(&[large_set().insert()]);
    story.exchange();
    assert_eq!(story.claim("n1", "inside", true), "");
    assert_eq!(story.claim("n2", "a", true), "");
    story.check_node("n1");
    story.world.commit(&[one_more(large_set())]);
    let steps: Vec<_> = story.world.outputs.iter().map(delta).collect();
    let [Some((stream, step))] = &steps[..] else {
        panic!("one step of one node: {steps:?}");
    };
    assert_eq!(Some(*stream), story.nodes["n1"].stream);
    assert_eq!((step.upserts.len(), step.removals.len()), (1, 0));
    assert!(step.encoded_len() < 4096, "{}", step.encoded_len());
    story.exchange();
    story.check_node("n1");
    story.check_node("n2");
}

fn delta(output: &Output) -> Option<(StreamId, wire::Delta)> {
    match output {
        Output::Send(stream, message) => match message.message.clone()? {
            wire::to_node::Message::Delta(delta) => Some((*stream, delta)),
            _ => None,
        },
        Output::Close(..) => None,
    }
}
