//! What a worker is made of, and a new one of that.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use crossbeam::channel::{Receiver, Sender};
use nix::errno::Errno;
use tokio::sync::mpsc;

use super::begun::Begun;
use super::credit::Credits;
use super::hold::HoldQueue;
use super::lane::Lane;
use super::learn::{Event, Events};
use super::monitor::{Monitor, PortFrame};
use super::pace::{Pace, Polling};
use super::ports::{Door, Ports, TunnelRegistry};
use super::pulse::Pulse;
use super::reassemble::Fragments;
use super::too_long::ErrorLimit;
use super::upkeep::Upkeep;
use super::uplink::Share;
use super::{Action, Command, Forwarder, Worker, command};
use crate::acl_log::{Logger, Record};
use crate::buffer::Pool;
use crate::connection;
use crate::conntrack;
use crate::counter::WorkerCounters;
use crate::credit::Ledger;
use crate::meter::Meters;
use crate::port::{Batch, Port};
use crate::retired::Retirement;
use crate::snapshot::{Adoption, Snapshot};
use crate::sys::poll::{Poll, Waker};

/// What a worker is made of.
pub struct Parts {
    /// Which worker it is.
    pub number: usize,
    /// Its access to the connection table.
    pub memory: connection::Member<Action>,
    /// Its access to the tracked connections.
    pub tracked: conntrack::Member,
    /// Its end of the tunnel.
    pub tunnel: Box<dyn Port>,
    /// The greatest L3 length of an untagged packet that fits the tunnel.
    pub tunnel_mtu: u16,
    /// Packets a second of one port that may lead nowhere before it has to wait; not 0.
    pub fruitless_per_s: u32,
    /// Verdicts on packets that began connections which it keeps aside until these are answered.
    pub beginnings: usize,
    /// How it waits for packets.
    pub polling: Polling,
    /// Its buffers.
    pub pool: Pool,
    /// Where snapshots are published.
    pub snapshots: Arc<ArcSwap<Snapshot>>,
    /// Where it says which snapshot it uses.
    pub adoption: Arc<Adoption>,
    /// What it is told to do.
    pub commands: Receiver<Command>,
    /// Wakes it to look at snapshots and commands.
    pub waker: Waker,
    /// Where it says what packets taught.
    pub events: Sender<Event>,
    /// Where it says what ACLs log.
    pub logs: Sender<Record>,
    /// Where it counts who decided.
    pub ledger: Arc<Ledger>,
    /// The limits on rates.
    pub meters: Arc<Meters>,
    /// Where it hands over what answers probes.
    pub answers: mpsc::Sender<PortFrame>,
    /// Its counters.
    pub counters: Arc<WorkerCounters>,
    /// Where it enters the counters of a tunnel that it uses for the first time.
    pub tunnels: Arc<TunnelRegistry>,
    /// Where it hands over what it is done with.
    pub retirement: Retirement,
}

impl Worker {
    /// A worker that has done nothing yet.
    pub fn new(parts: Parts) -> Result<Worker, Errno> {
        let poll = Poll::new()?;
        poll.add(parts.waker.as_fd(), command::TOKEN)?;
        poll.add(parts.tunnel.readiness(), Door::Tunnel.token())?;
        let events = Events::new(parts.events, parts.counters.clone());
        Ok(Worker {
            number: parts.number,
            memory: parts.memory,
            tracked: parts.tracked,
            forwarder: Forwarder {
                ports: Ports::new(
                    parts.tunnel,
                    parts.tunnels,
                    parts.retirement.clone(),
                    parts.fruitless_per_s,
                ),
                pool: parts.pool,
                batch: Batch::default(),
                lane: Lane::default(),
                fragments: Fragments::default(),
                holds: HoldQueue::default(),
                begun: Begun::new(parts.beginnings),
                events,
                monitor: Monitor::new(parts.answers),
                errors: ErrorLimit::default(),
                credits: Credits {
                    ledger: parts.ledger,
                    worker: parts.number,
                    logger: Logger::new(parts.logs, parts.counters.clone()),
                },
                meters: parts.meters,
                counters: parts.counters,
                tunnel_mtu: parts.tunnel_mtu,
                share: Share::default(),
                sent: Vec::new(),
            },
            upkeep: Upkeep::new(),
            poll,
            ready: Vec::new(),
            snapshot: parts.snapshots.load_full(),
            snapshots: parts.snapshots,
            retirement: parts.retirement,
            pace: Pace::new(parts.polling, Instant::now()),
            pulse: Pulse::new(),
            adoption: parts.adoption,
            adopted: None,
            commands: parts.commands,
            probes: Vec::new(),
            waker: parts.waker,
        })
    }
}
