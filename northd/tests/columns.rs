//! Nothing is accepted in silence: what becomes of each column of each table that can be written.

mod harness;

use harness::World;
use model::operation::ErrorKind;
use model::schema::{ColumnSchema, Support, TableSchema};
use model::{Author, Datum, Operation, nb};
use uuid::Uuid;

/// The columns that the compiler reads, or that northd answers.
const READ: &[(&str, &[&str])] = &[
    (
        "ACL",
        &[
            "action",
            "direction",
            "label",
            "log",
            "match",
            "meter",
            "options",
            "priority",
            "severity",
            "tier",
        ],
    ),
    ("Address_Set", &["addresses"]),
    ("Chassis_Template_Var", &["chassis", "variables"]),
    ("Gateway_Chassis", &["chassis_name", "options", "priority"]),
    (
        "Load_Balancer",
        &[
            "health_check",
            "ip_port_mappings",
            "options",
            "protocol",
            "selection_fields",
            "vips",
        ],
    ),
    ("Load_Balancer_Group", &["load_balancer"]),
    ("Load_Balancer_Health_Check", &["options", "vip"]),
    (
        "Logical_Router",
        &[
            "enabled",
            "load_balancer",
            "load_balancer_group",
            "nat",
            "options",
            "ports",
            "static_routes",
        ],
    ),
    (
        "Logical_Router_Port",
        &[
            "enabled",
            "gateway_chassis",
            "mac",
            "networks",
            "options",
            "peer",
        ],
    ),
    (
        "Logical_Router_Static_Route",
        &[
            "ip_prefix",
            "nexthop",
            "options",
            "output_port",
            "policy",
            "route_table",
        ],
    ),
    (
        "Logical_Switch",
        &[
            "acls",
            "load_balancer",
            "load_balancer_group",
            "other_config",
            "ports",
            "qos_rules",
        ],
    ),
    (
        "Logical_Switch_Port",
        &[
            "addresses",
            "enabled",
            "options",
            "parent_name",
            "port_security",
            "tag",
            "tag_request",
            "type",
        ],
    ),
    ("Meter", &["bands", "fair", "unit"]),
    ("Meter_Band", &["action", "burst_size", "rate"]),
    (
        "NAT",
        &[
            "allowed_ext_ips",
            "exempted_ext_ips",
            "external_ip",
            "external_mac",
            "external_port_range",
            "gateway_port",
            "logical_ip",
            "logical_port",
            "options",
            "type",
        ],
    ),
    ("NB_Global", &["nb_cfg", "options"]),
    ("Port_Group", &["acls", "ports"]),
    (
        "QoS",
        &["action", "bandwidth", "direction", "match", "priority"],
    ),
    (
        "Static_MAC_Binding",
        &["ip", "logical_port", "mac", "override_dynamic_mac"],
    ),
];

/// The columns that are warned about when they are written, with such a value.
fn warned() -> Vec<(&'static str, &'static str, Datum)> {
    vec![
        ("NB_Global", "ipsec", Datum::scalar(true)),
        (
            "Logical_Router_Port",
            "ipv6_ra_configs",
            Datum::map([("address_mode", "slaac")]),
        ),
    ]
}

/// The columns that are for people and other programs.
const FOR_PEOPLE: [&str; 2] = ["external_ids", "name"];

fn is_among(list: &[(&str, &[&str])], table: &str, column: &str) -> bool {
    let columns = list.iter().find(|(name, _)| *name == table);
    columns.is_some_and(|(_, columns)| columns.contains(&column))
}

fn enforced_columns() -> impl Iterator<Item = (&'static TableSchema, &'static ColumnSchema)> {
    let tables = nb::TABLES
        .iter()
        .filter(|table| table.support == Support::Enforced);
    tables.flat_map(|table| table.columns.iter().map(move |column| (*table, column)))
}

fn refers_to_what_is_not_supported(column: &ColumnSchema) -> bool {
    let mut references = column.kind.references();
    references.any(|reference| {
        let mut tables = nb::TABLES.iter();
        tables.any(|table| table.name == reference.table && table.support == Support::Declared)
    })
}

/// Input: the schema. Output: each column is read, warned about, refused, reported or for people.
#[test]
fn every_column_of_an_enforced_table_has_its_fate() {
    for (table, column) in enforced_columns() {
        let is_warned = |(t, c, _): &(&str, &str, Datum)| (*t, *c) == (table.name, column.name);
        let fates = [
            is_among(READ, table.name, column.name),
            warned().iter().any(is_warned),
            refers_to_what_is_not_supported(column),
            column.is_reported,
            FOR_PEOPLE.contains(&column.name),
        ];
        let count = fates.iter().filter(|fate| **fate).count();
        assert_eq!(count, 1, "{} {}: {fates:?}", table.name, column.name);
    }
}

/// Input: columns that refer to tables which are not carried out. Output: they cannot be written.
#[test]
fn references_to_what_is_not_supported_are_refused() {
    let world = World::new();
    let columns = enforced_columns().filter(|(_, column)| refers_to_what_is_not_supported(column));
    for (table, column) in columns {
        let insert = Operation::Insert {
            table: table.name.to_owned(),
            uuid: Uuid::from_u128(7),
            columns: vec![(column.name.to_owned(), Datum::set([Uuid::from_u128(8)]))],
        };
        let refused = world.database.transact(&[insert], Author::Client);
        let error = refused.expect_err(column.name);
        assert_eq!(
            error.kind,
            ErrorKind::NotSupported,
            "{} {}",
            table.name,
            column.name
        );
    }
}

/// Input: columns and keys of options that nothing carries out. Output: a warning on the row.
#[test]
fn what_is_not_carried_out_is_warned_about() {
    let mut written = warned();
    let unknown = || Datum::map([("no-such-key", "1")]);
    for (table, columns) in READ {
        let maps = columns
            .iter()
            .filter(|column| ["options", "other_config"].contains(column));
        written.extend(maps.map(|column| (*table, *column, unknown())));
    }
    for (table, column, datum) in written {
        let mut world = World::new();
        world.commit(&example());
        let row = world
            .database
            .rows(table)
            .next()
            .expect("the example has one")
            .uuid;
        assert_eq!(world.control.warnings(), [], "{table}");
        world.commit(&[Operation::Update {
            table: table.to_owned(),
            uuid: row,
            columns: vec![(column.to_owned(), datum)],
        }]);
        let warnings = world.control.warnings();
        let is_it = warnings
            .iter()
            .any(|one| (one.table, one.column, one.row) == (table, column, row));
        assert!(is_it, "{table} {column}: {warnings:?}");
    }
}

/// A row of each table that has settings, without a fault.
fn example() -> Vec<Operation> {
    use model::{Id, Table};
    let node = nb::GatewayChassis {
        id: Id::random(),
        name: "gateway-n1".into(),
        chassis_name: "n1".into(),
        ..nb::GatewayChassis::default()
    };
    let gateway = nb::LogicalRouterPort {
        id: Id::random(),
        name: "gateway".into(),
        mac: "02:00:00:00:00:02".into(),
        networks: ["10.0.0.1/24".to_owned()].into(),
        gateway_chassis: [node.id].into(),
        ..nb::LogicalRouterPort::default()
    };
    let route = nb::LogicalRouterStaticRoute {
        id: Id::random(),
        ip_prefix: "10.9.0.0/16".into(),
        nexthop: "10.0.0.9".into(),
        ..nb::LogicalRouterStaticRoute::default()
    };
    let check = nb::LoadBalancerHealthCheck {
        id: Id::random(),
        vip: "10.1.0.1:80".into(),
        ..nb::LoadBalancerHealthCheck::default()
    };
    let balancer = nb::LoadBalancer {
        id: Id::random(),
        vips: [("10.1.0.1:80".to_owned(), "10.0.0.2:80".to_owned())].into(),
        health_check: [check.id].into(),
        ..nb::LoadBalancer::default()
    };
    let translation = nb::Nat {
        id: Id::random(),
        r#type: "snat".into(),
        external_ip: "10.2.0.1".into(),
        logical_ip: "10.0.0.0/24".into(),
        ..nb::Nat::default()
    };
    let router = nb::LogicalRouter {
        id: Id::random(),
        options: [("chassis".to_owned(), "n1".to_owned())].into(),
        nat: [translation.id].into(),
        ports: [gateway.id].into(),
        static_routes: [route.id].into(),
        ..nb::LogicalRouter::default()
    };
    let rule = nb::Acl {
        id: Id::random(),
        action: "drop".into(),
        direction: "to-lport".into(),
        r#match: "ip".into(),
        ..nb::Acl::default()
    };
    let group = nb::PortGroup {
        id: Id::random(),
        name: "g".into(),
        acls: [rule.id].into(),
        ..nb::PortGroup::default()
    };
    let mut operations = harness::switch("s", &[harness::port("a")]);
    operations.extend([rule.insert(), group.insert(), translation.insert()]);
    operations.extend([check.insert(), balancer.insert(), node.insert()]);
    operations.extend([gateway.insert(), route.insert(), router.insert()]);
    operations
}
