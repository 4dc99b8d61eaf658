//! An agent that is told things, and what it says and does then.

use std::time::{Duration, Instant};

use pipeline::object::{
    Attachment as Plug, Datapath, DatapathKey, DatapathKind, Global, Object, Port, PortKey,
    PortKind, PortRef, Switch, SwitchPort,
};
use southbound_proto::convert::encode_object;
use southbound_proto::southbound as wire;
use vswitch::agent::session::{Effect as Link, Event as Happening, Identity, Status};
use vswitch::agent::{Agent, AttachRequest, Attachment, Effect, Event, Objects};
use wire::from_node::Message as Up;
use wire::to_node::Message as Down;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

/// An agent, the other end of its stream, and interfaces that are there at once.
pub(crate) struct Story {
    pub(crate) agent: Agent,
    pub(crate) now: Instant,
    pub(crate) stream: u64,
    pub(crate) numbered: u64,
    /// Where it last connected to.
    pub(crate) address: String,
    pub(crate) sent: Vec<Up>,
    pub(crate) epoch: u64,
    /// The data path and the interfaces, as events to come.
    pub(crate) done: Vec<Event>,
    /// The MTUs that interfaces were configured with.
    pub(crate) mtus: Vec<u32>,
    /// The callers that were answered, each with the MTU of what it got.
    pub(crate) answered: Vec<Result<Option<u32>, String>>,
    /// The ports that were probed.
    pub(crate) probed: Vec<PortRef>,
}

impl Story {
    pub(crate) fn begin() -> Self {
        let now = Instant::now();
        let identity = Identity {
            addresses: vec!["first:1".to_owned(), "second:2".to_owned()],
            hello: wire::Hello {
                chassis: "node1".to_owned(),
                ..wire::Hello::default()
            },
            seed: 7,
        };
        let objects = Objects::new("node1".into());
        let (agent, effects) = Agent::new(identity, objects, Vec::new(), 1442, now);
        let mut story = Self {
            agent,
            now,
            stream: 0,
            numbered: 0,
            address: String::new(),
            sent: Vec::new(),
            epoch: 0,
            done: Vec::new(),
            mtus: Vec::new(),
            answered: Vec::new(),
            probed: Vec::new(),
        };
        story.perform(effects);
        story
    }

    /// A session that northd has welcomed; what was said until then is forgotten.
    pub(crate) fn welcomed() -> Self {
        let mut story = Self::begin();
        story.open();
        story.told(welcome(1));
        story.sent.clear();
        story
    }

    pub(crate) fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Stream(Link::Connect { stream, address }) => {
                    self.stream = stream;
                    self.address = address;
                }
                Effect::Stream(Link::Send { message, .. }) => {
                    self.sent
                        .push(message.message.expect("agents say something"));
                }
                Effect::Publish { epoch, .. } => self.epoch = epoch,
                Effect::Probe(frame) => self.probed.push(frame.at),
                Effect::OpenInterface {
                    serial, attachment, ..
                } => self.done.push(Event::InterfaceOpened {
                    port: attachment.port,
                    serial,
                    result: Ok(()),
                }),
                Effect::Install {
                    serial,
                    attachment,
                    plan,
                    ..
                } => {
                    self.mtus.push(plan.mtu);
                    self.done.push(Event::Installed {
                        port: attachment.port,
                        serial,
                        result: Ok(()),
                    });
                }
                Effect::Answer { result, .. } => {
                    let result = result.map(|plan| plan.map(|plan| plan.mtu));
                    self.answered
                        .push(result.map_err(|refusal| refusal.to_string()));
                }
                _ => {}
            }
        }
    }

    pub(crate) fn happens(&mut self, event: Event) {
        let effects = self.agent.handle(event, self.now);
        self.perform(effects);
    }

    /// Everything that was begun is done.
    pub(crate) fn catches_up(&mut self) {
        while !self.done.is_empty() {
            for event in std::mem::take(&mut self.done) {
                self.happens(event);
            }
        }
    }

    pub(crate) fn attaches(&mut self, port: &str) {
        self.attaches_as(port, false);
    }

    pub(crate) fn attaches_as(&mut self, port: &str, bare: bool) {
        let attachment = Attachment {
            port: port.to_owned(),
            netns: "/run/netns/pod".to_owned(),
            interface: "eth0".to_owned(),
            bare,
            configured: None,
        };
        self.happens(Event::Attach {
            waiter: 1,
            request: AttachRequest {
                attachment,
                may_exist: false,
            },
            deadline: None,
        });
        self.catches_up();
    }

    /// The interface that stands behind this port is destroyed.
    pub(crate) fn loses(&mut self, at: PortRef) {
        self.happens(Event::DeviceLost { at });
        self.catches_up();
    }

    pub(crate) fn on_stream(&mut self, event: Happening) {
        let stream = self.stream;
        self.happens(Event::Stream { stream, event });
    }

    pub(crate) fn passes(&mut self, time: Duration) {
        self.now += time;
        self.happens(Event::Tick);
    }

    pub(crate) fn open(&mut self) {
        self.passes(Duration::ZERO);
        self.numbered = 0;
        self.on_stream(Happening::Opened);
    }

    pub(crate) fn told(&mut self, message: Down) {
        self.numbered += 1;
        self.told_as(self.numbered, message);
    }

    pub(crate) fn told_as(&mut self, sequence: u64, message: Down) {
        let message = Some(message);
        self.on_stream(Happening::Received(wire::ToNode { sequence, message }));
    }

    pub(crate) fn adopted(&mut self) {
        let epoch = self.epoch;
        self.happens(Event::Adopted { epoch });
    }

    pub(crate) fn status(&self) -> Status {
        self.agent.session().status()
    }

    /// The kinds of what was sent since the last look, one word each.
    pub(crate) fn said(&mut self) -> String {
        let kinds = self.sent.drain(..).map(|message| match message {
            Up::Hello(_) => "hello".to_owned(),
            Up::Inventory(inventory) => format!("inventory@{}", inventory.revision),
            Up::Ack(ack) => format!("ack@{}", ack.revision),
            Up::Nack(nack) => format!("nack@{}", nack.revision),
            Up::Resync(resync) => format!("resync@{}", resync.have_revision),
            Up::PortsUp(_) => "ports-up".to_owned(),
            Up::Health(health) => format!("health{:?}", statuses(&health)),
            Up::Heartbeat(_) => "heartbeat".to_owned(),
            other => format!("{other:?}"),
        });
        kinds.collect::<Vec<_>>().join(" ")
    }
}

pub(crate) fn statuses(health: &wire::Health) -> Vec<wire::ProbeStatus> {
    health
        .probes
        .iter()
        .map(wire::ProbeHealth::status)
        .collect()
}

pub(crate) fn welcome(protocol_version: u32) -> Down {
    Down::Welcome(wire::Welcome {
        protocol_version,
        timeout_ms: TIMEOUT.as_millis() as u32,
        ..wire::Welcome::default()
    })
}

pub(crate) fn delta(from: u64, to: u64) -> Down {
    let global = Object::Global(Global {
        nb_cfg: to as i64,
        ..Global::default()
    });
    Down::Delta(wire::Delta {
        from_revision: from,
        to_revision: to,
        complete: true,
        upserts: vec![encode_object(&global)],
        ..wire::Delta::default()
    })
}

/// A switch with one port, which this is.
pub(crate) fn switch_with(name: &str, attachment: Plug) -> Vec<Object> {
    let key = DatapathKey::new(1).expect("a key");
    let datapath = Datapath {
        key,
        uuid: uuid::Uuid::from_u128(1),
        name: "switch".to_owned(),
        kind: DatapathKind::Switch(Switch::default()),
    };
    let port = Port {
        at: PortRef {
            datapath: key,
            port: PortKey::new(1).expect("a key"),
        },
        uuid: uuid::Uuid::from_u128(2),
        name: name.to_owned(),
        enabled: true,
        kind: PortKind::Switch(SwitchPort {
            attachment,
            addresses: Vec::new(),
            has_unknown: true,
            port_security: Vec::new(),
            requested_chassis: None,
            max_rate: None,
            min_rate: None,
            chassis: None,
        }),
    };
    vec![Object::Datapath(datapath), Object::Port(port)]
}

pub(crate) fn delta_of(from: u64, to: u64, objects: &[Object]) -> Down {
    let Down::Delta(mut delta) = delta(from, to) else {
        unreachable!()
    };
    delta.upserts.extend(objects.iter().map(encode_object));
    Down::Delta(delta)
}
