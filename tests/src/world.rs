//! The network that most stories are set in: the one of `examples/two-nodes.sh`, with its pods on two nodes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use ground::frames::Frames;
use ground::network::{Network, Pod, Underlay};
use ground::probe;

/// The logical network, as the demonstration scripts it.
pub const SCRIPT: &str = include_str!("../../examples/two-nodes.sh");

/// Which pod runs on which node.
pub const PLACEMENT: [(&str, &str); 5] = [
    ("blue-1", "a"),
    ("blue-2", "b"),
    ("green-1", "a"),
    ("green-2", "b"),
    ("red-1", "b"),
];

/// How long traffic is given that must get through.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long is waited for traffic that must not get through.
pub const SILENCE: Duration = Duration::from_millis(600);

/// A network with pods in it, by the names of their ports.
#[derive(Debug)]
pub struct World {
    /// The network.
    pub network: Network,
    /// The pods.
    pub pods: BTreeMap<String, Pod>,
}

impl World {
    /// `northd` and the nodes `a` and `b`, running, without any logical network.
    pub fn empty(underlay: Underlay, workers: usize) -> Result<Self> {
        Self::empty_with(underlay, &["--workers", &workers.to_string()])
    }

    /// The same, with these arguments for the nodes' vswitches.
    pub fn empty_with(underlay: Underlay, arguments: &[&str]) -> Result<Self> {
        let mut network = Network::lay(underlay, &["a", "b"])?;
        network.start_northd()?;
        for node in ["a", "b"] {
            network.start_vswitch(node, arguments)?;
        }
        Ok(Self {
            network,
            pods: BTreeMap::new(),
        })
    }

    /// The example's network with all its pods, over IPv4 and with one worker.
    pub fn example() -> Result<Self> {
        Self::example_on(Underlay::V4, 1)
    }

    /// The example's network with all its pods.
    pub fn example_on(underlay: Underlay, workers: usize) -> Result<Self> {
        let mut world = Self::empty(underlay, workers)?;
        world.network.script(SCRIPT)?;
        PLACEMENT
            .iter()
            .try_for_each(|(port, node)| world.attach(node, port))?;
        world.network.sync()?;
        Ok(world)
    }

    /// Makes a pod and attaches it.
    pub fn attach(&mut self, node: &str, port: &str) -> Result<()> {
        let pod = self.network.attach(node, port)?;
        self.pods.insert(port.to_owned(), pod);
        Ok(())
    }

    /// A pod.
    pub fn pod(&self, port: &str) -> Result<&Pod> {
        self.pods
            .get(port)
            .with_context(|| format!("there is no pod at {port}"))
    }

    /// A pod's interface, opened for raw frames.
    pub fn frames(&self, port: &str) -> Result<Frames> {
        let pod = self.pod(port)?;
        Frames::open(&pod.namespace, &pod.interface)
    }

    /// Fails unless an address answers a pod's echo requests before long.
    pub fn must_reach(&self, from: &str, to: &str) -> Result<()> {
        let reaches = self.probe(from, to, PATIENCE)?;
        anyhow::ensure!(reaches, "{from} does not reach {to}");
        Ok(())
    }

    /// Fails if an address answers a pod's echo requests.
    pub fn must_not_reach(&self, from: &str, to: &str) -> Result<()> {
        let reaches = self.probe(from, to, SILENCE)?;
        anyhow::ensure!(!reaches, "{from} reaches {to} and must not");
        Ok(())
    }

    fn probe(&self, from: &str, to: &str, limit: Duration) -> Result<bool> {
        let to: IpAddr = to.parse().with_context(|| format!("{to} is no address"))?;
        self.pod(from)?.namespace.run(|| probe::reaches(to, limit))
    }

    /// Runs a line of `vsctl`, its words between blanks, and waits until it is in force everywhere.
    pub fn change(&self, line: &str) -> Result<String> {
        self.network
            .vsctl_line(&format!("--timeout 20 --wait=hv {line}"))
    }

    /// How often a node dropped a packet for a reason.
    pub fn drops(&self, node: &str, reason: &str) -> Result<u64> {
        let listing = self.network.node_vsctl(node, &["node", "drops"])?;
        let count = listing.lines().find_map(|line| {
            let (count, name) = line.trim().split_once("  ")?;
            (name.split(':').next() == Some(reason)).then_some(count)
        });
        let parse = |count: &str| {
            count
                .parse()
                .with_context(|| format!("{count:?} is no count"))
        };
        count.map_or(Ok(0), parse)
    }
}
