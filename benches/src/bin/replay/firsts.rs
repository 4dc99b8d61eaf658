//! First packets, and whole connections.

use benches::network::Plan;
use benches::rig::{Node, Rig};
use benches::traffic::{TOGETHER, To, complete, ends, open};

use crate::laps::Laps;
use crate::{Scenario, VIPS, extremes, room};

/// Connections that are brought up in each scenario.
const CONNECTIONS: u32 = 1 << 15;

pub(super) fn scenarios() -> Vec<Scenario> {
    let policies = Plan {
        acls: 100,
        ..Plan::PLAIN
    };
    let services = To::Vips(VIPS);
    let [small, large] = extremes();
    let kinds = [
        ("l2", Plan::PLAIN, To::Peer),
        ("l3", Plan::PLAIN, To::Servers),
        ("ct+acl", policies, To::Servers),
        ("ct+acl+lb+nat", Plan::SERVICES, services),
        ("10 ACLs, 10 routes", small, services),
        ("100000 ACLs, 1000000 routes", large, services),
    ];
    let scenario = |(name, plan, to)| {
        let name = format!("first, {name}");
        Scenario::new(name.clone(), move || run(&name, plan, to))
    };
    kinds.map(scenario).into()
}

/// What the first packets of connections cost, and what all four cost that bring one up: the client opens, the server
/// accepts, the client sends, and sends again.
fn run(name: &str, plan: Plan, to: To) -> anyhow::Result<()> {
    let mut rig = Node::new("one", plan.objects(), room(CONNECTIONS), 1).worker()?;
    let all: Vec<_> = (0..CONNECTIONS).map(|number| ends(to, number)).collect();
    let mut firsts = Laps::default();
    let mut whole_ns = 0;
    rig.stopwatch.take();
    for some in all.chunks(TOGETHER) {
        open(&mut rig, some);
        whole_ns += firsts.add(&rig);
        complete(&mut rig, some);
        whole_ns += total_ns(&rig);
    }
    anyhow::ensure!(rig.drops().is_empty(), "{name}: {:?}", rig.drops());
    let each = f64::from(CONNECTIONS);
    let note = format!("{:.0} connections a second", each * 1e9 / whole_ns as f64);
    firsts.print(name, CONNECTIONS, &note);
    Ok(())
}

/// What the batches took since the last time.
fn total_ns(rig: &Rig) -> u64 {
    rig.stopwatch.take().into_iter().map(|(ns, _)| ns).sum()
}
