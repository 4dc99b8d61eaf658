//! The node's agent, without I/O: (event, now) in, effects out.
//!
//! It speaks with northd, holds the objects and the tables they make, and brings attached ports up and down.
//! [`driver`] does what it wants done. A revision's way: [`session`] takes its chunks, [`assembly`] makes them
//! a step, [`objects`] applies it, the data path adopts the tables, [`binding`] brings the ports up that it
//! binds here, and then it is acknowledged.

mod assembly;
mod attachment;
mod binding;
mod counting;
pub mod driver;
mod effect;
mod interfaces;
mod learning;
mod local;
mod objects;
mod ports;
mod probing;
pub mod session;
mod transport;
mod unserved;
mod watch;

use std::collections::BTreeSet;
use std::time::Instant;

use pipeline::object::{Attachment as Attached, PortKind};
use pipeline::{Ended, Learn, LearnedKey};
use southbound_proto::southbound as wire;

use crate::probe::Report;
use wire::from_node::Message as Up;

pub use assembly::{Assembly, Progress, STEP_ENTRIES_MAX, Step};
pub use attachment::{AttachRequest, Attachment, PortStatus, Refusal, RefusalKind, WaiterId};
pub use binding::Northd;
pub use effect::{Effect, Event, OpenMode};
use learning::{Ages, Learning};
pub use objects::{Objects, Saved};
pub use ports::Ports;
use probing::Probing;
use session::{Identity, Session};
use unserved::Unserved;

/// The agent of one node.
#[derive(Debug)]
pub struct Agent {
    session: Session,
    objects: Objects,
    learning: Learning,
    ports: Ports,
    probing: Probing,
    unserved: Unserved,
    /// The number of the youngest published snapshot.
    epoch: u64,
    /// The revision that is to be acknowledged once the snapshot is adopted and its ports are up.
    unacknowledged: Option<Unacknowledged>,
    adopted_epoch: u64,
    /// The revision in force, as last acknowledged or restored.
    revision_in_force: u64,
    up: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug)]
struct Unacknowledged {
    revision: u64,
    epoch: u64,
}

impl Agent {
    /// An agent that starts from what an earlier life left. `mtu` is that of attached interfaces.
    pub fn new(
        identity: Identity,
        objects: Objects,
        attachments: Vec<Attachment>,
        mtu: u32,
        now: Instant,
    ) -> (Self, Vec<Effect>) {
        let mut effects = Vec::new();
        let ports = Ports::restore(attachments, mtu, now, &mut effects);
        let probing = Probing::new(identity.seed);
        let mut agent = Self {
            session: Session::new(identity, now),
            revision_in_force: objects.revision(),
            objects,
            learning: Learning::new(now),
            ports,
            probing,
            unserved: Unserved::default(),
            epoch: 0,
            unacknowledged: None,
            adopted_epoch: 0,
            up: BTreeSet::new(),
        };
        agent.publish(Vec::new(), &mut effects);
        agent.rebind(&mut effects);
        agent.configure_probes(now);
        (agent, effects)
    }

    /// Takes an event.
    pub fn handle(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut messages = Vec::new();
        let concerns_ports = !matches!(
            event,
            Event::Learned(_)
                | Event::Used(_)
                | Event::Unserved(_)
                | Event::Monitored(_)
                | Event::Counted(_)
        );
        match event {
            Event::Stream { stream, event } => self.stream_event(stream, event, now, &mut effects),
            Event::Adopted { epoch } => {
                self.adopted_epoch = self.adopted_epoch.max(epoch);
                self.ports.adopted(self.adopted_epoch, &mut effects);
            }
            Event::Learned(learned) => self.learn(&learned, now, &mut effects),
            Event::Used(keys) => {
                let (tables, ages) = (self.objects.tables(), self.ages());
                self.learning.used(&keys, tables, ages, now);
            }
            Event::Unserved(vips) => {
                let reported = self.unserved.report(vips, self.objects.tables(), now);
                messages.extend(reported.map(Up::Unserved));
            }
            Event::Monitored(frames) => self.probing.receive(&frames, now),
            Event::Counted(counts) => messages.push(Up::Counts(counts)),
            Event::Attach {
                waiter,
                request,
                deadline,
            } => {
                let tables = self.objects.tables();
                self.ports
                    .attach(waiter, request, deadline, tables, now, &mut effects);
            }
            Event::Detach {
                waiter,
                port,
                if_exists,
            } => messages.extend(self.ports.detach(waiter, &port, if_exists, &mut effects)),
            Event::Cancel { waiter } => messages.extend(self.ports.cancel(waiter, &mut effects)),
            Event::InterfaceOpened {
                port,
                serial,
                result,
            } => {
                self.ports
                    .interface_opened(&port, serial, result, now, &mut effects);
                self.rebind(&mut effects);
            }
            Event::Installed {
                port,
                serial,
                result,
            } => messages.extend(
                self.ports
                    .installed(&port, serial, result, now, &mut effects),
            ),
            Event::InterfaceDeleted { waiter } => effects.push(Effect::Answer {
                waiter,
                result: Ok(None),
            }),
            Event::InterfaceGone { port } => {
                messages.extend(self.ports.interface_gone(&port, &mut effects));
            }
            Event::DeviceLost { at } => {
                messages.extend(self.ports.device_lost(at, &mut effects));
            }
            Event::TunnelMtu(mtu) => {
                self.ports.mtu = mtu;
                self.rebind(&mut effects);
            }
            Event::Tick => {}
        }
        for message in messages {
            self.send(message, &mut effects);
        }
        self.advance(now, &mut effects);
        if concerns_ports {
            self.tell_up(&mut effects);
            self.acknowledge(&mut effects);
        }
        effects
    }

    /// When [`Event::Tick`] is due next.
    pub fn deadline(&self) -> Instant {
        let is_connected = self.session.is_established();
        let learning = self.learning.deadline(is_connected);
        let soonest = self.session.deadline().min(learning);
        let ports = self.ports.deadline(is_connected);
        let probes = self.probing.deadline(is_connected);
        [ports, probes]
            .into_iter()
            .flatten()
            .fold(soonest, Instant::min)
    }

    // === for those who look ===

    /// The southbound session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The objects that the node holds.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// The revision in force in the data path; 0 for none.
    pub fn revision_in_force(&self) -> u64 {
        self.revision_in_force
    }

    /// True once what an earlier life left is forwarded again, as far as it can be.
    pub fn is_restored(&self) -> bool {
        self.adopted_epoch > 0 && !self.ports.is_restoring() && self.ports.is_settled()
    }

    /// The attachments whose interfaces are there, as far as is known.
    pub fn attached_interfaces(&self) -> Vec<Attachment> {
        self.ports.open_interfaces()
    }

    /// What is attached and how it stands.
    pub fn port_statuses(&self) -> Vec<PortStatus> {
        self.ports
            .statuses(self.objects.tables(), self.session.is_established())
    }

    /// The backends that are probed here and how they fare.
    pub fn probe_reports(&self) -> Vec<Report> {
        self.probing.reports()
    }

    // === steps ===

    fn stream_event(
        &mut self,
        stream: u64,
        event: session::Event,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let mut wanted = Vec::new();
        let current = self.objects.revision();
        self.session
            .handle(stream, event, current, now, &mut wanted);
        self.session_effects(wanted, now, effects);
    }

    fn session_effects(
        &mut self,
        wanted: Vec<session::Effect>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        for effect in wanted {
            match effect {
                session::Effect::Introduce => self.introduce(now, effects),
                session::Effect::Established => {
                    tracing::info!(northd = self.session.address(), "connected to northd");
                    self.learning.tell_all(now);
                }
                session::Effect::Lost => tracing::warn!(
                    northd = self.session.address(),
                    reason = self.session.last_error(),
                    revision = self.revision_in_force,
                    "lost northd: forwarding goes on as of the last revision"
                ),
                session::Effect::Apply(step) => self.apply(step, now, effects),
                session::Effect::AckAgain => self.acknowledge_again(effects),
                session::Effect::ClaimAnswered(result) => {
                    self.ports.claim_answered(&result, now, effects);
                }
                other => effects.push(Effect::Stream(other)),
            }
        }
    }

    /// Says all that northd must know of this node: objects, ports that are not here any more, ports up.
    fn introduce(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let mut wanted = Vec::new();
        let revision = self.objects.revision();
        self.session
            .send_inventory(revision, self.objects.inventory(), &mut wanted);
        effects.extend(wanted.into_iter().map(Effect::Stream));
        for port in self.orphans() {
            self.send(Up::Release(wire::Release { port, request: 0 }), effects);
        }
        self.ports.claim_all(now);
        self.send_up(effects);
        self.send(Up::Health(self.probing.health()), effects);
    }

    /// Ports that are bound to this node by the objects but have no interface here.
    fn orphans(&self) -> Vec<String> {
        let tables = self.objects.tables();
        let datapaths = tables.all_datapaths().into_iter();
        let ports = datapaths.flat_map(|datapath| tables.ports(datapath.key));
        let is_orphan = |port: &&std::sync::Arc<pipeline::object::Port>| {
            let PortKind::Switch(row) = &port.kind else {
                return false;
            };
            row.attachment == Attached::Vif
                && row.chassis.as_ref() == tables.home()
                && !self.ports.is_attached(&port.name)
        };
        ports
            .filter(is_orphan)
            .map(|port| port.name.clone())
            .collect()
    }

    fn apply(&mut self, step: Step, now: Instant, effects: &mut Vec<Effect>) {
        let revision = step.to_revision;
        if step.unknown_count > 0 {
            let count = step.unknown_count;
            tracing::warn!(
                revision,
                count,
                "left out objects of kinds that a newer northd knows"
            );
        }
        let before = self.objects.tables().clone();
        match self.objects.apply(step) {
            Ok(overruled) => {
                for key in &overruled {
                    self.learning.reconcile(key, self.objects.tables());
                }
                self.publish(before.ended(self.objects.tables()), effects);
                self.unacknowledged = Some(Unacknowledged {
                    revision,
                    epoch: self.epoch,
                });
                effects.push(Effect::SaveObjects);
                self.rebind(effects);
                self.configure_probes(now);
            }
            Err(error) => {
                let reason = error.to_string();
                tracing::error!(revision, reason, "refused a revision of northd");
                self.send(Up::Nack(wire::Nack { revision, reason }), effects);
            }
        }
    }

    fn rebind(&mut self, effects: &mut Vec<Effect>) {
        let tables = self.objects.tables();
        for message in self.ports.tables_changed(tables, self.epoch, effects) {
            self.send(message, effects);
        }
    }

    fn configure_probes(&mut self, now: Instant) {
        let tables = self.objects.tables();
        self.probing.configure(self.objects.probes(), tables, now);
    }

    fn learn(&mut self, learned: &[Learn], now: Instant, effects: &mut Vec<Effect>) {
        let learned = self.learning.learn(learned, now);
        if self.objects.learn(&learned) {
            self.publish(Vec::new(), effects);
        }
    }

    fn publish(&mut self, ended: Vec<Ended>, effects: &mut Vec<Effect>) {
        self.epoch += 1;
        effects.push(Effect::Publish {
            epoch: self.epoch,
            tables: self.objects.tables().clone(),
            ended,
        });
    }

    /// Does all that time or the event before made due.
    fn advance(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let mut wanted = Vec::new();
        self.session.tick(now, &mut wanted);
        self.session_effects(wanted, now, effects);
        let northd = Northd {
            is_connected: self.session.is_established(),
            last_error: self.session.last_error(),
            address: self.session.address(),
        };
        let messages = self.ports.tick(self.objects.tables(), northd, now, effects);
        for message in messages {
            self.send(message, effects);
        }
        self.expire(now, effects);
        effects.extend(self.probing.advance(now).into_iter().map(Effect::Probe));
        if self.session.is_established() {
            for report in self.learning.reports(now) {
                self.send(Up::Learned(report), effects);
            }
            if let Some(health) = self.probing.report_due(now) {
                self.send(Up::Health(health), effects);
            }
            for claim in self.ports.claims_due(now) {
                self.send(claim, effects);
            }
        }
    }

    fn ages(&self) -> Ages {
        let global = self.objects.tables().global();
        Ages {
            station_s: global.fdb_age_s,
            neighbor_s: global.neighbor_age_s,
        }
    }

    fn expire(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let ages = self.ages();
        let objects = &self.objects;
        let is_own = |key: &LearnedKey| objects.is_own(key);
        let expired = self.learning.expire(ages, is_own, now);
        let mut is_changed = false;
        for key in &expired {
            is_changed |= self.objects.forget(key);
        }
        if is_changed {
            self.publish(Vec::new(), effects);
        }
    }

    fn tell_up(&mut self, effects: &mut Vec<Effect>) {
        let up = self.ports.up(self.objects.tables());
        if up != self.up {
            self.up = up;
            self.send_up(effects);
        }
    }

    fn send_up(&mut self, effects: &mut Vec<Effect>) {
        let ports = self.up.iter().cloned().collect();
        self.send(Up::PortsUp(wire::PortsUp { ports }), effects);
    }

    /// Acknowledges the revision whose snapshot all workers have adopted and whose ports are up.
    fn acknowledge(&mut self, effects: &mut Vec<Effect>) {
        let Some(Unacknowledged { revision, epoch }) = self.unacknowledged else {
            return;
        };
        if self.adopted_epoch < epoch || !self.ports.is_settled() {
            return;
        }
        self.unacknowledged = None;
        self.revision_in_force = revision;
        self.send(Up::Ack(wire::Ack { revision }), effects);
    }

    /// Repeats the Ack of the revision that the node is on, unless it is still to come.
    fn acknowledge_again(&mut self, effects: &mut Vec<Effect>) {
        if self.unacknowledged.is_none() {
            let revision = self.revision_in_force;
            self.send(Up::Ack(wire::Ack { revision }), effects);
        }
    }

    fn send(&mut self, message: Up, effects: &mut Vec<Effect>) {
        let mut wanted = Vec::new();
        self.session.send(message, &mut wanted);
        effects.extend(wanted.into_iter().map(Effect::Stream));
    }
}
