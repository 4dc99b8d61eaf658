//! Packets of flows that are known.

use std::sync::Arc;

use benches::network::{CLIENT, Plan, at};
use benches::port::{Loose, Wire};
use benches::rig::{Node, Rig};
use benches::traffic::{To, establish, establish_across};

use crate::laps::Laps;
use crate::{CONNECTIONS, Scenario, VIPS, extremes, room};

/// Packets that are timed in each scenario.
const PACKETS: usize = 1 << 20;
/// How often two networks that are compared take turns, and packets in each turn.
const TURNS: usize = 32;
const PACKETS_IN_TURN: usize = 1 << 14;

/// Connections that a gateway translates to one address, to so few servers.
const PORTS_OF_ONE_ADDRESS: u32 = 500_000;

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

pub(super) fn scenarios() -> Vec<Scenario> {
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
    let services = To::Vips(VIPS);
    let kinds = [
        ("l2", Plan::PLAIN, To::Peer, Way::Local),
        ("l3", Plan::PLAIN, To::Servers, Way::Local),
        ("ct+acl", policies, To::Servers, Way::Local),
        ("ct+acl+lb+nat", Plan::SERVICES, services, Way::Local),
        ("ct+acl+lb+snat", gateway, services, Way::Local),
        ("encap ct+acl+lb+nat", far, services, Way::Out),
        ("decap ct+acl", far, services, Way::In),
    ];
    let mut all = Vec::new();
    for connections in [1, 1_000, 100_000, 1_000_000] {
        for (name, plan, to, way) in kinds {
            // One address has too few ports for more.
            if plan.is_gateway && connections > PORTS_OF_ONE_ADDRESS {
                continue;
            }
            let label = format!("{name} {connections}");
            all.push(Scenario::new(label, move || {
                run(name, (plan, to, way), connections)
            }));
        }
    }
    all.push(Scenario::new("rules", compare_rules));
    all
}

fn run(name: &str, (plan, to, way): (Plan, To, Way), connections: u32) -> anyhow::Result<()> {
    let room = room(connections);
    let mut rig = Node::new("one", plan.objects(), room, 1).worker()?;
    if way == Way::Local {
        let frames = establish(&mut rig, to, connections);
        let wire = rig.wire(at(CLIENT)).clone();
        return measure(name, connections, &mut rig, (&wire, &frames));
    }
    let mut far = Node::new("two", plan.objects(), room, 1).worker()?;
    let [sent, tunnelled] = establish_across((&mut rig, &mut far), to, connections);
    if way == Way::Out {
        let wire = rig.wire(at(CLIENT)).clone();
        measure(name, connections, &mut rig, (&wire, &sent))
    } else {
        let wire = far.tunnel.clone();
        measure(name, connections, &mut far, (&wire, &tunnelled))
    }
}

fn measure(
    name: &str,
    connections: u32,
    rig: &mut Rig,
    (wire, frames): (&Wire, &Arc<Vec<Loose>>),
) -> anyhow::Result<()> {
    rig.play(wire, frames, frames.len().min(PACKETS));
    let before = rig.totals();
    let mut laps = Laps::default();
    laps.play(rig, wire, frames, PACKETS);
    let after = rig.totals();
    let hits = after.hits - before.hits;
    anyhow::ensure!(
        hits == PACKETS as u64 && after.transmitted - before.transmitted == hits,
        "{name}: {hits} hits of {PACKETS}, {after:?}, {:?}",
        rig.drops()
    );
    laps.print(name, connections, "");
    Ok(())
}

/// The same hits with few rules and with many, in turns.
fn compare_rules() -> anyhow::Result<()> {
    let mut sides = Vec::new();
    for plan in extremes() {
        let mut rig = Node::new("one", plan.objects(), room(CONNECTIONS), 1).worker()?;
        let frames = establish(&mut rig, To::Vips(VIPS), CONNECTIONS);
        let name = format!("{} ACLs, {} routes", plan.acls, plan.routes);
        sides.push((rig, frames, Laps::default(), name));
    }
    for _ in 0..TURNS {
        for (rig, frames, laps, _) in &mut sides {
            let wire = rig.wire(at(CLIENT)).clone();
            rig.play(&wire, frames, frames.len());
            laps.play(rig, &wire, frames, PACKETS_IN_TURN);
        }
    }
    for (_, _, laps, name) in &sides {
        laps.print(&format!("hit, {name}"), CONNECTIONS, "");
    }
    let medians: Vec<f64> = sides.iter().map(|(_, _, laps, _)| laps.median()).collect();
    println!("    many rules against few: {:.3}", medians[1] / medians[0]);
    Ok(())
}
