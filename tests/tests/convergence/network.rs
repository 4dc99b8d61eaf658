//! The network of the simulation: streams that lose, repeat, reorder and break, and what happens meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use model::{Datum, Id, Operation, Table, nb};
use northd::control::{Output, StreamId};
use pipeline::Learn;
use southbound_proto::southbound as wire;
use vswitch::agent::{Event, session};

use crate::node::{Node, Wish};
use crate::northd::Northd;
use crate::random::Random;

const NODES: usize = 3;
const PORTS: usize = 6;
/// The longest delay of a message, in milliseconds.
const DELAY_MS: usize = 20;
/// The pause between two incidents is below this, in milliseconds.
const PAUSE_MS: usize = 400;

pub(crate) struct Network {
    pub(crate) northd: Northd,
    pub(crate) nodes: Vec<Node>,
    random: Random,
    now: Instant,
    streams: BTreeMap<StreamId, Stream>,
    last_stream: StreamId,
    is_cut: [bool; NODES],
    is_faulty: bool,
    incident_at: Instant,
}

/// An open stream and what is under way on it.
struct Stream {
    node: usize,
    life: u64,
    number: u64,
    up: Vec<(Instant, wire::FromNode)>,
    down: Vec<(Instant, session::Event)>,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        let now = Instant::now();
        let nodes = (0..NODES).map(|index| Node::new(&format!("node{index}"), now));
        let mut network = Self {
            northd: Northd::new(now),
            nodes: nodes.collect(),
            random: Random::new(seed),
            now,
            streams: BTreeMap::new(),
            last_stream: 0,
            is_cut: [false; NODES],
            is_faulty: true,
            incident_at: now,
        };
        let ports: Vec<_> = (0..PORTS).map(port).collect();
        for half in ports.chunks(PORTS / 2) {
            let switch = nb::LogicalSwitch {
                id: Id::random(),
                name: format!("s-{}", half[0].name),
                ports: half.iter().map(|port| port.id).collect(),
                ..nb::LogicalSwitch::default()
            };
            let rows: Vec<_> = half
                .iter()
                .map(Table::insert)
                .chain([switch.insert()])
                .collect();
            network.northd.commit(&rows, now);
        }
        network
    }

    /// Lets simulated time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            let next = self
                .next_time()
                .min(end)
                .max(self.now + Duration::from_micros(100));
            self.now = next;
            self.step();
        }
    }

    /// Ends all trouble.
    pub(crate) fn heal(&mut self) {
        self.is_faulty = false;
        self.is_cut = [false; NODES];
        self.northd.bump(self.now);
    }

    fn next_time(&self) -> Instant {
        let nodes = self.nodes.iter().flat_map(|node| {
            let soon = node.soon.iter().map(|(at, _)| *at);
            soon.chain([node.agent.deadline()])
        });
        let streams = self.streams.values().flat_map(|stream| {
            let up = stream.up.iter().map(|(at, _)| *at);
            up.chain(stream.down.iter().map(|(at, _)| *at))
        });
        let incident = self.is_faulty.then_some(self.incident_at);
        let northd = self.northd.control.deadline();
        let all = nodes.chain(streams).chain(incident).chain(northd);
        all.min().expect("agents always have a deadline")
    }

    fn step(&mut self) {
        if self.is_faulty && self.incident_at <= self.now {
            self.incident_at = self.now + self.random.time(PAUSE_MS);
            self.incident();
        }
        for index in 0..NODES {
            self.step_node(index);
        }
        self.deliver();
        let now = self.northd.now(self.now);
        self.northd.control.tick(now);
        self.northd.settle(self.now);
        for output in std::mem::take(&mut self.northd.outputs) {
            match output {
                Output::Send(stream, message) => self.send_down(stream, message),
                Output::Close(stream, reason) => self.close_down(stream, reason),
            }
        }
    }

    fn step_node(&mut self, index: usize) {
        let now = self.now;
        let node = &mut self.nodes[index];
        let (due, later) = node.soon.drain(..).partition(|(at, _)| *at <= now);
        node.soon = later;
        let due: Vec<(Instant, Event)> = due;
        for (_, event) in due {
            node.handle(event, now, &mut self.random);
        }
        if node.agent.deadline() <= now {
            node.handle(Event::Tick, now, &mut self.random);
        }
        while let Some(wish) = self.nodes[index].wishes.pop_front() {
            self.grant(index, wish);
        }
    }

    // === Streams ===

    fn grant(&mut self, index: usize, wish: Wish) {
        match wish {
            Wish::Connect(life, number) => {
                self.drop_streams(|stream| stream.node == index);
                self.last_stream += 1;
                let opened = match self.is_cut[index] {
                    true => session::Event::Closed("no route".to_owned()),
                    false => session::Event::Opened,
                };
                let stream = Stream {
                    node: index,
                    life,
                    number,
                    up: Vec::new(),
                    down: vec![(self.now + self.random.time(DELAY_MS), opened)],
                };
                self.streams.insert(self.last_stream, stream);
                if !self.is_cut[index] {
                    let now = self.northd.now(self.now);
                    self.northd.control.open(self.last_stream, now);
                }
            }
            Wish::Send(life, number, message) => self.send_up((index, life, number), message),
            Wish::Close(life, number) => self.drop_streams(|stream| {
                (stream.node, stream.life, stream.number) == (index, life, number)
            }),
        }
    }

    fn send_up(&mut self, (index, life, number): (usize, u64, u64), message: wire::FromNode) {
        let is_meant = |stream: &&mut Stream| {
            (stream.node, stream.life, stream.number) == (index, life, number)
        };
        if let Some(stream) = self.streams.values_mut().find(is_meant) {
            let is_lossy = self.is_faulty;
            let is_cut = self.is_cut[index];
            put(
                &mut stream.up,
                message,
                self.now,
                (is_lossy, is_cut),
                &mut self.random,
            );
        }
    }

    fn send_down(&mut self, stream: StreamId, message: wire::ToNode) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            let event = session::Event::Received(message);
            let faults = (self.is_faulty, self.is_cut[stream.node]);
            put(&mut stream.down, event, self.now, faults, &mut self.random);
        }
    }

    /// northd ends a stream after what it sent on it.
    fn close_down(&mut self, id: StreamId, reason: String) {
        if let Some(stream) = self.streams.get_mut(&id) {
            let last = stream
                .down
                .iter()
                .map(|(at, _)| *at)
                .max()
                .unwrap_or(self.now);
            stream.down.push((last, session::Event::Closed(reason)));
            let now = self.northd.now(self.now);
            self.northd.control.closed(id, now);
        }
    }

    fn drop_streams(&mut self, is_meant: impl Fn(&Stream) -> bool) {
        let meant = self.streams.iter().filter(|(_, stream)| is_meant(stream));
        let meant: Vec<StreamId> = meant.map(|(id, _)| *id).collect();
        for id in meant {
            self.streams.remove(&id);
            let now = self.northd.now(self.now);
            self.northd.control.closed(id, now);
        }
    }

    fn deliver(&mut self) {
        let ids: Vec<StreamId> = self.streams.keys().copied().collect();
        for id in ids {
            let Some(stream) = self.streams.get_mut(&id) else {
                continue;
            };
            let (node, life, number) = (stream.node, stream.life, stream.number);
            let up = due(&mut stream.up, self.now);
            let down = due(&mut stream.down, self.now);
            for message in up {
                let now = self.northd.now(self.now);
                self.northd.control.receive(id, message, now);
                self.northd.settle(self.now);
            }
            for event in down {
                if self.nodes[node].life() == life {
                    let event = Event::Stream {
                        stream: number,
                        event,
                    };
                    self.nodes[node].handle(event, self.now, &mut self.random);
                }
            }
        }
    }

    // === Incidents ===

    fn incident(&mut self) {
        let index = self.random.below(NODES);
        let name = format!("p{}", self.random.below(PORTS));
        let now = self.now;
        match self.random.below(20) {
            0..6 => self.nodes[index].attach(&name, now, &mut self.random),
            6..8 => self.nodes[index].detach(&name, now, &mut self.random),
            8..11 => self.change_port(&name),
            11..13 => self.northd.bump(now),
            13..15 => self.learn(index),
            15 => self.is_cut[index] = !self.is_cut[index],
            16 => self.drop_streams_with_notice(|stream| stream.node == index),
            17 => {
                self.nodes[index].restart(now);
                self.drop_streams(|stream| stream.node == index);
            }
            18 if self.random.once_in(2) => {
                self.drop_streams_with_notice(|_| true);
                self.northd.restart(now);
            }
            _ => {}
        }
    }

    /// Breaks streams, which their nodes see.
    fn drop_streams_with_notice(&mut self, is_meant: impl Fn(&Stream) -> bool) {
        let meant = self.streams.values().filter(|stream| is_meant(stream));
        let meant: Vec<_> = meant.map(|stream| (stream.node, stream.number)).collect();
        self.drop_streams(is_meant);
        for (node, stream) in meant {
            let event = session::Event::Closed("broken".to_owned());
            self.nodes[node].handle(Event::Stream { stream, event }, self.now, &mut self.random);
        }
    }

    fn change_port(&mut self, name: &str) {
        let Some(row) = self
            .northd
            .database
            .table::<nb::LogicalSwitchPort>()
            .named(name)
        else {
            return;
        };
        let host = self.random.below(200) + 1;
        let mut addresses = vec![format!("0a:00:00:00:00:{host:02x} 10.0.0.{host}")];
        if self.random.once_in(2) {
            addresses.push("unknown".to_owned());
        }
        let update = Operation::update(row.id, [("addresses", Datum::set(addresses))]);
        self.northd.commit(&[update], self.now);
    }

    /// A packet comes in at a plugged port from a station that nobody knows.
    fn learn(&mut self, index: usize) {
        let Some(at) = self.nodes[index].plugged.values().next().copied() else {
            return;
        };
        let mac = packet::Mac([2, 0, 0, 0, 0, self.random.below(4) as u8]);
        let learned = vec![Learn::Station { port: at, mac }];
        self.nodes[index].handle(Event::Learned(learned), self.now, &mut self.random);
    }
}

fn port(index: usize) -> nb::LogicalSwitchPort {
    nb::LogicalSwitchPort {
        id: Id::random(),
        name: format!("p{index}"),
        addresses: [format!("0a:00:00:00:01:{index:02x} 10.0.1.{}", index + 1)]
            .into_iter()
            .collect(),
        ..nb::LogicalSwitchPort::default()
    }
}

/// Puts something on its way: usually once and after what is under way already.
fn put<T: Clone>(
    queue: &mut Vec<(Instant, T)>,
    item: T,
    now: Instant,
    (is_faulty, is_cut): (bool, bool),
    random: &mut Random,
) {
    if is_cut || (is_faulty && random.once_in(200)) {
        return;
    }
    let last = queue.iter().map(|(at, _)| *at).max().unwrap_or(now);
    let at = match is_faulty && random.once_in(100) {
        true => now,
        false => last.max(now + random.time(DELAY_MS)),
    };
    if is_faulty && random.once_in(50) {
        queue.push((at + random.time(DELAY_MS), item.clone()));
    }
    queue.push((at, item));
}

/// Takes what has arrived by `now`, in the order of arrival.
fn due<T>(queue: &mut Vec<(Instant, T)>, now: Instant) -> Vec<T> {
    let (mut arrived, later): (Vec<_>, Vec<_>) = queue.drain(..).partition(|(at, _)| *at <= now);
    *queue = later;
    arrived.sort_by_key(|(at, _)| *at);
    arrived.into_iter().map(|(_, item)| item).collect()
}
