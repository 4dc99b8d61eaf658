//! What goes over the wire comes back the same, and what no one would send is refused.

use std::collections::BTreeSet;

use model::datum::Real;
use model::{Atom, Author, Database, Datum, Id, Mutator, Operation, Row, Table, nb};
use northbound_proto::convert::{
    chunk_changes, chunk_rows, datum_from_wire, datum_to_wire, operation_from_wire,
    operation_to_wire, operations_from_wire, row_from_wire, row_to_wire,
};
use northbound_proto::{MAX_MESSAGE_BYTES, Replica, northbound as wire};
use proptest::prelude::*;
use prost::Message;
use uuid::Uuid;

fn atom() -> impl Strategy<Value = Atom> {
    prop_oneof![
        any::<i64>().prop_map(Atom::Integer),
        (-1e300..1e300).prop_map(|value| Atom::Real(Real(value))),
        any::<bool>().prop_map(Atom::Boolean),
        ".{0,9}".prop_map(Atom::String),
        uuid().prop_map(Atom::Uuid),
    ]
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn datum() -> impl Strategy<Value = Datum> {
    prop_oneof![
        prop::collection::btree_set(atom(), 0..5).prop_map(Datum::Set),
        prop::collection::btree_map(atom(), atom(), 0..5).prop_map(Datum::Map),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let mutator = prop::sample::select(vec![
        Mutator::Insert,
        Mutator::Delete,
        Mutator::Add,
        Mutator::Subtract,
        Mutator::Multiply,
        Mutator::Divide,
        Mutator::Modulo,
    ]);
    let columns = || prop::collection::vec(("[a-z_]{1,9}", datum()), 0..4);
    let table = || "[A-Z][a-z_]{1,9}";
    prop_oneof![
        (table(), uuid(), columns()).prop_map(|(table, uuid, columns)| Operation::Insert {
            table,
            uuid,
            columns
        }),
        (table(), uuid(), columns()).prop_map(|(table, uuid, columns)| Operation::Update {
            table,
            uuid,
            columns
        }),
        (table(), uuid(), columns()).prop_map(|(table, uuid, columns)| Operation::Verify {
            table,
            uuid,
            columns
        }),
        (table(), uuid(), "[a-z_]{1,9}", mutator, datum()).prop_map(
            |(table, uuid, column, mutator, datum)| Operation::Mutate {
                table,
                uuid,
                column,
                mutator,
                datum
            }
        ),
        (table(), uuid()).prop_map(|(table, uuid)| Operation::Delete { table, uuid }),
        (table(), any::<u64>())
            .prop_map(|(table, revision)| Operation::VerifyTable { table, revision }),
        ".{0,20}".prop_map(Operation::Comment),
    ]
}

proptest! {
    #[test]
    fn an_operation_comes_back_as_it_was_sent(operation in operation()) {
        let bytes = operation_to_wire(&operation).encode_to_vec();
        let received = wire::Operation::decode(bytes.as_slice()).expect("just encoded");
        prop_assert_eq!(operation_from_wire(received), Ok(operation));
    }

    #[test]
    fn a_mutated_message_is_refused_or_read_but_never_breaks_anything(
        operations in prop::collection::vec(operation(), 1..4),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9),
    ) {
        let operations = operations.iter().map(operation_to_wire).collect();
        let mut bytes = wire::CommitRequest { operations }.encode_to_vec();
        for (at, value) in edits {
            let position = at.index(bytes.len());
            bytes[position] = value;
        }
        if let Ok(request) = wire::CommitRequest::decode(bytes.as_slice())
            && let Ok(operations) = operations_from_wire(request.operations)
        {
            // Whatever it has become, the database says yes or no to it.
            let _ = Database::northbound().transact(&operations, Author::Client);
        }
    }
}

#[test]
fn a_row_names_only_what_differs_from_the_defaults() {
    let switch = nb::LogicalSwitch {
        id: Id::random(),
        name: "blue".into(),
        ..nb::LogicalSwitch::default()
    };
    let schema = nb::LogicalSwitch::SCHEMA;
    let sent = row_to_wire(schema, &switch.to_row());
    let names: Vec<_> = sent.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["name"]);
    assert_eq!(row_from_wire(schema, sent), Ok(switch.to_row()));
}

#[test]
fn what_the_model_does_not_allow_is_refused_with_its_place() {
    let check = |datum: wire::Datum, expected: &str| {
        let error = datum_from_wire(datum).expect_err("refused");
        assert_eq!(error.to_string(), expected);
    };
    let one = datum_to_wire(&Datum::scalar(1));
    let pair = datum_to_wire(&Datum::map([(1, 2)]));
    let twice = vec![one.set[0].clone(), one.set[0].clone()];
    check(
        wire::Datum {
            is_map: true,
            ..one.clone()
        },
        "datum: elements in a map",
    );
    check(
        wire::Datum {
            is_map: false,
            ..pair
        },
        "datum: pairs in a set",
    );
    check(
        wire::Datum { set: twice, ..one },
        "datum: the same element or key twice",
    );
    let empty = wire::Atom::default();
    check(
        wire::Datum {
            set: vec![empty],
            ..wire::Datum::default()
        },
        "atom: no value",
    );
    let short = wire::Operation {
        operation: Some(wire::operation::Operation::Delete(wire::Delete {
            table: "Logical_Switch".into(),
            uuid: vec![1, 2].into(),
        })),
    };
    let error = operations_from_wire(vec![short]).expect_err("refused");
    assert_eq!(error.to_string(), "operation 0: Delete: uuid: not 16 bytes");
}

/// Switches with a name of this length.
fn switches(count: usize, name_bytes: usize) -> Database {
    let rows = (0..count).map(|_| {
        let switch = nb::LogicalSwitch {
            id: Id::random(),
            name: "x".repeat(name_bytes),
            ..nb::LogicalSwitch::default()
        };
        (
            nb::LogicalSwitch::NAME,
            switch.id.uuid(),
            Some(switch.to_row()),
        )
    });
    let (database, _) = Database::northbound().replace(7, rows).expect("rows fit");
    database
}

fn rows(database: &Database) -> BTreeSet<(Uuid, Vec<Datum>)> {
    let rows = database.rows(nb::LogicalSwitch::NAME);
    rows.map(|row: &std::sync::Arc<Row>| (row.uuid, row.columns.to_vec()))
        .collect()
}

#[test]
fn a_read_comes_in_chunks_that_fit_into_messages_and_make_the_same_tables() {
    let check = |database: Database, expected_chunks: usize| {
        let schemas: Vec<_> = database.schemas().collect();
        let chunks = chunk_rows(&schemas, &database);
        assert_eq!(chunks.len(), expected_chunks);
        let mut replica = Replica::new();
        for (position, chunk) in chunks.into_iter().enumerate() {
            assert!(chunk.encoded_len() < MAX_MESSAGE_BYTES);
            let is_complete = replica.read(chunk).expect("readable");
            assert_eq!(is_complete, position + 1 == expected_chunks);
        }
        assert_eq!(rows(replica.database()), rows(&database));
        assert_eq!(replica.database().revision(), 7);
    };
    check(switches(0, 0), 1);
    check(switches(10, 10), 1);
    check(switches(10, 500_000), 5);
    check(switches(2, 1 << 20), 2);
}

#[test]
fn a_watch_brings_a_replica_from_revision_to_revision() {
    let first = switches(3, 5);
    let schemas: Vec<_> = first.schemas().collect();
    let start = first.changes_since(&Database::northbound());
    let mut replica = Replica::new();
    for chunk in chunk_changes(&schemas, &start) {
        replica.watch(chunk).expect("readable");
    }
    assert_eq!(rows(replica.database()), rows(&first));

    let gone = first
        .rows(nb::LogicalSwitch::NAME)
        .next()
        .expect("a row")
        .uuid;
    let delete = Operation::delete(Id::<nb::LogicalSwitch>::new(gone));
    let (second, changes) = first.transact(&[delete], Author::Client).expect("done");
    let mut chunks = chunk_changes(&schemas, &changes);
    assert_eq!(chunks.len(), 1);
    let seen = replica.watch(chunks.remove(0)).expect("readable");
    assert_eq!(seen, Some(changes));
    assert_eq!(rows(replica.database()), rows(&second));
    assert_eq!(replica.database().revision(), 8);
}

#[test]
fn a_replica_leaves_out_what_only_a_newer_server_knows() {
    let column = |name: &str| wire::Column {
        name: name.into(),
        datum: Some(datum_to_wire(&Datum::scalar("blue"))),
    };
    let row = wire::Row {
        uuid: vec![7; 16].into(),
        columns: vec![column("colour"), column("name")],
    };
    let table = |name: &str| wire::TableRows {
        table: name.into(),
        rows: vec![row.clone()],
    };
    let reply = wire::ReadReply {
        revision: 3,
        tables: vec![table("Logical_Cable"), table("Logical_Switch")],
        complete: true,
    };
    let mut replica = Replica::new();
    assert!(replica.read(reply).expect("readable"));
    let names = replica.database().table::<nb::LogicalSwitch>().iter();
    assert_eq!(
        names.map(|switch| switch.name).collect::<Vec<_>>(),
        ["blue"]
    );
}
