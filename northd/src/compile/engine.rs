//! The engine: units, what they read, and what came of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::operation::RowChange;
use model::{Changes, Database, Operation};
use pipeline::object::{Object, ObjectKey};
use uuid::Uuid;

use super::features::FEATURES;
use super::index::Index;
use super::merge::merge;
use super::output::{Output, RowWarning};
use super::reader::{Read, Reader};

/// A row seen by a feature: the feature's position and the row.
type UnitId = (usize, Uuid);

/// What is known of a unit.
#[derive(Debug, Default)]
struct Unit {
    reads: HashSet<Read>,
    output: Output,
}

/// The compiler's state between commits.
#[derive(Debug, Default)]
pub struct Compiler {
    index: Index,
    units: BTreeMap<UnitId, Unit>,
    readers: HashMap<Read, HashSet<UnitId>>,
    /// Which units make an object; the object itself is in `objects`.
    makers: BTreeMap<ObjectKey, BTreeSet<UnitId>>,
    objects: BTreeMap<ObjectKey, Arc<Object>>,
    warned: BTreeSet<UnitId>,
}

/// What a commit came to.
#[derive(Debug, Default)]
pub struct Compiled {
    /// The objects that are new or differ, and with `None` those that are gone, in the order of their keys.
    pub objects: BTreeMap<ObjectKey, Option<Arc<Object>>>,
    /// What has to be written back into reported columns.
    pub reports: Vec<Operation>,
    /// How many units were run.
    pub units_run: usize,
}

impl Compiler {
    /// All that compiling `database` from scratch gives.
    pub fn from_scratch(database: &Database) -> (Self, Compiled) {
        let mut compiler = Self::default();
        let compiled = compiler.apply(database, &database.changes_since(&Database::northd()));
        (compiler, compiled)
    }

    /// Takes in one or more commits: `database` is what they made, `changes` what they changed together.
    pub fn apply(&mut self, database: &Database, changes: &Changes) -> Compiled {
        let dirty = self.dirty(changes);
        let mut touched = BTreeSet::new();
        let mut compiled = Compiled::default();
        for unit in dirty {
            compiled.units_run += 1;
            self.run(database, unit, &mut touched);
            self.report(database, unit, &mut compiled.reports);
        }
        for key in touched {
            self.settle(key, &mut compiled.objects);
        }
        compiled
    }

    /// Every object, by key.
    pub fn objects(&self) -> &BTreeMap<ObjectKey, Arc<Object>> {
        &self.objects
    }

    /// What is stored but not in force, by table and row.
    pub fn warnings(&self) -> impl Iterator<Item = RowWarning> + '_ {
        self.warned.iter().flat_map(|unit| self.warnings_of(*unit))
    }

    fn warnings_of(&self, unit: UnitId) -> Vec<RowWarning> {
        let output = self.units.get(&unit).map(|unit| &unit.output);
        let warnings = output.map(|output| output.row_warnings(FEATURES[unit.0].table, unit.1));
        warnings.unwrap_or_default()
    }

    /// The units that have to run after these changes.
    fn dirty(&mut self, changes: &Changes) -> BTreeSet<UnitId> {
        let mut dirty = BTreeSet::new();
        for (table, rows) in &changes.tables {
            for change in rows {
                self.dirtied_by(table, change, &mut dirty);
            }
        }
        dirty
    }

    fn dirtied_by(
        &mut self,
        table: &'static str,
        change: &RowChange,
        dirty: &mut BTreeSet<UnitId>,
    ) {
        if change.old.is_none() || change.new.is_none() {
            let features = FEATURES.iter().enumerate();
            let features = features.filter(|(_, feature)| feature.table == table);
            dirty.extend(features.map(|(position, _)| (position, change.uuid)));
        }
        let lookups = self.index.update(table, change).into_iter();
        let reads = lookups
            .map(Read::Lookup)
            .chain(changed_reads(table, change));
        for read in reads {
            dirty.extend(self.readers.get(&read).into_iter().flatten());
        }
    }

    /// Runs a unit and notes the keys of objects that its old or its new output has part in.
    fn run(&mut self, database: &Database, unit: UnitId, touched: &mut BTreeSet<ObjectKey>) {
        let (position, row) = unit;
        let feature = &FEATURES[position];
        let mut next = Unit::default();
        if database.row(feature.table, row).is_some() {
            let mut reader = Reader::new(database, Some(&self.index));
            (feature.compile)(&mut reader, row, &mut next.output);
            next.output.objects.sort_by_cached_key(Object::key);
            next.reads = reader.into_reads();
        }
        let old = self.units.remove(&unit).unwrap_or_default();
        self.note_reads(unit, &old.reads, &next.reads);
        for key in differing(&old.output.objects, &next.output.objects) {
            match parts(&next.output.objects, &key) {
                [] => self.forget_maker(&key, unit),
                _ => drop(self.makers.entry(key.clone()).or_default().insert(unit)),
            }
            touched.insert(key);
        }
        match next.output.warnings.is_empty() {
            true => self.warned.remove(&unit),
            false => self.warned.insert(unit),
        };
        if !next.reads.is_empty() {
            self.units.insert(unit, next);
        }
    }

    fn note_reads(&mut self, unit: UnitId, old: &HashSet<Read>, new: &HashSet<Read>) {
        for read in old.difference(new) {
            if let Some(readers) = self.readers.get_mut(read) {
                readers.remove(&unit);
                if readers.is_empty() {
                    self.readers.remove(read);
                }
            }
        }
        for read in new.difference(old) {
            self.readers.entry(read.clone()).or_default().insert(unit);
        }
    }

    fn forget_maker(&mut self, key: &ObjectKey, unit: UnitId) {
        if let Some(makers) = self.makers.get_mut(key) {
            makers.remove(&unit);
            if makers.is_empty() {
                self.makers.remove(key);
            }
        }
    }

    /// Adds the columns that a unit reports and the database does not yet have so.
    fn report(&self, database: &Database, (position, row): UnitId, reports: &mut Vec<Operation>) {
        let table = FEATURES[position].table;
        let Some(unit) = self.units.get(&(position, row)) else {
            return;
        };
        let Some((schema, stored)) = database.schema(table).zip(database.row(table, row)) else {
            return;
        };
        let differs = |column, value| stored.get(schema, column) != Some(value);
        let columns = unit.output.reports.iter();
        let columns: Vec<_> = columns
            .filter(|report| differs(report.column, &report.value))
            .map(|report| (report.column.to_owned(), report.value.clone()))
            .collect();
        if !columns.is_empty() {
            reports.push(Operation::Update {
                table: table.to_owned(),
                uuid: row,
                columns,
            });
        }
    }

    /// Makes an object of its parts anew, and puts it out if it differs.
    fn settle(&mut self, key: ObjectKey, out: &mut BTreeMap<ObjectKey, Option<Arc<Object>>>) {
        let makers = self.makers.get(&key).into_iter().flatten();
        let outputs = makers.filter_map(|unit| self.units.get(unit));
        let object = merge(outputs.flat_map(|unit| parts(&unit.output.objects, &key)));
        if self.objects.get(&key).map(|object| &**object) == object.as_ref() {
            return;
        }
        let object = object.map(Arc::new);
        match &object {
            Some(object) => self.objects.insert(key.clone(), Arc::clone(object)),
            None => self.objects.remove(&key),
        };
        out.insert(key, object);
    }
}

/// The objects of this key among objects in the order of their keys.
fn parts<'a>(objects: &'a [Object], key: &ObjectKey) -> &'a [Object] {
    let start = objects.partition_point(|object| object.key() < *key);
    let count = objects[start..].partition_point(|object| object.key() == *key);
    &objects[start..start + count]
}

/// The keys of which two lists, each in the order of its keys, hold different objects.
fn differing(old: &[Object], new: &[Object]) -> BTreeSet<ObjectKey> {
    if old == new {
        return BTreeSet::new();
    }
    let keys: BTreeSet<_> = old.iter().chain(new).map(Object::key).collect();
    let differs = |key: &ObjectKey| parts(old, key) != parts(new, key);
    keys.into_iter().filter(differs).collect()
}

/// The reads of rows and columns that see another value after this change.
fn changed_reads(table: &'static str, change: &RowChange) -> Vec<Read> {
    let mut reads = Vec::new();
    let Some(schema) = schema(table) else {
        return reads;
    };
    let value = |row: &Option<Arc<model::Row>>, position: usize| {
        row.as_ref()
            .and_then(|row| row.columns.get(position).cloned())
    };
    let exists_alike = change.old.is_some() == change.new.is_some();
    let mut row_differs = !exists_alike;
    for (position, column) in schema.columns.iter().enumerate() {
        if !exists_alike || value(&change.old, position) != value(&change.new, position) {
            reads.push(Read::Column(table, change.uuid, column.name));
            row_differs |= !column.is_reported;
        }
    }
    if row_differs {
        reads.push(Read::Row(table, change.uuid));
    }
    reads
}

fn schema(table: &str) -> Option<&'static model::TableSchema> {
    let tables = model::nb::TABLES.iter().chain(model::sb::TABLES);
    tables.copied().find(|schema| schema.name == table)
}
