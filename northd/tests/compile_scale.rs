//! How compiling scales: printed for people (`cargo test -p northd --test compile_scale -- --nocapture`),
//! never asserted, but for the work that must not be done.

mod harness;

use std::time::Instant;

use harness::World;
use model::{Datum, Id, Operation, Table, nb};
use northd::compile::Compiler;

const SWITCHES: usize = 200;
const PORTS_PER_SWITCH: usize = 50;

/// Input: 200 switches of 50 ports on one router, then one port more. Output: times, and one unit run.
#[test]
fn one_port_more_costs_its_own_units_at_any_scale() {
    let mut world = World::new();
    let started = Instant::now();
    world.commit(&network());
    println!(
        "first commit, with keys, objects and reports: {:?}",
        started.elapsed()
    );

    let started = Instant::now();
    let (mut compiler, all) = Compiler::from_scratch(&world.database);
    println!(
        "from scratch: {} units in {:?}",
        all.units_run,
        started.elapsed()
    );

    let before = world.database.clone();
    let mut switches = before.table::<nb::LogicalSwitch>().iter();
    let mut switch = switches.next().expect("there are many");
    let port = addressed_port(SWITCHES, 0);
    switch.ports.insert(port.id);
    let ports = Datum::set(switch.ports);
    let started = Instant::now();
    world.commit(&[
        port.insert(),
        Operation::update(switch.id, [("ports", ports)]),
    ]);
    println!(
        "one port more, with its key and reports: {:?}",
        started.elapsed()
    );

    let changes = world.database.changes_since(&before);
    let started = Instant::now();
    let more = compiler.apply(&world.database, &changes);
    println!("compiling it alone: {:?}", started.elapsed());
    assert_eq!((more.units_run, more.objects.len()), (2, 1));
}

fn addressed_port(switch: usize, number: usize) -> nb::LogicalSwitchPort {
    let mut port = harness::port(&format!("p{switch}-{number}"));
    let mac = format!("02:00:00:00:{switch:02x}:{number:02x}");
    let address = format!("{mac} 10.{switch}.0.{}", number + 2);
    port.port_security.insert(address.clone());
    port.addresses.insert(address);
    port
}

fn network() -> Vec<Operation> {
    let mut router = nb::LogicalRouter {
        id: Id::random(),
        name: "r".to_owned(),
        ..nb::LogicalRouter::default()
    };
    let mut operations = Vec::new();
    for number in 0..SWITCHES {
        let gateway = nb::LogicalRouterPort {
            id: Id::random(),
            name: format!("r-{number}"),
            mac: format!("0a:00:00:00:00:{number:02x}"),
            networks: [format!("10.{number}.0.1/24")].into(),
            ..nb::LogicalRouterPort::default()
        };
        let mut joined = harness::port(&format!("join-{number}"));
        joined.r#type = "router".to_owned();
        joined.addresses.insert("router".to_owned());
        joined
            .options
            .insert("router-port".into(), gateway.name.clone());
        let ports = (0..PORTS_PER_SWITCH).map(|port| addressed_port(number, port));
        let ports: Vec<_> = ports.chain([joined]).collect();
        operations.extend(harness::switch(&format!("s{number}"), &ports));
        operations.push(gateway.insert());
        router.ports.insert(gateway.id);
    }
    operations.push(router.insert());
    operations
}
