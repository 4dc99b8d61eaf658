//! Measures time: packets replayed from memory through a worker, and what is asked beside.
//!
//! `replay [NAME...]` runs the scenarios whose names begin with one of the names, or all of them.

use std::sync::Arc;
use std::time::Instant;

use benches::network::{CLIENT, Plan, at};
use benches::port::Loose;
use benches::rig::{Node, Rig};
use benches::traffic::{To, establish, establish_across};

/// Packets that are timed in each scenario, at least.
const PACKETS: usize = 1 << 20;

/// Room for entries of tracked connections, for each connection: one a zone, and some to spare.
const ENTRIES: u32 = 5;

/// A row of the table.
struct Scenario {
    name: String,
    plan: Plan,
    to: To,
    connections: u32,
    way: Way,
}

/// What of a packet's way is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From a station to another on this node.
    Local,
    /// Into the tunnel.
    Out,
    /// Out of the tunnel.
    In,
}

fn main() -> anyhow::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    println!(
        "{:<34}{:>10}{:>9}{:>9}{:>9}{:>9}",
        "scenario", "flows", "ns", "best ns", "cycles", "Mpps"
    );
    for scenario in scenarios() {
        let is_wanted =
            wanted.is_empty() || wanted.iter().any(|name| scenario.label().starts_with(name));
        if is_wanted {
            scenario.run()?;
        }
    }
    Ok(())
}

fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for connections in [1, 1_000, 100_000, 1_000_000] {
        let mut add = |name: &str, plan, to, way| {
            all.push(Scenario {
                name: name.to_owned(),
                plan,
                to,
                connections,
                way,
            });
        };
        let policies = Plan {
            acls: 100,
            ..Plan::PLAIN
        };
        let far = Plan {
            servers_on: "two",
            ..Plan::SERVICES
        };
        let gateway = Plan {
            is_gateway: true,
            ..Plan::SERVICES
        };
        add("l2", Plan::PLAIN, To::Peer, Way::Local);
        add("l3", Plan::PLAIN, To::Servers, Way::Local);
        add("ct+acl", policies, To::Servers, Way::Local);
        add("ct+acl+lb+nat", Plan::SERVICES, To::Vips(100), Way::Local);
        add("ct+acl+lb+snat", gateway, To::Vips(100), Way::Local);
        add("encap ct+acl+lb+nat", far, To::Vips(100), Way::Out);
        add("decap ct+acl", far, To::Vips(100), Way::In);
    }
    all
}

impl Scenario {
    /// What it is chosen by: its name and how many connections it has.
    fn label(&self) -> String {
        format!("{} {}", self.name, self.connections)
    }

    fn run(&self) -> anyhow::Result<()> {
        let room = (self.connections * ENTRIES).max(4_096);
        let mut node = Node::new("one", self.plan.objects(), room, 1);
        let mut rig = node.worker()?;
        match self.way {
            Way::Local => {
                let frames = establish(&mut rig, self.to, self.connections);
                let wire = rig.wire(at(CLIENT)).clone();
                self.measure(&mut rig, &wire, &frames)
            }
            Way::Out | Way::In => {
                let mut other = Node::new("two", self.plan.objects(), room, 1);
                let mut far = other.worker()?;
                let [sent, tunnelled] =
                    establish_across((&mut rig, &mut far), self.to, self.connections);
                if self.way == Way::Out {
                    let wire = rig.wire(at(CLIENT)).clone();
                    self.measure(&mut rig, &wire, &sent)
                } else {
                    let wire = far.tunnel.clone();
                    self.measure(&mut far, &wire, &tunnelled)
                }
            }
        }
    }

    fn measure(
        &self,
        rig: &mut Rig,
        wire: &benches::port::Wire,
        frames: &Arc<Vec<Loose>>,
    ) -> anyhow::Result<()> {
        rig.play(wire, frames, frames.len().min(PACKETS));
        let before = rig.totals();
        rig.stopwatch.take();
        let start = Instant::now();
        rig.play(wire, frames, PACKETS);
        let whole = start.elapsed().as_nanos() as f64 / PACKETS as f64;
        let after = rig.totals();
        let hits = after.hits - before.hits;
        anyhow::ensure!(
            hits == PACKETS as u64 && after.transmitted - before.transmitted == hits,
            "{}: {hits} hits of {PACKETS}, {after:?}, {:?}",
            self.name,
            rig.drops()
        );
        let mut each: Vec<f64> = rig
            .stopwatch
            .take()
            .into_iter()
            .map(|(ns, packets)| ns as f64 / packets as f64)
            .collect();
        each.sort_by(f64::total_cmp);
        let (median, best) = (each[each.len() / 2], each[each.len() / 20]);
        println!(
            "{:<34}{:>10}{median:>9.1}{best:>9.1}{:>9.0}{:>9.2}  loop {whole:.1}",
            self.name,
            self.connections,
            best * ghz(),
            1e3 / median
        );
        Ok(())
    }
}

/// Time stamp counts in a nanosecond, as the kernel tells.
fn ghz() -> f64 {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("cpu MHz"));
    let mhz = line.and_then(|line| line.split_once(':')?.1.trim().parse::<f64>().ok());
    mhz.unwrap_or(1_000.0) / 1_000.0
}
