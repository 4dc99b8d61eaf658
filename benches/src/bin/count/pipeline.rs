//! Packets through a worker, first packets through the pipeline, and changes of the tables.

use std::hint::black_box;
use std::sync::Arc;

use benches::frame::Ends;
use benches::network::{CLIENT, Plan, SETS, acl, address_set, at, vip};
use benches::port::{Loose, Wire};
use benches::rig::{Node, Rig};
use benches::traffic::{To, answers, ends, establish, establish_across, establish_some, loose};
use packet::Segment;
use pipeline::conntrack::Untracked;
use pipeline::object::Object;
use pipeline::{Destination, Ingress, Silent, Tables, process};
use vswitch::port::BATCH;

use super::count;

/// Connections of a node whose hits are counted.
const CONNECTIONS: u32 = 1_024;
/// Changes that are counted together, as memory is found in another way each time.
const CHANGES: usize = 16;
/// How many objects tables are built of.
const ACLS: [u32; 3] = [10, 1_000, 100_000];
const ROUTES: [u32; 3] = [10, 1_000, 1_000_000];

/// Packets of known connections.
pub(super) fn hits() -> anyhow::Result<()> {
    for (name, plan, to) in [
        ("hit: switched", Plan::PLAIN, To::Peer),
        ("hit: routed", Plan::PLAIN, To::Servers),
        ("hit: routed with policy", policies(100), To::Servers),
        ("hit: service with policy", Plan::SERVICES, To::Vips(100)),
    ] {
        let mut rig = Node::new("one", plan.objects(), CONNECTIONS * 3, 1).worker()?;
        let frames = establish(&mut rig, to, CONNECTIONS);
        let wire = rig.wire(at(CLIENT)).clone();
        hit(name, &mut rig, &wire, &frames);
    }
    let far = Plan {
        servers_on: "two",
        ..Plan::SERVICES
    };
    let mut near = Node::new("one", far.objects(), CONNECTIONS * 3, 1).worker()?;
    let mut other = Node::new("two", far.objects(), CONNECTIONS * 3, 1).worker()?;
    let [sent, tunnelled] = establish_across((&mut near, &mut other), To::Vips(100), CONNECTIONS);
    let wire = near.wire(at(CLIENT)).clone();
    hit(
        "hit: service with policy, into the tunnel",
        &mut near,
        &wire,
        &sent,
    );
    let wire = other.tunnel.clone();
    hit(
        "hit: policy, out of the tunnel",
        &mut other,
        &wire,
        &tunnelled,
    );
    Ok(())
}

fn hit(name: &str, rig: &mut Rig, wire: &Wire, frames: &Arc<Vec<Loose>>) {
    let packets = 4 * BATCH;
    let before = rig.totals().hits;
    count(name, packets, || rig.play(wire, frames, packets));
    assert_eq!(rig.totals().hits - before, 2 * packets as u64, "{name}");
}

/// What a worker does about the packets that bring a connection up: the whole pipeline each time, what begins, and what
/// is remembered.
pub(super) fn connects() -> anyhow::Result<()> {
    for (name, plan, to) in [
        ("switched", Plan::PLAIN, To::Peer),
        ("routed", Plan::PLAIN, To::Servers),
        ("routed with policy", policies(100), To::Servers),
        ("service with policy", Plan::SERVICES, To::Vips(100)),
    ] {
        let mut rig = Node::new("one", plan.objects(), CONNECTIONS * 5, 1).worker()?;
        establish_some(&mut rig, to, 0..64);
        let turns = [64..64 + CONNECTIONS, 64 + CONNECTIONS..64 + 2 * CONNECTIONS];
        let all = turns.map(|turn| turn.map(|number| ends(to, number)).collect::<Vec<_>>());
        let client = rig.wire(at(CLIENT)).clone();
        rig.keep(true);
        let opening = all
            .each_ref()
            .map(|some| loose(some.iter().map(Ends::opening)));
        let openings = opening.map(|frames| vec![(client.clone(), frames)]);
        packets(&format!("begun: {name}"), &mut rig, openings);
        // What came of the first turn's packets and of the second's is answered in no order: half of it each time.
        let answers = halves(answers(&rig));
        packets(&format!("answered: {name}"), &mut rig, answers);
        let data = all
            .each_ref()
            .map(|some| loose(some.iter().map(Ends::data)));
        let completions = data.map(|frames| vec![(client.clone(), frames)]);
        packets(&format!("completed: {name}"), &mut rig, completions);
        assert_eq!(rig.drops(), [], "{name}");
    }
    Ok(())
}

/// Frames to arrive at each of some wires.
type Arrivals = Vec<(Wire, Arc<Vec<Loose>>)>;

/// Counts what a worker does about frames, of which it must see others each time.
fn packets(name: &str, rig: &mut Rig, turns: [Arrivals; 2]) {
    let [units, _] = turns.each_ref().map(|arrivals| {
        let frames = arrivals.iter().map(|(_, frames)| frames.len());
        frames.sum::<usize>()
    });
    let mut turns = turns.into_iter();
    count(name, units, || {
        for (wire, frames) in turns.next().into_iter().flatten() {
            rig.play(&wire, &frames, frames.len());
        }
    });
}

/// The first and the second half of what arrives at each wire.
fn halves(arrivals: Arrivals) -> [Arrivals; 2] {
    let half = |second: bool| {
        let part = |(wire, frames): &(Wire, Arc<Vec<Loose>>)| {
            let (one, other) = frames.split_at(frames.len() / 2);
            let part = if second { other } else { one };
            (wire.clone(), Arc::new(part.to_vec()))
        };
        arrivals.iter().map(part).collect()
    };
    [half(false), half(true)]
}

fn policies(acls: u32) -> Plan {
    Plan {
        acls,
        ..Plan::PLAIN
    }
}

fn tables(plan: Plan) -> Tables {
    Tables::new(Some("one".into()))
        .apply(plan.objects(), [])
        .expect("objects that go together")
}

/// First packets, with few rules and with many.
pub(super) fn misses() {
    let gateway = Plan {
        is_gateway: true,
        ..Plan::PLAIN
    };
    miss("first: switched", &tables(Plan::PLAIN), To::Peer);
    let services = Plan {
        acls: 0,
        ..Plan::SERVICES
    };
    miss("first: service", &tables(services), To::Vips(100));
    miss(
        "first: service with policy",
        &tables(Plan::SERVICES),
        To::Vips(100),
    );
    miss(
        "first: routed, source translated",
        &tables(gateway),
        To::Servers,
    );
    for acls in ACLS {
        let tables = tables(policies(acls));
        miss(&format!("first: routed, {acls} ACLs"), &tables, To::Servers);
    }
    for routes in ROUTES {
        let plan = Plan {
            routes,
            ..Plan::PLAIN
        };
        miss(
            &format!("first: routed, {routes} routes"),
            &tables(plan),
            To::Servers,
        );
    }
}

/// What the pipeline does about a packet of which nothing is known.
fn miss(name: &str, tables: &Tables, to: To) {
    let frame = ends(to, 1).opening();
    let (flow, layout) = packet::parse(&frame).expect("a frame that can be read");
    let segment = Segment::of(&frame, &flow, &layout, flow.length as usize);
    let decide = || {
        let ingress = Ingress::Interface(at(CLIENT));
        process(
            tables,
            &mut Untracked,
            ingress,
            (&flow, &segment),
            &mut Silent,
        )
    };
    let verdict = decide();
    assert!(
        matches!(verdict.branches[0].to, Destination::Output { .. }),
        "{name}: {verdict:?}"
    );
    count(name, 1, || {
        black_box(decide());
    });
}

/// Changes of tables of a thousand rules of each kind.
pub(super) fn changes() {
    let tables = tables(Plan {
        acls: 1_000,
        routes: 1_000,
        ..Plan::SERVICES
    });
    let change = |name: &str, object: &dyn Fn(u32) -> Object| {
        let mut turns = 1..;
        count(name, CHANGES, || {
            for turn in turns.by_ref().take(CHANGES) {
                black_box(tables.apply([object(turn)], []).expect("a legal object"));
            }
        });
    };
    change("change: one address of a set of 1,000", &|turn| {
        address_set(SETS - 1, 3, turn)
    });
    change("change: one ACL of 1,000", &|turn| acl(7, 30_000 + turn));
    change("change: one route of 1,000", &|turn| {
        benches::network::static_route(2_000 + turn)
    });
    change("change: one VIP of 100", &|turn| vip(200 + turn));
}
