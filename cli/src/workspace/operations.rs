//! The operations that a workspace's changes amount to.

use model::{Datum, Mutator, Operation, Row, TableSchema};
use uuid::Uuid;

use super::{WorkRow, Workspace, Write};

impl Workspace<'_> {
    /// The changes as operations; none when nothing changes.
    pub fn operations(&self) -> Vec<Operation> {
        let changes: Vec<Operation> = self
            .rows
            .iter()
            .flat_map(|(&(table, uuid), row)| self.row_operations(table, uuid, row))
            .collect();
        if changes.is_empty() {
            return changes;
        }
        self.verifications().chain(changes).collect()
    }

    fn verifications(&self) -> impl Iterator<Item = Operation> + '_ {
        self.verified
            .iter()
            .filter_map(|(&(table, uuid), columns)| {
                let schema = self.database.schema(table)?;
                let row = self.database.row(table, uuid)?;
                let columns = columns
                    .iter()
                    .filter_map(|&name| Some((name.to_owned(), row.get(schema, name)?.clone())))
                    .collect();
                Some(Operation::Verify {
                    table: table.to_owned(),
                    uuid,
                    columns,
                })
            })
    }

    fn row_operations(&self, table: &'static str, uuid: Uuid, row: &WorkRow) -> Vec<Operation> {
        let table = table.to_owned();
        match &row.now {
            None if row.is_new || !row.schema.is_root => Vec::new(),
            None => vec![Operation::Delete { table, uuid }],
            Some(now) if row.is_new => vec![Operation::Insert {
                table,
                uuid,
                columns: non_default_columns(row.schema, now),
            }],
            Some(now) => self.write_operations(uuid, row, now),
        }
    }

    fn write_operations(&self, uuid: Uuid, row: &WorkRow, now: &Row) -> Vec<Operation> {
        let table = row.schema.name;
        let before = self.database.row(table, uuid);
        let mut whole = Vec::new();
        let mut operations = Vec::new();
        for (&column, write) in &row.writes {
            let Some(value) = now.get(row.schema, column) else {
                continue;
            };
            match write {
                Write::Whole => {
                    if before.and_then(|row_before| row_before.get(row.schema, column))
                        != Some(value)
                    {
                        whole.push((column.to_owned(), value.clone()));
                    }
                }
                Write::Elements { added, removed } => {
                    for (mutator, atoms) in [(Mutator::Delete, removed), (Mutator::Insert, added)] {
                        if !atoms.is_empty() {
                            operations.push(Operation::Mutate {
                                table: table.to_owned(),
                                uuid,
                                column: column.to_owned(),
                                mutator,
                                datum: Datum::Set(atoms.clone()),
                            });
                        }
                    }
                }
            }
        }
        if !whole.is_empty() {
            operations.push(Operation::Update {
                table: table.to_owned(),
                uuid,
                columns: whole,
            });
        }
        operations
    }
}

fn non_default_columns(schema: &TableSchema, row: &Row) -> Vec<(String, Datum)> {
    let defaults = Row::new(row.uuid, schema);
    schema
        .columns
        .iter()
        .zip(row.columns.iter().zip(defaults.columns.iter()))
        .filter(|(_, (value, default))| value != default)
        .map(|(column, (value, _))| (column.name.to_owned(), value.clone()))
        .collect()
}
