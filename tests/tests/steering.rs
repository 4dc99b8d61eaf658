//! Where the packets of a connection are seen: at one worker of each node, but for the first one.
//!
//! Connections one after the other, and how many packets each worker has received of each. Nothing else is sent
//! meanwhile but for what keeps neighbours known, and that is little beside a connection's packets.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use tests::ask::Conversation;
use tests::cluster::{NODES, PORT, address, backends};
use tests::story::tell;
use tests::world::{PATIENCE, World};

/// Connections to each server.
const CONNECTIONS: usize = 32;
/// Questions in each.
const QUESTIONS: usize = 25;
/// A connection's first packet is where the kernel likes, and there may be packets that are none of its.
const ELSEWHERE: u64 = QUESTIONS as u64 / 5;
const VIP: &str = "10.96.0.1:80";

/// Packets that each worker of a node has received so far.
fn received(world: &World, node: &str) -> Result<Vec<u64>> {
    let text = world.network.node_vsctl(node, &["node", "stats"])?;
    let row = |line: &str| {
        let mut words = line
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty());
        let _worker: u64 = words.next()?.parse().ok()?;
        words.next()?.parse().ok()
    };
    Ok(text.lines().filter_map(row).collect())
}

/// Talks over one connection; tells how many packets of it each worker of each node has received.
fn talk(world: &World, to: SocketAddr) -> Result<Vec<Vec<u64>>> {
    let counts = || NODES.map(|node| received(world, node)).into_iter();
    let before = counts().collect::<Result<Vec<_>>>()?;
    world.pod("a1")?.namespace.run(|| -> Result<()> {
        let mut conversation = Conversation::open(to, PATIENCE)?;
        for _ in 0..QUESTIONS {
            conversation.ask()?;
        }
        Ok(())
    })?;
    let after = counts().collect::<Result<Vec<_>>>()?;
    let since = |(before, after): (Vec<u64>, Vec<u64>)| {
        let pairs = after.iter().zip(before);
        pairs.map(|(after, before)| after - before).collect()
    };
    Ok(before.into_iter().zip(after).map(since).collect())
}

#[test]
fn a_connection_keeps_to_one_worker_of_each_node() {
    tell(|| {
        let world = World::cluster(2, 2)?;
        let _servers = world.serve(["a2", "b2"])?;
        world.service("web", "tcp", &[(VIP, &backends(["b2"], true))])?;
        let at = |port| SocketAddr::new(address(port, true), PORT);
        for (to, nodes) in [(at("a2"), 1), (at("b2"), 2), (VIP.parse()?, 2)] {
            let mut split = Vec::new();
            for _ in 0..CONNECTIONS {
                let workers = talk(&world, to).with_context(|| format!("to {to}"))?;
                let is_split = |counts: &Vec<u64>| {
                    counts.iter().filter(|count| **count > ELSEWHERE).count() != 1
                };
                if workers[..nodes].iter().any(is_split) {
                    split.push(workers);
                }
            }
            ensure!(
                split.is_empty(),
                "to {to}: {} of {CONNECTIONS}: {split:?}",
                split.len()
            );
        }
        Ok(())
    });
}
