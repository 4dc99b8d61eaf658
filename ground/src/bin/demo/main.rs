//! The demonstration: `northd`, two nodes, five pods and real traffic, in a sandbox that leaves no trace.

mod keep;
mod print;
mod services;
mod show;
mod traffic;

use std::io::Read;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use anyhow::{Context, Result};
use ground::sandbox;

const USAGE: &str = "\
usage: cargo demo                                build, start two nodes, run traffic, tidy up
       cargo demo -- --keep                      leave the network up and say how to enter it
       cargo demo -- --enter PID [COMMAND...]    run a command (or a shell) inside one that is up";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        [] => perform(false),
        ["--keep"] => perform(true),
        ["--enter", process, command @ ..] => keep::enter(process, command),
        _ => Err(anyhow::anyhow!("{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{}", print::bad(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

/// Outside, starts itself again in a sandbox; inside, gives the show.
fn perform(keep: bool) -> Result<()> {
    if sandbox::is_inside() {
        sandbox::settle()?;
        let network = show::run()?;
        return if keep { keep::hold(network) } else { Ok(()) };
    }
    // The inner process says "it stays" with one byte on this line, or just ends.
    let (mut line, far_end) = UnixStream::pair().context("cannot make a socket pair")?;
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    let mut child = sandbox::wrap(&this)?
        .args(keep.then_some("--keep"))
        .stdin(OwnedFd::from(far_end))
        .spawn()
        .context("cannot start again in the sandbox")?;
    line.shutdown(Shutdown::Write)
        .context("cannot close half of a socket pair")?;
    if line
        .read(&mut [0])
        .context("cannot hear from the sandbox")?
        == 1
    {
        keep::explain(child.id());
        return Ok(());
    }
    let status = child.wait().context("cannot wait for the sandbox")?;
    // What went wrong inside was said inside.
    if !status.success() {
        std::process::exit(1);
    }
    Ok(())
}
