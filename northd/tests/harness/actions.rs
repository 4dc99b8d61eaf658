//! Random things that clients and nodes do, drawn from a small world so that they meet each other.

use model::{Author, Database, Datum, Id, Operation, Table, nb};
use proptest::prelude::*;

use super::World;

/// Numbers that an action is made of. What they mean depends on the action.
pub(crate) type Action = [u8; 5];

/// Any sequence of actions.
pub(crate) fn actions(most: usize) -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(any::<Action>(), 1..most)
}

const ADDRESSES: [&str; 8] = [
    "02:00:00:00:00:01 10.0.0.2 fd00::2",
    "02:00:00:00:00:02 10.0.1.2/24",
    "02:00:00:00:00:03 bad",
    "unknown",
    "router",
    "dynamic",
    "",
    "01:00:00:00:00:01",
];
const NETWORKS: [&str; 6] = [
    "10.0.0.1/24",
    "10.0.1.1/24",
    "fd00::1/64",
    "10.0.0.1",
    "x",
    "fe80::1/64",
];
const PREFIXES: [&str; 6] = [
    "0.0.0.0/0",
    "10.9.0.0/16",
    "10.9.1.2",
    "::/0",
    "fe80::/64",
    "x",
];
const HOPS: [&str; 7] = [
    "10.0.0.9", "10.0.1.9", "fd00::9", "fe80::9", "discard", "", "10.0.0.1",
];
const TYPES: [&str; 5] = ["", "", "router", "localport", "localnet"];
const CHASSIS: [&str; 3] = ["n1", "n2", "n3"];

pub(super) fn pick<'a>(list: &[&'a str], number: u8) -> &'a str {
    list[usize::from(number) % list.len()]
}

pub(super) fn row<T: Table>(database: &Database, number: u8) -> Option<T> {
    let rows: Vec<T> = database.table::<T>().iter().collect();
    let position = usize::from(number).checked_rem(rows.len())?;
    rows.into_iter().nth(position)
}

/// Does one action, and lets northd follow.
pub(crate) fn act(world: &mut World, action: Action) {
    let database = transact(&world.database, action);
    if database.revision() != world.database.revision() {
        world.database = database;
        world.settle();
    }
}

/// The database after an action. What it refuses does not happen.
pub(crate) fn transact(database: &Database, action: Action) -> Database {
    let operations = operations(database, action).unwrap_or_default();
    match database.transact(&operations, Author::Client) {
        Ok((database, _)) => database,
        Err(_) => database.clone(),
    }
}

fn operations(database: &Database, [what, a, b, c, d]: Action) -> Option<Vec<Operation>> {
    if what % 22 >= 12 {
        return super::policies::operations(database, [what, a, b, c, d]);
    }
    Some(match what % 12 {
        0 => vec![new_switch(a, b)],
        1 => vec![new_router(a, b)],
        2 | 3 => new_switch_port(row(database, a)?, b, c, d),
        4 | 5 => new_router_port(row(database, a)?, b, c, d),
        6 => new_route(row(database, a)?, b, c, d),
        7 => vec![new_binding(a, b, c)],
        8 => change_switch_port(row(database, a)?, b, c),
        9 => change_router_port(row(database, a)?, b, c),
        10 => remove(database, a, b)?,
        _ => change_datapath(database, a, b)?,
    })
}

fn key_request(number: u8) -> Datum {
    match number % 4 {
        0 => Datum::map([("requested-tnl-key", (number % 5).to_string())]),
        3 => Datum::map([("subnet", "10.0.0.0/30"), ("ipv6_prefix", "fd00::")]),
        1 => Datum::map([("vlan-passthru", "true")]),
        _ => Datum::map([("other", "x")]),
    }
}

fn new_switch(a: u8, b: u8) -> Operation {
    let switch = nb::LogicalSwitch {
        id: Id::random(),
        name: format!("s{}", a % 4),
        ..nb::LogicalSwitch::default()
    };
    insert(&switch, &[("other_config", key_request(b))])
}

fn new_router(a: u8, b: u8) -> Operation {
    let router = nb::LogicalRouter {
        id: Id::random(),
        name: format!("r{}", a % 4),
        enabled: [None, Some(true), Some(false)][usize::from(b) % 3],
        ..nb::LogicalRouter::default()
    };
    router.insert()
}

fn new_switch_port(mut switch: nb::LogicalSwitch, b: u8, c: u8, d: u8) -> Vec<Operation> {
    let kind = pick(&TYPES, b);
    let mut port = super::port(&format!("p{}", c % 8));
    port.r#type = kind.to_owned();
    port.addresses.insert(pick(&ADDRESSES, d).to_owned());
    port.port_security
        .extend((c.is_multiple_of(3)).then(|| pick(&ADDRESSES, b).to_owned()));
    if kind == "router" {
        port.options
            .insert("router-port".into(), format!("rp{}", d % 6));
    } else if c.is_multiple_of(4) {
        port.parent_name = Some(format!("p{}", b % 8));
        port.tag_request = Some(i64::from(d % 3));
    }
    switch.ports.insert(port.id);
    let ports = Datum::set(switch.ports);
    vec![
        port.insert(),
        Operation::update(switch.id, [("ports", ports)]),
    ]
}

fn new_router_port(mut router: nb::LogicalRouter, b: u8, c: u8, d: u8) -> Vec<Operation> {
    let mut port = nb::LogicalRouterPort {
        id: Id::random(),
        name: format!("rp{}", b % 6),
        mac: format!("0a:00:00:00:00:{:02x}", c % 4),
        peer: (d.is_multiple_of(3)).then(|| format!("rp{}", c % 6)),
        ..nb::LogicalRouterPort::default()
    };
    port.networks.insert(pick(&NETWORKS, c).to_owned());
    port.networks.insert(pick(&NETWORKS, d).to_owned());
    router.ports.insert(port.id);
    let ports = Datum::set(router.ports);
    vec![
        port.insert(),
        Operation::update(router.id, [("ports", ports)]),
    ]
}

fn new_route(mut router: nb::LogicalRouter, b: u8, c: u8, d: u8) -> Vec<Operation> {
    let route = nb::LogicalRouterStaticRoute {
        id: Id::random(),
        ip_prefix: pick(&PREFIXES, b).to_owned(),
        nexthop: pick(&HOPS, c).to_owned(),
        output_port: (d.is_multiple_of(3)).then(|| format!("rp{}", d % 6)),
        policy: (d.is_multiple_of(5)).then(|| "src-ip".to_owned()),
        ..nb::LogicalRouterStaticRoute::default()
    };
    router.static_routes.insert(route.id);
    let routes = Datum::set(router.static_routes);
    vec![
        route.insert(),
        Operation::update(router.id, [("static_routes", routes)]),
    ]
}

fn new_binding(a: u8, b: u8, c: u8) -> Operation {
    let binding = nb::StaticMacBinding {
        id: Id::random(),
        logical_port: format!("rp{}", a % 6),
        ip: pick(&HOPS, b).to_owned(),
        mac: pick(&["0a:00:00:00:00:99", "01:00:00:00:00:01", "x"], c).to_owned(),
        override_dynamic_mac: c.is_multiple_of(2),
    };
    binding.insert()
}

fn change_switch_port(port: nb::LogicalSwitchPort, b: u8, c: u8) -> Vec<Operation> {
    let change = match b % 4 {
        0 => ("addresses", Datum::set([pick(&ADDRESSES, c)])),
        1 => ("type", Datum::scalar(pick(&TYPES, c))),
        2 => (
            "options",
            Datum::map([("requested-chassis", pick(&CHASSIS, c))]),
        ),
        _ => (
            "options",
            Datum::map([("router-port", format!("rp{}", c % 6))]),
        ),
    };
    vec![Operation::update(port.id, [change])]
}

fn change_router_port(port: nb::LogicalRouterPort, b: u8, c: u8) -> Vec<Operation> {
    let change = match b % 3 {
        0 => ("networks", Datum::set([pick(&NETWORKS, c)])),
        1 => ("mac", Datum::scalar(pick(&["0a:00:00:00:00:77", "x"], c))),
        _ => ("options", Datum::map([("gateway_mtu", "1400")])),
    };
    vec![Operation::update(port.id, [change])]
}

fn change_datapath(database: &Database, a: u8, b: u8) -> Option<Vec<Operation>> {
    let config = key_request(b);
    Some(vec![match b % 2 {
        0 => {
            let switch: nb::LogicalSwitch = row(database, a)?;
            Operation::update(switch.id, [("other_config", config)])
        }
        _ => {
            let router: nb::LogicalRouter = row(database, a)?;
            Operation::update(router.id, [("options", config)])
        }
    }])
}

fn remove(database: &Database, a: u8, b: u8) -> Option<Vec<Operation>> {
    Some(vec![match b % 5 {
        0 => Operation::delete(row::<nb::LogicalSwitch>(database, a)?.id),
        1 => Operation::delete(row::<nb::LogicalRouter>(database, a)?.id),
        2 => {
            let switch: nb::LogicalSwitch = row(database, a)?;
            let ports = switch.ports.into_iter().skip(1);
            Operation::update(switch.id, [("ports", Datum::set(ports))])
        }
        3 => {
            let router: nb::LogicalRouter = row(database, a)?;
            let ports = router.ports.into_iter().skip(1);
            Operation::update(router.id, [("ports", Datum::set(ports))])
        }
        _ => Operation::delete(row::<nb::StaticMacBinding>(database, a)?.id),
    }])
}

fn insert<T: Table>(row: &T, more: &[(&str, Datum)]) -> Operation {
    let mut operation = row.insert();
    if let Operation::Insert { columns, .. } = &mut operation {
        for (name, value) in more {
            columns.retain(|(column, _)| column != name);
            columns.push(((*name).to_owned(), value.clone()));
        }
    }
    operation
}
