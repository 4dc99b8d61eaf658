//! Rows, whole or in parts. A column that a row does not name has its default.

use bytes::Bytes;
use model::operation::NamedColumns;
use model::{Atom, Row, TableSchema};
use uuid::Uuid;

use super::{WireError, datum_from_wire, datum_to_wire, uuid_from_wire, uuid_to_wire};
use crate::northbound as wire;

/// The row on the wire: the columns that differ from their defaults.
pub fn row_to_wire(schema: &TableSchema, row: &Row) -> wire::Row {
    let columns = schema.columns.iter().zip(row.columns.iter());
    let told = columns.filter(|(column, datum)| **datum != column.kind.default_datum());
    let columns = told.map(|(column, datum)| wire::Column {
        name: column.name.to_owned(),
        datum: Some(datum_to_wire(datum)),
    });
    wire::Row {
        uuid: uuid_to_wire(row.uuid),
        columns: columns.collect(),
    }
}

/// The row of a table from the wire. Whether its values fit their columns is for the database to check.
pub fn row_from_wire(schema: &TableSchema, row: wire::Row) -> Result<Row, WireError> {
    let (uuid, named) = columns_from_wire(Some(row))?;
    let mut columns = Row::new(uuid, schema).columns.to_vec();
    for (name, datum) in named {
        let Some((position, _)) = schema.column(&name) else {
            let place = format!("{} column \"{name}\"", schema.name);
            return Err(WireError::new(place, "no such column"));
        };
        columns[position] = datum;
    }
    Ok(Row {
        uuid,
        columns: columns.into(),
    })
}

/// The columns that an operation names, on the wire.
pub fn columns_to_wire(uuid: Uuid, columns: &NamedColumns) -> wire::Row {
    let columns = columns.iter().map(|(name, datum)| wire::Column {
        name: name.clone(),
        datum: Some(datum_to_wire(datum)),
    });
    wire::Row {
        uuid: uuid_to_wire(uuid),
        columns: columns.collect(),
    }
}

/// The row and the columns that an operation names, from the wire.
pub fn columns_from_wire(row: Option<wire::Row>) -> Result<(Uuid, NamedColumns), WireError> {
    let wire::Row { uuid, columns } = row.ok_or_else(|| WireError::new("row", "missing"))?;
    let mut named = NamedColumns::with_capacity(columns.len());
    for column in columns {
        let place = format!("column \"{}\"", column.name.escape_debug());
        let Some(datum) = column.datum else {
            return Err(WireError::new(place, "no value"));
        };
        let datum = datum_from_wire(datum).map_err(|error| error.inside(&place))?;
        named.push((column.name, datum));
    }
    Ok((identity(&uuid)?, named))
}

/// No less than the bytes that a row takes on the wire, without encoding it.
pub fn row_size_bound(row: &Row) -> usize {
    /// Tags and lengths of an atom inside of its pair, datum, column and row.
    const ATOM_OVERHEAD_BYTES: usize = 16;
    /// A column's name, and the tags and lengths around its values.
    const COLUMN_OVERHEAD_BYTES: usize = 64;
    let atom_bytes = |atom: &Atom| match atom {
        Atom::String(text) => text.len() + ATOM_OVERHEAD_BYTES,
        Atom::Uuid(_) => 16 + ATOM_OVERHEAD_BYTES,
        Atom::Integer(_) | Atom::Real(_) | Atom::Boolean(_) => 10 + ATOM_OVERHEAD_BYTES,
    };
    let columns = row.columns.iter();
    let bytes = columns.map(|d| d.atoms().map(atom_bytes).sum::<usize>() + COLUMN_OVERHEAD_BYTES);
    bytes.sum::<usize>() + COLUMN_OVERHEAD_BYTES
}

fn identity(bytes: &Bytes) -> Result<Uuid, WireError> {
    uuid_from_wire(bytes).map_err(|error| error.inside("row"))
}
