//! Measures time: packets replayed from memory through a worker, and what is asked beside.
//!
//! `replay [NAME...]` runs the scenarios whose names begin with the words of one of the names, or all of them. The name
//! of a hit ends with its number of connections.

mod beside;
mod firsts;
mod hits;
mod laps;

use benches::network::Plan;

/// Room for entries of tracked connections, for each connection: one a zone, and some to spare.
const ENTRIES: u32 = 5;
/// Connections where their number is not what is asked.
const CONNECTIONS: u32 = 1_000;
/// VIPs of every network that has services.
const VIPS: u32 = 100;

/// A row of the table, or two that are compared.
struct Scenario {
    name: String,
    run: Box<dyn FnOnce() -> anyhow::Result<()>>,
}

impl Scenario {
    fn new(
        name: impl Into<String>,
        run: impl FnOnce() -> anyhow::Result<()> + 'static,
    ) -> Scenario {
        Scenario {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// A network with few rules, and the greatest that is spoken of: everything else is equal.
fn extremes() -> [Plan; 2] {
    let small = Plan {
        acls: 10,
        routes: 10,
        ..Plan::SERVICES
    };
    let large = Plan {
        acls: 100_000,
        routes: 1_000_000,
        ..Plan::SERVICES
    };
    [small, large]
}

/// Room for so many connections and some more.
fn room(connections: u32) -> u32 {
    connections * ENTRIES + 4_096
}

/// True if the name begins with these words, whole ones.
fn begins(name: &str, words: &str) -> bool {
    name.strip_prefix(words)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ',']))
}

fn main() -> anyhow::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted =
        |name: &str| wanted.is_empty() || wanted.iter().any(|words| begins(name, words));
    laps::print_heading();
    let all = [hits::scenarios(), firsts::scenarios(), beside::scenarios()];
    for scenario in all.into_iter().flatten() {
        if is_wanted(&scenario.name) {
            (scenario.run)()?;
        }
    }
    Ok(())
}
