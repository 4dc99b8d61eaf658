//! Hits while something else goes on: attacks, changes, another worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use benches::frame::Ends;
use benches::network::{self, CLIENT, PEER, PORT, Plan, address_set, at, static_route, vip};
use benches::port::Loose;
use benches::rig::{Node, Rig, publish};
use benches::traffic::{To, establish, establish_some, loose};
use pipeline::object::Object;
use vswitch::port::BATCH;

use crate::laps::Laps;
use crate::{CONNECTIONS, Scenario, VIPS, room};

/// Batches of an attack, each followed by one of hits.
const BATCHES: u32 = 4_096;
/// For how long tables change, and how often in a second.
const CHANGING: Duration = Duration::from_secs(2);
const CHANGES_PER_S: u32 = 1_000;
/// Packets that each worker carries, and how often one and two are measured in turns.
const PACKETS: usize = 1 << 19;
const TURNS: usize = 5;

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new("attack, port scan", || attack("port scan", scanned)),
        Scenario::new("attack, all tuples", || attack("all tuples", scattered)),
        Scenario::new("changes, VIPs", || change("VIPs", |turn| vip(VIPS + turn))),
        Scenario::new("changes, routes", || change("routes", static_route)),
        Scenario::new("changes, address set", || {
            change("address set", |turn| address_set(0, 3, turn))
        }),
        Scenario::new("workers", compare_workers),
    ]
}

/// The packet of a station that asks for every port of every server in turn.
fn scanned(number: u32) -> Ends {
    Ends {
        eth_src: network::mac(PEER),
        eth_dst: network::router_mac(1),
        src: (network::peer_ip(), 40_000),
        dst: (
            network::server_ip(1 + number % network::SERVERS),
            (number / network::SERVERS) as u16,
        ),
    }
}

/// A packet that has nothing in common with the one before: a cache that remembers by which fields it decided would need
/// an entry, or a mask, for each.
fn scattered(number: u32) -> Ends {
    let bits = number.wrapping_mul(0x9e37_79b9);
    Ends {
        src: (network::peer_ip(), bits as u16),
        dst: (
            (0x0a02_0000 + (bits >> 12 & 0xffff)).into(),
            (bits >> 16) as u16 ^ PORT,
        ),
        ..scanned(number)
    }
}

/// Hits of one station between the batches of another's attack.
fn attack(name: &str, packet: fn(u32) -> Ends) -> anyhow::Result<()> {
    let mut rig = Node::new("one", Plan::SERVICES.objects(), room(CONNECTIONS) * 16, 1).worker()?;
    let frames = establish(&mut rig, To::Vips(VIPS), CONNECTIONS);
    let client = rig.wire(at(CLIENT)).clone();
    let attacker = rig.wire(at(PEER)).clone();
    let mut quiet = Laps::default();
    quiet.play(&mut rig, &client, &frames, BATCHES as usize * BATCH);
    let (mut attacked, mut attacks) = (Laps::default(), Laps::default());
    let batch = BATCH as u32;
    for turn in 0..BATCHES {
        let hostile = (turn * batch..(turn + 1) * batch).map(|number| packet(number).opening());
        attacks.play(&mut rig, &attacker, &loose(hostile), BATCH);
        // Another part of the connections each time.
        let from = turn as usize * BATCH % (frames.len() - BATCH);
        let some = Arc::new(frames[from..from + BATCH].to_vec());
        attacked.play(&mut rig, &client, &some, BATCH);
    }
    attacks.print(&format!("attack, {name}"), BATCHES * batch, "");
    let ratio = attacked.median() / quiet.median();
    quiet.print("    hits before", CONNECTIONS, "");
    attacked.print(
        "    hits between",
        CONNECTIONS,
        &format!("{ratio:.2} times"),
    );
    Ok(())
}

/// Hits while another thread changes the tables.
fn change(name: &str, object: fn(u32) -> Object) -> anyhow::Result<()> {
    let node = &mut Node::new("one", Plan::SERVICES.objects(), room(CONNECTIONS), 1);
    let mut rig = node.worker()?;
    let frames = establish(&mut rig, To::Vips(VIPS), CONNECTIONS);
    let wire = rig.wire(at(CLIENT)).clone();
    let (snapshots, mut tables) = (node.snapshots(), node.tables.clone());
    let is_over = AtomicBool::new(false);
    let changes = AtomicU32::new(0);
    let mut laps = Laps::default();
    let before = rig.totals();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let start = Instant::now();
            for turn in 1.. {
                tables = tables.apply([object(turn)], []).expect("a legal object");
                publish(&snapshots, tables.clone());
                changes.store(turn, Ordering::Relaxed);
                let next = start + Duration::from_secs(turn.into()) / CHANGES_PER_S;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let end = Instant::now() + CHANGING;
        while Instant::now() < end {
            laps.play(&mut rig, &wire, &frames, frames.len());
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let after = rig.totals();
    let [anew, hits] = [after.stale - before.stale, after.hits - before.hits];
    let note = format!(
        "{:.0} changes a second, {:.1} % of packets decided anew",
        f64::from(changes.into_inner()) / CHANGING.as_secs_f64(),
        anew as f64 * 100.0 / (anew + hits).max(1) as f64
    );
    laps.print(&format!("changes, {name}"), CONNECTIONS, &note);
    Ok(())
}

/// Two workers of one node beside each other, against one alone, in turns.
fn compare_workers() -> anyhow::Result<()> {
    let mut node = Node::new("one", Plan::SERVICES.objects(), room(2 * CONNECTIONS), 2);
    let mut workers = Vec::new();
    for from in [0, CONNECTIONS] {
        let mut rig = node.worker()?;
        let frames = establish_some(&mut rig, To::Vips(VIPS), from..from + CONNECTIONS);
        workers.push((rig, frames));
    }
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        alone.push(carry(&mut workers[..1]));
        together.push(carry(&mut workers));
    }
    let [one, two] = [alone, together].map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    println!(
        "workers, 1 and 2: {one:.2} and {two:.2} Mpps with the loop, {:.2} times",
        two / one
    );
    Ok(())
}

/// Million packets a second of all these workers together.
fn carry(workers: &mut [(Rig, Arc<Vec<Loose>>)]) -> f64 {
    let count = workers.len() * PACKETS;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for (rig, frames) in workers {
            scope.spawn(|| {
                let wire = rig.wire(at(CLIENT)).clone();
                rig.play(&wire, frames, PACKETS);
                rig.stopwatch.take();
            });
        }
    });
    count as f64 / start.elapsed().as_secs_f64() / 1e6
}
