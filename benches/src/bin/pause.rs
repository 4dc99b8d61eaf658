//! Measures for how long a worker is away from its packets at most, while what it works with is large.
//!
//! `pause [CONNECTIONS [ACLS [ROUNDS]]]`. Each case replays packets of known connections while something else is going on. The
//! longest pause of a round also has what the kernel gave to other threads; the least over the rounds has the least of that.

use std::sync::Arc;
use std::time::Duration;

use benches::network::{CLIENT, Plan, address_set, at};
use benches::port::Loose;
use benches::rig::{Node, Rig};
use benches::traffic::{To, establish};
use pipeline::Tables;

/// Packets between two milliseconds of the worker's time.
const PACKETS: usize = 256;
/// Milliseconds that a case takes.
const TIME_MS: u64 = 4_000;
/// Room for entries of tracked connections, for each connection.
const ENTRIES: u32 = 5;

/// What goes on beside the packets.
#[derive(Clone, Copy, Debug)]
enum Case {
    /// Nothing but time: expiry looks at connections, and finds none.
    Time,
    /// All connections have expired by and by.
    Expiry,
    /// An address set changes every ten milliseconds.
    Change,
    /// All tables are replaced by empty ones and come back, every second.
    Replacement,
    /// The device of a port is unplugged, and its flows are looked for.
    Unplugging,
}

const CASES: [Case; 5] = [
    Case::Time,
    Case::Expiry,
    Case::Change,
    Case::Replacement,
    Case::Unplugging,
];

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse());
    let (connections, acls, rounds) = (number(1_000_000)?, number(100_000)?, number(3)?);
    let plan = Plan {
        acls,
        ..Plan::SERVICES
    };
    println!(
        "{:<14}{:>16}{:>16}",
        "", "longest pause us", "least of rounds"
    );
    for case in CASES {
        let mut pauses = Vec::new();
        for _ in 0..rounds {
            pauses.push(round(case, plan, connections)?);
        }
        let longest = pauses.iter().max().copied().unwrap_or_default();
        let least = pauses.iter().min().copied().unwrap_or_default();
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        println!(
            "{:<14}{:>16.0}{:>16.0}",
            format!("{case:?}"),
            us(longest),
            us(least)
        );
    }
    Ok(())
}

fn round(case: Case, plan: Plan, connections: u32) -> anyhow::Result<Duration> {
    let mut node = Node::new("one", plan.objects(), connections * ENTRIES, 1);
    let mut rig = node.worker()?;
    let frames = establish(&mut rig, To::Vips(100), connections);
    rig.forget_times();
    let full = node.tables.clone();
    for ms in 0..TIME_MS {
        happen(case, ms, &mut node, &mut rig, &full)?;
        play(&mut rig, &frames);
    }
    Ok(rig.longest_pause())
}

/// Lets a millisecond pass, with what the case has for it.
fn happen(
    case: Case,
    ms: u64,
    node: &mut Node,
    rig: &mut Rig,
    full: &Tables,
) -> anyhow::Result<()> {
    rig.now_ms += match case {
        Case::Expiry if ms == 0 => 10 * 24 * 3_600_000,
        _ => 1,
    };
    match case {
        Case::Change if ms.is_multiple_of(10) => {
            let set = address_set(0, 0, 1 + ms as u32);
            node.tables = node.tables.apply([set], [])?;
            node.publish(node.tables.clone());
        }
        Case::Replacement if ms.is_multiple_of(1_000) => {
            node.publish(match ms % 2_000 {
                0 => Tables::new(Some("one".into())),
                _ => full.clone(),
            });
        }
        Case::Unplugging if ms == 1_000 => rig.unplug(at(CLIENT))?,
        _ => {}
    }
    Ok(())
}

fn play(rig: &mut Rig, frames: &Arc<Vec<Loose>>) {
    let client = rig.wires().find(|(place, _)| *place == at(CLIENT));
    match client.map(|(_, wire)| wire.clone()) {
        Some(wire) => rig.play(&wire, frames, PACKETS),
        // Who is unplugged sends nothing.
        None => rig.step(),
    }
}
