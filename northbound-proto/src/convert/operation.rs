//! Operations of a transaction.

use model::{Mutator, Operation};
use uuid::Uuid;

use super::{
    WireError, columns_from_wire, columns_to_wire, datum_from_wire, datum_to_wire, uuid_from_wire,
    uuid_to_wire,
};
use crate::northbound as wire;
use crate::northbound::mutate::Mutator as WireMutator;
use crate::northbound::operation::Operation as Kind;

/// The operation on the wire.
pub fn operation_to_wire(operation: &Operation) -> wire::Operation {
    let row = |uuid: &Uuid, columns| Some(columns_to_wire(*uuid, columns));
    let kind = match operation.clone() {
        Operation::Insert {
            table,
            uuid,
            columns,
        } => Kind::Insert(wire::Insert {
            table,
            row: row(&uuid, &columns),
        }),
        Operation::Update {
            table,
            uuid,
            columns,
        } => Kind::Update(wire::Update {
            table,
            row: row(&uuid, &columns),
        }),
        Operation::Mutate {
            table,
            uuid,
            column,
            mutator,
            datum,
        } => Kind::Mutate(wire::Mutate {
            table,
            uuid: uuid_to_wire(uuid),
            column,
            mutator: mutator_to_wire(mutator).into(),
            datum: Some(datum_to_wire(&datum)),
        }),
        Operation::Delete { table, uuid } => Kind::Delete(wire::Delete {
            table,
            uuid: uuid_to_wire(uuid),
        }),
        Operation::Verify {
            table,
            uuid,
            columns,
        } => Kind::Verify(wire::Verify {
            table,
            row: row(&uuid, &columns),
        }),
        Operation::VerifyTable { table, revision } => {
            Kind::VerifyTable(wire::VerifyTable { table, revision })
        }
        Operation::Comment(text) => Kind::Comment(wire::Comment { text }),
    };
    wire::Operation {
        operation: Some(kind),
    }
}

/// The operations of a transaction from the wire; an error says which one it was, counted from 0.
pub fn operations_from_wire(operations: Vec<wire::Operation>) -> Result<Vec<Operation>, WireError> {
    let operations = operations.into_iter().enumerate();
    operations
        .map(|(position, operation)| {
            operation_from_wire(operation)
                .map_err(|error| error.inside(format_args!("operation {position}")))
        })
        .collect()
}

/// The operation from the wire.
pub fn operation_from_wire(operation: wire::Operation) -> Result<Operation, WireError> {
    let Some(kind) = operation.operation else {
        return Err(WireError::new("operation", "of no kind known here"));
    };
    Ok(match kind {
        Kind::Insert(wire::Insert { table, row }) => {
            let (uuid, columns) = columns_from_wire(row).map_err(inside("Insert"))?;
            Operation::Insert {
                table,
                uuid,
                columns,
            }
        }
        Kind::Update(wire::Update { table, row }) => {
            let (uuid, columns) = columns_from_wire(row).map_err(inside("Update"))?;
            Operation::Update {
                table,
                uuid,
                columns,
            }
        }
        Kind::Mutate(mutate) => mutate_from_wire(mutate).map_err(inside("Mutate"))?,
        Kind::Delete(wire::Delete { table, uuid }) => Operation::Delete {
            table,
            uuid: uuid_from_wire(&uuid).map_err(inside("Delete"))?,
        },
        Kind::Verify(wire::Verify { table, row }) => {
            let (uuid, columns) = columns_from_wire(row).map_err(inside("Verify"))?;
            Operation::Verify {
                table,
                uuid,
                columns,
            }
        }
        Kind::VerifyTable(wire::VerifyTable { table, revision }) => {
            Operation::VerifyTable { table, revision }
        }
        Kind::Comment(wire::Comment { text }) => Operation::Comment(text),
    })
}

fn inside(kind: &'static str) -> impl Fn(WireError) -> WireError {
    move |error| error.inside(kind)
}

fn mutate_from_wire(mutate: wire::Mutate) -> Result<Operation, WireError> {
    let mutator = WireMutator::try_from(mutate.mutator);
    let mutator = mutator.map_err(|_| WireError::new("mutator", "of no kind known here"))?;
    let Some(datum) = mutate.datum else {
        return Err(WireError::new("datum", "missing"));
    };
    Ok(Operation::Mutate {
        table: mutate.table,
        uuid: uuid_from_wire(&mutate.uuid)?,
        column: mutate.column,
        mutator: mutator_from_wire(mutator),
        datum: datum_from_wire(datum)?,
    })
}

fn mutator_to_wire(mutator: Mutator) -> WireMutator {
    match mutator {
        Mutator::Insert => WireMutator::Insert,
        Mutator::Delete => WireMutator::Delete,
        Mutator::Add => WireMutator::Add,
        Mutator::Subtract => WireMutator::Subtract,
        Mutator::Multiply => WireMutator::Multiply,
        Mutator::Divide => WireMutator::Divide,
        Mutator::Modulo => WireMutator::Modulo,
    }
}

fn mutator_from_wire(mutator: WireMutator) -> Mutator {
    match mutator {
        WireMutator::Insert => Mutator::Insert,
        WireMutator::Delete => Mutator::Delete,
        WireMutator::Add => Mutator::Add,
        WireMutator::Subtract => Mutator::Subtract,
        WireMutator::Multiply => Mutator::Multiply,
        WireMutator::Divide => Mutator::Divide,
        WireMutator::Modulo => Mutator::Modulo,
    }
}
