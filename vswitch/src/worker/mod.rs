//! A packet's walk through the data path, on one page.
//!
//! A worker is a thread that owns one queue of every port, one Geneve socket, and buffers. It waits for
//! packets, and takes each batch through the steps below to the end before it waits again. Each step is a file
//! of the same name:
//!
//! 1. [`receive`]: a batch from a port or the tunnel;
//! 2. [`decapsulate`]: the outer headers of a tunnelled packet;
//! 3. [`parse`]: the packet's headers, as a flow, and [`reassemble`] what a fragment lacks;
//! 4. [`recall`]: the verdict on an earlier packet of the flow, if it still holds;
//! 5. [`decide`]: else the logical pipeline, whose verdict is remembered, or kept aside while a connection that has
//!    [`begun`] waits for its answer;
//! 6. [`limit`], [`execute`]: the verdict, in the bytes, as far as limits on rates allow: copies, rewrites, answers;
//! 7. [`encapsulate`]: for another node, or [`too_long`] for that;
//! 8. [`hold`]: for a neighbour that is not known yet;
//! 9. [`offload`]: what the way out cannot do on a packet, done here;
//! 10. [`transmit`]: everything that the batch made.
//!
//! Most packets are usual ones of known flows: [`express`] takes them through steps 3 to 6 at once, when what is remembered
//! has come near in the [`lane`].
//!
//! [`credit`] counts who decided, [`learn`] tells the control side what packets taught, [`monitor`] carries its probes of
//! backends; [`upkeep`] is the work that time brings.
//! A port whose packets lead nowhere ([`allowance`]), exceed its rate ([`send_rate`]) or what the uplink carries ([`uplink`])
//! has to wait, and a sender on another node loses some ([`senders`]).
//! A batch sees one snapshot of the tables, and nothing in it waits, or takes a lock for a flow that is known.

mod action;
mod allowance;
mod begun;
mod command;
mod credit;
mod decapsulate;
mod decide;
mod encapsulate;
mod execute;
mod express;
mod hold;
mod lane;
mod learn;
mod limit;
mod monitor;
mod offload;
mod pace;
mod parse;
mod parts;
mod place;
mod ports;
mod pulse;
mod reassemble;
mod recall;
mod receive;
mod send_rate;
mod senders;
mod too_long;
mod transmit;
mod upkeep;
mod uplink;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam::channel::Receiver;
use nix::errno::Errno;
use packet::offload::Offload;
use pipeline::{Branch, Destination, DropReason};

use crate::buffer::{Packet, Pool};
use crate::connection;
use crate::conntrack;
use crate::counter::WorkerCounters;
use crate::meter::Meters;
use crate::port::Batch;
use crate::retired::{Retired, Retirement};
use crate::snapshot::{Adoption, Revision, Snapshot};
use crate::sys::poll::{Poll, Waker};

pub use action::Action;
pub use allowance::FRUITLESS_PER_S;
pub use begun::BEGINNINGS;
pub use command::Command;
pub use express::Quick;
pub use learn::{EVENT_INTERVAL_MS, Event};
pub use monitor::PortFrame;
pub use pace::Polling;
pub use parts::Parts;
pub use place::Place;
pub use ports::{TUNNELS, TunnelRegistry};

use action::Decided;
use allowance::{End, lead_somewhere};
use begun::Begun;
use credit::Credits;
use express::Met;
use hold::HoldQueue;
use lane::Lane;
use learn::Events;
use monitor::Monitor;
use pace::Pace;
use parse::{About, Subject};
use ports::{Door, Ports};
use pulse::Pulse;
use reassemble::Fragments;
use recall::{Memory, Sought};
use senders::Sender;
use too_long::ErrorLimit;
use upkeep::Upkeep;
use uplink::Share;

/// A worker, without its thread: [`Worker::step`] is one round of its loop.
pub struct Worker {
    number: usize,
    memory: connection::Member<Action>,
    tracked: conntrack::Member,
    forwarder: Forwarder,
    upkeep: Upkeep,
    poll: Poll,
    ready: Vec<u64>,
    snapshots: Arc<ArcSwap<Snapshot>>,
    /// The one that it uses.
    snapshot: Arc<Snapshot>,
    retirement: Retirement,
    pulse: Pulse,
    pace: Pace,
    adoption: Arc<Adoption>,
    adopted: Option<Revision>,
    commands: Receiver<Command>,
    /// Probes that it was told to send.
    probes: Vec<PortFrame>,
    waker: Waker,
}

/// Everything of a worker that a packet meets, except what it remembers.
struct Forwarder {
    ports: Ports,
    pool: Pool,
    batch: Batch,
    lane: Lane,
    fragments: Fragments,
    holds: HoldQueue,
    begun: Begun,
    events: Events,
    monitor: Monitor,
    errors: ErrorLimit,
    credits: Credits,
    meters: Arc<Meters>,
    counters: Arc<WorkerCounters>,
    tunnel_mtu: u16,
    /// Its part in sharing the uplink.
    share: Share,
    /// Scratch: how many tunnel packets the device took for which node in succession, and their bytes.
    sent: Vec<(IpAddr, u64, u64)>,
}

/// The two memories during a turn.
struct Turns<'m> {
    flows: connection::Turn<'m, Action>,
    tracked: conntrack::Turn<'m>,
}

/// What does not change during a turn.
#[derive(Clone, Copy)]
struct Moment<'a> {
    snapshot: &'a Snapshot,
    /// Milliseconds since the data path was started.
    now_ms: u64,
}

/// What becomes of a worker after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It goes on.
    Running,
    /// It was told to stop, and has.
    Stopped,
}

impl Worker {
    /// Waits for packets, commands or the next deadline, at most `limit`, and does what there is to do.
    /// `clock` gives milliseconds since the data path was started.
    pub fn step(
        &mut self,
        limit: Option<Duration>,
        clock: impl Fn() -> u64,
    ) -> Result<Status, Errno> {
        let now_ms = clock();
        self.forwarder.ports.rouse(now_ms, &self.poll);
        let timeout = self.timeout(now_ms, limit);
        let is_due = timeout == Some(Duration::ZERO);
        let looks = self.pace.looks(self.pulse.marked());
        let wait = if looks { Some(Duration::ZERO) } else { timeout };
        self.ready.clear();
        self.ready.extend(self.poll.wait(wait)?);
        let woken = self.pulse.wakes();
        if looks && !is_due && self.ready.is_empty() {
            if self.pace.gives_way() {
                std::thread::yield_now();
                self.pace.gave_way(woken, self.pulse.wakes());
            }
            return Ok(Status::Running);
        }
        let is_found = !self.ready.is_empty();
        // Before it looks at what it is woken for, so that what comes while it looks wakes it again.
        self.heed();
        // The snapshot first: whoever published it had sent all commands that it counts on.
        let snapshot = self.snapshots.load_full();
        if self.obey() == Status::Stopped {
            return Ok(Status::Stopped);
        }
        self.adopt(&snapshot);
        self.turn(Moment {
            snapshot: &snapshot,
            now_ms: clock(),
        });
        let rests = self.pulse.rests();
        if is_found {
            self.pace.found(woken, rests);
        }
        Ok(Status::Running)
    }

    /// Uses a snapshot from now on, and hands over the last one, which nobody else may hold any more.
    fn adopt(&mut self, snapshot: &Arc<Snapshot>) {
        if self.adopted == Some(snapshot.revision) {
            return;
        }
        let last = std::mem::replace(&mut self.snapshot, snapshot.clone());
        self.retirement.take(Retired::Snapshot(last));
        self.adopted = Some(snapshot.revision);
        self.adoption.adopt(self.number, snapshot.revision);
    }

    /// The packets that are there, from their doors to the devices.
    fn turn(&mut self, moment: Moment<'_>) {
        let mut turns = Turns {
            flows: self.memory.begin(),
            tracked: self.tracked.begin(),
        };
        self.pulse.begins(&self.forwarder.counters);
        for probe in self.probes.drain(..) {
            self.forwarder.probe(probe, &mut turns, moment);
        }
        self.forwarder.transmit(moment);
        for token in self.ready.drain(..) {
            let Some(door) = Door::of_token(token) else {
                continue;
            };
            let is_there = self.forwarder.receive(door, moment);
            self.forwarder.hold_back(door, moment);
            self.forwarder.forward_batch(door, &mut turns, moment);
            self.forwarder.transmit(moment);
            self.forwarder.share_uplink(door, moment);
            if !is_there && let Some((at, plug)) = self.forwarder.ports.lose(door, &self.poll) {
                self.forwarder.events.lost(at, plug);
                self.upkeep.forget_flows_of(Place::Port(at));
            }
            if self.forwarder.ports.settle(door, moment.now_ms, &self.poll) {
                self.forwarder.counters.totals.rests.add(1);
            }
        }
        self.pulse.ends(&self.forwarder.counters);
        self.upkeep.has_untold = !self.forwarder.events.tell_lost();
        self.forwarder.expire_fragments(moment);
        self.forwarder.release_held(&mut turns, moment);
        self.forwarder.transmit(moment);
        self.forwarder.share_uplink(Door::Tunnel, moment);
        self.upkeep.work(&mut turns, moment);
    }
}

impl Forwarder {
    /// Takes each packet of the batch through all steps.
    fn forward_batch(&mut self, door: Door, turns: &mut Turns<'_>, moment: Moment<'_>) {
        let mut frames = std::mem::take(&mut self.batch.frames);
        let mut lane = std::mem::take(&mut self.lane);
        for frame in frames.drain(..) {
            let entered = match door {
                Door::Port(id) => self.enter_port(id, frame.packet, moment),
                Door::Tunnel => self.decapsulate(frame, moment),
            };
            if let Some((packet, place)) = entered {
                lane.push(packet, place, turns);
            }
            if let Some((packet, met)) = lane.next() {
                self.forward_met(packet, met, door, turns, moment);
            }
        }
        lane.close(turns);
        while let Some((packet, met)) = lane.pop() {
            self.forward_met(packet, met, door, turns, moment);
        }
        lane.clear();
        self.lane = lane;
        self.batch.frames = frames;
    }

    /// The quick way, or else the steps one by one.
    #[inline(always)]
    fn forward_met(
        &mut self,
        packet: Packet,
        met: &Met,
        door: Door,
        turns: &mut Turns<'_>,
        moment: Moment<'_>,
    ) {
        if let Some(packet) = self.express(packet, met, door, turns, moment) {
            self.forward_read(packet, (door, met), turns, moment);
        }
    }

    /// The steps from reading the headers on.
    fn forward_read(
        &mut self,
        packet: Packet,
        (door, met): (Door, &Met),
        turns: &mut Turns<'_>,
        moment: Moment<'_>,
    ) {
        let offload = packet.offload;
        let Some((packet, mut about)) = self.parse(packet, door, met.place, moment) else {
            return;
        };
        // A checksum that was finished when the headers were read may stand in what was glimpsed before.
        let is_finished = offload != Offload::NONE && packet.offload == Offload::NONE;
        let about = &mut about;
        let subject = Subject { packet, about };
        match subject.piece() {
            None if !is_finished && let Some(sought) = met.sought() => {
                self.forward(subject, &sought, turns, moment);
            }
            None => self.look_up(subject, turns, moment),
            Some(piece) => self.forward_fragment(subject, piece, turns, moment),
        }
    }

    /// As [`Forwarder::forward`], for a packet by itself.
    fn look_up(&mut self, subject: Subject<'_>, turns: &mut Turns<'_>, moment: Moment<'_>) {
        let sought = turns.seek(subject.about);
        self.forward(subject, &sought, turns, moment);
    }

    /// The verdict on a packet, remembered or fresh, carried out.
    fn forward(
        &mut self,
        subject: Subject<'_>,
        sought: &Sought,
        turns: &mut Turns<'_>,
        moment: Moment<'_>,
    ) {
        let memory = match turns.recall((&subject, sought), moment) {
            Memory::Unknown => match self.promote((&subject, sought), turns, moment) {
                true => turns.recall((&subject, sought), moment),
                false => Memory::Unknown,
            },
            memory => memory,
        };
        self.count_recall(&memory);
        if let Memory::Opened(connection) = &memory {
            self.refund(&connection.action().branches, subject.about.sender());
        }
        if let Memory::Valid(connection) | Memory::Opened(connection) = memory {
            connection.touch(moment.now_ms);
            let action = connection.action();
            self.credit_known(action, &subject, moment);
            self.events.used(&action.used, moment.now_ms);
            if !lead_somewhere(&action.branches) {
                self.ports.charge(subject.about.sender(), End::Known);
            }
            self.execute_within(&action.meters, subject, &action.branches, moment);
            return;
        }
        let to_remember = memory.is_to_be_remembered();
        let Some(ingress) = subject.about.place.ingress() else {
            return self.discard(
                subject.packet,
                DropReason::PortNotHere,
                subject.about,
                moment,
            );
        };
        let sender = subject.about.sender();
        if !self.ports.admit(sender, moment.now_ms) {
            let reason = DropReason::SenderLimited;
            return self.discard(subject.packet, reason, subject.about, moment);
        }
        let (verdict, looked) = self.decide(&subject, ingress, turns, moment);
        self.ports.charge(sender, End::of(&verdict, &looked));
        if looked.is_opened {
            self.refund(&verdict.branches, sender);
        }
        if looked.lacks_ports && self.lacks_first(&subject) {
            return self.wait_for_first(subject, moment);
        }
        let account = self.credit_fresh(&verdict, &subject, moment);
        let meters = self.meters.of(&verdict);
        self.execute_within(&meters, subject, &verdict.branches, moment);
        if to_remember && let Some(key) = sought.key() {
            let decided = Decided {
                verdict,
                account,
                meters,
            };
            self.remember(turns, key, decided, &looked, moment);
        }
    }

    /// Both ends have shown that they want a connection: neither has caused work in vain.
    fn refund(&mut self, branches: &[Branch], sender: Sender) {
        self.ports.charge(sender, End::Opened);
        for branch in branches {
            if let Destination::Output { interface, .. } = branch.to
                && let Some(door) = self.ports.door(interface)
            {
                self.ports.charge_port(door, End::Opened);
            }
        }
    }

    /// Counts the end of a packet that goes nowhere, and takes its buffer back.
    fn discard(&mut self, packet: Packet, reason: DropReason, about: &About, moment: Moment<'_>) {
        self.end(packet, reason, (about.door, about.place), moment);
    }

    /// As [`Forwarder::discard`], for a packet that came in there.
    fn end(
        &mut self,
        packet: Packet,
        reason: DropReason,
        (door, place): (Door, Place),
        moment: Moment<'_>,
    ) {
        self.ports.count_drop(door);
        self.counters
            .count_drop(reason, moment.now_ms, place.number(), packet.bytes());
        self.pool.give(packet);
    }
}
