//! A node in memory: one worker or several, their ports, and the tables that they forward by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam::channel::{Sender, bounded, unbounded};
use pipeline::conntrack::Settings;
use pipeline::object::{Object, PortRef};
use pipeline::{DropReason, Tables};
use vswitch::buffer::Pool;
use vswitch::connection::{self, ConnectionTable};
use vswitch::conntrack::{self, ConntrackTable};
use vswitch::counter::{Totals, WorkerCounters};
use vswitch::credit::Ledger;
use vswitch::meter::Meters;
use vswitch::port::Outer;
use vswitch::retired::Retirement;
use vswitch::snapshot::{Adoption, Snapshot};
use vswitch::sys::poll::Waker;
use vswitch::worker::{Action, BEGINNINGS, Command, Parts, Worker};

use crate::network::{CLIENT, PEER, SERVERS, at};
use crate::port::{Loose, ReplayPort, Stopwatch, Wire};

/// Buffers of a worker.
const BUFFERS: (usize, usize) = (1_024, 8);
/// No port has to wait.
const FRUITLESS_PER_S: u32 = u32::MAX;
/// The greatest L3 length that the tunnel takes.
const TUNNEL_MTU: u16 = 1_442;

/// What the workers of one node share.
pub struct Node {
    /// The tables that were published last.
    pub tables: Tables,
    snapshots: Arc<ArcSwap<Snapshot>>,
    ledger: Arc<Ledger>,
    meters: Arc<Meters>,
    adoption: Arc<Adoption>,
    members: Vec<(connection::Member<Action>, conntrack::Member)>,
    places: Vec<PortRef>,
    next: usize,
}

/// One worker with its ports.
pub struct Rig {
    worker: Worker,
    counters: Arc<WorkerCounters>,
    commands: Sender<Command>,
    waker: Waker,
    ports: BTreeMap<PortRef, Wire>,
    /// The far end of the tunnel.
    pub tunnel: Wire,
    /// Times the batches.
    pub stopwatch: Arc<Stopwatch>,
    /// Milliseconds that have passed.
    pub now_ms: u64,
}

impl Node {
    /// The node `name` of a network, with room for so many connections and workers.
    ///
    /// # Panics
    /// If the objects contradict each other.
    pub fn new(name: &str, objects: Vec<Object>, connections: u32, workers: usize) -> Node {
        let tables = Tables::new(Some(name.into()))
            .apply(objects, [])
            .expect("objects that go together");
        let (_, flows) = ConnectionTable::new(connections.saturating_mul(2), workers);
        let (_, tracked) = ConntrackTable::new(connections, workers, Settings::default());
        let is_here = |at: &PortRef| tables.port(*at).is_some_and(|port| is_on(&port.kind, name));
        let servers = (1..=SERVERS).map(|server| (2, server));
        let places = [CLIENT, PEER].into_iter().chain(servers);
        let ledger = Arc::new(Ledger::new(workers));
        let node = Node {
            snapshots: Arc::new(ArcSwap::from_pointee(Snapshot::first())),
            meters: Arc::new(Meters::new(workers, ledger.clone())),
            ledger,
            adoption: Arc::new(Adoption::new(workers)),
            members: flows.into_iter().zip(tracked).collect(),
            places: places.map(at).filter(is_here).collect(),
            next: 0,
            tables,
        };
        node.publish(node.tables.clone());
        node
    }

    /// Makes these tables those of every batch from now on.
    pub fn publish(&self, tables: Tables) {
        publish(&self.snapshots, tables);
    }

    /// Where tables are published, for another thread.
    pub fn snapshots(&self) -> Arc<ArcSwap<Snapshot>> {
        self.snapshots.clone()
    }

    /// One more worker of the node, with a queue of each port.
    ///
    /// # Panics
    /// If the node has no room for it.
    pub fn worker(&mut self) -> anyhow::Result<Rig> {
        let number = self.next;
        self.next += 1;
        let (memory, tracked) = self.members.remove(0);
        let stopwatch = Arc::<Stopwatch>::default();
        let (port, tunnel) = ReplayPort::new(stopwatch.clone())?;
        let (commands, command_receiver) = unbounded();
        let waker = Waker::new()?;
        let counters = Arc::<WorkerCounters>::default();
        let (small, large) = BUFFERS;
        let worker = Worker::new(Parts {
            number,
            memory,
            tracked,
            tunnel: Box::new(port),
            tunnel_mtu: TUNNEL_MTU,
            pool: Pool::new(small, large),
            snapshots: self.snapshots.clone(),
            adoption: self.adoption.clone(),
            commands: command_receiver,
            waker: waker.clone(),
            events: bounded(64).0,
            logs: bounded(64).0,
            ledger: self.ledger.clone(),
            meters: self.meters.clone(),
            answers: tokio::sync::mpsc::channel(64).0,
            counters: counters.clone(),
            tunnels: Arc::default(),
            polling: vswitch::worker::Polling::Interrupt,
            retirement: Retirement::start()?,
            fruitless_per_s: FRUITLESS_PER_S,
            beginnings: BEGINNINGS,
        })?;
        let mut rig = Rig {
            worker,
            counters,
            commands,
            waker,
            ports: BTreeMap::new(),
            tunnel,
            stopwatch,
            now_ms: 1_000_000,
        };
        for place in &self.places {
            rig.plug(*place)?;
        }
        Ok(rig)
    }
}

/// Makes these tables those of every batch from now on.
pub fn publish(snapshots: &ArcSwap<Snapshot>, tables: Tables) {
    let next = snapshots.load().with_tables(Arc::new(tables));
    snapshots.store(Arc::new(next));
}

fn is_on(kind: &pipeline::object::PortKind, name: &str) -> bool {
    match kind {
        pipeline::object::PortKind::Switch(port) => port.chassis.as_deref() == Some(name),
        pipeline::object::PortKind::Router(_) => false,
    }
}

impl Rig {
    fn plug(&mut self, at: PortRef) -> anyhow::Result<()> {
        let (port, wire) = ReplayPort::new(self.stopwatch.clone())?;
        self.ports.insert(at, wire);
        self.commands.send(Command::Plug {
            at,
            plug: 0,
            device: Box::new(port),
            counters: Arc::default(),
        })?;
        self.waker.wake();
        self.step();
        Ok(())
    }

    /// The far end of a port.
    ///
    /// # Panics
    /// If the port is not on this node.
    pub fn wire(&self, at: PortRef) -> &Wire {
        &self.ports[&at]
    }

    /// All ports and their far ends.
    pub fn wires(&self) -> impl Iterator<Item = (PortRef, &Wire)> {
        self.ports.iter().map(|(at, wire)| (*at, wire))
    }

    /// One round of the worker's loop.
    ///
    /// # Panics
    /// If the kernel refuses to be asked for packets.
    pub fn step(&mut self) {
        let now_ms = self.now_ms;
        self.worker
            .step(Some(Duration::ZERO), || now_ms)
            .expect("the kernel tells what is there");
    }

    /// Lets `count` of these frames arrive at a wire, and works until that is done.
    pub fn play(&mut self, wire: &Wire, frames: &Arc<Vec<Loose>>, count: usize) {
        wire.play(frames.clone(), count);
        while wire.is_playing() {
            self.step();
        }
    }

    /// Takes the device of a port away.
    pub fn unplug(&mut self, at: PortRef) -> anyhow::Result<()> {
        self.ports.remove(&at);
        self.commands.send(Command::Unplug { at })?;
        self.waker.wake();
        Ok(())
    }

    /// The longest time that the worker was away from its packets.
    pub fn longest_pause(&self) -> Duration {
        self.counters.pause.get()
    }

    /// Forgets how long anything took so far.
    pub fn forget_times(&self) {
        self.counters.pause.clear();
        self.counters.turn.clear();
    }

    /// What the worker has counted.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.counters.totals.add_to(&mut totals);
        totals
    }

    /// The reasons for which packets were dropped, with how many.
    pub fn drops(&self) -> Vec<(DropReason, u64)> {
        let all = DropReason::ALL.iter();
        all.map(|reason| (*reason, self.counters.dropped(*reason)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Whether what comes out anywhere is kept from now on.
    pub fn keep(&self, keeps: bool) {
        self.tunnel.keep(keeps);
        self.ports.values().for_each(|wire| wire.keep(keeps));
    }
}

/// The outer headers of what arrives from another node.
pub fn from_node(ip: [u8; 4]) -> Outer {
    Outer {
        remote: (ip, 40_000).into(),
        ecn: 0,
        entropy: 0,
        sum: packet::offload::TransportSum::Complete,
    }
}
