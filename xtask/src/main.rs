//! The project's chores: `cargo ci` proves the tree, `cargo demo` shows it at work,
//! `cargo xtask bench` says what it costs.
//!
//! This crate has next to no dependencies, so that either command speaks within seconds of a fresh clone.

mod bench;
mod ci;
mod demo;
mod fuzz;
mod machine;
mod report;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo ci              prove the tree: format, lints, documentation, every test, fuzz targets
       cargo demo            build, start two nodes, run traffic, tidy up
       cargo demo -- --keep  the same, but leave the network up to play with
       cargo xtask bench     what the data path costs: instructions counted, and time";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((command, [])) if command == "ci" => ci::run(),
        Some((command, rest)) if command == "demo" => demo::run(rest),
        Some((command, rest)) if command == "bench" => bench::run(rest),
        Some((command, [])) if command == machine::PROBE => machine::probe_here(),
        _ => Err(anyhow::anyhow!("{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
