//! What nodes ask and tell: who they are, which ports they claim, what they have found out.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipeline::object::{Attachment, ChassisName, Object, ObjectKey, PortKind};
use southbound_proto::convert::{Hello, ProbeHealth};
use southbound_proto::southbound as wire;

use super::bindings::{self, Refusal};
use super::{Control, LOCALPORTS_PER_NODE_MAX, Now, StreamId, events, health, nodes};
use crate::session::{Effect, Session};

impl Control {
    /// Does what a message of a node made necessary.
    pub(super) fn handle(&mut self, stream: StreamId, effect: Effect, now: Now) {
        let Some(node) = self.sessions.get(&stream).and_then(Session::node).cloned() else {
            return;
        };
        match effect {
            Effect::Registered(hello) => self.register(stream, &hello, now),
            Effect::Listed => self.begin(stream, &node),
            Effect::Claim(claim) => self.claim(stream, &node, claim),
            Effect::Release(release) => {
                self.release(&node, &release.port);
                let result = wire::ClaimResult {
                    request: release.request,
                    port: release.port,
                    ..wire::ClaimResult::default()
                };
                self.answer(stream, result);
            }
            Effect::PortsUp(ports) => {
                let operations = bindings::ports_up(self.queue.database(), &node, &ports);
                self.queue.push(operations);
            }
            Effect::Learned(neighbors, stations) => {
                let (database, ages) = (self.queue.database(), self.ages());
                let operations =
                    self.counts
                        .merge(database, &neighbors, &stations, ages, now.unix_ms);
                self.queue.push(operations);
            }
            Effect::Counted(counts) => Arc::make_mut(&mut self.tallies).take(&node, counts),
            Effect::Unserved(vips) => {
                let seen = (&*node, now.unix_ms);
                let objects = self.compiler.objects();
                let operations = events::record(self.queue.database(), objects, seen, &vips);
                self.queue.push(operations);
            }
            Effect::Nacked(reason) => self.nodes.nacked(&node, reason),
            Effect::Health(probes) => {
                let is_own = |probe: &&ProbeHealth| {
                    let key = ObjectKey::Probe(probe.key.clone());
                    self.world.object_for(&node, &key).is_some()
                };
                let probes = probes.iter().filter(is_own);
                let operations = health::record(self.queue.database(), probes);
                self.queue.push(operations);
            }
            Effect::Acked | Effect::Send(_) | Effect::Close(_) => {}
        }
    }

    fn register(&mut self, stream: StreamId, hello: &Hello, now: Now) {
        match nodes::record(self.queue.database(), hello) {
            Ok(operations) => self.queue.push(operations),
            Err(reason) => return self.refuse(stream, reason),
        };
        let node = &hello.chassis.name;
        Arc::make_mut(&mut self.tallies).greet(node, &hello.instance);
        // It says anew what it has interfaces for.
        self.waiting.forget_all(node);
        let bound = bindings::names_bound_to(self.queue.database(), node);
        if let Some(old) = self.nodes.registered(stream, node, bound, now) {
            self.close(old, "the node opened another stream");
        }
    }

    /// Lets a node have its first step. A northd that was started since does not know the localports that the
    /// node has interfaces for: until it has claimed them, those that it holds count.
    fn begin(&mut self, stream: StreamId, node: &ChassisName) {
        let held = self.sessions.get(&stream).map(Session::held);
        let held = held.into_iter().flatten();
        let objects = held.filter_map(|key| self.compiler.objects().get(key));
        let localports = objects.filter_map(|object| localport(object)).collect();
        for port in self.nodes.presume(node, localports) {
            self.set_interest(node, &port, true);
        }
        self.with_session(stream, Session::begin);
    }

    fn claim(&mut self, stream: StreamId, node: &ChassisName, claim: wire::Claim) {
        let granted = self.grant(node, &claim.port, claim.fresh);
        match (&granted, claim.fresh) {
            // What is refused to somebody who wants to attach it, the node gives up.
            (Ok(()), _) | (Err(_), true) => self.waiting.forget(&claim.port, node),
            (Err(_), false) => self.waiting.note(&claim.port, node),
        }
        if granted.is_err() {
            self.nodes.released(node, &claim.port);
            self.set_interest(node, &claim.port, false);
        }
        let result = wire::ClaimResult {
            request: claim.request,
            port: claim.port,
            refusal: granted.map_or_else(|refusal| refusal.to_string(), |()| String::new()),
        };
        self.answer(stream, result);
    }

    /// Lets nodes have the ports that they waited for, as far as what changed makes that possible.
    pub(super) fn grant_waiting(&mut self) {
        let changes = self.queue.database().changes_since(&self.compiled);
        for (port, node) in self.waiting.concerned(&changes) {
            if self.grant(&node, &port, false).is_ok() {
                self.waiting.forget(&port, &node);
            }
        }
    }

    fn grant(&mut self, node: &ChassisName, port: &str, fresh: bool) -> Result<(), Refusal> {
        let database = self.queue.database();
        let is_localport = bindings::is_localport(database, port);
        let operations = bindings::claim(database, node, port, fresh)?;
        if is_localport && !self.nodes.has_room_for(node, port) {
            let port = port.to_owned();
            return Err(Refusal::TooManyLocalports(port, LOCALPORTS_PER_NODE_MAX));
        }
        self.queue.push(operations);
        self.nodes.claimed(node, port, is_localport);
        self.set_interest(node, port, is_localport);
        Ok(())
    }

    /// A node has a port no more.
    pub(super) fn release(&mut self, node: &ChassisName, port: &str) {
        let operations = bindings::release(self.queue.database(), node, port);
        self.queue.push(operations);
        self.nodes.released(node, port);
        self.waiting.forget(port, node);
        self.set_interest(node, port, false);
    }

    /// Notes whether a node has an interface for a localport.
    pub(super) fn set_interest(&mut self, node: &ChassisName, port: &str, is_interested: bool) {
        let marks = self.world.set_interest(node, port, is_interested);
        self.mark(&BTreeMap::new(), &marks);
    }

    fn answer(&mut self, stream: StreamId, result: wire::ClaimResult) {
        self.with_session(stream, |session, _, effects| {
            session.answer(result, effects);
        });
    }

    fn refuse(&mut self, stream: StreamId, reason: String) {
        self.with_session(stream, |session, _, effects| {
            if let Err(reason) = session.refuse(reason, effects) {
                session.close(reason, effects);
            }
        });
    }
}

/// The name of a localport; `None` for all other objects.
fn localport(object: &Object) -> Option<String> {
    match object {
        Object::Port(port) => match &port.kind {
            PortKind::Switch(kind) if kind.attachment == Attachment::Localport => {
                Some(port.name.clone())
            }
            _ => None,
        },
        _ => None,
    }
}
