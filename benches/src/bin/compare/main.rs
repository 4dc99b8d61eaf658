//! Compares weft with other systems on real devices of Linux, side by side in one run.
//!
//! Everything happens in a sandbox: [`peers`] set up each system in namespaces of its own, all at once; each [`load`] is
//! then sent through one after the other, round by round, so that what disturbs the machine disturbs all alike.
//! [`results`] are medians with their spread; [`goals`] are what the ratios must reach. A full run writes
//! `benches/RESULTS.md` and `benches/plots` ([`report`], [`plot`]).
//!
//! `compare [--quick] [WHAT...]`: `WHAT` is a system's name or a kind of load; without any, all are compared.

mod goals;
mod load;
mod peer;
mod peers;
mod plot;
mod report;
mod results;
mod run;
mod shell;
mod topology;
mod wire;

use std::process::ExitCode;

use anyhow::{Context, Result};
use ground::sandbox;

use run::Request;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match perform(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Outside, starts itself again in a sandbox; inside, compares.
fn perform(words: &[String]) -> Result<ExitCode> {
    let request = Request::parse(words)?;
    if sandbox::is_inside() {
        sandbox::settle()?;
        wire::keep_from_filters()?;
        let results = run::run(&request)?;
        report::publish(&results, request.is_full())?;
        return Ok(ExitCode::SUCCESS);
    }
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = sandbox::wrap(&this)?;
    let status = command.args(words).status();
    let status = status.context("cannot start again in the sandbox")?;
    // What went wrong inside was said inside.
    Ok(match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
