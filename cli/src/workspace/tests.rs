//! What is written is seen at once, and becomes the operations that it should.

use model::{Mutator, Operation};

use super::*;
use model::nb::{LogicalSwitch, LogicalSwitchPort};
use model::{Author, Database};

/// A database with a switch and a port on it.
fn database() -> (Database, LogicalSwitch, LogicalSwitchPort) {
    let port = LogicalSwitchPort {
        id: Id::random(),
        name: "p".into(),
        ..LogicalSwitchPort::default()
    };
    let switch = LogicalSwitch {
        id: Id::random(),
        name: "s".into(),
        ports: [port.id].into(),
        ..LogicalSwitch::default()
    };
    let rows = [port.insert(), switch.insert()];
    let (database, _) = Database::northbound()
        .transact(&rows, Author::Client)
        .expect("rows");
    (database, switch, port)
}

#[test]
fn what_is_written_is_seen_at_once_and_becomes_the_least_operations() {
    let (database, switch, port) = database();
    let mut rows = Workspace::new(&database);
    let name = |rows: &Workspace<'_>| rows.get(switch.id).map(|row: LogicalSwitch| row.name);
    rows.update(switch.id, "name", Datum::scalar("t"));
    assert_eq!(name(&rows).as_deref(), Some("t"));
    assert_eq!(rows.ids_named::<LogicalSwitch>("s"), []);
    assert_eq!(rows.ids_named::<LogicalSwitch>("t"), [switch.id]);
    rows.update(switch.id, "name", Datum::scalar("s"));
    assert_eq!(rows.operations(), []);
    let other = Uuid::new_v4();
    rows.add_element(switch.id, "ports", other);
    rows.remove_element(switch.id, "ports", port.id.uuid());
    let mutation = |mutator, uuid: Uuid| Operation::Mutate {
        table: "Logical_Switch".into(),
        uuid: switch.id.uuid(),
        column: "ports".into(),
        mutator,
        datum: Datum::scalar(uuid),
    };
    let expected = [
        mutation(Mutator::Delete, port.id.uuid()),
        mutation(Mutator::Insert, other),
    ];
    assert_eq!(rows.operations(), expected);
}

#[test]
fn rows_are_found_by_what_they_hold_now() {
    let (database, switch, port) = database();
    let mut rows = Workspace::new(&database);
    let named = |rows: &Workspace<'_>, name| rows.ids_named::<LogicalSwitchPort>(name);
    let owners = |rows: &Workspace<'_>, port| rows.referring::<LogicalSwitch>("ports", port);
    assert_eq!(named(&rows, "p"), [port.id]);
    assert_eq!(owners(&rows, port.id.uuid()), [switch.id]);
    let new = LogicalSwitchPort {
        id: Id::random(),
        name: "q".into(),
        ..LogicalSwitchPort::default()
    };
    rows.add(&new);
    rows.add_element(switch.id, "ports", new.id.uuid());
    assert_eq!(named(&rows, "q"), [new.id]);
    assert_eq!(owners(&rows, new.id.uuid()), [switch.id]);
    rows.remove_element(switch.id, "ports", port.id.uuid());
    assert_eq!(owners(&rows, port.id.uuid()), []);
    rows.remove(port.id);
    assert_eq!(named(&rows, "p"), []);
    rows.update(new.id, "name", Datum::scalar("p"));
    assert_eq!(
        (named(&rows, "p"), named(&rows, "q")),
        (vec![new.id], vec![])
    );
}

#[test]
fn only_rows_that_live_by_themselves_are_deleted_by_an_operation() {
    let (database, switch, port) = database();
    let mut rows = Workspace::new(&database);
    rows.remove(port.id);
    assert_eq!(rows.get(port.id), None::<LogicalSwitchPort>);
    assert_eq!(rows.operations(), []);
    rows.remove(switch.id);
    assert_eq!(rows.operations(), [Operation::delete(switch.id)]);
    rows.update(switch.id, "name", Datum::scalar("x"));
    assert_eq!(rows.operations(), [Operation::delete(switch.id)]);
}

#[test]
fn what_was_read_is_verified_only_when_something_is_written() {
    let (database, switch, _) = database();
    let mut rows = Workspace::new(&database);
    rows.verify(LogicalSwitch::SCHEMA, switch.id.uuid(), "name");
    assert_eq!(rows.operations(), []);
    rows.update(switch.id, "external_ids", Datum::map([("a", "b")]));
    let verify = Operation::Verify {
        table: "Logical_Switch".into(),
        uuid: switch.id.uuid(),
        columns: vec![("name".into(), Datum::scalar("s"))],
    };
    assert_eq!(rows.operations().first(), Some(&verify));
}

#[test]
fn what_lives_by_a_row_alone_is_gone_with_it_and_what_another_keeps_is_not() {
    let (database, switch, port) = database();
    let named = |rows: &Workspace<'_>| rows.ids_named::<LogicalSwitchPort>("p").len();
    let mut rows = Workspace::new(&database);
    rows.remove(switch.id);
    assert_eq!(named(&rows), 0);
    let deleted = [Operation::delete(switch.id)];
    assert_eq!(rows.operations(), deleted, "the database does the rest");
    let mut rows = Workspace::new(&database);
    let other = LogicalSwitch {
        id: Id::random(),
        name: "t".into(),
        ports: [port.id].into(),
        ..LogicalSwitch::default()
    };
    rows.add(&other);
    rows.remove(switch.id);
    assert_eq!(named(&rows), 1);
    rows.remove(other.id);
    assert_eq!(named(&rows), 0);
}
