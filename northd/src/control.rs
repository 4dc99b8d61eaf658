//! The heart of northd, without I/O: commits and nodes' messages in, operations and messages out.
//!
//! ```text
//! commit ──► absorb ─┐                       ┌─► operations (bindings, keys, reports): to be committed
//! message ─► receive ├─► settle ─► compile ──┤
//! time ────► tick ───┘                       └─► messages to nodes: to be sent after that
//! ```
//!
//! All state that must outlive the process is in the database. What is kept here besides can be rebuilt from
//! it and from what nodes say when they connect.

mod bindings;
mod counters;
mod events;
mod health;
mod learned;
mod nodes;
mod queue;
mod requests;
mod tallies;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Changes, Database, Operation, nb};
use pipeline::object::{Object, ObjectKey};
use southbound_proto::southbound as wire;

use crate::allocate::{allocate, sweep};
use crate::compile::{Compiler, RowWarning};
use crate::session::{Effect, Identity, Session};
use crate::world::{Marks, World};
pub use events::EVENTS_MAX;
use learned::{Ages, Counts};
pub use learned::{NEIGHBORS_PER_ROUTER_MAX, STATIONS_PER_SWITCH_MAX};
use nodes::Nodes;
pub use nodes::{LOCALPORTS_PER_NODE_MAX, NODES_MAX, NodeStatus};
use queue::Queue;
pub use tallies::{TALLIES_MAX, Tallies};
use waiting::Waiting;

/// How long a node may be away before its ports are released.
pub const NODE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long nodes may take to come back to a northd that was just started: longer than the longest pause
/// between two attempts of theirs.
pub const START_GRACE: Duration = Duration::from_secs(15);

/// How often what was learned is looked at for its age.
pub const AGE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How often numbering may make further numbering necessary: keys of datapaths, then of their ports, then
/// whoever had those.
const NUMBERING_ROUNDS_MAX: usize = 8;

/// A point in time, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For what takes time.
    pub instant: Instant,
    /// For people: ms since 1970.
    pub unix_ms: i64,
}

/// The number of a stream, never used twice.
pub type StreamId = u64;

/// What has to be done on a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a message.
    Send(StreamId, wire::ToNode),
    /// End the stream after what was sent, for this reason.
    Close(StreamId, String),
}

/// northd between two events.
#[derive(Debug)]
pub struct Control {
    identity: Identity,
    queue: Queue,
    /// The last database that was committed.
    committed: Database,
    /// The last one that was compiled; it may hold what is queued.
    compiled: Database,
    compiler: Compiler,
    world: World,
    counts: Counts,
    /// Nothing learned is old before the nodes had an age's time to say what they use.
    started: Instant,
    age_check_at: Instant,
    nodes: Nodes,
    waiting: Waiting,
    /// Those who look have it as it was.
    tallies: Arc<Tallies>,
    sessions: BTreeMap<StreamId, Session>,
    outputs: Vec<Output>,
}

impl Control {
    /// A northd that was just started on this database. [`Control::settle`] is due.
    pub fn new(database: Database, identity: Identity, now: Now) -> Self {
        let nodes = Nodes::restore(&database, now.instant + START_GRACE);
        let mut control = Self {
            identity,
            queue: Queue::new(database.clone()),
            committed: Database::northd(),
            compiled: Database::northd(),
            compiler: Compiler::default(),
            world: World::default(),
            counts: Counts::default(),
            started: now.instant,
            age_check_at: now.instant + AGE_CHECK_INTERVAL,
            nodes,
            waiting: Waiting::default(),
            tallies: Arc::default(),
            sessions: BTreeMap::new(),
            outputs: Vec::new(),
        };
        control.absorb(database);
        let operations = sweep(&control.committed);
        control.queue.push(operations);
        control
    }

    /// Takes in the newest committed database.
    pub fn absorb(&mut self, database: Database) {
        self.counts.absorb(&database.changes_since(&self.committed));
        self.queue.rebase(database.clone());
        self.committed = database;
    }

    /// What has to be committed, in one transaction of the system. The database that this makes is to be
    /// absorbed, and then [`Control::settle`] is due again.
    pub fn take_operations(&mut self) -> Vec<Operation> {
        self.queue.take()
    }

    /// What has to be sent, once the operations are committed.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Takes note that operations could not be committed: whoever was promised something is to ask anew.
    pub fn commit_failed(&mut self) {
        self.queue = Queue::new(self.committed.clone());
        let streams: Vec<_> = self.sessions.keys().copied().collect();
        for stream in streams {
            self.close(stream, "the database did not take a change");
        }
    }

    /// Brings everything up to date with what was absorbed, and with what is queued to be committed.
    pub fn settle(&mut self, now: Now) {
        self.number();
        self.grant_waiting();
        self.world.revision = self.committed.revision();
        let database = self.queue.database().clone();
        let changes = database.changes_since(&self.compiled);
        if !changes.is_empty() {
            self.compile(&database, &changes);
            self.compiled = database;
        }
        let nb_cfg_in_force = self.nodes.nb_cfg_in_force(&self.sessions);
        let database = self.queue.database();
        let counters = counters::report(database, self.world.nb_cfg, nb_cfg_in_force, now.unix_ms);
        self.queue.push(counters);
    }

    /// Gives numbers to what needs them, and takes ports from nodes that may not have them any more.
    fn number(&mut self) {
        for _ in 0..NUMBERING_ROUNDS_MAX {
            let database = self.queue.database();
            let changes = database.changes_since(&self.compiled);
            let mut operations = allocate(database, &changes);
            operations.extend(bindings::enforce(database, &changes));
            if !self.queue.push(operations) {
                return;
            }
        }
    }

    fn compile(&mut self, database: &Database, changes: &Changes) {
        let compiled = self.compiler.apply(database, changes);
        let global = database.table::<nb::NbGlobal>().iter().next();
        self.world.nb_cfg = global.map_or(0, |global| global.nb_cfg);
        let marks = self.world.apply(&compiled.objects);
        self.mark(&compiled.objects, &marks);
        self.queue.push(compiled.reports);
        let objects = (self.compiler.objects(), compiled.objects.keys());
        let operations = health::follow(self.queue.database(), objects, self.is_first());
        self.queue.push(operations);
        let objects = (self.compiler.objects(), compiled.objects.keys());
        let operations = events::forget(self.queue.database(), objects, self.is_first());
        self.queue.push(operations);
    }

    /// Nothing was compiled before: the database may hold what an earlier life could not clean up.
    fn is_first(&self) -> bool {
        self.compiled.revision() == 0
    }

    fn mark(&mut self, changed: &BTreeMap<ObjectKey, Option<Arc<Object>>>, marks: &Marks) {
        let none = BTreeSet::new();
        let streams: Vec<_> = self.sessions.keys().copied().collect();
        for stream in streams {
            self.with_session(stream, |session, world, effects| {
                let own = session.node().and_then(|node| marks.get(node));
                let keys = changed.keys().chain(own.unwrap_or(&none));
                session.mark(keys, world, effects);
            });
        }
    }

    // === Streams ===

    /// A node opened a stream.
    pub fn open(&mut self, stream: StreamId, now: Now) {
        let session = Session::new(self.identity.clone(), now.instant);
        self.sessions.insert(stream, session);
    }

    /// A message came on a stream.
    pub fn receive(&mut self, stream: StreamId, message: wire::FromNode, now: Now) {
        let effects = self.with_session(stream, |session, world, effects| {
            session.receive(message, world, now.instant, effects);
        });
        for effect in effects {
            self.handle(stream, effect, now);
        }
    }

    /// A stream ended.
    pub fn closed(&mut self, stream: StreamId, now: Now) {
        if let Some(session) = self.sessions.remove(&stream)
            && let Some(node) = session.node()
        {
            self.nodes.lost(node, stream, &session, now);
        }
    }

    /// When [`Control::tick`] has something to do next.
    pub fn deadline(&self) -> Option<Instant> {
        let sessions = self.sessions.values().map(Session::deadline);
        let may_expire = self.counts.may_expire(self.ages());
        let age_check = may_expire.then_some(self.age_check_at);
        sessions.chain(self.nodes.deadline()).chain(age_check).min()
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Now) {
        let streams: Vec<_> = self.sessions.keys().copied().collect();
        for stream in streams {
            let effects = self.with_session(stream, |session, _, effects| {
                session.tick(now.instant, effects);
            });
            for effect in effects {
                self.handle(stream, effect, now);
            }
        }
        self.expire_learned(now);
        for (node, localports) in self.nodes.expire(now.instant) {
            tracing::info!(chassis = %node, "released the ports of a lost node");
            let operations = bindings::release_all(self.queue.database(), &node);
            self.queue.push(operations);
            self.waiting.forget_all(&node);
            for port in localports {
                self.set_interest(&node, &port, false);
            }
        }
        for (node, ports) in self.nodes.take_unclaimed(now.instant) {
            for port in ports {
                tracing::info!(chassis = %node, port, "released a port that its node does not claim");
                self.release(&node, &port);
            }
        }
    }

    fn expire_learned(&mut self, now: Now) {
        if now.instant < self.age_check_at {
            return;
        }
        self.age_check_at = now.instant + AGE_CHECK_INTERVAL;
        let uptime = now.instant.saturating_duration_since(self.started);
        let is_seen = |age_ms: &i64| uptime.as_millis() >= u128::from(age_ms.unsigned_abs());
        let Ages {
            station_ms,
            neighbor_ms,
        } = self.ages();
        let ages = Ages {
            station_ms: station_ms.filter(is_seen),
            neighbor_ms: neighbor_ms.filter(is_seen),
        };
        let operations = self.counts.expire(ages, now.unix_ms);
        self.queue.push(operations);
    }

    fn ages(&self) -> Ages {
        let Some(Object::Global(global)) = self
            .compiler
            .objects()
            .get(&ObjectKey::Global)
            .map(|object| &**object)
        else {
            return Ages::default();
        };
        let age_ms = |age_s: u32| (age_s != 0).then(|| i64::from(age_s) * 1_000);
        Ages {
            station_ms: age_ms(global.fdb_age_s),
            neighbor_ms: age_ms(global.neighbor_age_s),
        }
    }

    /// Runs a session, puts out what it sends, and returns its other effects.
    fn with_session(
        &mut self,
        stream: StreamId,
        run: impl FnOnce(&mut Session, &World, &mut Vec<Effect>),
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(session) = self.sessions.get_mut(&stream) {
            run(session, &self.world, &mut effects);
        }
        let outputs = &mut self.outputs;
        effects.retain_mut(|effect| match effect {
            Effect::Send(message) => {
                outputs.push(Output::Send(stream, std::mem::take(message)));
                false
            }
            Effect::Close(reason) => {
                outputs.push(Output::Close(stream, std::mem::take(reason)));
                false
            }
            _ => true,
        });
        effects
    }

    fn close(&mut self, stream: StreamId, reason: &str) {
        self.with_session(stream, |session, _, effects| {
            session.close(reason.to_owned(), effects);
        });
    }

    // === What others see ===

    /// The database, with what is still to be committed.
    pub fn database(&self) -> &Database {
        self.queue.database()
    }

    /// The revision that everything is compiled from.
    pub fn revision(&self) -> u64 {
        self.world.revision
    }

    /// All compiled objects.
    pub fn objects(&self) -> &BTreeMap<ObjectKey, Arc<Object>> {
        self.compiler.objects()
    }

    /// What is stored but not in force.
    pub fn warnings(&self) -> Vec<RowWarning> {
        self.compiler.warnings().collect()
    }

    /// What rules have come to.
    pub fn tallies(&self) -> &Arc<Tallies> {
        &self.tallies
    }

    /// The nodes, by name.
    pub fn node_statuses(&self) -> Vec<NodeStatus> {
        self.nodes.statuses(self.queue.database(), &self.sessions)
    }
}
