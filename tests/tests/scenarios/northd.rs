//! northd for one node, in memory: command lines in, objects out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use cli::chain::{Outcome, prepare, run};
use cli::options::{Action, read};
use cli::rule_stats::RuleStats;
use model::{Author, Database, Id, nb};
use northd::compile::Compiler;
use northd::control::{Control, NODE_TIMEOUT, Now};
use northd::session::Identity;
use northd::world::World;
use pipeline::object::{ChassisName, Object, ObjectKey};
use southbound_proto::PROTOCOL_VERSION;
use southbound_proto::convert::decode_object;
use southbound_proto::southbound as wire;

/// The name of the only node.
pub(crate) const NODE: &str = "hv1";
/// The only stream.
const STREAM: u64 = 1;
/// How often northd may find more to do before something is wrong.
const SETTLING_ROUNDS_MAX: usize = 20;

/// A northd with one node.
pub(crate) struct Northd {
    database: Database,
    control: Control,
    sequence: u64,
}

impl Northd {
    pub(crate) fn start() -> Result<Self> {
        let global = nb::NbGlobal {
            id: Id::random(),
            ..nb::NbGlobal::default()
        };
        let made = Database::northd().transact(&[model::Table::insert(&global)], Author::System);
        let (database, _) = made.map_err(|error| anyhow!("{error}"))?;
        let identity = Identity {
            epoch: "test".into(),
            timeout: NODE_TIMEOUT,
            software_version: "test".into(),
            capabilities: BTreeSet::new(),
        };
        let mut northd = Self {
            control: Control::new(database.clone(), identity, now()),
            database,
            sequence: 0,
        };
        northd.settle()?;
        northd.control.open(STREAM, now());
        northd.receive(wire::from_node::Message::Hello(wire::Hello {
            protocol_version: PROTOCOL_VERSION,
            chassis: NODE.to_owned(),
            encap_ip: vec![127, 0, 0, 1].into(),
            encap_port: 6081,
            instance: "test".to_owned(),
            ..wire::Hello::default()
        }))?;
        Ok(northd)
    }

    /// The node asks for a port.
    pub(crate) fn claim(&mut self, port: &str) -> Result<()> {
        self.receive(wire::from_node::Message::Claim(wire::Claim {
            port: port.to_owned(),
            fresh: true,
            request: 1,
        }))
    }

    fn receive(&mut self, message: wire::from_node::Message) -> Result<()> {
        self.sequence += 1;
        let message = wire::FromNode {
            sequence: self.sequence,
            message: Some(message),
        };
        self.control.receive(STREAM, message, now());
        self.settle()
    }

    /// Runs a line of `vsctl`.
    pub(crate) fn command(&mut self, words: &[String]) -> Result<()> {
        let told = |failure: cli::failure::Failure| anyhow!("{failure}");
        let Action::Run(settings, calls) = read(words, |_| None).map_err(told)? else {
            bail!("nothing to run in {words:?}");
        };
        prepare(&calls).map_err(told)?;
        let stats = RuleStats::default();
        let made = run(&self.database, &stats, &calls, &settings).map_err(told)?;
        let Outcome::Done(finished) = made else {
            bail!("{words:?} waits for something");
        };
        let made = self.database.transact(&finished.operations, Author::Client);
        self.database = made.map_err(|error| anyhow!("{error}"))?.0;
        self.settle()
    }

    fn settle(&mut self) -> Result<()> {
        for _ in 0..SETTLING_ROUNDS_MAX {
            self.control.absorb(self.database.clone());
            self.control.settle(now());
            let operations = self.control.take_operations();
            if operations.is_empty() {
                return Ok(());
            }
            let made = self.database.transact(&operations, Author::System);
            self.database = made.map_err(|error| anyhow!("{error}"))?.0;
        }
        bail!("northd does not settle")
    }

    /// What the node should hold, as it comes over the wire, and the warnings of rows.
    pub(crate) fn objects(&self) -> Result<BTreeMap<ObjectKey, (u64, Object)>> {
        let (compiler, _) = Compiler::from_scratch(&self.database);
        let objects = compiler.objects().iter();
        let all = objects.map(|(key, object)| (key.clone(), Some(Arc::clone(object))));
        let mut world = World::default();
        world.apply(&all.collect());
        let node: ChassisName = NODE.into();
        let keys = world.keys_for(&node).into_iter();
        let needed = keys.filter_map(|key| world.object_for(&node, &key));
        let decoded = needed.map(|message| {
            let decoded = decode_object(message)?;
            Ok((decoded.object.key(), (decoded.version, decoded.object)))
        });
        decoded.collect()
    }
}

fn now() -> Now {
    Now {
        instant: Instant::now(),
        unix_ms: 0,
    }
}
