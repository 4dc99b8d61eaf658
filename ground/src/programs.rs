//! Where the project's own programs are, once cargo has built them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// The programs that make up the system.
pub const SYSTEM: [&str; 3] = ["northd", "vswitch", "vsctl"];

/// The directory that cargo put this program's profile in, such as `target/debug`.
pub fn directory() -> Result<PathBuf> {
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    let beside = this
        .parent()
        .context("this program's file has no directory")?;
    let is_test = beside.file_name().is_some_and(|name| name == "deps");
    let directory = if is_test {
        beside.parent().unwrap_or(beside)
    } else {
        beside
    };
    Ok(directory.to_owned())
}

/// The file of one of the project's programs.
pub fn path(name: &str) -> Result<PathBuf> {
    let path = directory()?.join(name);
    if !path.is_file() {
        bail!(
            "{} is not built\n  try: cargo build --workspace --bins",
            path.display()
        );
    }
    Ok(path)
}

/// Brings the project's programs up to date, once a process: `cargo test` alone builds only what it must.
pub fn build() -> Result<()> {
    static DONE: OnceLock<Result<(), String>> = OnceLock::new();
    DONE.get_or_init(|| build_now().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(anyhow::Error::msg)
}

fn build_now() -> Result<()> {
    let directory = directory()?;
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args([
            "build",
            "--quiet",
            "--workspace",
            "--bins",
            "--profile",
            profile,
        ])
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!(
            "the programs do not build:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
