//! Which rows may have a value in a column, so that a line of thousands of commands does not read the whole
//! table for each of them.
//!
//! An index is made from all rows when it is first asked. From then on, it is told what is written, and never
//! what is overwritten or deleted: it names every row that has the value, and perhaps some that had it once.
//! Who asks looks at the rows.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use model::{Atom, Datum};
use uuid::Uuid;

/// The indexes that were asked for, by table and column.
#[derive(Debug, Default)]
pub(super) struct Indexes(RefCell<BTreeMap<(&'static str, &'static str), Index>>);

/// The words under which an element is found.
pub type Keys = fn(&Atom) -> Vec<Atom>;

/// The rows by what stands in their column.
#[derive(Debug)]
struct Index {
    keys: Keys,
    rows: BTreeMap<Atom, BTreeSet<Uuid>>,
}

impl Indexes {
    /// The rows that may be found under `key` in their column. `all` are the column's values in all rows. A
    /// column has one kind of keys.
    pub(super) fn candidates<'r>(
        &self,
        table: &'static str,
        column: &'static str,
        (keys, key): (Keys, &Atom),
        all: impl FnOnce() -> Vec<(Uuid, &'r Datum)>,
    ) -> Vec<Uuid> {
        let mut indexes = self.0.borrow_mut();
        let index = indexes.entry((table, column)).or_insert_with(|| {
            let rows = BTreeMap::new();
            let mut index = Index { keys, rows };
            for (uuid, datum) in all() {
                index.note(uuid, datum.atoms());
            }
            index
        });
        let found = index.rows.get(key).into_iter().flatten();
        found.copied().collect()
    }

    /// Notes elements that a row has from now on.
    pub(super) fn written<'d>(
        &self,
        table: &'static str,
        column: &'static str,
        uuid: Uuid,
        atoms: impl Iterator<Item = &'d Atom>,
    ) {
        if let Some(index) = self.0.borrow_mut().get_mut(&(table, column)) {
            index.note(uuid, atoms);
        }
    }
}

impl Index {
    fn note<'d>(&mut self, uuid: Uuid, atoms: impl Iterator<Item = &'d Atom>) {
        for key in atoms.flat_map(self.keys) {
            self.rows.entry(key).or_default().insert(uuid);
        }
    }
}
