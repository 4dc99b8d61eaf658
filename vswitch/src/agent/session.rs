//! The node's end of the southbound session, without I/O: (event, now) in, effects out.
//!
//! One stream at a time. A stream opens with Hello and the inventory; whatever goes wrong on it (silence,
//! a lost message, words that make no sense) ends it, and after a pause the next address is tried. What the
//! session says about the node's objects and ports comes from its owner, [`super::Agent`].

use std::time::{Duration, Instant};

use pipeline::object::ObjectKey;
use southbound_proto::numbering::{Arrival, Numbering, Order};
use southbound_proto::southbound as wire;
use southbound_proto::{OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION};
use wire::from_node::Message as Up;
use wire::to_node::Message as Down;

use super::assembly::{Assembly, Progress, Step};

/// How long opening a stream may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long northd may take to answer Hello.
pub const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after the first failed attempt; it doubles with each further one.
pub const BACK_OFF_MIN: Duration = Duration::from_millis(100);
/// The longest pause between two attempts.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(5);
/// The pause after northd refused this node.
pub const REFUSED_PAUSE: Duration = Duration::from_secs(30);
/// The most keys in one chunk of the inventory, far below gRPC's 4 MiB.
pub const INVENTORY_CHUNK_KEYS: usize = 2_000;
/// The timeouts that northd may ask for.
pub const TIMEOUT_RANGE: (Duration, Duration) =
    (Duration::from_millis(300), Duration::from_secs(600));
/// Heartbeats sent within one timeout.
const HEARTBEATS_PER_TIMEOUT: u32 = 3;

/// What a session needs to know of its node.
#[derive(Clone, Debug)]
pub struct Identity {
    /// northd's addresses (`host:port`), at least one.
    pub addresses: Vec<String>,
    /// What the node says of itself.
    pub hello: wire::Hello,
    /// Spreads the pauses of many nodes.
    pub seed: u64,
}

/// Something that happened to a stream. Events of a stream that was given up are ignored.
#[derive(Clone, Debug)]
pub enum Event {
    /// The stream is open.
    Opened,
    /// A message came.
    Received(wire::ToNode),
    /// The stream ended or could not be opened, for the reason given.
    Closed(String),
}

/// What the session wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Open a stream to this address, under this number; drop any other one.
    Connect {
        /// The stream's number.
        stream: u64,
        /// Where to.
        address: String,
    },
    /// Send a message on the stream.
    Send {
        /// The stream's number.
        stream: u64,
        /// The message.
        message: wire::FromNode,
    },
    /// Drop the stream.
    Close {
        /// The stream's number.
        stream: u64,
    },
    /// Say what the node holds: [`Session::send_inventory`], then claims and ports.
    Introduce,
    /// northd answered Hello.
    Established,
    /// northd is gone; it was there.
    Lost,
    /// A whole step came.
    Apply(Step),
    /// The step that the node is on came again: its Ack was lost.
    AckAgain,
    /// A claim or release was answered.
    ClaimAnswered(wire::ClaimResult),
}

/// What the session is doing, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Between two attempts, or in one.
    Connecting,
    /// northd answered Hello and is heard from.
    Connected,
    /// northd will not have this node.
    Refused(String),
}

#[derive(Debug)]
enum State {
    Waiting { until: Instant },
    Opening { deadline: Instant },
    Greeting { deadline: Instant, link: Link },
    Established { link: Link, lively: Lively },
}

/// The two directions of an open stream.
#[derive(Debug, Default)]
struct Link {
    sent: Numbering,
    received: Order,
}

#[derive(Debug)]
struct Lively {
    timeout: Duration,
    lost_at: Instant,
    heartbeat_at: Instant,
    heartbeats: u64,
}

/// The node's end of the southbound session.
#[derive(Debug)]
pub struct Session {
    identity: Identity,
    state: State,
    stream: u64,
    address_index: usize,
    /// Attempts that failed since the last Welcome.
    failures: u32,
    assembly: Assembly,
    refused: Option<String>,
    last_error: String,
    since: Instant,
    was_established: bool,
}

impl Session {
    /// A session that connects at its first tick.
    pub fn new(identity: Identity, now: Instant) -> Self {
        assert!(!identity.addresses.is_empty(), "a session has an address");
        Self {
            identity,
            state: State::Waiting { until: now },
            stream: 0,
            address_index: 0,
            failures: 0,
            assembly: Assembly::default(),
            refused: None,
            last_error: String::new(),
            since: now,
            was_established: false,
        }
    }

    /// When [`Session::tick`] has something to do next.
    pub fn deadline(&self) -> Instant {
        match &self.state {
            State::Waiting { until } => *until,
            State::Opening { deadline } | State::Greeting { deadline, .. } => *deadline,
            State::Established { lively, .. } => lively.lost_at.min(lively.heartbeat_at),
        }
    }

    /// What the session is doing.
    pub fn status(&self) -> Status {
        match (&self.state, &self.refused) {
            (State::Established { .. }, _) => Status::Connected,
            (_, Some(reason)) => Status::Refused(reason.clone()),
            _ => Status::Connecting,
        }
    }

    /// Since when the session is connected, or is not.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// True once northd answered Hello at least once.
    pub fn was_established(&self) -> bool {
        self.was_established
    }

    /// True while northd answered Hello and is heard from.
    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Established { .. })
    }

    /// Why the last stream ended. Empty when none did.
    pub fn last_error(&self) -> &str {
        &self.last_error
    }

    /// The address of the current or next stream.
    pub fn address(&self) -> &str {
        &self.identity.addresses[self.address_index]
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if now < self.deadline() {
            return;
        }
        match &mut self.state {
            State::Waiting { .. } => self.connect(now, effects),
            State::Opening { .. } => self.fail("no connection in time", now, effects),
            State::Greeting { .. } => self.fail("northd did not answer Hello", now, effects),
            State::Established { lively, .. } if now >= lively.lost_at => {
                let reason = format!("northd was silent for {:?}", lively.timeout);
                self.fail(&reason, now, effects);
            }
            State::Established { lively, .. } => {
                lively.heartbeats += 1;
                lively.heartbeat_at = now + lively.timeout / HEARTBEATS_PER_TIMEOUT;
                let sequence = lively.heartbeats;
                self.send(Up::Heartbeat(wire::Heartbeat { sequence }), effects);
            }
        }
    }

    /// Takes what happened to stream number `stream`, on a node that received all up to `current`.
    pub fn handle(
        &mut self,
        stream: u64,
        event: Event,
        current: u64,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if stream != self.stream || matches!(self.state, State::Waiting { .. }) {
            return;
        }
        match event {
            Event::Opened => self.greet(now, effects),
            Event::Closed(reason) => self.fail(&reason, now, effects),
            Event::Received(message) => self.receive(message, current, now, effects),
        }
    }

    /// Sends a message if a stream is open; what is not sent is said anew on the next stream.
    pub fn send(&mut self, message: Up, effects: &mut Vec<Effect>) {
        let (State::Greeting { link, .. } | State::Established { link, .. }) = &mut self.state
        else {
            return;
        };
        effects.push(Effect::Send {
            stream: self.stream,
            message: wire::FromNode {
                sequence: link.sent.number(),
                message: Some(message),
            },
        });
    }

    /// Sends the versions of all that the node holds, in chunks.
    pub fn send_inventory<'a>(
        &mut self,
        revision: u64,
        objects: impl Iterator<Item = (&'a ObjectKey, u64)>,
        effects: &mut Vec<Effect>,
    ) {
        let mut chunk = Vec::new();
        for (key, version) in objects {
            if chunk.len() == INVENTORY_CHUNK_KEYS {
                let objects = std::mem::take(&mut chunk);
                self.send(inventory(objects, false, revision), effects);
            }
            chunk.push(wire::ObjectVersion {
                key: Some(key.into()),
                version,
            });
        }
        self.send(inventory(chunk, true, revision), effects);
    }

    fn connect(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.stream += 1;
        self.state = State::Opening {
            deadline: now + CONNECT_TIMEOUT,
        };
        effects.push(Effect::Connect {
            stream: self.stream,
            address: self.address().to_owned(),
        });
    }

    fn greet(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.assembly = Assembly::default();
        self.state = State::Greeting {
            deadline: now + WELCOME_TIMEOUT,
            link: Link::default(),
        };
        self.send(Up::Hello(self.identity.hello.clone()), effects);
        effects.push(Effect::Introduce);
    }

    fn receive(
        &mut self,
        message: wire::ToNode,
        current: u64,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let link = match &mut self.state {
            State::Greeting { link, .. } => link,
            State::Established { link, lively } => {
                lively.lost_at = now + lively.timeout;
                link
            }
            State::Waiting { .. } | State::Opening { .. } => return,
        };
        match link.received.check(message.sequence) {
            Arrival::Duplicate => return,
            Arrival::Gap => return self.fail("messages of northd were lost", now, effects),
            Arrival::InOrder => {}
        }
        match message.message {
            Some(Down::Welcome(welcome)) => self.welcome(&welcome, now, effects),
            Some(Down::Refused(refused)) => self.refuse(refused.reason, now, effects),
            Some(_) if !self.is_established() => {
                self.fail("northd spoke before it answered Hello", now, effects);
            }
            Some(Down::Delta(chunk)) => self.delta(chunk, current, effects),
            Some(Down::ClaimResult(result)) => effects.push(Effect::ClaimAnswered(result)),
            Some(Down::Heartbeat(_)) => {}
            None => tracing::debug!("skipped a message of a kind that a newer northd knows"),
        }
    }

    fn welcome(&mut self, welcome: &wire::Welcome, now: Instant, effects: &mut Vec<Effect>) {
        let State::Greeting { link, .. } = &mut self.state else {
            return self.fail("northd answered Hello twice", now, effects);
        };
        let version = welcome.protocol_version;
        if !(OLDEST_PROTOCOL_VERSION..=PROTOCOL_VERSION).contains(&version) {
            let reason = format!(
                "northd speaks protocol version {version}, this vswitch \
                 {OLDEST_PROTOCOL_VERSION} to {PROTOCOL_VERSION}"
            );
            return self.refuse(reason, now, effects);
        }
        let (shortest, longest) = TIMEOUT_RANGE;
        let timeout = Duration::from_millis(welcome.timeout_ms.into()).clamp(shortest, longest);
        self.state = State::Established {
            link: std::mem::take(link),
            lively: Lively {
                timeout,
                lost_at: now + timeout,
                heartbeat_at: now + timeout / HEARTBEATS_PER_TIMEOUT,
                heartbeats: 0,
            },
        };
        self.refused = None;
        self.failures = 0;
        self.was_established = true;
        self.since = now;
        effects.push(Effect::Established);
    }

    fn refuse(&mut self, reason: String, now: Instant, effects: &mut Vec<Effect>) {
        if self.refused.as_ref() != Some(&reason) {
            tracing::warn!(northd = self.address(), reason, "refused by northd");
        }
        self.fail(&format!("refused: {reason}"), now, effects);
        self.refused = Some(reason);
        self.state = State::Waiting {
            until: now + REFUSED_PAUSE,
        };
    }

    fn delta(&mut self, chunk: wire::Delta, current: u64, effects: &mut Vec<Effect>) {
        match self.assembly.take(chunk, current) {
            Progress::Partial => {}
            Progress::Whole(step) => effects.push(Effect::Apply(step)),
            Progress::Repeated => effects.push(Effect::AckAgain),
            Progress::Gap => {
                let have_revision = current;
                self.send(Up::Resync(wire::Resync { have_revision }), effects);
                effects.push(Effect::Introduce);
            }
            Progress::Refused { revision, reason } => {
                tracing::error!(revision, reason, "refused a revision of northd");
                self.send(Up::Nack(wire::Nack { revision, reason }), effects);
            }
        }
    }

    /// Ends the stream and plans the next attempt, at the next address.
    fn fail(&mut self, reason: &str, now: Instant, effects: &mut Vec<Effect>) {
        let was_established = self.is_established();
        self.last_error = format!("{}: {reason}", self.address());
        effects.push(Effect::Close {
            stream: self.stream,
        });
        if was_established {
            // The northd that was there is the likeliest to answer, and soon.
            self.since = now;
            self.failures = 0;
            effects.push(Effect::Lost);
        } else {
            if self.failures == 0 && self.refused.is_none() {
                // Once: what fails again and again is said by `node show`.
                tracing::warn!(northd = self.address(), reason, "cannot connect to northd");
            }
            self.failures = self.failures.saturating_add(1);
            self.address_index = (self.address_index + 1) % self.identity.addresses.len();
        }
        self.state = State::Waiting {
            until: now + self.back_off(),
        };
    }

    /// The pause before the next attempt: doubled for each failed one, and up to a quarter longer so that
    /// nodes that lost the same northd do not come back as one.
    fn back_off(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        let pause = (BACK_OFF_MIN * (1 << doublings)).min(BACK_OFF_MAX);
        let mixed = (self.identity.seed ^ self.stream).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        pause + pause.mul_f64((mixed >> 40) as f64 / (1 << 24) as f64 / 4.0)
    }
}

fn inventory(objects: Vec<wire::ObjectVersion>, complete: bool, revision: u64) -> Up {
    Up::Inventory(wire::Inventory {
        objects,
        complete,
        revision,
    })
}
