//! Random things that clients do to policies: sets, groups, rules, load balancers and translations.

use std::collections::BTreeSet;

use model::{Database, Datum, Id, Operation, nb};

use super::actions::{pick, row};
use model::Table;

const MEMBERS: [&str; 6] = [
    "10.0.0.2",
    "10.0.1.0/24",
    "fd00::2",
    "0a:00:00:00:00:01",
    "10.0.0.3",
    "fd01::/64",
];
const MATCHES: [&str; 8] = [
    "ip4.src == $set0",
    "ip4.src == $group1_ip4 && tcp",
    "inport == @group0 && ip6.dst == $set1",
    "outport == @group1",
    "ip4.dst == {10.0.0.2, $set2} || inport == \"p1\"",
    "1",
    "ip6 && ip6.src != $group0_ip6",
    "is_chassis_resident(\"p9\")",
];
const ACTIONS: [&str; 6] = [
    "allow",
    "allow-related",
    "allow-stateless",
    "drop",
    "reject",
    "pass",
];

/// The operations of one action.
pub(super) fn operations(
    database: &Database,
    [what, a, b, c, d]: super::actions::Action,
) -> Option<Vec<Operation>> {
    Some(match what % 6 {
        0 => vec![new_set(a, b)],
        1 => vec![change_set(row(database, a)?, b)],
        2 => vec![new_group(database, a, b)],
        3 => vec![change_group(database, row(database, a)?, b)],
        4 => new_rule(database, [a, b, c, d])?,
        _ => change(database, a, b, c)?,
    })
}

fn new_set(a: u8, b: u8) -> Operation {
    let set = nb::AddressSet {
        id: Id::random(),
        name: format!("set{}", a % 3),
        addresses: [pick(&MEMBERS, b).to_owned()].into(),
        ..nb::AddressSet::default()
    };
    set.insert()
}

fn change_set(mut set: nb::AddressSet, b: u8) -> Operation {
    let member = pick(&MEMBERS, b).to_owned();
    if !set.addresses.remove(&member) {
        set.addresses.insert(member);
    }
    Operation::update(set.id, [("addresses", Datum::set(set.addresses))])
}

fn new_group(database: &Database, a: u8, b: u8) -> Operation {
    let ports = row::<nb::LogicalSwitchPort>(database, b).map(|port| port.id);
    let group = nb::PortGroup {
        id: Id::random(),
        name: format!("group{}", a % 3),
        ports: ports.into_iter().collect(),
        ..nb::PortGroup::default()
    };
    group.insert()
}

fn change_group(database: &Database, mut group: nb::PortGroup, b: u8) -> Operation {
    if let Some(port) = row::<nb::LogicalSwitchPort>(database, b)
        && !group.ports.remove(&port.id)
    {
        group.ports.insert(port.id);
    }
    Operation::update(group.id, [("ports", Datum::set(group.ports))])
}

fn new_rule(database: &Database, [a, b, c, d]: [u8; 4]) -> Option<Vec<Operation>> {
    let acl = nb::Acl {
        id: Id::random(),
        action: pick(&ACTIONS, b).to_owned(),
        direction: pick(&["from-lport", "to-lport"], b).to_owned(),
        r#match: pick(&MATCHES, c).to_owned(),
        priority: i64::from(d),
        log: b.is_multiple_of(2),
        meter: c.is_multiple_of(3).then(|| format!("meter{}", c % 2)),
        ..nb::Acl::default()
    };
    let rules = |mut rules: BTreeSet<Id<nb::Acl>>| {
        rules.insert(acl.id);
        [("acls", Datum::set(rules))]
    };
    let owned = match a % 2 {
        0 => {
            let switch: nb::LogicalSwitch = row(database, d)?;
            Operation::update(switch.id, rules(switch.acls))
        }
        _ => {
            let group: nb::PortGroup = row(database, d)?;
            Operation::update(group.id, rules(group.acls))
        }
    };
    Some(vec![acl.insert(), owned])
}

fn change(database: &Database, a: u8, b: u8, c: u8) -> Option<Vec<Operation>> {
    if a % 6 == 4 {
        return Some(new_meter(b));
    }
    Some(vec![match a % 6 {
        0 => {
            let acl: nb::Acl = row(database, b)?;
            Operation::update(acl.id, [("match", Datum::scalar(pick(&MATCHES, c)))])
        }
        1 => {
            let group: nb::PortGroup = row(database, b)?;
            let rules = group.acls.into_iter().skip(1);
            Operation::update(group.id, [("acls", Datum::set(rules))])
        }
        2 => Operation::delete(row::<nb::AddressSet>(database, b)?.id),
        3 => Operation::delete(row::<nb::PortGroup>(database, b)?.id),
        _ => Operation::delete(row::<nb::Meter>(database, b)?.id),
    }])
}

fn new_meter(b: u8) -> Vec<Operation> {
    let band = nb::MeterBand {
        id: Id::random(),
        action: "drop".into(),
        rate: i64::from(b) + 1,
        ..nb::MeterBand::default()
    };
    let meter = nb::Meter {
        id: Id::random(),
        name: format!("meter{}", b % 2),
        unit: "pktps".into(),
        bands: [band.id].into(),
        ..nb::Meter::default()
    };
    vec![band.insert(), meter.insert()]
}
