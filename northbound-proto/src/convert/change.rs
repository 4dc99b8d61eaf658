//! Rows and changes of rows, in chunks that fit into messages.

use model::operation::RowChange;
use model::{Changes, Database, TableSchema};
use prost::Message;

use super::{row_to_wire, uuid_to_wire};
use crate::northbound as wire;

/// A chunk is closed when the next row would make it larger than this, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// Changes as the messages of a watch. There is always one; the last has `complete` set.
pub fn chunk_changes(schemas: &[&'static TableSchema], changes: &Changes) -> Vec<wire::WatchReply> {
    let rows = schemas.iter().flat_map(|schema| {
        let changes = changes.of(schema.name).iter();
        changes.map(|change| change_to_wire(schema, change))
    });
    let chunks = chunk(rows);
    let last = chunks.len() - 1;
    let reply = |(position, rows)| wire::WatchReply {
        revision: changes.revision,
        changes: rows,
        complete: position == last,
    };
    chunks.into_iter().enumerate().map(reply).collect()
}

/// The rows of tables as the messages of a read. There is always one; the last has `complete` set.
pub fn chunk_rows(schemas: &[&'static TableSchema], database: &Database) -> Vec<wire::ReadReply> {
    let rows = schemas.iter().flat_map(|schema| {
        let rows = database.rows(schema.name);
        rows.map(|row| wire::TableRows {
            table: schema.name.to_owned(),
            rows: vec![row_to_wire(schema, row)],
        })
    });
    let chunks = chunk(rows);
    let last = chunks.len() - 1;
    let reply = |(position, rows)| wire::ReadReply {
        revision: database.revision(),
        tables: merge_tables(rows),
        complete: position == last,
    };
    chunks.into_iter().enumerate().map(reply).collect()
}

/// The row's new state on the wire.
fn change_to_wire(schema: &TableSchema, change: &RowChange) -> wire::RowChange {
    wire::RowChange {
        table: schema.name.to_owned(),
        uuid: uuid_to_wire(change.uuid),
        row: change.new.as_deref().map(|row| row_to_wire(schema, row)),
    }
}

/// Joins neighbours of one table.
fn merge_tables(rows: Vec<wire::TableRows>) -> Vec<wire::TableRows> {
    let mut tables: Vec<wire::TableRows> = Vec::new();
    for next in rows {
        match tables.last_mut() {
            Some(last) if last.table == next.table => last.rows.extend(next.rows),
            _ => tables.push(next),
        }
    }
    tables
}

/// Groups messages so that each group stays below a chunk's size, or is one message. There is always one.
fn chunk<M: Message>(messages: impl Iterator<Item = M>) -> Vec<Vec<M>> {
    let mut chunks = vec![Vec::new()];
    let mut size_bytes = 0;
    for message in messages {
        let length = message.encoded_len();
        if size_bytes + length > CHUNK_BYTES && size_bytes > 0 {
            chunks.push(Vec::new());
            size_bytes = 0;
        }
        size_bytes += length;
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(message);
        }
    }
    chunks
}
