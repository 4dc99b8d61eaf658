//! Transactions, one rule of the database after the other.

use std::collections::BTreeSet;

use model::{
    Author, Database, Datum, ErrorKind, Id, Mutator, Operation, Table, TransactionError, nb, sb,
};
use uuid::Uuid;

fn id<T>(number: u128) -> Id<T> {
    Id::new(Uuid::from_u128(number))
}

fn switch(number: u128, name: &str, ports: &[u128]) -> Operation {
    let switch = nb::LogicalSwitch {
        id: id(number),
        name: name.into(),
        ports: ports.iter().map(|port| id(*port)).collect(),
        ..nb::LogicalSwitch::default()
    };
    switch.insert()
}

fn port(number: u128, name: &str) -> Operation {
    let port = nb::LogicalSwitchPort {
        id: id(number),
        name: name.into(),
        ..nb::LogicalSwitchPort::default()
    };
    port.insert()
}

fn group(number: u128, name: &str, ports: &[u128]) -> Operation {
    let group = nb::PortGroup {
        id: id(number),
        name: name.into(),
        ports: ports.iter().map(|port| id(*port)).collect(),
        ..nb::PortGroup::default()
    };
    group.insert()
}

fn set<T: Table>(number: u128, column: &'static str, datum: Datum) -> Operation {
    Operation::update(id::<T>(number), [(column, datum)])
}

fn mutate(number: u128, column: &str, mutator: Mutator, datum: Datum) -> Operation {
    Operation::Mutate {
        table: nb::NbGlobal::NAME.into(),
        uuid: Uuid::from_u128(number),
        column: column.into(),
        mutator,
        datum,
    }
}

/// A switch `sw` (1) with ports `p` (2) and `q` (3), a group `g` (4) of both, and NB_Global (5).
fn start() -> Database {
    let operations = [
        port(2, "p"),
        port(3, "q"),
        switch(1, "sw", &[2, 3]),
        group(4, "g", &[2, 3]),
        nb::NbGlobal {
            id: id(5),
            ..nb::NbGlobal::default()
        }
        .insert(),
    ];
    let (database, changes) = commit(&Database::northd(), &operations).expect("accepted");
    assert_eq!((database.revision(), changes.revision), (1, 1));
    database
}

fn commit(
    database: &Database,
    operations: &[Operation],
) -> Result<(Database, model::Changes), TransactionError> {
    database.transact(operations, Author::Client)
}

fn refuse(operations: &[Operation], kind: ErrorKind, details: &str) {
    let error = commit(&start(), operations).expect_err("refused");
    assert_eq!(error, TransactionError::new(kind, details));
}

#[test]
fn the_typed_rows_are_what_was_written() {
    let database = start();
    let switch = database
        .table::<nb::LogicalSwitch>()
        .get(id(1))
        .expect("there");
    assert_eq!(switch.name, "sw");
    assert_eq!(switch.ports, BTreeSet::from([id(2), id(3)]));
    let port = database
        .table::<nb::LogicalSwitchPort>()
        .named("q")
        .expect("there");
    assert_eq!(port.id, id(3));
    assert_eq!(database.table::<nb::PortGroup>().iter().count(), 1);
}

#[test]
fn rows_that_nobody_refers_to_any_more_go_with_their_last_reference() {
    let drop_q = set::<nb::LogicalSwitch>(1, "ports", Datum::set([id::<nb::LogicalSwitchPort>(2)]));
    let (database, changes) = commit(&start(), &[drop_q]).expect("accepted");
    assert_eq!(database.row_count("Logical_Switch_Port"), 1);
    // The group lost it too: weak references vanish.
    let group = database.table::<nb::PortGroup>().named("g").expect("there");
    assert_eq!(group.ports, BTreeSet::from([id(2)]));
    let tables: Vec<_> = changes.tables.keys().copied().collect();
    assert_eq!(
        tables,
        ["Logical_Switch", "Logical_Switch_Port", "Port_Group"]
    );

    let (database, _) =
        commit(&database, &[Operation::delete(id::<nb::LogicalSwitch>(1))]).expect("accepted");
    assert_eq!(database.row_count("Logical_Switch_Port"), 0);
}

#[test]
fn a_child_that_was_never_referred_to_is_not_kept() {
    let (database, changes) = commit(&start(), &[port(9, "lonely")]).expect("accepted");
    assert_eq!(database.row_count("Logical_Switch_Port"), 2);
    assert!(changes.is_empty());
    assert_eq!((database.revision(), changes.revision), (1, 1));
}

#[test]
fn strong_references_never_dangle() {
    refuse(
        &[set::<nb::LogicalSwitch>(
            1,
            "ports",
            Datum::set([Uuid::from_u128(7)]),
        )],
        ErrorKind::ReferentialIntegrity,
        "Table Logical_Switch column ports row 00000000-0000-0000-0000-000000000001 references nonexistent row 00000000-0000-0000-0000-000000000007 in table Logical_Switch_Port.",
    );
    refuse(
        &[Operation::delete(id::<nb::LogicalSwitchPort>(2))],
        ErrorKind::ReferentialIntegrity,
        "cannot delete Logical_Switch_Port row 00000000-0000-0000-0000-000000000002 because of 1 remaining reference(s)",
    );
}

#[test]
fn indexes_are_unique_in_the_words_of_ovsdb_server() {
    refuse(
        &[port(9, "p"), switch(8, "", &[9])],
        ErrorKind::ConstraintViolation,
        "Transaction causes multiple rows in \"Logical_Switch_Port\" table to have identical values (p) for index on column \"name\".  First row, with UUID 00000000-0000-0000-0000-000000000002, existed in the database before this transaction and was not modified by the transaction.  Second row, with UUID 00000000-0000-0000-0000-000000000009, was inserted by this transaction.",
    );
    let binding = |number, ip: &str| nb::StaticMacBinding {
        id: id(number),
        logical_port: "lrp-1".into(),
        ip: ip.into(),
        ..nb::StaticMacBinding::default()
    };
    commit(
        &start(),
        &[
            binding(8, "10.0.0.1").insert(),
            binding(9, "10.0.0.2").insert(),
        ],
    )
    .expect("accepted");
    let error = commit(
        &start(),
        &[
            binding(8, "10.0.0.1").insert(),
            binding(9, "10.0.0.1").insert(),
        ],
    );
    let details = error.expect_err("refused").details;
    assert!(
        details.starts_with("Transaction causes multiple rows in \"Static_MAC_Binding\" table to have identical values (lrp-1, \"10.0.0.1\") for index on columns \"logical_port\" and \"ip\".  First row, "),
        "{details}"
    );
}

#[test]
fn names_may_be_exchanged_within_one_transaction() {
    let name = |number, name| set::<nb::LogicalSwitchPort>(number, "name", Datum::scalar(name));
    let (database, _) = commit(&start(), &[name(2, "q"), name(3, "p")]).expect("accepted");
    let ports = database.table::<nb::LogicalSwitchPort>();
    assert_eq!(ports.named("p").map(|port| port.id), Some(id(3)));
    assert_eq!(ports.named("q").map(|port| port.id), Some(id(2)));
}

#[test]
fn a_table_holds_no_more_rows_than_its_schema_allows() {
    refuse(
        &[nb::NbGlobal {
            id: id(6),
            ..nb::NbGlobal::default()
        }
        .insert()],
        ErrorKind::ConstraintViolation,
        "transaction causes \"NB_Global\" table to contain 2 rows, greater than the schema-defined limit of 1 row(s)",
    );
}

#[test]
fn values_keep_to_their_types_and_constraints() {
    let check = |operation: Operation, kind, details: &str| refuse(&[operation], kind, details);
    let tag = |tag: i64| set::<nb::LogicalSwitchPort>(2, "tag", Datum::scalar(tag));
    check(
        tag(4096),
        ErrorKind::ConstraintViolation,
        "Logical_Switch_Port column tag: 4096 is not in the valid range 1 to 4095 (inclusive)",
    );
    check(
        set::<nb::LogicalSwitchPort>(2, "tag", Datum::scalar("7")),
        ErrorKind::Syntax,
        "Logical_Switch_Port column tag: expected integer",
    );
    check(
        set::<nb::LogicalSwitchPort>(2, "name", Datum::set(["a", "b"])),
        ErrorKind::Syntax,
        "Logical_Switch_Port column name: set must have exactly one member but 2 are present",
    );
    check(
        set::<nb::LogicalSwitchPort>(2, "options", Datum::scalar("a")),
        ErrorKind::Syntax,
        "Logical_Switch_Port column options: the column holds a map",
    );
    check(
        set::<nb::LogicalSwitchPort>(2, "colour", Datum::scalar("blue")),
        ErrorKind::Syntax,
        "No column colour in table Logical_Switch_Port.",
    );
    check(
        nb::LogicalRouterStaticRoute {
            id: id(9),
            policy: Some("both".into()),
            ..nb::LogicalRouterStaticRoute::default()
        }
        .insert(),
        ErrorKind::ConstraintViolation,
        "Logical_Router_Static_Route column policy: both is not one of the allowed values ([dst-ip, src-ip])",
    );
    check(
        nb::LogicalRouterPort {
            id: id(9),
            ..nb::LogicalRouterPort::default()
        }
        .insert(),
        ErrorKind::Syntax,
        "Logical_Router_Port column networks: set must have 1 or more members but 0 are present",
    );
}

#[test]
fn tables_that_are_not_carried_out_are_refused_and_internal_ones_hidden() {
    refuse(
        &[nb::Dns {
            id: id(9),
            ..nb::Dns::default()
        }
        .insert()],
        ErrorKind::NotSupported,
        "table DNS is not supported by this version of weft: its rows would have no effect",
    );
    let chassis = sb::Chassis {
        id: id(9),
        encap_port: 6081,
        ..sb::Chassis::default()
    }
    .insert();
    refuse(
        std::slice::from_ref(&chassis),
        ErrorKind::Syntax,
        "No table named Chassis.",
    );
    refuse(
        &[Operation::VerifyTable {
            table: "Cable".into(),
            revision: 1,
        }],
        ErrorKind::Syntax,
        "No table named Cable.",
    );
    start()
        .transact(&[chassis], Author::System)
        .expect("northd's own");
}

#[test]
fn columns_that_refer_to_tables_not_carried_out_stay_empty() {
    let some = || Datum::scalar(Uuid::from_u128(7));
    refuse(
        &[set::<nb::LogicalSwitch>(1, "dns_records", some())],
        ErrorKind::NotSupported,
        "Logical_Switch column dns_records refers to table DNS, which is not supported by this version of weft",
    );
    refuse(
        &[set::<nb::LogicalSwitchPort>(2, "dhcpv4_options", some())],
        ErrorKind::NotSupported,
        "Logical_Switch_Port column dhcpv4_options refers to table DHCP_Options, which is not supported by this version of weft",
    );
    let empty = set::<nb::LogicalSwitch>(1, "dns_records", Datum::empty_set());
    commit(&start(), &[empty]).expect("accepted");
}

#[test]
fn what_northd_reports_is_not_for_clients_to_write() {
    let up = set::<nb::LogicalSwitchPort>(2, "up", Datum::scalar(true));
    refuse(
        std::slice::from_ref(&up),
        ErrorKind::Permission,
        "Logical_Switch_Port column up is written by northd only",
    );
    let (database, _) = start()
        .transact(std::slice::from_ref(&up), Author::System)
        .expect("northd's own");
    let port = database
        .table::<nb::LogicalSwitchPort>()
        .get(id(2))
        .expect("there");
    assert_eq!(port.up, Some(true));
    // To say what is so already is not to write it.
    commit(&database, &[up]).expect("accepted");
}

#[test]
fn a_row_that_is_gone_is_a_conflict_for_clients_and_nothing_for_northd() {
    let gone = set::<nb::LogicalSwitch>(99, "name", Datum::scalar("x"));
    refuse(
        std::slice::from_ref(&gone),
        ErrorKind::Conflict,
        "Logical_Switch has no row 00000000-0000-0000-0000-000000000063 (any more)",
    );
    let (_, changes) = start().transact(&[gone], Author::System).expect("accepted");
    assert!(changes.is_empty());
}

#[test]
fn a_transaction_that_relied_on_something_else_conflicts() {
    let database = start();
    let verify = |name: &str| Operation::Verify {
        table: "Logical_Switch".into(),
        uuid: Uuid::from_u128(1),
        columns: vec![("name".into(), Datum::scalar(name))],
    };
    commit(&database, &[verify("sw")]).expect("accepted");
    refuse(
        &[verify("other")],
        ErrorKind::Conflict,
        "Logical_Switch row 00000000-0000-0000-0000-000000000001 column name has changed",
    );
    let table = |table: &str, revision| Operation::VerifyTable {
        table: table.into(),
        revision,
    };
    let (database, _) = commit(&database, &[switch(8, "new", &[])]).expect("accepted");
    commit(
        &database,
        &[table("Logical_Switch", 2), table("Port_Group", 1)],
    )
    .expect("accepted");
    let error = commit(&database, &[table("Logical_Switch", 1)]).expect_err("refused");
    assert_eq!(
        error.details,
        "table Logical_Switch has changed: it is at revision 2, not 1"
    );
}

#[test]
fn nothing_of_a_refused_transaction_happens() {
    let before = start();
    let operations = [switch(8, "new", &[]), port(9, "p"), switch(10, "x", &[9])];
    commit(&before, &operations).expect_err("refused");
    assert!(before.changes_since(&start()).is_empty());
}

#[test]
fn mutations_compute_what_the_column_allows() {
    let check =
        |column: &str, mutator, argument: Datum, expected: Result<Datum, (ErrorKind, &str)>| {
            let first = [
                set::<nb::NbGlobal>(5, "nb_cfg", Datum::scalar(10)),
                set::<nb::NbGlobal>(5, "options", Datum::map([("a", "1"), ("b", "2")])),
            ];
            let (database, _) = commit(&start(), &first).expect("accepted");
            let done = commit(&database, &[mutate(5, column, mutator, argument)]);
            let seen = done.map(|(database, _)| {
                let row = database
                    .row("NB_Global", Uuid::from_u128(5))
                    .expect("there");
                row.get(nb::NbGlobal::SCHEMA, column)
                    .expect("a column")
                    .clone()
            });
            let expected = expected.map_err(|(kind, details)| TransactionError::new(kind, details));
            assert_eq!(seen, expected, "{column} {mutator:?}");
        };
    let number = |number: i64| Datum::scalar(number);
    check("nb_cfg", Mutator::Add, number(5), Ok(number(15)));
    check("nb_cfg", Mutator::Subtract, number(5), Ok(number(5)));
    check("nb_cfg", Mutator::Multiply, number(5), Ok(number(50)));
    check("nb_cfg", Mutator::Divide, number(3), Ok(number(3)));
    check("nb_cfg", Mutator::Modulo, number(3), Ok(number(1)));
    check(
        "nb_cfg",
        Mutator::Divide,
        number(0),
        Err((
            ErrorKind::Domain,
            "NB_Global column nb_cfg: Division by zero.",
        )),
    );
    check(
        "nb_cfg",
        Mutator::Add,
        number(i64::MAX),
        Err((
            ErrorKind::Range,
            "NB_Global column nb_cfg: Result of arithmetic is out of the column's range.",
        )),
    );
    check(
        "options",
        Mutator::Insert,
        Datum::map([("a", "9"), ("c", "3")]),
        Ok(Datum::map([("a", "1"), ("b", "2"), ("c", "3")])),
    );
    check(
        "options",
        Mutator::Delete,
        Datum::scalar("a"),
        Ok(Datum::map([("b", "2")])),
    );
    check(
        "options",
        Mutator::Delete,
        Datum::map([("a", "9"), ("b", "2")]),
        Ok(Datum::map([("a", "1")])),
    );
    check(
        "options",
        Mutator::Add,
        number(1),
        Err((
            ErrorKind::MutationNotAllowed,
            "NB_Global column options: arithmetic needs a set of numbers and one number",
        )),
    );
}
