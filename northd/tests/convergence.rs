//! Northd and nodes on a network that loses, repeats and reorders, with partitions, crashes and time.
//!
//! Input: a sequence of things that happen, from a seed. Output: once the network heals, every node holds
//! exactly what its ports need and has no port that it does not claim, and `hv_cfg` says so.

mod harness;

use std::collections::VecDeque;
use std::time::Duration;

use harness::actions::{Action, act};
use harness::{Node, World, bump, port, switch};
use model::{Id, Operation, Table, nb, sb};
use northd::control::{NODE_TIMEOUT, Output, StreamId};
use pipeline::object::ObjectKey;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use southbound_proto::numbering::{Arrival, Order};
use southbound_proto::southbound as wire;
use wire::from_node::Message as Up;

const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// Rounds after which a healed network must be quiet.
const QUIET_ROUNDS_MAX: usize = 10_000;

/// Something that happens.
#[derive(Clone, Debug)]
enum Happening {
    /// A client does something.
    Client(Action),
    /// A client counts `nb_cfg` up.
    Bump,
    /// A node claims a port by number.
    Claim(usize, u8, bool),
    /// A node reports its ports up.
    Up(usize, u8),
    /// Some messages arrive.
    Deliver(u8),
    /// The message next to arrive at a place of the queue is lost.
    Lose(u8),
    /// It arrives twice.
    Repeat(u8),
    /// It arrives before the one ahead.
    Overtake(u8),
    /// A node's stream breaks.
    Break(usize),
    /// A node loses all it has.
    Wipe(usize),
    /// Northd is killed and starts again.
    Restart,
    /// Time passes, in tenths of the timeout.
    Pass(u8),
}

fn routed_switches() -> Vec<Operation> {
    let mut router = nb::LogicalRouter {
        id: Id::random(),
        name: "r0".to_owned(),
        ..nb::LogicalRouter::default()
    };
    let mut operations = Vec::new();
    for number in 0..2 {
        let router_port = nb::LogicalRouterPort {
            id: Id::random(),
            name: format!("rp{number}"),
            mac: format!("0a:00:00:00:00:0{number}"),
            networks: [format!("10.0.{number}.1/24")].into(),
            ..nb::LogicalRouterPort::default()
        };
        let mut joined = port(&format!("join{number}"));
        joined.r#type = "router".to_owned();
        joined
            .options
            .insert("router-port".into(), router_port.name.clone());
        let mut ports: Vec<_> = (0..4)
            .map(|at| port(&format!("p{}", 4 * number + at)))
            .collect();
        ports.push(joined);
        operations.extend(switch(&format!("s{number}"), &ports));
        operations.push(router_port.insert());
        router.ports.insert(router_port.id);
    }
    operations.push(router.insert());
    operations
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    let node = 0..NODES.len();
    prop_oneof![
        6 => any::<Action>().prop_map(Client),
        1 => Just(Bump),
        9 => (node.clone(), 0..8u8, any::<bool>()).prop_map(|(n, port, fresh)| Claim(n, port, fresh)),
        2 => (node.clone(), any::<u8>()).prop_map(|(node, ports)| Up(node, ports)),
        8 => (1..8u8).prop_map(Deliver),
        1 => any::<u8>().prop_map(Lose),
        1 => any::<u8>().prop_map(Repeat),
        1 => any::<u8>().prop_map(Overtake),
        1 => node.clone().prop_map(Break),
        1 => node.prop_map(Wipe),
        1 => Just(Restart),
        1 => (1..12u8).prop_map(Pass),
    ]
}

/// A message on its way.
#[derive(Clone, Debug)]
enum Packet {
    Down(StreamId, wire::ToNode),
    Up(StreamId, wire::FromNode),
}

struct Network {
    world: World,
    nodes: Vec<(Node, Order)>,
    packets: VecDeque<Packet>,
}

impl Network {
    /// Two switches of four ports each, joined by a router.
    fn new() -> Self {
        let mut world = World::new();
        world.commit(&routed_switches());
        let nodes = NODES.iter().map(|name| (Node::new(name), Order::default()));
        Self {
            world,
            nodes: nodes.collect(),
            packets: VecDeque::new(),
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Client(action) => act(&mut self.world, action),
            Happening::Bump => {
                let operation = bump(&self.world);
                self.world.commit(&[operation]);
            }
            Happening::Claim(node, port, fresh) => {
                let node = &mut self.nodes[node].0;
                if let Some(stream) = node.stream {
                    let claim = node.claim(&format!("p{port}"), fresh);
                    self.packets.push_back(Packet::Up(stream, claim));
                }
            }
            Happening::Up(node, bits) => {
                let ports = (0..8).filter(|port| bits & (1 << port) != 0);
                let ports = ports.map(|port| format!("p{port}")).collect();
                self.say(node, Up::PortsUp(wire::PortsUp { ports }));
            }
            Happening::Deliver(count) => {
                for _ in 0..count {
                    self.deliver();
                }
            }
            Happening::Lose(at) => drop(self.at(at).and_then(|at| self.packets.remove(at))),
            Happening::Repeat(at) => {
                if let Some(at) = self.at(at) {
                    let packet = self.packets[at].clone();
                    self.packets.insert(at, packet);
                }
            }
            Happening::Overtake(at) => {
                if let Some(at) = self.at(at).filter(|at| *at > 0) {
                    self.packets.swap(at - 1, at);
                }
            }
            Happening::Break(node) => self.break_stream(node),
            Happening::Wipe(node) => {
                self.break_stream(node);
                self.nodes[node].0 = Node::new(NODES[node]);
            }
            Happening::Restart => self.restart(),
            Happening::Pass(tenths) => {
                self.world.pass(NODE_TIMEOUT / 10 * u32::from(tenths));
            }
        }
        self.collect();
    }

    fn at(&self, number: u8) -> Option<usize> {
        usize::from(number).checked_rem(self.packets.len())
    }

    fn say(&mut self, node: usize, message: Up) {
        let node = &mut self.nodes[node].0;
        if let Some(stream) = node.stream {
            let message = node.message(message);
            self.packets.push_back(Packet::Up(stream, message));
        }
    }

    fn restart(&mut self) {
        self.packets.clear();
        for (node, _) in &mut self.nodes {
            node.stream = None;
        }
        self.world.restart();
    }

    /// All nodes ask again for the ports that they have interfaces for.
    fn claim_again(&mut self) {
        for (node, _) in &mut self.nodes {
            if let Some(stream) = node.stream {
                let claims = node.repeated_claims().into_iter();
                self.packets
                    .extend(claims.map(|message| Packet::Up(stream, message)));
            }
        }
    }

    /// The stream ends on both sides; what is on its way is lost.
    fn break_stream(&mut self, node: usize) {
        if let Some(stream) = self.nodes[node].0.stream.take() {
            self.world.closed(stream);
        }
    }

    fn connect_all(&mut self) {
        for (node, order) in &mut self.nodes {
            if node.stream.is_none() {
                let stream = self.world.open();
                node.stream = Some(stream);
                *order = Order::default();
                let opening = node.opening().into_iter();
                self.packets
                    .extend(opening.map(|message| Packet::Up(stream, message)));
            }
        }
    }

    /// Puts what northd sends on its way.
    fn collect(&mut self) {
        while !self.world.outputs.is_empty() {
            for output in std::mem::take(&mut self.world.outputs) {
                match output {
                    Output::Send(stream, message) => {
                        self.packets.push_back(Packet::Down(stream, message));
                    }
                    Output::Close(stream, _) => {
                        let mut nodes = self.nodes.iter_mut();
                        if let Some((node, _)) = nodes.find(|(n, _)| n.stream == Some(stream)) {
                            node.stream = None;
                        }
                        self.world.closed(stream);
                    }
                }
            }
        }
    }

    /// One message arrives. False when none is on its way.
    fn deliver(&mut self) -> bool {
        let Some(packet) = self.packets.pop_front() else {
            return false;
        };
        match packet {
            Packet::Up(stream, message) => self.world.receive(stream, message),
            Packet::Down(stream, message) => self.arrive(stream, message),
        }
        self.collect();
        true
    }

    fn arrive(&mut self, stream: StreamId, message: wire::ToNode) {
        let mut nodes = self.nodes.iter_mut().enumerate();
        let Some((index, (node, order))) = nodes.find(|(_, (n, _))| n.stream == Some(stream))
        else {
            return;
        };
        match order.check(message.sequence) {
            Arrival::Duplicate => {}
            Arrival::Gap => self.break_stream(index),
            Arrival::InOrder => {
                if let Some(answer) = node.take(message) {
                    self.packets.push_back(Packet::Up(stream, answer));
                }
            }
        }
    }

    /// The network heals: streams are opened again, and everything arrives, until all is quiet.
    fn heal(&mut self) {
        for _ in 0..QUIET_ROUNDS_MAX {
            if self.deliver() {
                continue;
            }
            if self.nodes.iter().all(|(node, _)| node.stream.is_some()) {
                return;
            }
            self.connect_all();
        }
        panic!("the network does not come to rest");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn all_nodes_converge(happenings in prop::collection::vec(happening(), 1..120)) {
        let mut network = Network::new();
        network.heal();
        for happening in happenings {
            network.happen(happening);
            if network.packets.is_empty() {
                network.connect_all();
            }
        }
        network.heal();
        // A stream whose last message was lost is found out by its silence.
        for _ in 0..4 {
            network.world.pass(NODE_TIMEOUT / 2 + Duration::from_millis(1));
            network.collect();
            network.heal();
            for node in 0..NODES.len() {
                network.say(node, Up::Heartbeat(wire::Heartbeat { sequence: 0 }));
            }
            network.heal();
        }
        network.claim_again();
        network.heal();
        let operation = bump(&network.world);
        network.world.commit(&[operation]);
        network.collect();
        network.heal();
        for (node, _) in &network.nodes {
            prop_assert_eq!(node.held(), network.world.desired(node), "{}", &node.name);
            for binding in network.world.database.table::<sb::PortBinding>().iter() {
                let is_claimed = node.attached.contains(&binding.logical_port);
                prop_assert!(is_claimed || binding.chassis.as_ref() != Some(&node.name));
            }
        }
        let global = network.world.global();
        prop_assert_eq!((global.sb_cfg, global.hv_cfg), (global.nb_cfg, global.nb_cfg));
    }
}

/// Input: the happenings of many simulations. Output: nodes really get ports, and lose some of their steps.
#[test]
fn the_simulated_nodes_have_something_to_hold() {
    let mut runner = TestRunner::deterministic();
    let sequences = prop::collection::vec(happening(), 60..120);
    let mut ports = 0;
    for _ in 0..20 {
        let mut network = Network::new();
        network.heal();
        let sequence = sequences.new_tree(&mut runner).expect("a sequence");
        for happening in sequence.current() {
            network.happen(happening);
            network.connect_all();
        }
        network.heal();
        let held = network
            .nodes
            .iter()
            .flat_map(|(node, _)| node.objects.keys());
        ports += held.filter(|key| matches!(key, ObjectKey::Port(_))).count();
    }
    assert!(ports > 20, "{ports}");
}
