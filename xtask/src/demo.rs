//! `cargo demo`: checks what the machine must offer, builds the programs, and hands over to `demo`.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::machine;
use crate::report::{Tone, paint};

/// Checks, builds, and becomes the demonstration itself.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    machine::check_tun()?;
    machine::check_namespaces()?;
    build()?;
    let program = std::path::absolute(target_directory().join("release/demo"))?;
    Err(Command::new(&program).args(arguments).exec())
        .with_context(|| format!("cannot start {}", program.display()))
}

/// Builds everything that the demonstration starts, with cargo's own progress to look at.
fn build() -> Result<()> {
    eprintln!(
        "{}",
        paint(
            Tone::Strong,
            "Building northd, vswitch and vsctl (a few minutes the first time)"
        )
    );
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release"])
        .args([
            "--package",
            "northd",
            "--package",
            "vswitch",
            "--package",
            "cli",
            "--package",
            "ground",
        ])
        .arg("--bins")
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("the programs do not build");
    }
    Ok(())
}

/// Where cargo puts what it builds: beside the profile directory that this program runs from.
fn target_directory() -> std::path::PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    this.ancestors()
        .nth(2)
        .map(Into::into)
        .unwrap_or_else(|| "target".into())
}
