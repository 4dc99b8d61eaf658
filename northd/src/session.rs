//! The northern end of a southbound stream, without I/O: (message or change, now) in, effects out.
//!
//! ```text
//! Hello ──► Welcome │ Inventory... complete ──► Delta ──► Ack ──► Delta ──► ...
//!            or Refused                           ▲ one at a time │
//!                                                 └── what changed meanwhile ──┘
//! ```
//!
//! A session remembers what its node holds and which keys may differ from that. While a Delta is on its way,
//! changes only mark keys; the next Delta is worked out when the node has answered. So a slow node gets
//! fewer and larger steps, and what is kept for it is bounded by the number of objects.

mod chunk;
mod holdings;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pipeline::object::{ChassisName, ObjectKey, VipKey};
use southbound_proto::convert::{Hello, LearnedNeighbor, LearnedStation, ProbeHealth, RuleCount};
use southbound_proto::numbering::{Arrival, Numbering, Order};
use southbound_proto::southbound as wire;
use southbound_proto::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, WireError};
use wire::from_node::Message as Up;
use wire::to_node::Message as Down;

use crate::world::World;
pub use chunk::CHUNK_BYTES_MAX;
use holdings::Holdings;

/// Heartbeats sent within one timeout.
const HEARTBEATS_PER_TIMEOUT: u32 = 3;

/// The most objects that a node may say it holds.
pub const INVENTORY_OBJECTS_MAX: usize = 4_000_000;

/// What every session of a northd says of it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Tells one database from another.
    pub epoch: String,
    /// How long either end may be silent before the other takes it for lost.
    pub timeout: Duration,
    /// This northd's software, for people.
    pub software_version: String,
    /// What this northd can do beyond the protocol's base.
    pub capabilities: BTreeSet<String>,
}

/// What a session wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send a message on the stream.
    Send(wire::ToNode),
    /// End the stream after what was sent, for this reason.
    Close(String),
    /// The node introduced itself.
    Registered(Hello),
    /// The node has said what it holds. [`Session::begin`] is due.
    Listed,
    /// The node asks to bind a port.
    Claim(wire::Claim),
    /// The node gives a port up.
    Release(wire::Release),
    /// The ports that are wholly in force on the node.
    PortsUp(BTreeSet<String>),
    /// The node learned something.
    Learned(Vec<LearnedNeighbor>, Vec<LearnedStation>),
    /// How all backends fare that the node probes, as far as it knows.
    Health(Vec<ProbeHealth>),
    /// Clients on the node found no backend for these VIPs.
    Unserved(Vec<VipKey>),
    /// What rules have come to on the node.
    Counted(Vec<RuleCount>),
    /// The node has a step in force.
    Acked,
    /// The node could not apply a step, for this reason.
    Nacked(String),
}

/// One stream's state.
#[derive(Debug)]
pub struct Session {
    identity: Identity,
    sent: Numbering,
    received: Order,
    heartbeats: u64,
    heartbeat_at: Instant,
    lost_at: Instant,
    node: Option<ChassisName>,
    holdings: Holdings,
    is_over: bool,
}

impl Session {
    /// A session of a stream that was just opened.
    pub fn new(identity: Identity, now: Instant) -> Self {
        Self {
            sent: Numbering::default(),
            received: Order::default(),
            heartbeats: 0,
            heartbeat_at: now + identity.timeout / HEARTBEATS_PER_TIMEOUT,
            lost_at: now + identity.timeout,
            node: None,
            holdings: Holdings::default(),
            is_over: false,
            identity,
        }
    }

    /// The node at the other end, once it introduced itself.
    pub fn node(&self) -> Option<&ChassisName> {
        self.node.as_ref()
    }

    /// The `nb_cfg` up to which everything is in force on the node.
    pub fn nb_cfg_in_force(&self) -> i64 {
        self.holdings.nb_cfg_in_force
    }

    /// The last revision that the node acknowledged, or said it was on.
    pub fn revision(&self) -> u64 {
        self.holdings.revision
    }

    /// The number of objects that the node holds.
    pub fn object_count(&self) -> usize {
        self.holdings.len()
    }

    /// When [`Session::tick`] has something to do next.
    pub fn deadline(&self) -> Instant {
        self.heartbeat_at.min(self.lost_at)
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.is_over {
            return;
        }
        if now >= self.lost_at {
            let reason = format!("the node was silent for {:?}", self.identity.timeout);
            return self.close(reason, effects);
        }
        if now >= self.heartbeat_at {
            self.heartbeats += 1;
            self.heartbeat_at = now + self.identity.timeout / HEARTBEATS_PER_TIMEOUT;
            let sequence = self.heartbeats;
            self.send(Down::Heartbeat(wire::Heartbeat { sequence }), effects);
        }
    }

    /// Takes a message of the node.
    pub fn receive(
        &mut self,
        message: wire::FromNode,
        world: &World,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if self.is_over {
            return;
        }
        match self.received.check(message.sequence) {
            Arrival::Duplicate => return,
            Arrival::Gap => return self.close("messages of the node were lost".into(), effects),
            Arrival::InOrder => self.lost_at = now + self.identity.timeout,
        }
        let outcome = match (message.message, &self.node) {
            (Some(Up::Hello(hello)), None) => self.greet(&hello, effects),
            (Some(Up::Hello(_)), Some(_)) => Err("the node said Hello twice".to_owned()),
            (Some(_), None) => Err("the node spoke before Hello".to_owned()),
            (Some(message), Some(_)) => self.take(message, effects),
            (None, _) => Ok(()),
        };
        match outcome {
            Ok(()) => self.pump(world, effects),
            Err(reason) => self.close(reason, effects),
        }
    }

    /// The objects that the node said it holds.
    pub fn held(&self) -> impl Iterator<Item = &ObjectKey> {
        self.holdings.keys()
    }

    /// Sends the first step after an inventory: the difference to what the node needs.
    pub fn begin(&mut self, world: &World, effects: &mut Vec<Effect>) {
        self.holdings.begin();
        self.pump(world, effects);
    }

    /// Notes that these objects may differ from what the node holds, and sends what does if it can be sent.
    pub fn mark<'a>(
        &mut self,
        keys: impl IntoIterator<Item = &'a ObjectKey>,
        world: &World,
        effects: &mut Vec<Effect>,
    ) {
        let Some(node) = &self.node else { return };
        self.holdings.mark(keys, node, world);
        self.pump(world, effects);
    }

    /// Answers a claim or a release. An empty refusal grants it.
    pub fn answer(&mut self, result: wire::ClaimResult, effects: &mut Vec<Effect>) {
        self.send(Down::ClaimResult(result), effects);
    }

    /// Ends the session, for this reason.
    pub fn close(&mut self, reason: String, effects: &mut Vec<Effect>) {
        self.is_over = true;
        effects.push(Effect::Close(reason));
    }

    fn greet(&mut self, hello: &wire::Hello, effects: &mut Vec<Effect>) -> Result<(), String> {
        let hello = Hello::try_from(hello).map_err(|error| format!("hello.{error}"))?;
        let version = hello.protocol_version.min(PROTOCOL_VERSION);
        if version < OLDEST_PROTOCOL_VERSION {
            let reason = format!(
                "the node speaks protocol version {}, this northd {OLDEST_PROTOCOL_VERSION} to \
                 {PROTOCOL_VERSION}",
                hello.protocol_version
            );
            return self.refuse(reason, effects);
        }
        let capabilities = self.identity.capabilities.intersection(&hello.capabilities);
        let welcome = wire::Welcome {
            protocol_version: version,
            capabilities: capabilities.cloned().collect(),
            epoch: self.identity.epoch.clone(),
            timeout_ms: u32::try_from(self.identity.timeout.as_millis()).unwrap_or(u32::MAX),
            software_version: self.identity.software_version.clone(),
        };
        self.node = Some(hello.chassis.name.clone());
        self.send(Down::Welcome(welcome), effects);
        effects.push(Effect::Registered(hello));
        Ok(())
    }

    /// Says that the node is not welcome, and ends the session.
    pub fn refuse(&mut self, reason: String, effects: &mut Vec<Effect>) -> Result<(), String> {
        let refused = wire::Refused {
            reason: reason.clone(),
        };
        self.send(Down::Refused(refused), effects);
        Err(reason)
    }

    fn take(&mut self, message: Up, effects: &mut Vec<Effect>) -> Result<(), String> {
        match message {
            Up::Hello(_) | Up::Heartbeat(_) => {}
            Up::Inventory(inventory) => {
                self.holdings.take_inventory(&inventory)?;
                if inventory.complete {
                    effects.push(Effect::Listed);
                }
            }
            Up::Resync(_) => self.holdings.forget(),
            Up::Ack(ack) => {
                self.holdings.acked(ack.revision);
                effects.push(Effect::Acked);
            }
            Up::Nack(nack) => {
                self.holdings.nacked(nack.revision);
                effects.push(Effect::Nacked(nack.reason));
            }
            Up::Claim(claim) => effects.push(Effect::Claim(claim)),
            Up::Release(release) => effects.push(Effect::Release(release)),
            Up::PortsUp(ports) => effects.push(Effect::PortsUp(ports.ports.into_iter().collect())),
            Up::Learned(learned) => effects.push(learned_effect(&learned)?),
            Up::Health(health) => effects.push(health_effect(&health)?),
            Up::Unserved(unserved) => effects.push(unserved_effect(&unserved)?),
            Up::Counts(counts) => effects.push(counts_effect(&counts)?),
        }
        Ok(())
    }

    /// Sends the next step, unless one is on its way or there is none.
    fn pump(&mut self, world: &World, effects: &mut Vec<Effect>) {
        let Some(node) = &self.node else { return };
        let Some(step) = self.holdings.next_step(node, world) else {
            return;
        };
        for delta in chunk::chunks(step) {
            self.send(Down::Delta(delta), effects);
        }
    }

    fn send(&mut self, message: Down, effects: &mut Vec<Effect>) {
        effects.push(Effect::Send(wire::ToNode {
            sequence: self.sent.number(),
            message: Some(message),
        }));
    }
}

fn health_effect(health: &wire::Health) -> Result<Effect, String> {
    let probes = health.probes.iter().map(ProbeHealth::try_from);
    let refused = |error: WireError| format!("health.{error}");
    Ok(Effect::Health(
        probes.collect::<Result<_, _>>().map_err(refused)?,
    ))
}

fn unserved_effect(unserved: &wire::Unserved) -> Result<Effect, String> {
    let vips = unserved.vips.iter().map(VipKey::try_from);
    let refused = |error: WireError| format!("unserved.{error}");
    Ok(Effect::Unserved(
        vips.collect::<Result<_, _>>().map_err(refused)?,
    ))
}

fn counts_effect(counts: &wire::Counts) -> Result<Effect, String> {
    let counts = counts.counts.iter().map(RuleCount::try_from);
    let refused = |error: WireError| format!("counts.{error}");
    Ok(Effect::Counted(
        counts.collect::<Result<_, _>>().map_err(refused)?,
    ))
}

fn learned_effect(learned: &wire::Learned) -> Result<Effect, String> {
    let refused = |error: WireError| format!("learned.{error}");
    let neighbors = learned.neighbors.iter().map(LearnedNeighbor::try_from);
    let stations = learned.stations.iter().map(LearnedStation::try_from);
    Ok(Effect::Learned(
        neighbors.collect::<Result<_, _>>().map_err(refused)?,
        stations.collect::<Result<_, _>>().map_err(refused)?,
    ))
}
