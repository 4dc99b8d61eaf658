//! A node in the simulation: a real agent, with a disk, interfaces and workers that are made up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use pipeline::object::PortRef;
use southbound_proto::southbound as wire;
use vswitch::agent::session::{self, Identity};
use vswitch::agent::{Agent, AttachRequest, Attachment, Effect, Event, Objects, OpenMode, Refusal};
use vswitch::agent::{RefusalKind, Saved};

use crate::random::Random;

/// A node, alive or between two lives.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) agent: Agent,
    /// What it wants sent, and streams it wants opened and closed, in order.
    pub(crate) wishes: VecDeque<Wish>,
    /// What will happen to it, and when.
    pub(crate) soon: Vec<(Instant, Event)>,
    pub(crate) plugged: BTreeMap<String, PortRef>,
    disk: Disk,
    lives: u64,
    waiters: u64,
}

/// What survives a crash: files, and TAP devices in their namespaces.
#[derive(Default)]
struct Disk {
    objects: Saved,
    attachments: Vec<Attachment>,
    interfaces: BTreeSet<String>,
}

/// What a node wants of the network. Streams carry the number of the life that opened them.
pub(crate) enum Wish {
    Connect(u64, u64),
    Send(u64, u64, wire::FromNode),
    Close(u64, u64),
}

impl Node {
    pub(crate) fn new(name: &str, now: Instant) -> Self {
        let objects = Objects::new(name.into());
        let (agent, _) = Agent::new(identity(name, 0), objects, Vec::new(), 1442, now);
        let mut node = Self {
            name: name.to_owned(),
            agent,
            wishes: VecDeque::new(),
            soon: Vec::new(),
            plugged: BTreeMap::new(),
            disk: Disk::default(),
            lives: 0,
            waiters: 0,
        };
        node.restart(now);
        node
    }

    /// Kills the node and starts another on what it left. Returns the number of the new life.
    pub(crate) fn restart(&mut self, now: Instant) -> u64 {
        self.lives += 1;
        self.soon.clear();
        self.wishes.clear();
        self.plugged.clear();
        let objects = Objects::restore(self.name.as_str().into(), self.disk.objects.clone());
        let objects = objects.expect("what was applied once makes tables again");
        let identity = identity(&self.name, self.lives);
        let attachments = self.disk.attachments.clone();
        let (agent, effects) = Agent::new(identity, objects, attachments, 1442, now);
        self.agent = agent;
        // A crash loses nothing that an effect of this start would repeat.
        self.perform(effects, now, &mut Random::new(self.lives));
        self.lives
    }

    pub(crate) fn life(&self) -> u64 {
        self.lives
    }

    pub(crate) fn handle(&mut self, event: Event, now: Instant, random: &mut Random) {
        let effects = self.agent.handle(event, now);
        self.perform(effects, now, random);
    }

    pub(crate) fn attach(&mut self, port: &str, now: Instant, random: &mut Random) {
        self.waiters += 1;
        let attachment = Attachment {
            port: port.to_owned(),
            netns: format!("/run/netns/{port}"),
            interface: "eth0".to_owned(),
            bare: false,
            configured: None,
        };
        let event = Event::Attach {
            waiter: self.waiters,
            request: AttachRequest {
                attachment,
                may_exist: true,
            },
            deadline: None,
        };
        self.handle(event, now, random);
    }

    pub(crate) fn detach(&mut self, port: &str, now: Instant, random: &mut Random) {
        self.waiters += 1;
        let event = Event::Detach {
            waiter: self.waiters,
            port: port.to_owned(),
            if_exists: true,
        };
        self.handle(event, now, random);
    }

    fn perform(&mut self, effects: Vec<Effect>, now: Instant, random: &mut Random) {
        for effect in effects {
            let later = now + random.time(5);
            match effect {
                Effect::Stream(effect) => self.wish(effect),
                Effect::Publish { epoch, .. } => self.soon.push((later, Event::Adopted { epoch })),
                // A crash may come before the file is written.
                Effect::SaveObjects if random.once_in(4) => {}
                Effect::SaveObjects => self.disk.objects = self.agent.objects().saved(),
                Effect::SaveAttachments(attachments) => self.disk.attachments = attachments,
                Effect::OpenInterface {
                    serial,
                    attachment,
                    mode,
                } => {
                    let event = self.open(serial, attachment, mode);
                    self.soon.push((later, event));
                }
                Effect::Install {
                    serial,
                    attachment,
                    at,
                    ..
                } => {
                    let port = attachment.port;
                    self.plugged.insert(port.clone(), at);
                    let result = Ok(());
                    let installed = Event::Installed {
                        port,
                        serial,
                        result,
                    };
                    self.soon.push((later, installed));
                }
                Effect::Unplug { port, .. } => {
                    self.plugged.remove(&port);
                }
                Effect::DeleteInterface { attachment, waiter } => {
                    self.disk.interfaces.remove(&attachment.port);
                    let deleted = waiter.map(|waiter| Event::InterfaceDeleted { waiter });
                    self.soon.extend(deleted.map(|event| (later, event)));
                }
                Effect::Answer { .. } | Effect::Probe(_) => {}
            }
        }
    }

    fn wish(&mut self, effect: session::Effect) {
        let life = self.lives;
        self.wishes.push_back(match effect {
            session::Effect::Connect { stream, .. } => Wish::Connect(life, stream),
            session::Effect::Send { stream, message } => Wish::Send(life, stream, message),
            session::Effect::Close { stream } => Wish::Close(life, stream),
            other => panic!("the agent let {other:?} out"),
        });
    }

    fn open(&mut self, serial: u64, attachment: Attachment, mode: OpenMode) -> Event {
        let port = attachment.port;
        let is_there = self.disk.interfaces.contains(&port);
        let result = match (mode, is_there) {
            (OpenMode::Adopt, false) => Err(Refusal::new(RefusalKind::NotFound, "it is gone")),
            (OpenMode::Create, true) => Err(Refusal::new(RefusalKind::Exists, "it is there")),
            _ => Ok(()),
        };
        if result.is_ok() {
            self.disk.interfaces.insert(port.clone());
        }
        Event::InterfaceOpened {
            port,
            serial,
            result,
        }
    }
}

fn identity(name: &str, life: u64) -> Identity {
    Identity {
        addresses: vec!["northd:6642".to_owned()],
        hello: wire::Hello {
            protocol_version: southbound_proto::PROTOCOL_VERSION,
            chassis: name.to_owned(),
            encap_ip: vec![192, 0, 2, name.as_bytes()[name.len() - 1]].into(),
            encap_port: 6081,
            instance: format!("{name}/{life}"),
            ..wire::Hello::default()
        },
        seed: life,
    }
}
