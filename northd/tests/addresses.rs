//! Addresses that northd chooses: a script in, `dynamic_addresses` out, as ovn-northd 23.03 has them.

mod harness;

use harness::{World, port, switch};
use model::{Datum, Id, Operation, Table, nb};

/// A switch with these settings.
fn add_switch(world: &mut World, name: &str, config: &[(&str, &str)]) {
    let mut operations = switch(name, &[]);
    for operation in &mut operations {
        if let Operation::Insert { columns, .. } = operation {
            let config = Datum::map(config.iter().copied());
            columns.retain(|(column, _)| column != "other_config");
            columns.push(("other_config".to_owned(), config));
        }
    }
    world.commit(&operations);
}

fn switch_named(world: &World, name: &str) -> nb::LogicalSwitch {
    let mut switches = world.database.table::<nb::LogicalSwitch>().iter();
    let found = switches.find(|switch| switch.name == name);
    found.expect("the test made it")
}

/// A port with these addresses.
fn add_port(world: &mut World, switch: &str, name: &str, addresses: &[&str]) {
    let mut new = port(name);
    new.addresses = addresses.iter().map(|text| (*text).to_owned()).collect();
    let mut switch = switch_named(world, switch);
    switch.ports.insert(new.id);
    let ports = Datum::set(switch.ports);
    world.commit(&[
        new.insert(),
        Operation::update(switch.id, [("ports", ports)]),
    ]);
}

fn remove_port(world: &mut World, switch: &str, name: &str) {
    let port = world.switch_port(name).id;
    let mut switch = switch_named(world, switch);
    switch.ports.remove(&port);
    let ports = Datum::set(switch.ports);
    world.commit(&[Operation::update(switch.id, [("ports", ports)])]);
}

fn set_options(world: &mut World, options: &[(&str, &str)]) {
    let options = Datum::map(options.iter().copied());
    let id = world.global().id;
    world.commit(&[Operation::update(id, [("options", options)])]);
}

fn check(world: &World, name: &str, expected: &str) {
    let port = world.switch_port(name);
    assert_eq!(
        port.dynamic_addresses.as_deref().unwrap_or_default(),
        expected,
        "{name}"
    );
}

fn world() -> World {
    let mut world = World::new();
    set_options(&mut world, &[("mac_prefix", "0a:00:00")]);
    world
}

/// Input: ports one after the other. Output: what ovn-northd 23.03 gave for the same script.
#[test]
fn addresses_are_those_that_ovn_chooses() {
    let mut world = world();
    let subnet = ("subnet", "192.168.1.0/29");
    add_switch(&mut world, "s", &[subnet, ("exclude_ips", "192.168.1.3")]);
    add_switch(&mut world, "t", &[("mac_only", "true")]);
    add_switch(&mut world, "v6", &[("ipv6_prefix", "fd00:1::")]);
    let both = [("subnet", "10.1.0.0/24"), ("ipv6_prefix", "fd00:2::/64")];
    add_switch(&mut world, "d", &both);
    add_switch(&mut world, "none", &[]);
    for (switch, name, addresses, expected) in [
        ("s", "p1", "dynamic", "0a:00:00:a8:01:03 192.168.1.2"),
        ("s", "p2", "dynamic", "0a:00:00:a8:01:05 192.168.1.4"),
        ("s", "p3", "dynamic", "0a:00:00:a8:01:06 192.168.1.5"),
        ("s", "p4", "dynamic", "0a:00:00:a8:01:07 192.168.1.6"),
        ("s", "p5", "dynamic", "0a:00:00:00:00:01"),
        ("s", "p6", "dynamic", "0a:00:00:00:00:02"),
        ("t", "t1", "dynamic", "0a:00:00:00:00:03"),
        ("t", "t2", "02:00:00:00:00:09 dynamic", "02:00:00:00:00:09"),
        (
            "v6",
            "v1",
            "dynamic",
            "0a:00:00:00:00:04 fd00:1::800:ff:fe00:4",
        ),
        (
            "d",
            "d1",
            "dynamic 10.1.0.77",
            "0a:00:00:01:00:4e 10.1.0.77 fd00:2::800:ff:fe01:4e",
        ),
        (
            "d",
            "d2",
            "02:00:00:00:01:09 dynamic",
            "02:00:00:00:01:09 10.1.0.2 fd00:2::ff:fe00:109",
        ),
        (
            "d",
            "d3",
            "dynamic 10.1.0.78 fd00:2::99",
            "0a:00:00:01:00:4f 10.1.0.78 fd00:2::99",
        ),
        (
            "d",
            "d4",
            "dynamic fd00:2::98",
            "0a:00:00:01:00:04 10.1.0.3 fd00:2::98",
        ),
        ("d", "d5", "02:00:00:00:02:09 10.1.0.79", ""),
        (
            "d",
            "d6",
            "dynamic 10.1.0.79",
            "0a:00:00:01:00:50 10.1.0.4 fd00:2::800:ff:fe01:50",
        ),
        (
            "d",
            "d8",
            "dynamic",
            "0a:00:00:01:00:06 10.1.0.5 fd00:2::800:ff:fe01:6",
        ),
        (
            "d",
            "d7",
            "dynamic 10.9.0.79",
            "0a:00:00:09:00:50 10.1.0.6 fd00:2::800:ff:fe09:50",
        ),
        ("d", "d9", "02:00:00:00:00:aa 10.1.0.44 dynamic", ""),
        ("none", "n1", "dynamic", ""),
    ] {
        add_port(&mut world, switch, name, &[addresses]);
        check(&world, name, expected);
    }
    let before = world.database.revision();
    world.restart();
    assert_eq!(
        world.database.revision(),
        before,
        "a restart changes nothing"
    );
    let warnings = world.control.warnings();
    let mut warned: Vec<_> = warnings.iter().map(|warning| &*warning.name).collect();
    warned.dedup();
    warned.sort();
    assert_eq!(warned, ["d9", "n1", "p5", "p6"], "{warnings:?}");
}

#[test]
fn an_address_is_free_again_when_its_port_goes() {
    let mut world = world();
    add_switch(&mut world, "s", &[("subnet", "10.0.0.0/30")]);
    add_port(&mut world, "s", "a", &["dynamic"]);
    add_port(&mut world, "s", "b", &["dynamic"]);
    check(&world, "b", "0a:00:00:00:00:01");
    remove_port(&mut world, "s", "a");
    check(&world, "b", "0a:00:00:00:00:01 10.0.0.2");
    assert!(world.control.warnings().is_empty());
}

#[test]
fn a_written_address_and_a_routers_win_over_chosen_ones() {
    let mut world = world();
    add_switch(&mut world, "s", &[("subnet", "10.0.0.0/24")]);
    add_port(&mut world, "s", "a", &["dynamic"]);
    check(&world, "a", "0a:00:00:00:00:03 10.0.0.2");
    add_port(&mut world, "s", "b", &["02:00:00:00:00:01 10.0.0.2"]);
    check(&world, "a", "0a:00:00:00:00:03 10.0.0.3");
    let gateway = nb::LogicalRouterPort {
        id: Id::random(),
        name: "gateway".into(),
        mac: "02:00:00:00:00:02".into(),
        networks: ["10.0.0.3/24".to_owned()].into(),
        ..nb::LogicalRouterPort::default()
    };
    let router = nb::LogicalRouter {
        id: Id::random(),
        ports: [gateway.id].into(),
        ..nb::LogicalRouter::default()
    };
    world.commit(&[gateway.insert(), router.insert()]);
    let mut joined = port("joined");
    joined.r#type = "router".into();
    joined
        .options
        .insert("router-port".into(), "gateway".into());
    let mut switch = switch_named(&world, "s");
    switch.ports.insert(joined.id);
    let ports = Datum::set(switch.ports);
    world.commit(&[
        joined.insert(),
        Operation::update(switch.id, [("ports", ports)]),
    ]);
    check(&world, "a", "0a:00:00:00:00:03 10.0.0.4");
}

#[test]
fn chosen_addresses_go_with_the_wish_and_with_the_setting() {
    let mut world = world();
    add_switch(&mut world, "s", &[("subnet", "10.0.0.0/24")]);
    for name in ["a", "b"] {
        add_port(&mut world, "s", name, &["dynamic"]);
    }
    let id = world.switch_port("a").id;
    let addresses = Datum::set(["02:00:00:00:00:01"]);
    world.commit(&[Operation::update(id, [("addresses", addresses)])]);
    check(&world, "a", "");
    let id = switch_named(&world, "s").id;
    let config = Datum::map::<String, String>([]);
    world.commit(&[Operation::update(id, [("other_config", config)])]);
    check(&world, "b", "");
}

#[test]
fn a_prefix_is_made_up_once_and_written_down() {
    let mut world = World::new();
    add_switch(&mut world, "s", &[("mac_only", "true")]);
    add_port(&mut world, "s", "a", &["dynamic"]);
    let prefix = world.global().options["mac_prefix"].clone();
    let chosen = world.switch_port("a").dynamic_addresses;
    assert_eq!(chosen, Some(format!("{prefix}:00:00:01")));
    set_options(&mut world, &[("mac_prefix", "0a:00:01")]);
    check(&world, "a", "0a:00:01:00:00:01");
}
