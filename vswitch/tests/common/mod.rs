//! A small logical network, nodes in memory, and frames, for the tests of the data path.
//!
//! ```text
//!   a (node one)  b (node two)  c (node one)        d (node two)  u (node one, unknown)
//!        \           |           /                       \          /
//!             switch 1                                     switch 2
//!          10.0.1.0/24, fd01::/64                       10.0.2.0/24, fd02::/64
//!                     \________ router 3 ________________/
//! ```
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test uses its part"
)]

mod faulty;
mod service;
mod stream;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use etherparse::{IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder};
use packet::Mac;
use packet::offload::Offload;
use pipeline::Tables;
use pipeline::conntrack::Settings;
use pipeline::object::*;
use uuid::Uuid;
use vswitch::acl_log::Record;
use vswitch::buffer::Pool;
use vswitch::connection::{ConnectionTable, Member, TableCounts};
use vswitch::conntrack::{self, ConntrackTable};
use vswitch::counter::{Totals, WorkerCounters};
use vswitch::credit::Ledger;
use vswitch::port::{Loose, MemoryPort, Outer, Wire};
use vswitch::snapshot::{Adoption, Snapshot};
use vswitch::sys::poll::Waker;
use vswitch::worker::{Action, Command, Event, Parts, PortFrame, Worker};

pub use faulty::Faulty;
pub use service::{VIP, network_with_service, service};
pub use stream::{STREAM, Stream, cut, merged, packets, streams};

pub const ROUTER: u32 = 3;
/// The greatest L3 length that the tunnel takes.
pub const TUNNEL_MTU: u16 = 1442;

pub fn at(datapath: u32, port: u32) -> PortRef {
    let datapath = DatapathKey::new(datapath).expect("a datapath key");
    PortRef {
        datapath,
        port: PortKey::new(port).expect("a port key"),
    }
}

pub fn a() -> PortRef {
    at(1, 1)
}
pub fn b() -> PortRef {
    at(1, 2)
}
pub fn c() -> PortRef {
    at(1, 3)
}
pub fn d() -> PortRef {
    at(2, 1)
}
pub fn u() -> PortRef {
    at(2, 2)
}

/// The router port that faces a switch.
pub fn router_port(switch: u32) -> PortRef {
    at(ROUTER, switch)
}

/// The MAC address of a station or router port.
pub fn mac(at: PortRef) -> Mac {
    Mac([2, 0, 0, 0, at.datapath.get() as u8, at.port.get() as u8])
}

pub fn ipv4(at: PortRef) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, at.datapath.get() as u8, 10 + at.port.get() as u8)
}

pub fn ipv6(at: PortRef) -> Ipv6Addr {
    Ipv6Addr::new(
        0xfd00 | at.datapath.get() as u16,
        0,
        0,
        0,
        0,
        0,
        0,
        10 + at.port.get(),
    )
}

pub fn encap_ip(node: &str) -> IpAddr {
    match node {
        "one" => [192, 0, 2, 1].into(),
        _ => [192, 0, 2, 2].into(),
    }
}

fn chassis(name: &str, encap_ip: IpAddr, encap_port: u16) -> Object {
    Object::Chassis(Chassis {
        name: name.into(),
        encap_ip,
        encap_port,
        zone: String::new(),
    })
}

fn datapath(key: u32, kind: DatapathKind) -> Object {
    let key = DatapathKey::new(key).expect("a datapath key");
    let uuid = Uuid::from_u128(key.get().into());
    Object::Datapath(Datapath {
        key,
        uuid,
        name: format!("dp{key}"),
        kind,
    })
}

fn port(at: PortRef, kind: PortKind) -> Object {
    let number = u128::from(at.datapath.get()) << 16 | u128::from(at.port.get());
    let name = format!("p{}-{}", at.datapath, at.port);
    Object::Port(Port {
        at,
        uuid: Uuid::from_u128(number),
        name,
        enabled: true,
        kind,
    })
}

/// A station's port on a node.
pub fn vif(at: PortRef, node: &str) -> Object {
    let station = StationAddresses {
        mac: mac(at),
        ipv4: vec![ipv4(at)],
        ipv6: vec![ipv6(at)],
    };
    port(
        at,
        PortKind::Switch(switch_port(Attachment::Vif, vec![station], Some(node))),
    )
}

/// A port behind which any station may be.
pub fn unknown_vif(at: PortRef, node: &str) -> Object {
    let kind = switch_port(Attachment::Vif, Vec::new(), Some(node));
    port(
        at,
        PortKind::Switch(SwitchPort {
            has_unknown: true,
            ..kind
        }),
    )
}

fn switch_port(
    attachment: Attachment,
    addresses: Vec<StationAddresses>,
    node: Option<&str>,
) -> SwitchPort {
    SwitchPort {
        attachment,
        addresses,
        has_unknown: false,
        port_security: Vec::new(),
        requested_chassis: None,
        chassis: node.map(ChassisName::from),
    }
}

/// The two ports that join the router to a switch, and the routes of that.
fn joint(switch: u32) -> Vec<Object> {
    let (near, far) = (at(switch, 100), router_port(switch));
    let ipv4_net = ipnet::Ipv4Net::new(Ipv4Addr::new(10, 0, switch as u8, 1), 24).expect("a net");
    let ipv6_address = Ipv6Addr::new(0xfd00 | switch as u16, 0, 0, 0, 0, 0, 0, 1);
    let ipv6_net = ipnet::Ipv6Net::new(ipv6_address, 64).expect("a net");
    let station = StationAddresses {
        mac: mac(far),
        ipv4: vec![ipv4_net.addr()],
        ipv6: vec![ipv6_net.addr()],
    };
    let kind = switch_port(Attachment::Router(Some(far)), vec![station], None);
    let router = RouterPort {
        mac: mac(far),
        ipv4: vec![ipv4_net],
        ipv6: vec![ipv6_net],
        peer: Some(near),
        gateway_mtu: None,
        route_table: String::new(),
        gateway: None,
    };
    let route = |prefix: ipnet::IpNet, source: IpAddr| {
        Object::Route(Route {
            router: far.datapath,
            key: RouteKey {
                table: String::new(),
                policy: RoutePolicy::Destination,
                prefix: prefix.trunc(),
                origin: RouteOrigin::Connected,
                inport: None,
            },
            discards: 0,
            next_hops: vec![NextHop {
                port: far.port,
                gateway: None,
                source,
            }],
        })
    };
    vec![
        port(near, PortKind::Switch(kind)),
        port(far, PortKind::Router(router)),
        route(ipv4_net.into(), ipv4_net.addr().into()),
        route(ipv6_net.into(), ipv6_net.addr().into()),
    ]
}

/// The network of the picture.
pub fn network() -> Vec<Object> {
    network_over([(encap_ip("one"), 6081), (encap_ip("two"), 6081)])
}

/// The network, with the nodes' Geneve sockets at these addresses.
pub fn network_over(sockets: [(IpAddr, u16); 2]) -> Vec<Object> {
    let switch = DatapathKind::Switch(Switch::default());
    let router = DatapathKind::Router(Router::default());
    let mut objects = vec![
        chassis("one", sockets[0].0, sockets[0].1),
        chassis("two", sockets[1].0, sockets[1].1),
        datapath(1, switch.clone()),
        datapath(2, switch),
        datapath(ROUTER, router),
        vif(a(), "one"),
        vif(b(), "two"),
        vif(c(), "one"),
        vif(d(), "two"),
        unknown_vif(u(), "one"),
    ];
    objects.extend(joint(1));
    objects.extend(joint(2));
    objects
}

pub fn tables(node: &str, objects: Vec<Object>) -> Tables {
    Tables::new(Some(node.into()))
        .apply(objects, [])
        .expect("legal objects")
}

/// A node of one worker, in memory, with a clock that the test moves.
pub struct Node {
    pub name: &'static str,
    pub tables: Tables,
    pub now_ms: u64,
    pub events: Receiver<Event>,
    pub logs: Receiver<Record>,
    pub ledger: Arc<Ledger>,
    pub tracking: Arc<ConntrackTable>,
    /// The control side's access to the tracked connections.
    pub tracked: conntrack::Member,
    pub answers: tokio::sync::mpsc::Receiver<PortFrame>,
    pub counters: Arc<WorkerCounters>,
    worker: Worker,
    ports: BTreeMap<PortRef, Wire>,
    underlay: Wire,
    snapshots: Arc<ArcSwap<Snapshot>>,
    commands: Sender<Command>,
    waker: Waker,
    connections: Arc<ConnectionTable<Action>>,
    /// The test's own access to the verdicts.
    flows: Member<Action>,
}

/// Answers to probes that wait.
pub const ANSWERS: usize = 64;
/// Frames that a wire holds.
const WIRE: usize = 4096;
/// Log records that a node holds.
pub const LOGS: usize = 64;

impl Node {
    /// A node with the tables of `name`, and its ports plugged.
    pub fn new(name: &'static str, objects: Vec<Object>) -> Node {
        Node::with_tables(name, tables(name, objects))
    }

    pub fn with_tables(name: &'static str, tables: Tables) -> Node {
        let (tunnel, underlay) = MemoryPort::new(WIRE).expect("a wire");
        let (connections, mut members) = ConnectionTable::new(1024, 2);
        let flows = members.pop().expect("two members");
        let (tracking, mut tracked) = ConntrackTable::new(1024, 2, Settings::default());
        let snapshots = Arc::new(ArcSwap::from_pointee(Snapshot::first()));
        let (commands, command_receiver) = unbounded();
        let (events, event_receiver) = bounded(64);
        let (logs, log_receiver) = bounded(LOGS);
        let ledger = Arc::new(Ledger::new(1));
        let (answers, answer_receiver) = tokio::sync::mpsc::channel(ANSWERS);
        let waker = Waker::new().expect("a waker");
        let counters = Arc::<WorkerCounters>::default();
        let worker = Worker::new(Parts {
            number: 0,
            memory: members.into_iter().next().expect("one member"),
            tracked: tracked.remove(0),
            tunnel: Box::new(tunnel),
            tunnel_mtu: TUNNEL_MTU,
            pool: Pool::new(512, 8),
            snapshots: snapshots.clone(),
            adoption: Arc::new(Adoption::new(1)),
            commands: command_receiver,
            waker: waker.clone(),
            events,
            logs,
            ledger: ledger.clone(),
            answers,
            counters: counters.clone(),
            tunnels: Arc::default(),
        });
        let mut node = Node {
            name,
            tables: tables.clone(),
            now_ms: 1_000_000,
            events: event_receiver,
            logs: log_receiver,
            ledger,
            tracking,
            tracked: tracked.remove(0),
            answers: answer_receiver,
            counters,
            worker: worker.expect("a worker"),
            ports: BTreeMap::new(),
            underlay,
            snapshots,
            commands,
            waker,
            connections,
            flows,
        };
        node.publish(tables);
        let here = [
            (a(), "one"),
            (b(), "two"),
            (c(), "one"),
            (d(), "two"),
            (u(), "one"),
        ];
        for (at, _) in here.into_iter().filter(|(_, on)| *on == name) {
            node.plug(at);
        }
        node
    }

    pub fn plug(&mut self, at: PortRef) {
        self.plug_wire(at, WIRE);
    }

    /// Plugs a port whose wire holds so many frames each way.
    pub fn plug_wire(&mut self, at: PortRef, capacity: usize) {
        let (port, wire) = MemoryPort::new(capacity).expect("a wire");
        self.ports.insert(at, wire);
        self.tell(Command::Plug {
            at,
            plug: 0,
            device: Box::new(port),
            counters: Arc::default(),
        });
    }

    /// Plugs a port that takes frames on which something is left to do.
    pub fn plug_offload(&mut self, at: PortRef) {
        let (port, wire) = MemoryPort::new(WIRE).expect("a wire");
        self.ports.insert(at, wire);
        self.tell(Command::Plug {
            at,
            plug: 0,
            device: Box::new(port.with_offload()),
            counters: Arc::default(),
        });
    }

    /// The tunnel takes L3 packets of this length.
    pub fn set_tunnel_mtu(&mut self, tunnel_mtu: u16) {
        self.tell(Command::Mtu { tunnel_mtu });
    }

    pub fn unplug(&mut self, at: PortRef) {
        self.ports.remove(&at);
        self.tell(Command::Unplug { at });
    }

    /// The device of a port sends a last frame and is gone.
    pub fn cut(&mut self, at: PortRef, last: &[u8]) {
        let wire = self.ports.remove(&at).expect("a port");
        assert!(wire.send(last, None));
        drop(wire);
        self.run();
    }

    /// Sends a probe to the backend at a port.
    pub fn probe(&mut self, frame: PortFrame) {
        self.tell(Command::Probe(frame));
    }

    fn tell(&mut self, command: Command) {
        self.commands.send(command).expect("a worker that listens");
        self.waker.wake();
        self.run();
    }

    pub fn publish(&mut self, tables: Tables) {
        self.tables = tables.clone();
        let next = self.snapshots.load().with_tables(Arc::new(tables));
        self.snapshots.store(Arc::new(next));
        self.run();
    }

    /// Changes the tables.
    pub fn apply(&mut self, upserts: Vec<Object>, removals: Vec<ObjectKey>) {
        let tables = self.tables.apply(upserts, removals).expect("legal objects");
        self.publish(tables);
    }

    /// Runs until nothing is left to do now.
    pub fn run(&mut self) {
        for _ in 0..8 {
            let now_ms = self.now_ms;
            self.worker
                .step(Some(Duration::ZERO), || now_ms)
                .expect("a step");
        }
    }

    /// Lets time pass, a second at most at once.
    pub fn pass(&mut self, time_ms: u64) {
        let end = self.now_ms + time_ms;
        while self.now_ms < end {
            self.now_ms = end.min(self.now_ms + 1_000);
            self.run();
        }
    }

    pub fn send(&mut self, at: PortRef, frame: &[u8]) {
        assert!(self.ports[&at].send(frame, None));
        self.run();
    }

    /// Sends a frame on which something is left to do.
    pub fn send_loose(&mut self, at: PortRef, bytes: Vec<u8>, offload: Offload) {
        let frame = Loose {
            bytes,
            offload,
            outer: None,
        };
        assert!(self.ports[&at].send_loose(frame));
        self.run();
    }

    /// The frames that came out of a port, with what is left to do on them.
    pub fn received_loose(&self, at: PortRef) -> Vec<Loose> {
        std::iter::from_fn(|| self.ports[&at].receive_loose()).collect()
    }

    /// Sends frames that the node finds all at once.
    pub fn send_together(&mut self, at: PortRef, frames: &[Vec<u8>]) {
        for frame in frames {
            assert!(self.ports[&at].send(frame, None));
        }
        self.run();
    }

    pub fn send_tunnel(&mut self, payload: &[u8], remote: IpAddr, ecn: u8) {
        let remote = SocketAddr::new(remote, 40_000);
        assert!(self.underlay.send(
            payload,
            Some(Outer {
                remote,
                ecn,
                entropy: 0
            })
        ));
        self.run();
    }

    /// The frames that came out of a port.
    pub fn received(&self, at: PortRef) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.ports[&at].receive())
            .map(|(frame, _)| frame)
            .collect()
    }

    /// The datagrams that went into the tunnel.
    pub fn tunnelled(&self) -> Vec<(Vec<u8>, Outer)> {
        let frames = std::iter::from_fn(|| self.underlay.receive());
        frames
            .map(|(frame, outer)| (frame, outer.expect("outer headers")))
            .collect()
    }

    /// All that came out anywhere.
    pub fn output(&self) -> BTreeMap<Option<PortRef>, Vec<Vec<u8>>> {
        let ports = self.ports.keys().map(|at| (Some(*at), self.received(*at)));
        let tunnel = self
            .tunnelled()
            .into_iter()
            .map(|(frame, _)| frame)
            .collect();
        ports
            .chain([(None, tunnel)])
            .filter(|(_, frames): &(_, Vec<_>)| !frames.is_empty())
            .collect()
    }

    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.counters.totals.add_to(&mut totals);
        totals
    }

    /// Forgets all verdicts.
    pub fn forget_flows(&mut self) {
        let mut turn = self.flows.begin();
        let capacity = turn.capacity();
        turn.sweep(0, capacity, (0, u64::MAX), |_| true)
            .expect("room to wait");
    }

    pub fn connections(&self) -> TableCounts {
        self.connections.counts()
    }

    /// Panics unless every packet had one beginning and one end.
    pub fn check_sum(&self) {
        let totals = self.totals();
        assert_eq!(
            totals.received + totals.copied + totals.originated,
            totals.transmitted
                + totals.answered
                + totals.monitored
                + totals.dropped
                + totals.holding,
            "{totals:?}"
        );
        let reasons = pipeline::DropReason::ALL.iter();
        let dropped: u64 = reasons.map(|reason| self.counters.dropped(*reason)).sum();
        assert_eq!(dropped, totals.dropped);
    }
}

/// Carries what each node sent through the tunnel to the other, until both are silent.
pub fn carry(one: &mut Node, two: &mut Node) {
    for _ in 0..16 {
        let (from_one, from_two) = (one.tunnelled(), two.tunnelled());
        if from_one.is_empty() && from_two.is_empty() {
            return;
        }
        for (payload, outer) in from_one {
            two.send_tunnel(&payload, encap_ip("one"), outer.ecn);
        }
        for (payload, outer) in from_two {
            one.send_tunnel(&payload, encap_ip("two"), outer.ecn);
        }
    }
}

/// How an IP packet is to be.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub ttl: u8,
    pub dont_fragment: bool,
    pub ecn: u8,
    /// Bytes of UDP payload.
    pub payload: usize,
    pub port: u16,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            ttl: 64,
            dont_fragment: true,
            ecn: 0,
            payload: 32,
            port: 4000,
        }
    }
}

/// The station that a frame is sent to: itself on one switch, else the router's port on the sender's.
fn next_mac(from: PortRef, to: PortRef) -> Mac {
    if from.datapath == to.datapath {
        mac(to)
    } else {
        mac(router_port(from.datapath.get()))
    }
}

/// A UDP packet from one station to another.
pub fn udp4(from: PortRef, to: PortRef, shape: Shape) -> Vec<u8> {
    let length = 8 + shape.payload as u16;
    let (src, dst) = (ipv4(from).octets(), ipv4(to).octets());
    let mut header = Ipv4Header::new(length, shape.ttl, IpNumber::UDP, src, dst).expect("a header");
    header.dont_fragment = shape.dont_fragment;
    header.ecn = shape.ecn.try_into().expect("two bits");
    finish(
        from,
        next_mac(from, to),
        IpHeaders::Ipv4(header, Default::default()),
        shape,
    )
}

/// An SCTP packet from a station to the router, with one chunk that has no body.
pub fn sctp4_to_router(from: PortRef, chunk_type: u8) -> Vec<u8> {
    let router = router_port(from.datapath.get());
    let (src, dst) = (ipv4(from).octets(), [10, 0, from.datapath.get() as u8, 1]);
    let sctp = [0, 1, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, chunk_type, 0, 0, 4];
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(mac(from).0, mac(router).0)
        .ipv4(src, dst, 64)
        .write(&mut frame, IpNumber::SCTP, &sctp)
        .expect("a frame");
    frame
}

/// The same over IPv6.
pub fn udp6(from: PortRef, to: PortRef, shape: Shape) -> Vec<u8> {
    let header = Ipv6Header {
        traffic_class: shape.ecn,
        hop_limit: shape.ttl,
        source: ipv6(from).octets(),
        destination: ipv6(to).octets(),
        ..Ipv6Header::default()
    };
    finish(
        from,
        next_mac(from, to),
        IpHeaders::Ipv6(header, Default::default()),
        shape,
    )
}

fn finish(from: PortRef, to: Mac, ip: IpHeaders, shape: Shape) -> Vec<u8> {
    let payload: Vec<u8> = (0..shape.payload).map(|byte| byte as u8).collect();
    let builder = PacketBuilder::ethernet2(mac(from).0, to.0)
        .ip(ip)
        .udp(shape.port, 5000);
    let mut frame = Vec::new();
    builder.write(&mut frame, &payload).expect("a frame");
    frame
}
