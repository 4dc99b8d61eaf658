//! A small logical network, nodes in memory, and frames, for the tests of the data path.
//!
//! ```text
//!   a (node one)  b (node two)  c (node one)        d (node two)  u (node one, unknown)
//!        \           |           /                       \          /
//!             switch 1                                     switch 2
//!          10.0.1.0/24, fd01::/64                       10.0.2.0/24, fd02::/64
//!                     \________ router 3 ________________/
//! ```
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test uses its part"
)]

mod faulty;
mod fragments;
mod frames;
mod network;
mod policy;
mod service;
mod stream;
mod translation;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use packet::offload::{Offload, Offloads, TransportSum};
use pipeline::Tables;
use pipeline::conntrack::Settings;
use pipeline::object::*;
use vswitch::acl_log::Record;
use vswitch::buffer::Pool;
use vswitch::connection::{ConnectionTable, Member, TableCounts};
use vswitch::conntrack::{self, ConntrackTable};
use vswitch::counter::{Totals, WorkerCounters};
use vswitch::credit::Ledger;
use vswitch::meter::Meters;
use vswitch::port::{Loose, MemoryPort, Outer, Wire};
use vswitch::snapshot::{Adoption, Snapshot};
use vswitch::sys::poll::Waker;
use vswitch::worker::{Action, BEGINNINGS, Command, Event, Parts, PortFrame, Worker};

pub use faulty::Faulty;
pub use fragments::{CUT, fragments4, fragments6};
pub use frames::*;
pub use network::*;
pub use policy::{acl, policy};
pub use service::{VIP, VIP6, network_with_service, service};
pub use stream::{STREAM, Stream, cut, merged, packets, streams};
pub use translation::{OUTSIDE, OUTSIDE_OF_C, network_with_gateway, outside};

/// A node of one worker, in memory, with a clock that the test moves.
pub struct Node {
    pub name: &'static str,
    pub tables: Tables,
    pub now_ms: u64,
    pub events: Receiver<Event>,
    pub logs: Receiver<Record>,
    pub ledger: Arc<Ledger>,
    pub meters: Arc<Meters>,
    pub tracking: Arc<ConntrackTable>,
    /// The control side's access to the tracked connections.
    pub tracked: conntrack::Member,
    pub answers: tokio::sync::mpsc::Receiver<PortFrame>,
    pub counters: Arc<WorkerCounters>,
    worker: Worker,
    ports: BTreeMap<PortRef, Wire>,
    underlay: Wire,
    snapshots: Arc<ArcSwap<Snapshot>>,
    commands: Sender<Command>,
    waker: Waker,
    connections: Arc<ConnectionTable<Action>>,
    /// The test's own access to the verdicts.
    flows: Member<Action>,
}

/// Answers to probes that wait.
pub const ANSWERS: usize = 64;
/// Frames that a wire holds.
const WIRE: usize = 4096;
/// Log records that a node holds.
pub const LOGS: usize = 64;

impl Node {
    /// A node with the tables of `name`, and its ports plugged.
    pub fn new(name: &'static str, objects: Vec<Object>) -> Node {
        Node::with_tables(name, tables(name, objects))
    }

    pub fn with_tables(name: &'static str, tables: Tables) -> Node {
        Node::with_allowance(name, tables, u32::MAX)
    }

    /// A node on which so many packets a second of one port may lead nowhere.
    pub fn with_allowance(name: &'static str, tables: Tables, fruitless_per_s: u32) -> Node {
        Node::with_room(name, tables, (fruitless_per_s, BEGINNINGS))
    }

    /// A node that keeps no verdict aside until a connection is answered.
    pub fn without_beginnings(name: &'static str, objects: Vec<Object>) -> Node {
        Node::with_room(name, tables(name, objects), (u32::MAX, 0))
    }

    fn with_room(name: &'static str, tables: Tables, room: (u32, usize)) -> Node {
        let tunnel = MemoryPort::new(WIRE).expect("a wire");
        Node::with_tunnel(name, tables, room, tunnel)
    }

    /// A node whose ports and tunnel take frames on which something is left to do.
    pub fn with_offload(name: &'static str, objects: Vec<Object>) -> Node {
        let (tunnel, underlay) = MemoryPort::new(WIRE).expect("a wire");
        let tunnel = (tunnel.with_offloads(Offloads::All), underlay);
        let mut node =
            Node::with_tunnel(name, tables(name, objects), (u32::MAX, BEGINNINGS), tunnel);
        let plugged: Vec<_> = node.ports.keys().copied().collect();
        plugged.into_iter().for_each(|at| node.plug_offload(at));
        node
    }

    fn with_tunnel(
        name: &'static str,
        tables: Tables,
        (fruitless_per_s, beginnings): (u32, usize),
        (tunnel, underlay): (MemoryPort, Wire),
    ) -> Node {
        let (connections, mut members) = ConnectionTable::new(1024, 2);
        let flows = members.pop().expect("two members");
        let (tracking, mut tracked) = ConntrackTable::new(1024, 2, Settings::default());
        let snapshots = Arc::new(ArcSwap::from_pointee(Snapshot::first()));
        let (commands, command_receiver) = unbounded();
        let (events, event_receiver) = bounded(64);
        let (logs, log_receiver) = bounded(LOGS);
        let ledger = Arc::new(Ledger::new(1));
        let meters = Arc::new(Meters::new(1, ledger.clone()));
        let (answers, answer_receiver) = tokio::sync::mpsc::channel(ANSWERS);
        let waker = Waker::new().expect("a waker");
        let counters = Arc::<WorkerCounters>::default();
        let worker = Worker::new(Parts {
            number: 0,
            memory: members.into_iter().next().expect("one member"),
            tracked: tracked.remove(0),
            tunnel: Box::new(tunnel),
            fruitless_per_s,
            beginnings,
            tunnel_mtu: TUNNEL_MTU,
            pool: Pool::new(512, 8),
            snapshots: snapshots.clone(),
            adoption: Arc::new(Adoption::new(1)),
            commands: command_receiver,
            waker: waker.clone(),
            events,
            logs,
            ledger: ledger.clone(),
            meters: meters.clone(),
            answers,
            counters: counters.clone(),
            tunnels: Arc::default(),
            polling: vswitch::worker::Polling::Interrupt,
            retirement: vswitch::retired::Retirement::without_thread(),
        });
        let mut node = Node {
            name,
            tables: tables.clone(),
            now_ms: 1_000_000,
            events: event_receiver,
            logs: log_receiver,
            ledger,
            meters,
            tracking,
            tracked: tracked.remove(0),
            answers: answer_receiver,
            counters,
            worker: worker.expect("a worker"),
            ports: BTreeMap::new(),
            underlay,
            snapshots,
            commands,
            waker,
            connections,
            flows,
        };
        node.publish(tables);
        let here = [
            (a(), "one"),
            (b(), "two"),
            (c(), "one"),
            (d(), "two"),
            (u(), "one"),
        ];
        for (at, _) in here.into_iter().filter(|(_, on)| *on == name) {
            node.plug(at);
        }
        node
    }

    pub fn plug(&mut self, at: PortRef) {
        self.plug_wire(at, WIRE);
    }

    /// Plugs a port whose wire holds so many frames each way.
    pub fn plug_wire(&mut self, at: PortRef, capacity: usize) {
        let (port, wire) = MemoryPort::new(capacity).expect("a wire");
        self.ports.insert(at, wire);
        self.tell(Command::Plug {
            at,
            plug: 0,
            device: Box::new(port),
            counters: Arc::default(),
        });
    }

    /// Plugs a port that takes frames on which any work is left.
    pub fn plug_offload(&mut self, at: PortRef) {
        self.plug_with(at, Offloads::All);
    }

    /// Plugs a port that takes frames on which this work is left.
    pub fn plug_with(&mut self, at: PortRef, offloads: Offloads) {
        let (port, wire) = MemoryPort::new(WIRE).expect("a wire");
        self.ports.insert(at, wire);
        self.tell(Command::Plug {
            at,
            plug: 0,
            device: Box::new(port.with_offloads(offloads)),
            counters: Arc::default(),
        });
    }

    /// The tunnel takes L3 packets of this length.
    pub fn set_tunnel_mtu(&mut self, tunnel_mtu: u16) {
        self.tell(Command::Mtu { tunnel_mtu });
    }

    pub fn unplug(&mut self, at: PortRef) {
        self.ports.remove(&at);
        self.tell(Command::Unplug { at });
    }

    /// The device of a port sends a last frame and is gone.
    pub fn cut(&mut self, at: PortRef, last: &[u8]) {
        let wire = self.ports.remove(&at).expect("a port");
        assert!(wire.send(last, None));
        drop(wire);
        self.run();
    }

    /// Sends a probe to the backend at a port.
    pub fn probe(&mut self, frame: PortFrame) {
        self.tell(Command::Probe(frame));
    }

    fn tell(&mut self, command: Command) {
        self.commands.send(command).expect("a worker that listens");
        self.waker.wake();
        self.run();
    }

    pub fn publish(&mut self, tables: Tables) {
        self.tables = tables.clone();
        let next = self.snapshots.load().with_tables(Arc::new(tables));
        self.snapshots.store(Arc::new(next));
        self.run();
    }

    /// Changes the tables.
    pub fn apply(&mut self, upserts: Vec<Object>, removals: Vec<ObjectKey>) {
        let tables = self.tables.apply(upserts, removals).expect("legal objects");
        self.publish(tables);
    }

    /// Runs until nothing is left to do now.
    pub fn run(&mut self) {
        for _ in 0..8 {
            let now_ms = self.now_ms;
            self.worker
                .step(Some(Duration::ZERO), || now_ms)
                .expect("a step");
        }
    }

    /// Lets time pass, a second at most at once.
    pub fn pass(&mut self, time_ms: u64) {
        let end = self.now_ms + time_ms;
        while self.now_ms < end {
            self.now_ms = end.min(self.now_ms + 1_000);
            self.run();
        }
    }

    pub fn send(&mut self, at: PortRef, frame: &[u8]) {
        assert!(self.ports[&at].send(frame, None));
        self.run();
    }

    /// Leaves a frame for the node to find.
    pub fn offer(&self, at: PortRef, frame: &[u8]) {
        assert!(self.ports[&at].send(frame, None));
    }

    /// Sends a frame on which something is left to do.
    pub fn send_loose(&mut self, at: PortRef, bytes: Vec<u8>, offload: Offload) {
        let frame = Loose {
            bytes,
            offload,
            outer: None,
        };
        assert!(self.ports[&at].send_loose(frame));
        self.run();
    }

    /// The frames that came out of a port, with what is left to do on them.
    pub fn received_loose(&self, at: PortRef) -> Vec<Loose> {
        std::iter::from_fn(|| self.ports[&at].receive_loose()).collect()
    }

    /// Sends frames that the node finds all at once.
    pub fn send_together(&mut self, at: PortRef, frames: &[Vec<u8>]) {
        for frame in frames {
            assert!(self.ports[&at].send(frame, None));
        }
        self.run();
    }

    pub fn send_tunnel(&mut self, payload: &[u8], remote: IpAddr, ecn: u8) {
        let remote = SocketAddr::new(remote, 40_000);
        assert!(self.underlay.send(
            payload,
            Some(Outer {
                remote,
                ecn,
                entropy: 0,
                sum: TransportSum::Complete,
            })
        ));
        self.run();
    }

    /// The frames that came out of a port.
    pub fn received(&self, at: PortRef) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.ports[&at].receive())
            .map(|(frame, _)| frame)
            .collect()
    }

    /// All that came out anywhere, with what is left to do on it.
    pub fn output_loose(&self) -> Vec<Loose> {
        let wires = self.ports.values().chain([&self.underlay]);
        let received = |wire: &Wire| std::iter::from_fn(|| wire.receive_loose()).collect();
        wires.flat_map::<Vec<_>, _>(received).collect()
    }

    /// The datagrams that went into the tunnel.
    pub fn tunnelled(&self) -> Vec<(Vec<u8>, Outer)> {
        let frames = std::iter::from_fn(|| self.underlay.receive());
        frames
            .map(|(frame, outer)| (frame, outer.expect("outer headers")))
            .collect()
    }

    /// All that came out anywhere.
    pub fn output(&self) -> BTreeMap<Option<PortRef>, Vec<Vec<u8>>> {
        let ports = self.ports.keys().map(|at| (Some(*at), self.received(*at)));
        let tunnel = self
            .tunnelled()
            .into_iter()
            .map(|(frame, _)| frame)
            .collect();
        ports
            .chain([(None, tunnel)])
            .filter(|(_, frames): &(_, Vec<_>)| !frames.is_empty())
            .collect()
    }

    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.counters.totals.add_to(&mut totals);
        totals
    }

    /// Forgets all verdicts.
    pub fn forget_flows(&mut self) {
        let mut turn = self.flows.begin();
        let capacity = turn.capacity();
        turn.sweep(0, capacity, (0, u64::MAX), |_| true)
            .expect("room to wait");
    }

    pub fn connections(&self) -> TableCounts {
        self.connections.counts()
    }

    /// Panics unless every packet had one beginning and one end.
    pub fn check_sum(&self) {
        let totals = self.totals();
        assert_eq!(
            totals.received + totals.copied + totals.originated,
            totals.transmitted
                + totals.answered
                + totals.monitored
                + totals.dropped
                + totals.holding,
            "{totals:?}"
        );
        let reasons = pipeline::DropReason::ALL.iter();
        let dropped: u64 = reasons.map(|reason| self.counters.dropped(*reason)).sum();
        assert_eq!(dropped, totals.dropped);
    }
}

/// Carries what each node sent through the tunnel to the other, until both are silent.
pub fn carry(one: &mut Node, two: &mut Node) {
    for _ in 0..16 {
        let (from_one, from_two) = (one.tunnelled(), two.tunnelled());
        if from_one.is_empty() && from_two.is_empty() {
            return;
        }
        for (payload, outer) in from_one {
            two.send_tunnel(&payload, encap_ip("one"), outer.ecn);
        }
        for (payload, outer) in from_two {
            one.send_tunnel(&payload, encap_ip("two"), outer.ecn);
        }
    }
}
