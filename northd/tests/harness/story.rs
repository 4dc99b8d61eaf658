//! Nodes that speak with northd, told step by step.

use std::collections::BTreeMap;
use std::time::Duration;

use northd::control::{NODE_TIMEOUT, Output};
use southbound_proto::southbound as wire;
use wire::from_node::Message as Up;

use super::{Node, World, port, switch};

/// Nodes by name, and northd.
pub(crate) struct Story {
    pub(crate) world: World,
    pub(crate) nodes: BTreeMap<&'static str, Node>,
}

impl Story {
    /// A northd with one switch of ports `a` and `b`, and these nodes connected.
    pub(crate) fn begin(names: &[&'static str]) -> Self {
        let mut world = World::new();
        world.commit(&switch("s", &[port("a"), port("b")]));
        let nodes = names.iter().map(|name| (*name, Node::new(name))).collect();
        let mut story = Self { world, nodes };
        for name in names {
            story.connect(name);
        }
        story
    }

    pub(crate) fn connect(&mut self, name: &'static str) {
        let stream = self.world.open();
        let node = self.nodes.get_mut(name).expect("a node of the story");
        node.stream = Some(stream);
        for message in node.opening() {
            self.world.receive(stream, message);
        }
        self.exchange();
    }

    pub(crate) fn disconnect(&mut self, name: &'static str) {
        let node = self.nodes.get_mut(name).expect("a node of the story");
        let stream = node.stream.take().expect("it is connected");
        self.world.closed(stream);
    }

    pub(crate) fn say(&mut self, name: &'static str, message: Up) {
        let node = self.nodes.get_mut(name).expect("a node of the story");
        let stream = node.stream.expect("it is connected");
        let message = node.message(message);
        self.world.receive(stream, message);
        self.exchange();
    }

    pub(crate) fn claim(&mut self, name: &'static str, port: &str, fresh: bool) -> String {
        let node = self.nodes.get_mut(name).expect("a node of the story");
        let stream = node.stream.expect("it is connected");
        let claim = node.claim(port, fresh);
        self.world.receive(stream, claim);
        self.exchange();
        let node = self.nodes.get_mut(name).expect("a node of the story");
        node.refusals.pop().expect("every claim is answered")
    }

    pub(crate) fn up(&mut self, name: &'static str, ports: &[&str]) {
        let ports = ports.iter().map(|port| (*port).to_owned()).collect();
        self.say(name, Up::PortsUp(wire::PortsUp { ports }));
    }

    /// Delivers what northd sent, and what nodes answer, until all is quiet.
    pub(crate) fn exchange(&mut self) {
        while !self.world.outputs.is_empty() {
            for output in std::mem::take(&mut self.world.outputs) {
                match output {
                    Output::Send(stream, message) => self.deliver(stream, message),
                    Output::Close(stream, _) => self.world.closed(stream),
                }
            }
        }
    }

    pub(crate) fn deliver(&mut self, stream: u64, message: wire::ToNode) {
        let mut nodes = self.nodes.values_mut();
        if let Some(node) = nodes.find(|node| node.stream == Some(stream))
            && let Some(answer) = node.take(message)
        {
            self.world.receive(stream, answer);
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.world.pass(time);
        self.exchange();
    }

    /// Lets time pass, in which all nodes are heard of.
    pub(crate) fn pass_lively(&mut self, time: Duration) {
        self.pass(time);
        for name in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.say(name, Up::Heartbeat(wire::Heartbeat { sequence: 1 }));
        }
    }

    pub(crate) fn check_node(&self, name: &str) {
        let node = &self.nodes[name];
        assert_eq!(node.held(), self.world.desired(node), "{name}");
    }

    /// Lets the whole timeout pass in which a connected node is to claim its ports.
    pub(crate) fn pass_the_claims(&mut self, name: &'static str) {
        self.pass(NODE_TIMEOUT / 2);
        self.say(name, Up::Heartbeat(wire::Heartbeat { sequence: 1 }));
        self.pass(NODE_TIMEOUT / 2);
    }

    /// Adds a switch `t` with a localport `local` and a pod's port `c`.
    pub(crate) fn add_a_localport(&mut self) {
        let mut local = port("local");
        local.r#type = "localport".into();
        self.world.commit(&switch("t", &[local, port("c")]));
        self.exchange();
    }

    /// The number of objects that a node holds.
    pub(crate) fn held_by(&self, name: &str) -> usize {
        self.nodes[name].objects.len()
    }
}
