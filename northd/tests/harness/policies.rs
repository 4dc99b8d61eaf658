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
    Some(match what % 10 {
        0 => vec![new_set(a, b)],
        1 => vec![change_set(row(database, a)?, b)],
        2 => vec![new_group(database, a, b)],
        3 => vec![change_group(database, row(database, a)?, b)],
        4 => new_rule(database, [a, b, c, d])?,
        5 => change(database, a, b, c)?,
        6 => new_balancer(database, [a, b, c, d])?,
        7 => change_balancer(database, [a, b, c, d])?,
        8 => new_translation(row(database, a)?, database, [b, c, d]),
        _ => change_router(database, [a, b, c])?,
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
        return match c % 2 {
            0 => Some(new_meter(b)),
            _ => new_qos(database, b, c),
        };
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

fn new_qos(database: &Database, b: u8, c: u8) -> Option<Vec<Operation>> {
    let rule = nb::Qos {
        id: Id::random(),
        action: [("dscp".to_owned(), i64::from(b % 64))].into(),
        bandwidth: [("rate".to_owned(), i64::from(c))].into(),
        direction: pick(&["from-lport", "to-lport"], b).to_owned(),
        r#match: pick(&MATCHES, c / 2).to_owned(),
        ..nb::Qos::default()
    };
    let mut switch: nb::LogicalSwitch = row(database, b)?;
    switch.qos_rules.insert(rule.id);
    let rules = [("qos_rules", Datum::set(switch.qos_rules))];
    Some(vec![rule.insert(), Operation::update(switch.id, rules)])
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

const VIPS: [(&str, &str); 8] = [
    ("10.9.0.1:80", "10.0.0.2:80"),
    ("10.9.0.1:80", "10.0.0.2:80,10.0.1.2:8080"),
    ("10.9.0.2", "10.0.0.2"),
    ("[fd09::1]:53", "[fd00::2]:53"),
    ("10.9.0.3:443", ""),
    ("^vip:80", "^backends"),
    ("^vip:^port", "10.0.0.2:80"),
    ("10.9.0.4:80", "^backends"),
];
const POLICIES: [&str; 4] = ["cluster", "local", "prefer-local", "prefer-zone"];

fn new_balancer(database: &Database, [a, b, c, d]: [u8; 4]) -> Option<Vec<Operation>> {
    let check = nb::LoadBalancerHealthCheck {
        id: Id::random(),
        vip: "10.9.0.1:80".into(),
        ..nb::LoadBalancerHealthCheck::default()
    };
    let policy = pick(&POLICIES, c).to_owned();
    let (vip, backends) = VIPS[usize::from(b) % VIPS.len()];
    let template = (vip.contains('^') || backends.contains('^')).to_string();
    let balancer = nb::LoadBalancer {
        id: Id::random(),
        name: format!("lb{}", a % 3),
        vips: [(vip.to_owned(), backends.to_owned())].into(),
        options: [
            ("traffic_policy".to_owned(), policy),
            ("template".to_owned(), template),
        ]
        .into(),
        health_check: [check.id].into(),
        ip_port_mappings: [("10.0.0.2".to_owned(), format!("p{}:10.0.0.9", d % 8))].into(),
        ..nb::LoadBalancer::default()
    };
    let owned = |mut own: BTreeSet<Id<nb::LoadBalancer>>| {
        own.insert(balancer.id);
        [("load_balancer", Datum::set(own))]
    };
    let owned = match a % 3 {
        0 => {
            let switch: nb::LogicalSwitch = row(database, d)?;
            Operation::update(switch.id, owned(switch.load_balancer))
        }
        1 => {
            let router: nb::LogicalRouter = row(database, d)?;
            Operation::update(router.id, owned(router.load_balancer))
        }
        _ => {
            let group: nb::LoadBalancerGroup = row(database, d)?;
            Operation::update(group.id, owned(group.load_balancer))
        }
    };
    Some(vec![check.insert(), balancer.insert(), owned])
}

fn change_balancer(database: &Database, [a, b, c, d]: [u8; 4]) -> Option<Vec<Operation>> {
    Some(vec![match a % 6 {
        0 => {
            let balancer: nb::LoadBalancer = row(database, b)?;
            let vips = [VIPS[usize::from(d) % VIPS.len()]];
            Operation::update(balancer.id, [("vips", Datum::map(vips))])
        }
        1 => Operation::delete(row::<nb::LoadBalancer>(database, b)?.id),
        2 => {
            let group = nb::LoadBalancerGroup {
                id: Id::random(),
                name: format!("lbg{}", b % 3),
                ..nb::LoadBalancerGroup::default()
            };
            group.insert()
        }
        3 => {
            let switch: nb::LogicalSwitch = row(database, b)?;
            let groups = row::<nb::LoadBalancerGroup>(database, c).map(|group| group.id.uuid());
            Operation::update(switch.id, [("load_balancer_group", Datum::set(groups))])
        }
        4 => new_variables(b, c).insert(),
        _ => Operation::delete(row::<nb::ChassisTemplateVar>(database, b)?.id),
    }])
}

fn new_variables(b: u8, c: u8) -> nb::ChassisTemplateVar {
    let variables = [
        ("vip", "10.9.1.1"),
        ("port", "80"),
        ("backends", "10.0.0.2:80"),
        ("zone", "z1"),
    ];
    let variables = variables.into_iter().skip(usize::from(c % 3));
    nb::ChassisTemplateVar {
        id: Id::random(),
        chassis: format!("n{}", b % 3 + 1),
        variables: variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        ..nb::ChassisTemplateVar::default()
    }
}

fn new_translation(
    mut router: nb::LogicalRouter,
    database: &Database,
    [b, c, d]: [u8; 3],
) -> Vec<Operation> {
    let set = row::<nb::AddressSet>(database, d).filter(|_| c.is_multiple_of(2));
    let translation = nb::Nat {
        id: Id::random(),
        r#type: pick(&["snat", "dnat", "dnat_and_snat"], b).to_owned(),
        external_ip: pick(&["192.0.2.1", "192.0.2.2"], c).to_owned(),
        logical_ip: "10.0.0.2".into(),
        logical_port: Some(format!("p{}", d % 8)),
        external_mac: Some("0a:00:00:00:00:55".into()),
        allowed_ext_ips: set.map(|set| set.id),
        ..nb::Nat::default()
    };
    router.nat.insert(translation.id);
    let translations = Datum::set(router.nat);
    vec![
        translation.insert(),
        Operation::update(router.id, [("nat", translations)]),
    ]
}

fn change_router(database: &Database, [a, b, c]: [u8; 3]) -> Option<Vec<Operation>> {
    let chassis = format!("n{}", c % 3 + 1);
    if a.is_multiple_of(2) {
        let router: nb::LogicalRouter = row(database, b)?;
        let options = Datum::map([
            ("chassis", chassis),
            ("lb_force_snat_ip", "router_ip".into()),
        ]);
        return Some(vec![Operation::update(router.id, [("options", options)])]);
    }
    let port: nb::LogicalRouterPort = row(database, b)?;
    let gateway = nb::GatewayChassis {
        id: Id::random(),
        name: format!("{}-{chassis}", port.name),
        chassis_name: chassis,
        priority: i64::from(c),
        ..nb::GatewayChassis::default()
    };
    let gateways = [gateway.id.uuid()];
    Some(vec![
        gateway.insert(),
        Operation::update(port.id, [("gateway_chassis", Datum::set(gateways))]),
    ])
}
