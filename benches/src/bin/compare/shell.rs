//! Other programs, run to their end or started to stay.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ground::namespace::Namespace;

/// Runs a line, its words between blanks, in a namespace; returns what it printed.
pub(crate) fn run(namespace: &Namespace, line: &str) -> Result<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    run_words(namespace, &words, "")
}

/// Runs a program with its arguments in a namespace, with `input` to read; returns what it printed.
pub(crate) fn run_words(namespace: &Namespace, words: &[&str], input: &str) -> Result<String> {
    let (program, arguments) = words.split_first().context("no program is named")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(file_of(input)?);
    let output = namespace
        .output(&mut command)
        .with_context(|| format!("cannot start {program}"))?;
    ensure!(
        output.status.success(),
        "{} failed: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A file without a name that holds `text`.
fn file_of(text: &str) -> Result<std::fs::File> {
    use std::io::{Seek, Write};
    let path = Path::new(ground::sandbox::SCRATCH).join("input");
    let mut file = std::fs::File::options()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

/// Runs each line of a text that is not empty.
pub(crate) fn run_all(namespace: &Namespace, lines: &str) -> Result<()> {
    lines
        .lines()
        .filter(|line| !line.trim().is_empty())
        .try_for_each(|line| run(namespace, line).map(drop))
}

/// Whether a program is installed.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|directory: std::path::PathBuf| directory.join(program).is_file())
}

/// The first line of what a program says of its version.
pub(crate) fn version(program: &str) -> Result<String> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
