//! A northd without I/O, a database in memory, and nodes that are maps of objects.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod actions;
mod policies;
pub(crate) mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use model::{Author, Database, Datum, Id, Operation, Table, nb, sb};
use northd::control::{Control, NODE_TIMEOUT, Now, Output, StreamId};
use northd::session::Identity;
use pipeline::object::{Object, ObjectKey};
use southbound_proto::convert::{Versioned, decode_object};
use southbound_proto::numbering::Numbering;
use southbound_proto::southbound as wire;
use wire::from_node::Message as Up;
use wire::to_node::Message as Down;

/// A northd with its database, in a time that only tests move.
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) control: Control,
    pub(crate) outputs: Vec<Output>,
    pub(crate) elapsed: Duration,
    start: Instant,
    last_stream: StreamId,
}

impl World {
    /// A northd on an empty database.
    pub(crate) fn new() -> Self {
        let global = nb::NbGlobal {
            id: Id::random(),
            ..nb::NbGlobal::default()
        };
        let empty = Database::northd();
        let made = empty.transact(&[global.insert()], Author::System);
        let (database, _) = made.expect("NB_Global is legal");
        let start = Instant::now();
        let mut world = Self {
            control: Control::new(database.clone(), identity(), at(start, Duration::ZERO)),
            database,
            outputs: Vec::new(),
            elapsed: Duration::ZERO,
            start,
            last_stream: 0,
        };
        world.settle();
        world
    }

    /// Kills northd and starts another on what was stored.
    pub(crate) fn restart(&mut self) {
        self.control = Control::new(self.database.clone(), identity(), self.now());
        self.outputs.clear();
        self.settle();
    }

    pub(crate) fn now(&self) -> Now {
        at(self.start, self.elapsed)
    }

    /// Commits a client's transaction, and lets northd follow.
    pub(crate) fn commit(&mut self, operations: &[Operation]) {
        let made = self.database.transact(operations, Author::Client);
        let (database, _) = made.expect("the test's transactions are legal");
        self.database = database;
        self.settle();
    }

    /// Lets northd follow the database and commit what it wants, until it wants no more.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10 {
            self.control.absorb(self.database.clone());
            self.control.settle(self.now());
            let operations = self.control.take_operations();
            if operations.is_empty() {
                self.outputs.extend(self.control.take_outputs());
                return;
            }
            let made = self.database.transact(&operations, Author::System);
            self.database = made.expect("northd's transactions are legal").0;
        }
        panic!("northd does not settle");
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.elapsed += time;
        self.control.tick(self.now());
        self.settle();
    }

    pub(crate) fn open(&mut self) -> StreamId {
        self.last_stream += 1;
        self.control.open(self.last_stream, self.now());
        self.last_stream
    }

    pub(crate) fn receive(&mut self, stream: StreamId, message: wire::FromNode) {
        self.control.receive(stream, message, self.now());
        self.settle();
    }

    pub(crate) fn closed(&mut self, stream: StreamId) {
        self.control.closed(stream, self.now());
        self.settle();
    }

    pub(crate) fn global(&self) -> nb::NbGlobal {
        let mut rows = self.database.table::<nb::NbGlobal>().iter();
        rows.next().expect("there is one from the start")
    }

    pub(crate) fn switch_port(&self, name: &str) -> nb::LogicalSwitchPort {
        let port = self.database.table::<nb::LogicalSwitchPort>().named(name);
        port.expect("the test made it")
    }

    /// Where the compiled tables have the port.
    pub(crate) fn place_of(&self, name: &str) -> pipeline::object::PortRef {
        let mut objects = self.control.objects().values();
        let place = objects.find_map(|object| match &**object {
            Object::Port(port) if port.name == name => Some(port.at),
            _ => None,
        });
        place.expect("it is compiled")
    }

    pub(crate) fn chassis_of(&self, name: &str) -> Option<String> {
        let index = vec![Datum::scalar(self.switch_port(name).id.uuid())];
        let binding: Option<sb::PortBinding> = self.database.table().find(&["nb_uuid"], index);
        binding?.chassis
    }

    /// What the node should hold: the objects that are relevant to it, worked out from scratch.
    pub(crate) fn desired(&self, node: &Node) -> BTreeMap<ObjectKey, Object> {
        let (compiler, _) = northd::compile::Compiler::from_scratch(&self.database);
        crate::harness::relevant(compiler.objects(), &node.name, &node.attached)
    }
}

/// The slow and obvious twin of relevance: objects that a chassis with these interfaces needs.
pub(crate) fn relevant(
    objects: &BTreeMap<ObjectKey, std::sync::Arc<Object>>,
    chassis: &str,
    attached: &BTreeSet<String>,
) -> BTreeMap<ObjectKey, Object> {
    use pipeline::object::{Attachment, PortKind};
    let ports = || {
        objects.values().filter_map(|object| match &**object {
            Object::Port(port) => Some(port),
            _ => None,
        })
    };
    let holder = |port: &pipeline::object::Port| match &port.kind {
        PortKind::Switch(port) => port.chassis.clone(),
        PortKind::Router(port) => port.gateway.clone(),
    };
    let peer = |port: &pipeline::object::Port| match &port.kind {
        PortKind::Switch(port) => match port.attachment {
            Attachment::Router(peer) => peer,
            _ => None,
        },
        PortKind::Router(port) => port.peer,
    };
    let is_localport = |port: &pipeline::object::Port| match &port.kind {
        PortKind::Switch(port) => port.attachment == Attachment::Localport,
        PortKind::Router(_) => false,
    };
    let own = ports().filter(|port| match is_localport(port) {
        true => attached.contains(&port.name),
        false => holder(port).as_deref() == Some(chassis),
    });
    let mut datapaths: BTreeSet<_> = own.map(|port| port.at.datapath).collect();
    loop {
        let mut next = datapaths.clone();
        for port in ports() {
            if let Some(peer) = peer(port) {
                let joined = [port.at.datapath, peer.datapath];
                if joined.iter().any(|datapath| datapaths.contains(datapath)) {
                    next.extend(joined);
                }
            }
        }
        if next == datapaths {
            break;
        }
        datapaths = next;
    }
    let inside = ports().filter(|port| datapaths.contains(&port.at.datapath));
    let hosts: BTreeSet<_> = inside.filter_map(holder).collect();
    let is_own_probe = |at| {
        let mut holders = ports().filter(|port| port.at == at).filter_map(holder);
        holders.any(|holder| &*holder == chassis)
    };
    let is_needed = |key: &ObjectKey| match key {
        ObjectKey::Global => true,
        ObjectKey::Chassis(name) => hosts.contains(name),
        ObjectKey::Probe(probe) => is_own_probe(probe.port),
        key => key.datapath().is_some_and(|key| datapaths.contains(&key)),
    };
    let needed = objects.iter().filter(|(key, _)| is_needed(key));
    let needed = needed.map(|(key, object)| (key.clone(), Object::clone(object)));
    with_what_they_use(needed.collect(), objects, chassis)
}

/// These objects, with all that they use of what belongs to no datapath, and what that uses.
fn with_what_they_use(
    mut needed: BTreeMap<ObjectKey, Object>,
    objects: &BTreeMap<ObjectKey, std::sync::Arc<Object>>,
    chassis: &str,
) -> BTreeMap<ObjectKey, Object> {
    loop {
        let names: BTreeSet<String> = needed.values().flat_map(used_by).collect();
        let count = needed.len();
        for (key, object) in objects {
            let is_for_another = matches!(key, ObjectKey::Vip(vip)
                if vip.chassis.as_ref().is_some_and(|at| &**at != chassis));
            if !is_for_another && part_of(key).is_some_and(|name| names.contains(&name)) {
                needed.insert(key.clone(), Object::clone(object));
            }
        }
        if needed.len() == count {
            return needed;
        }
    }
}

/// What an object that belongs to no datapath is a part of.
fn part_of(key: &ObjectKey) -> Option<String> {
    use pipeline::object::PolicyOwner;
    Some(match key {
        ObjectKey::Acl(PolicyOwner::Group(group), _) => format!("@{group}"),
        ObjectKey::AddressSet(name, _) => format!("${name}"),
        ObjectKey::Meter(name) => format!("meter {name}"),
        ObjectKey::Balancer(uuid) => format!("lb {uuid}"),
        ObjectKey::Vip(vip) => format!("lb {}", vip.balancer),
        ObjectKey::BalancerGroup(uuid) => format!("group {uuid}"),
        _ => return None,
    })
}

/// What an object uses, in the words of [`part_of`].
fn used_by(object: &Object) -> Vec<String> {
    use pipeline::object::{DatapathKind, NatPeers};
    match object {
        Object::PortGroup(group) => vec![format!("@{}", group.name)],
        Object::Datapath(datapath) => {
            let balancers = match &datapath.kind {
                DatapathKind::Switch(switch) => &switch.balancers,
                DatapathKind::Router(router) => &router.balancers,
            };
            let own = balancers.own.iter().map(|uuid| format!("lb {uuid}"));
            let groups = balancers.groups.iter().map(|uuid| format!("group {uuid}"));
            own.chain(groups).collect()
        }
        Object::Balancer(balancer) => match balancer.event {
            true => vec!["meter event-elb".to_owned()],
            false => vec![],
        },
        Object::BalancerGroup(group) => {
            let balancers = group.balancers.iter();
            balancers.map(|uuid| format!("lb {uuid}")).collect()
        }
        Object::Nat(nat) => match &nat.peers {
            NatPeers::All => vec![],
            NatPeers::Only(set) | NatPeers::AllBut(set) => vec![format!("${set}")],
        },
        Object::Acl(acl) => {
            let meter = acl.log.as_ref().and_then(|log| log.meter.clone());
            let meter = meter.map(|meter| format!("meter {meter}"));
            sets_in(&acl.matches).chain(meter).collect()
        }
        Object::Qos(qos) => sets_in(&qos.matches).collect(),
        _ => vec![],
    }
}

/// The sets that a match names. The names stand in the tree's text between quotes; other texts there are no sets' names.
fn sets_in(matches: &expr::Predicate) -> impl Iterator<Item = String> {
    let text = format!("{matches:?}");
    let sets = text.split("set: \"").skip(1);
    let names: Vec<_> = sets
        .filter_map(|rest| rest.split('"').next())
        .map(|set| format!("${set}"))
        .collect();
    names.into_iter()
}

fn identity() -> Identity {
    Identity {
        epoch: "test".into(),
        timeout: NODE_TIMEOUT,
        software_version: "test".into(),
        capabilities: BTreeSet::new(),
    }
}

fn at(start: Instant, elapsed: Duration) -> Now {
    Now {
        instant: start + elapsed,
        unix_ms: i64::try_from(elapsed.as_millis()).expect("tests are short"),
    }
}

/// A node: its objects and what it says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) objects: BTreeMap<ObjectKey, Versioned>,
    pub(crate) revision: u64,
    pub(crate) stream: Option<StreamId>,
    pub(crate) refusals: Vec<String>,
    /// The ports that it has interfaces for.
    pub(crate) attached: BTreeSet<String>,
    pub(crate) sent: Numbering,
    pub(crate) chunks: Vec<wire::Delta>,
    pub(crate) deltas_received: usize,
    pub(crate) removals_received: usize,
}

/// How a node numbers its claims for somebody who wants to attach a port, and those for interfaces that it has.
const FRESH: u64 = 1;
const REPEATED: u64 = 2;

impl Node {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// The messages that begin a stream: who it is, what it holds, and its ports.
    pub(crate) fn opening(&mut self) -> Vec<wire::FromNode> {
        self.sent = Numbering::default();
        self.chunks.clear();
        let hello = wire::Hello {
            protocol_version: 1,
            chassis: self.name.clone(),
            encap_ip: vec![192, 0, 2, 1].into(),
            encap_port: 6081,
            instance: "one".into(),
            ..wire::Hello::default()
        };
        let mut opening = vec![self.message(Up::Hello(hello)), self.inventory()];
        opening.extend(self.repeated_claims());
        opening
    }

    /// A claim of a port that it has an interface for.
    pub(crate) fn claim(&mut self, port: &str, fresh: bool) -> wire::FromNode {
        self.attached.insert(port.to_owned());
        self.message(Up::Claim(wire::Claim {
            port: port.to_owned(),
            fresh,
            request: if fresh { FRESH } else { REPEATED },
        }))
    }

    /// Claims of all the ports that it has interfaces for.
    pub(crate) fn repeated_claims(&mut self) -> Vec<wire::FromNode> {
        let attached = self.attached.clone().into_iter();
        attached.map(|port| self.claim(&port, false)).collect()
    }

    pub(crate) fn inventory(&mut self) -> wire::FromNode {
        let objects = self.objects.iter().map(|(key, held)| wire::ObjectVersion {
            key: Some(key.into()),
            version: held.version,
        });
        let inventory = wire::Inventory {
            objects: objects.collect(),
            complete: true,
            revision: self.revision,
        };
        self.message(Up::Inventory(inventory))
    }

    pub(crate) fn message(&mut self, message: Up) -> wire::FromNode {
        wire::FromNode {
            sequence: self.sent.number(),
            message: Some(message),
        }
    }

    /// Takes a message and says what the node answers.
    pub(crate) fn take(&mut self, message: wire::ToNode) -> Option<wire::FromNode> {
        match message.message? {
            Down::Delta(chunk) => self.take_chunk(chunk),
            Down::ClaimResult(result) => {
                // An interface that is there already stays, and waits for its port.
                match result.refusal.is_empty() || result.request == REPEATED {
                    true => self.attached.insert(result.port),
                    false => self.attached.remove(&result.port),
                };
                self.refusals.push(result.refusal);
                None
            }
            Down::Refused(refused) => {
                self.refusals.push(refused.reason);
                None
            }
            _ => None,
        }
    }

    fn take_chunk(&mut self, chunk: wire::Delta) -> Option<wire::FromNode> {
        assert!(
            chunk.snapshot || chunk.from_revision == self.revision,
            "a gap"
        );
        assert_eq!(
            chunk.chunk as usize,
            self.chunks.len(),
            "chunks come in order"
        );
        let is_complete = chunk.complete;
        self.chunks.push(chunk);
        if !is_complete {
            return None;
        }
        let chunks = std::mem::take(&mut self.chunks);
        self.deltas_received += 1;
        self.revision = chunks[0].to_revision;
        if chunks[0].snapshot {
            self.objects.clear();
        }
        for chunk in chunks {
            self.removals_received += chunk.removals.len();
            for key in &chunk.removals {
                let key = ObjectKey::try_from(key).expect("northd's keys are legal");
                assert!(self.objects.remove(&key).is_some(), "{key:?} was held");
            }
            for object in &chunk.upserts {
                let held = decode_object(object).expect("northd's objects are legal");
                self.objects.insert(held.object.key(), held);
            }
        }
        let revision = self.revision;
        Some(self.message(Up::Ack(wire::Ack { revision })))
    }

    /// What the node holds.
    pub(crate) fn held(&self) -> BTreeMap<ObjectKey, Object> {
        let held = self.objects.iter();
        held.map(|(key, held)| (key.clone(), held.object.clone()))
            .collect()
    }
}

// === Transactions ===

/// A switch port with this name, not yet in any switch.
pub(crate) fn port(name: &str) -> nb::LogicalSwitchPort {
    nb::LogicalSwitchPort {
        id: Id::random(),
        name: name.to_owned(),
        ..nb::LogicalSwitchPort::default()
    }
}

/// A switch with these ports.
pub(crate) fn switch(name: &str, ports: &[nb::LogicalSwitchPort]) -> Vec<Operation> {
    let switch = nb::LogicalSwitch {
        id: Id::random(),
        name: name.to_owned(),
        ports: ports.iter().map(|port| port.id).collect(),
        ..nb::LogicalSwitch::default()
    };
    let ports = ports.iter().map(Table::insert);
    ports.chain([switch.insert()]).collect()
}

/// Counts `nb_cfg` up, as a client that waits does.
pub(crate) fn bump(world: &World) -> Operation {
    let global = world.global();
    Operation::update(global.id, [("nb_cfg", Datum::scalar(global.nb_cfg + 1))])
}
