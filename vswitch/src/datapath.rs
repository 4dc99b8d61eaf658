//! The data path as its owner sees it: start, publish tables, plug ports, read counters, stop.
//!
//! A [`DataPath`] is a set of worker threads. The control side never touches a packet: it publishes an immutable
//! snapshot of the tables, which every worker adopts before its next batch, and hands over a port's queues, one
//! for each worker. Every call returns at once but [`DataPath::wait_adopted`] and [`DataPath::stop`].

mod config;
mod promises;
mod thread;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use nix::errno::Errno;
use pipeline::conntrack::Zone;
use pipeline::object::PortRef;
use pipeline::{Ended, Tables};
use tokio::sync::mpsc;

use crate::acl_log::{RECORDS, Record};
use crate::buffer::Pool;
use crate::connection::{ConnectionTable, Member};
use crate::conntrack::{self, ConntrackTable, Filter, Listed, Survey};
use crate::counter::{TrafficCounters, WorkerCounters};
use crate::credit::Ledger;
use crate::meter::Meters;
use crate::port::{Port, TunnelPort, overhead};
use crate::retired::Retirement;
use crate::snapshot::{Adoption, Snapshot};
use crate::stats::{Sources, Stats};
use crate::sys::poll::Waker;
use crate::worker::{Action, BEGINNINGS, Command, Parts, TunnelRegistry, Worker};
use config::{check, check_mtu, check_queues};
use thread::spawn;

pub use crate::snapshot::{NotAdopted, Revision};
pub use crate::worker::{Event, PortFrame};
pub use config::{DataPathConfig, DataPathError, MAX_CONNECTIONS, MAX_WORKERS};

/// Events that wait for the control side, at most.
pub const EVENTS: usize = 4_096;
/// Answers to probes that wait for the control side, at most.
pub const ANSWERS: usize = 4_096;
/// Probes that wait for their worker, at most.
pub const PROBES: usize = 4_096;
/// Buffers of each worker, small and large. Their memory is taken by use.
const BUFFERS: (usize, usize) = (2_048, 256);

/// A plugging's number, and its counters at each worker.
type Plugging = (u64, Vec<Arc<TrafficCounters>>);

/// A running data path. Dropping it stops the workers.
pub struct DataPath {
    config: DataPathConfig,
    encap_port: u16,
    /// As it is now; the configuration has it as it was at the start.
    underlay_mtu: AtomicU16,
    fruitless_per_s: u32,
    started: Instant,
    snapshots: Arc<ArcSwap<Snapshot>>,
    adoption: Arc<Adoption>,
    /// Held while a snapshot is made from the last one.
    publishing: Mutex<()>,
    workers: Vec<Handle>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The last plugging of each port.
    ports: Mutex<BTreeMap<PortRef, Plugging>>,
    plugs: AtomicU64,
    tunnels: Arc<TunnelRegistry>,
    connections: Arc<ConnectionTable<Action>>,
    tracking: Arc<ConntrackTable>,
    /// The control side's own access to the tracked connections.
    tracked: Mutex<conntrack::Member>,
    events: Receiver<Event>,
    logs: Receiver<Record>,
    ledger: Arc<Ledger>,
    meters: Arc<Meters>,
    answers: Mutex<Option<mpsc::Receiver<PortFrame>>>,
    retirement: Retirement,
}

/// Where the workers say what they find.
#[derive(Clone)]
struct Outlets {
    events: Sender<Event>,
    logs: Sender<Record>,
    answers: mpsc::Sender<PortFrame>,
}

/// One worker as its owner sees it.
struct Handle {
    commands: Sender<Command>,
    waker: Waker,
    counters: Arc<WorkerCounters>,
}

impl DataPath {
    /// Binds the Geneve sockets and starts the workers, with empty tables and no ports.
    pub fn start(config: &DataPathConfig) -> Result<DataPath, DataPathError> {
        check(config)?;
        let mut address = SocketAddr::new(config.encap_ip, config.encap_port);
        let mut tunnels: Vec<Box<dyn Port>> = Vec::new();
        for _ in 0..config.workers {
            let failed = |source| DataPathError::Tunnel { address, source };
            let tunnel = TunnelPort::bind(address).map_err(failed)?;
            // The first socket may have chosen the port, which the others share.
            address = tunnel.local_address().map_err(failed)?;
            if tunnels.len() + 1 == config.workers
                && let Err(error) = tunnel.steer(config.workers)
            {
                tracing::info!(%error, "the kernel does not steer by flow: connections may go from worker to worker");
            }
            tunnels.push(Box::new(tunnel));
        }
        let config = DataPathConfig {
            encap_port: address.port(),
            ..config.clone()
        };
        Self::start_over(&config, tunnels)
    }

    /// Starts the workers over these ends of a tunnel, one for each: for tests without sockets.
    pub fn start_over(
        config: &DataPathConfig,
        tunnels: Vec<Box<dyn Port>>,
    ) -> Result<DataPath, DataPathError> {
        check(config)?;
        check_queues(tunnels.len(), config.workers)?;
        let flows = config.max_connections.saturating_mul(2);
        let (connections, members) = ConnectionTable::new(flows, config.workers);
        let (tracking, mut tracked) =
            ConntrackTable::new(config.max_connections, config.workers + 1, config.tracking);
        // One more than there are workers.
        let own = tracked.remove(config.workers);
        let (events, event_receiver) = bounded(EVENTS);
        let (logs, log_receiver) = bounded(RECORDS);
        let (answers, answer_receiver) = mpsc::channel(ANSWERS);
        let ledger = Arc::new(Ledger::new(config.workers));
        let mut path = DataPath {
            config: config.clone(),
            encap_port: config.encap_port,
            underlay_mtu: AtomicU16::new(config.underlay_mtu),
            fruitless_per_s: config.fruitless_per_s,
            started: Instant::now(),
            snapshots: Arc::new(ArcSwap::from_pointee(Snapshot::first())),
            adoption: Arc::new(Adoption::new(config.workers)),
            publishing: Mutex::new(()),
            workers: Vec::new(),
            threads: Mutex::default(),
            ports: Mutex::default(),
            plugs: AtomicU64::new(0),
            tunnels: Arc::default(),
            connections,
            tracking,
            tracked: Mutex::new(own),
            events: event_receiver,
            logs: log_receiver,
            meters: Arc::new(Meters::new(config.workers, ledger.clone())),
            ledger,
            answers: Mutex::new(Some(answer_receiver)),
            retirement: Retirement::start().map_err(DataPathError::Worker)?,
        };
        let outlets = Outlets {
            events,
            logs,
            answers,
        };
        let memories = members.into_iter().zip(tracked);
        for (number, (memories, tunnel)) in memories.zip(tunnels).enumerate() {
            path.start_worker(number, memories, tunnel, outlets.clone())?;
        }
        Ok(path)
    }

    fn start_worker(
        &mut self,
        number: usize,
        (memory, tracked): (Member<Action>, conntrack::Member),
        tunnel: Box<dyn Port>,
        outlets: Outlets,
    ) -> Result<(), DataPathError> {
        let (commands, command_receiver) = unbounded();
        let waker = Waker::new().map_err(worker_error)?;
        let counters = Arc::<WorkerCounters>::default();
        let (small, large) = BUFFERS;
        let worker = Worker::new(Parts {
            number,
            memory,
            tracked,
            tunnel,
            tunnel_mtu: self.tunnel_mtu(),
            fruitless_per_s: self.fruitless_per_s,
            beginnings: BEGINNINGS,
            pool: Pool::new(small, large),
            snapshots: self.snapshots.clone(),
            adoption: self.adoption.clone(),
            commands: command_receiver,
            waker: waker.clone(),
            events: outlets.events,
            logs: outlets.logs,
            ledger: self.ledger.clone(),
            meters: self.meters.clone(),
            answers: outlets.answers,
            counters: counters.clone(),
            tunnels: self.tunnels.clone(),
            retirement: self.retirement.clone(),
            polling: self.config.polling,
        });
        let worker = worker.map_err(worker_error)?;
        let processor = self.config.processors.get(number).copied();
        let thread = spawn(
            number,
            processor,
            worker,
            self.started,
            self.adoption.clone(),
        )?;
        self.lock_threads().push(thread);
        self.workers.push(Handle {
            commands,
            waker,
            counters,
        });
        Ok(())
    }

    /// The UDP port that the Geneve socket has.
    pub fn encap_port(&self) -> u16 {
        self.encap_port
    }

    /// How many workers there are, and so how many queues a port must bring.
    pub fn workers(&self) -> usize {
        self.config.workers
    }

    /// The greatest L3 length of a packet that fits the tunnel: the MTU for pods.
    pub fn tunnel_mtu(&self) -> u16 {
        self.underlay_mtu.load(Ordering::Relaxed) - overhead(self.config.encap_ip)
    }

    /// Takes note of another MTU of the underlay: from now on packets are too long for the tunnel, or not, by
    /// that. Returns whether it is another one.
    pub fn set_underlay_mtu(&self, mtu: u16) -> Result<bool, DataPathError> {
        check_mtu(mtu, self.config.encap_ip)?;
        if self.underlay_mtu.swap(mtu, Ordering::Relaxed) == mtu {
            return Ok(false);
        }
        let tunnel_mtu = self.tunnel_mtu();
        for worker in &self.workers {
            worker.tell(Command::Mtu { tunnel_mtu });
        }
        self.publish_next(Snapshot::renewed);
        Ok(true)
    }

    /// Makes `tables` those of every batch that begins from now on.
    ///
    /// They must come of the tables published before by [`Tables::apply`], or else be the first: remembered
    /// verdicts are judged by the generations in them.
    pub fn publish(&self, tables: Arc<Tables>) -> Revision {
        let revision = self.publish_next(|last| last.with_tables(tables));
        self.review_promises();
        revision
    }

    /// Waits until no worker uses a snapshot older than `revision`, and all have done what they were told
    /// before it was published: devices that were unplugged are closed. Blocks the calling thread.
    pub fn wait_adopted(&self, revision: Revision, timeout: Duration) -> Result<(), NotAdopted> {
        self.adoption.wait(revision, timeout)?;
        self.retirement.settle();
        Ok(())
    }

    /// Plugs a device into a logical port, in the place of a former one: one end for each worker.
    ///
    /// Packets flow once the revision is adopted and the tables have the port.
    pub fn add_port(
        &self,
        at: PortRef,
        ends: Vec<Box<dyn Port>>,
    ) -> Result<Revision, DataPathError> {
        check_queues(ends.len(), self.workers.len())?;
        let mut counters = Vec::new();
        let plug = self.plugs.fetch_add(1, Ordering::Relaxed);
        for (worker, device) in self.workers.iter().zip(ends) {
            let counted = Arc::<TrafficCounters>::default();
            counters.push(counted.clone());
            worker.tell(Command::Plug {
                at,
                plug,
                device,
                counters: counted,
            });
        }
        self.ports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(at, (plug, counters));
        self.review_promises();
        Ok(self.publish_next(Snapshot::renewed))
    }

    /// Unplugs a port and closes its queues: once the revision is adopted no packet enters or leaves by it.
    pub fn remove_port(&self, at: PortRef) -> Revision {
        for worker in &self.workers {
            worker.tell(Command::Unplug { at });
        }
        self.ports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&at);
        self.review_promises();
        self.publish_next(Snapshot::renewed)
    }

    /// True while the plugging of this number, of [`Event::Lost`], is the port's last one.
    pub fn is_plugged(&self, at: PortRef, plug: u64) -> bool {
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.get(&at).is_some_and(|(last, _)| *last == plug)
    }

    /// What packets teach, and what became of devices. Clones of the receiver share the events: each goes to one of them.
    pub fn events(&self) -> Receiver<Event> {
        self.events.clone()
    }

    /// What ACLs log. Clones of the receiver share the records: each goes to one of them.
    pub fn acl_logs(&self) -> Receiver<Record> {
        self.logs.clone()
    }

    /// Who decided how much.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// The snapshot that was published last.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.load_full()
    }

    /// Milliseconds since the data path was started: what times are counted in.
    pub fn now_ms(&self) -> u64 {
        millis_since(self.started)
    }

    /// The tracked connections that a filter admits, at most `limit`, in no order. Blocks the calling thread while it
    /// looks through the table.
    pub fn list_connections(&self, filter: &Filter, limit: usize) -> Vec<Listed> {
        let now_ms = millis_since(self.started);
        self.lock_tracked().list(filter, limit, now_ms)
    }

    /// Forgets the tracked connections that a filter admits; returns how many. Blocks the calling thread while it looks
    /// through the table.
    pub fn flush_connections(&self, filter: &Filter) -> u64 {
        let now_ms = millis_since(self.started);
        self.lock_tracked().flush(filter, now_ms)
    }

    /// Ends the tracked connections that these services made; returns how many. Blocks the calling thread while it looks
    /// through the table.
    pub fn end_services(&self, ended: &[Ended]) -> u64 {
        if ended.is_empty() {
            return 0;
        }
        let now_ms = millis_since(self.started);
        self.lock_tracked().end_services(ended, now_ms)
    }

    /// How many tracked connections there are, by what they are. Blocks the calling thread while it looks through the
    /// table.
    pub fn survey_connections(&self) -> Survey {
        let now_ms = millis_since(self.started);
        self.lock_tracked().survey(now_ms)
    }

    /// How often a zone had too many half-open connections for another one.
    pub fn refused_connections(&self, zone: Zone) -> u64 {
        self.tracking.refused_of(zone)
    }

    fn lock_tracked(&self) -> MutexGuard<'_, conntrack::Member> {
        self.tracked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What answers the probes that were sent. The first caller gets the receiver.
    pub fn take_answers(&self) -> Option<mpsc::Receiver<PortFrame>> {
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Puts a probe out by a port, through the egress pipeline of its switch. It is lost if too many wait already.
    pub fn probe(&self, frame: PortFrame) {
        // Any worker will do: the first.
        let Some(worker) = self.workers.first() else {
            return;
        };
        if worker.commands.len() < PROBES {
            worker.tell(Command::Probe(frame));
            worker.waker.wake();
        }
    }

    /// How many workers are running: all of them, unless one has failed or they were stopped.
    pub fn running_workers(&self) -> usize {
        self.lock_threads()
            .iter()
            .filter(|thread| !thread.is_finished())
            .count()
    }

    /// The workers that have failed, by number. The others do their work, as far as the kernel gives it to them.
    pub fn dead_workers(&self) -> Vec<usize> {
        let threads = self.lock_threads();
        let dead = threads.iter().enumerate();
        dead.filter(|(_, thread)| thread.is_finished())
            .map(|(number, _)| number)
            .collect()
    }

    /// All counters, added up over the workers.
    pub fn stats(&self) -> Stats {
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let ports = ports
            .iter()
            .map(|(at, (_, counters))| (*at, counters.clone()))
            .collect();
        Stats::read(&Sources {
            workers: self
                .workers
                .iter()
                .map(|worker| worker.counters.clone())
                .collect(),
            ports,
            tunnels: self.tunnels.all(),
            connections: self.connections.counts(),
            tracked: self.tracking.counts(),
            now_ms: self.now_ms(),
        })
    }

    /// Stops the workers after the batches that they are at, and closes all devices. The counters stay as
    /// they are then; nothing else has an effect any more.
    pub fn stop(&self) {
        for worker in &self.workers {
            worker.tell(Command::Stop);
            worker.waker.wake();
        }
        for thread in self.lock_threads().drain(..) {
            // A worker that panicked has been told of when it did.
            let _ = thread.join();
        }
        self.retirement.settle();
    }

    fn lock_threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish_next(&self, next: impl FnOnce(&Snapshot) -> Snapshot) -> Revision {
        let guard = self
            .publishing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let snapshot = next(&self.snapshots.load());
        let revision = snapshot.revision;
        self.snapshots.store(Arc::new(snapshot));
        drop(guard);
        self.workers.iter().for_each(|worker| worker.waker.wake());
        revision
    }
}

impl Drop for DataPath {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Handle {
    fn tell(&self, command: Command) {
        // Only a worker that is gone does not listen; what it should have done no longer matters.
        let _ = self.commands.send(command);
    }
}

fn worker_error(error: Errno) -> DataPathError {
    DataPathError::Worker(error.into())
}

fn millis_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}
