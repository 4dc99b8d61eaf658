//! Plays scenarios against OVN's own programs and writes down what came out: `observe FILE [WORDS OF A TITLE]`.
//!
//! It is run by hand, when there are new scenarios; the tests replay what stands in the files.

use std::process::ExitCode;

use anyhow::{Context, Result};
use tests::oracle::node::OvnNode;
use tests::scenario::{Played, Scenario, parse, play, rewrite};

/// How often a scenario is played; now and then OVN's node never says that it is ready.
const ATTEMPTS: usize = 4;

fn main() -> ExitCode {
    match observe() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn observe() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().context("which file?")?;
    let words = arguments.next().unwrap_or_default();
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let scenarios = parse(&text)?;
    let mut seen = Vec::new();
    for scenario in scenarios
        .iter()
        .filter(|scenario| scenario.title.contains(&words))
    {
        println!("{}", scenario.title);
        let mut played = attempt(scenario);
        for _ in 1..ATTEMPTS {
            played = played.or_else(|_| attempt(scenario));
        }
        match played {
            Ok(frames) => seen.extend(frames),
            Err(error) => eprintln!("  cannot be played: {error:#}"),
        }
    }
    let new = rewrite(&text, &scenarios, &seen);
    std::fs::write(&file, new).with_context(|| format!("cannot write {file}"))
}

fn attempt(scenario: &Scenario) -> Result<Played> {
    play(scenario, &mut OvnNode::start()?)
}
