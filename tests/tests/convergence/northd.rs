//! northd in the simulation: the real control, on a database in memory that survives its crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use model::{Author, Database, Datum, Id, Operation, nb};
use northd::control::{Control, NODE_TIMEOUT, Now, Output};
use northd::session::Identity;
use northd::world::World;
use pipeline::object::ObjectKey;

/// How often northd may find more to do before the test says that it never settles.
const SETTLING_ROUNDS_MAX: usize = 20;

pub(crate) struct Northd {
    pub(crate) database: Database,
    pub(crate) control: Control,
    pub(crate) outputs: Vec<Output>,
    start: Instant,
}

impl Northd {
    pub(crate) fn new(start: Instant) -> Self {
        let global = nb::NbGlobal {
            id: Id::random(),
            ..nb::NbGlobal::default()
        };
        let made = Database::northd().transact(&[model::Table::insert(&global)], Author::System);
        let (database, _) = made.expect("NB_Global is legal");
        let mut northd = Self {
            control: Control::new(database.clone(), identity(), on_clock(start, start)),
            database,
            outputs: Vec::new(),
            start,
        };
        northd.settle(start);
        northd
    }

    /// Kills northd and starts another on what was stored.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.control = Control::new(self.database.clone(), identity(), self.now(now));
        self.outputs.clear();
        self.settle(now);
    }

    pub(crate) fn now(&self, now: Instant) -> Now {
        on_clock(self.start, now)
    }

    /// Commits a client's transaction; one that the rules refuse is passed over.
    pub(crate) fn commit(&mut self, operations: &[Operation], now: Instant) {
        if let Ok((database, _)) = self.database.transact(operations, Author::Client) {
            self.database = database;
        }
        self.settle(now);
    }

    pub(crate) fn settle(&mut self, now: Instant) {
        for _ in 0..SETTLING_ROUNDS_MAX {
            self.control.absorb(self.database.clone());
            self.control.settle(self.now(now));
            let operations = self.control.take_operations();
            if operations.is_empty() {
                self.outputs.extend(self.control.take_outputs());
                return;
            }
            let made = self.database.transact(&operations, Author::System);
            self.database = made.expect("northd's transactions are legal").0;
        }
        panic!("northd does not settle");
    }

    pub(crate) fn global(&self) -> nb::NbGlobal {
        let mut rows = self.database.table::<nb::NbGlobal>().iter();
        rows.next().expect("there is one from the start")
    }

    /// Counts `nb_cfg` up, as a client that waits does.
    pub(crate) fn bump(&mut self, now: Instant) {
        let global = self.global();
        let next = Datum::scalar(global.nb_cfg + 1);
        self.commit(&[Operation::update(global.id, [("nb_cfg", next)])], now);
    }

    /// Keys and versions of what a node should hold, compiled from nothing.
    pub(crate) fn desired(&self, node: &str) -> BTreeMap<ObjectKey, u64> {
        let (compiler, _) = northd::compile::Compiler::from_scratch(&self.database);
        let objects = compiler.objects().iter();
        let all = objects.map(|(key, object)| (key.clone(), Some(Arc::clone(object))));
        let mut world = World::default();
        world.apply(&all.collect());
        let chassis = node.into();
        let version = |key: ObjectKey| {
            let object = world.object_for(&chassis, &key)?;
            Some((key, object.version))
        };
        world
            .keys_for(&chassis)
            .into_iter()
            .filter_map(version)
            .collect()
    }
}

fn identity() -> Identity {
    Identity {
        epoch: "test".into(),
        timeout: NODE_TIMEOUT,
        software_version: "test".into(),
        capabilities: BTreeSet::new(),
    }
}

fn on_clock(start: Instant, now: Instant) -> Now {
    Now {
        instant: now,
        unix_ms: i64::try_from((now - start).as_millis()).expect("simulations are short"),
    }
}
