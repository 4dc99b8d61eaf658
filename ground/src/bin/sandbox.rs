//! Runs a program in a sandbox of its own: `sandbox PROGRAM [ARGUMENT]...`.
//!
//! Inside are a private `/run`, a loopback interface and nothing else of the network. When the program ends,
//! everything that it started there ends with it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use ground::sandbox;

/// The first argument of this program when it starts itself again inside.
const INSIDE: &str = "--inside";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((first, program)) if first == INSIDE => become_program(program),
        Some(_) => run_inside(&arguments),
        None => Err(anyhow::anyhow!("usage: sandbox PROGRAM [ARGUMENT]...")),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

/// Outside: moves into the sandbox and starts this program again there.
fn run_inside(arguments: &[OsString]) -> Result<ExitCode> {
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    let status = sandbox::wrap(&this)?.arg(INSIDE).args(arguments).status();
    let code = status.context("cannot start again in the sandbox")?.code();
    Ok(code
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Inside: makes the place habitable and becomes the program.
fn become_program(command: &[OsString]) -> Result<ExitCode> {
    sandbox::settle()?;
    let (program, arguments) = command.split_first().context("no program is named")?;
    let failure = Command::new(program).args(arguments).exec();
    Err(failure).with_context(|| format!("cannot start {}", Path::new(program).display()))
}
