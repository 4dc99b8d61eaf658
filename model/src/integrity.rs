//! The rules that hold for a transaction as a whole, in the order in which they are applied: rows that
//! nobody refers to go, strong references do not dangle, weak ones vanish, tables keep to their sizes and
//! indexes stay unique.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::database::{Database, IndexKey, Referrer};
use crate::datum::{Atom, Datum};
use crate::operation::{ErrorKind, TransactionError};
use crate::schema::{ColumnType, Reference};
use crate::table::Row;
use crate::transact::Draft;

impl Draft {
    /// Writes or removes a row and keeps account of who refers to whom.
    pub(crate) fn put(&mut self, table: usize, uuid: Uuid, new: Option<Arc<Row>>) {
        let data = Arc::make_mut(&mut self.next.tables[table]);
        let schema = data.schema;
        let old = match &new {
            Some(row) => data.rows.insert(uuid, Arc::clone(row)),
            None => data.rows.remove(&uuid),
        };
        self.touched
            .entry((table, uuid))
            .or_insert_with(|| old.clone());
        for (position, column) in schema.columns.iter().enumerate() {
            let (old, new) = (old.as_deref(), new.as_deref());
            for reference in column.kind.references() {
                let at = Referrer {
                    table,
                    column: position,
                    row: uuid,
                };
                self.account(
                    at,
                    reference,
                    old.map(|row| &row.columns[position]),
                    new.map(|row| &row.columns[position]),
                );
            }
        }
    }

    fn account(
        &mut self,
        at: Referrer,
        reference: Reference,
        old: Option<&Datum>,
        new: Option<&Datum>,
    ) {
        let Some(target) = self.next.position(reference.table) else {
            return;
        };
        if old == new {
            return;
        }
        let referrers = &mut Arc::make_mut(&mut self.next.tables[target]).referrers;
        for uuid in only_in_first(old, new) {
            let mut set = referrers.remove(&uuid).unwrap_or_default();
            Arc::make_mut(&mut set).remove(&at);
            if !set.is_empty() {
                referrers.insert(uuid, set);
            }
            if reference.is_strong {
                self.orphans.push((target, uuid));
            }
        }
        for uuid in only_in_first(new, old) {
            let mut set = referrers.remove(&uuid).unwrap_or_default();
            Arc::make_mut(&mut set).insert(at);
            referrers.insert(uuid, set);
            self.gained.push((target, uuid, at));
        }
    }

    /// Removes rows of tables that are no roots when no strong reference keeps them, and then those that
    /// they kept.
    pub(crate) fn collect_orphans(&mut self) {
        while let Some((table, uuid)) = self.orphans.pop() {
            let data = &self.next.tables[table];
            let is_kept = data.schema.is_root
                || data.rows.get(&uuid).is_none()
                || strong_referrers(&self.next, table, uuid) > 0;
            if !is_kept {
                self.put(table, uuid, None);
            }
        }
    }

    /// Refuses strong references to rows that are not there, and takes away weak ones.
    pub(crate) fn check_references(&mut self) -> Result<(), TransactionError> {
        let removed = self.touched.keys().copied().collect::<Vec<_>>();
        for (table, uuid) in removed {
            let data = &self.next.tables[table];
            if data.rows.get(&uuid).is_some() {
                continue;
            }
            let count = strong_referrers(&self.next, table, uuid);
            let was_there = self.touched[&(table, uuid)].is_some();
            if count > 0 && was_there {
                let name = data.schema.name;
                return Err(dangling(format!(
                    "cannot delete {name} row {uuid} because of {count} remaining reference(s)"
                )));
            }
            self.purge(table, uuid)?;
        }
        for (table, uuid, at) in std::mem::take(&mut self.gained) {
            let data = &self.next.tables[table];
            let is_named = data
                .referrers
                .get(&uuid)
                .is_some_and(|set| set.contains(&at));
            if !is_named || data.rows.get(&uuid).is_some() {
                continue;
            }
            let source = self.next.tables[at.table].schema;
            let column = &source.columns[at.column];
            if is_strong(&column.kind) {
                return Err(dangling(format!(
                    "Table {} column {} row {} references nonexistent row {uuid} in table {}.",
                    source.name, column.name, at.row, data.schema.name
                )));
            }
            self.purge(table, uuid)?;
        }
        Ok(())
    }

    /// Takes a row that is gone out of the columns that refer to it weakly.
    fn purge(&mut self, table: usize, uuid: Uuid) -> Result<(), TransactionError> {
        let referrers = self.next.tables[table].referrers.get(&uuid).cloned();
        for at in referrers.iter().flat_map(|set| set.iter()) {
            let data = &self.next.tables[at.table];
            let column = &data.schema.columns[at.column];
            let Some(row) = data.rows.get(&at.row).filter(|_| !is_strong(&column.kind)) else {
                continue;
            };
            let mut columns = row.columns.to_vec();
            remove_atom(&mut columns[at.column], &Atom::Uuid(uuid));
            if columns[at.column].len() < column.kind.min {
                return Err(TransactionError::new(
                    ErrorKind::ConstraintViolation,
                    format!(
                        "Deletion of a weak reference to deleted (or never-existing) rows from column \"{}\" in \"{}\" row {} caused this column to become empty, but constraints on this column disallow an empty column.",
                        column.name, data.schema.name, at.row
                    ),
                ));
            }
            let row = Row {
                uuid: at.row,
                columns: columns.into(),
            };
            self.put(at.table, at.row, Some(Arc::new(row)));
        }
        Ok(())
    }

    /// Refuses tables that grew beyond their sizes.
    pub(crate) fn check_row_counts(&self) -> Result<(), TransactionError> {
        let tables: BTreeSet<usize> = self.touched.keys().map(|(table, _)| *table).collect();
        for table in tables {
            let data = &self.next.tables[table];
            let (count, name) = (data.rows.len(), data.schema.name);
            if let Some(limit) = data.schema.max_rows.filter(|limit| count > *limit) {
                return Err(TransactionError::new(
                    ErrorKind::ConstraintViolation,
                    format!(
                        "transaction causes \"{name}\" table to contain {count} rows, greater than the schema-defined limit of {limit} row(s)"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Enters the rows written into the indexes, refusing equal keys.
    pub(crate) fn update_indexes(&mut self) -> Result<(), TransactionError> {
        for ((table, _), old) in &self.touched {
            let Some(old) = old else { continue };
            let data = Arc::make_mut(&mut self.next.tables[*table]);
            for index in 0..data.indexes.len() {
                let key = data.index_key(index, old);
                data.indexes[index].remove(&key);
            }
        }
        for (table, uuid) in self.touched.keys() {
            let data = Arc::make_mut(&mut self.next.tables[*table]);
            let Some(row) = data.rows.get(uuid).cloned() else {
                continue;
            };
            for index in 0..data.indexes.len() {
                let key = data.index_key(index, &row);
                if let Some(other) = data.indexes[index].insert(key.clone(), *uuid) {
                    return Err(self.not_unique(*table, index, &key, [other, *uuid]));
                }
            }
        }
        Ok(())
    }

    fn not_unique(
        &self,
        table: usize,
        index: usize,
        key: &IndexKey,
        rows: [Uuid; 2],
    ) -> TransactionError {
        let schema = self.next.tables[table].schema;
        let columns = schema.indexes[index];
        let plural = if columns.len() > 1 { "s" } else { "" };
        let kinds = columns.iter().filter_map(|name| schema.column(name));
        let values = kinds.zip(&key.0);
        let values = values.map(|((_, column), datum)| crate::text::datum(&column.kind, datum));
        let describe = |uuid: Uuid| {
            let was = match self.touched.get(&(table, uuid)) {
                Some(None) => "was inserted by this transaction",
                Some(Some(_)) => {
                    "existed in the database before this transaction, which modified some of the row's columns but not any columns in this index"
                }
                None => {
                    "existed in the database before this transaction and was not modified by the transaction"
                }
            };
            format!("with UUID {uuid}, {was}")
        };
        TransactionError::new(
            ErrorKind::ConstraintViolation,
            format!(
                "Transaction causes multiple rows in \"{}\" table to have identical values ({}) for index on column{plural} {}.  First row, {}.  Second row, {}.",
                schema.name,
                values.collect::<Vec<_>>().join(", "),
                quoted(columns),
                describe(rows[0]),
                describe(rows[1]),
            ),
        )
    }
}

/// `"a", "b" and "c"`.
fn quoted(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// The identities that the first value has and the second has not.
fn only_in_first(first: Option<&Datum>, second: Option<&Datum>) -> Vec<Uuid> {
    let atoms: Vec<&Atom> = match (first, second) {
        (None, _) => Vec::new(),
        (Some(first), None) => first.atoms().collect(),
        (Some(Datum::Set(first)), Some(Datum::Set(second))) => first.difference(second).collect(),
        (Some(first), Some(second)) => {
            let second: BTreeSet<_> = second.atoms().collect();
            first
                .atoms()
                .filter(|atom| !second.contains(atom))
                .collect()
        }
    };
    let identities = atoms.into_iter().filter_map(|atom| match atom {
        Atom::Uuid(uuid) => Some(*uuid),
        _ => None,
    });
    identities.collect()
}

fn is_strong(kind: &ColumnType) -> bool {
    kind.references().any(|reference| reference.is_strong)
}

fn strong_referrers(database: &Database, table: usize, uuid: Uuid) -> usize {
    let referrers = database.tables[table].referrers.get(&uuid);
    let strong = |at: &&Referrer| {
        let schema = database.tables[at.table].schema;
        is_strong(&schema.columns[at.column].kind)
    };
    referrers.map_or(0, |set| set.iter().filter(strong).count())
}

fn remove_atom(datum: &mut Datum, gone: &Atom) {
    match datum {
        Datum::Set(set) => {
            set.remove(gone);
        }
        Datum::Map(map) => map.retain(|key, value| key != gone && value != gone),
    }
}

fn dangling(details: String) -> TransactionError {
    TransactionError::new(ErrorKind::ReferentialIntegrity, details)
}
