//! The fuzz targets, each for some seconds, from their committed corpora.
//!
//! What libFuzzer writes goes below `target/`: the inputs that reached new code, and the one that broke a
//! target, which belongs in the corpus once its fault is mended.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::ci::cargo;
use crate::machine;
use crate::report::{Tone, paint};

/// How long a target is given inputs.
const SECONDS_PER_TARGET: u32 = 3;
/// The longest input that is made up, in bytes: a few headers, or a small message.
const INPUT_LENGTH_LIMIT_BYTES: u32 = 2_048;
/// An input that takes longer breaks its target.
const INPUT_TIMEOUT_SECONDS: u32 = 5;
/// A target that takes more memory is broken.
const MEMORY_LIMIT_MIB: u32 = 512;

/// Builds the targets and runs one after the other. Says of each whether it held.
pub(crate) fn run() -> Result<Vec<bool>> {
    machine::check_cpp_compiler()?;
    let home = Path::new(env!("CARGO_MANIFEST_DIR"))
        .with_file_name("fuzz")
        .canonicalize()
        .context("cannot find the fuzz targets")?;
    let built = cargo()
        .args(["build", "--locked", "--bins"])
        .current_dir(&home)
        .status()
        .context("cannot start cargo")?;
    if !built.success() {
        bail!("the fuzz targets do not build");
    }
    targets(&home)?
        .iter()
        .map(|target| run_target(&home, target))
        .collect()
}

/// The names of the targets: each has a corpus.
fn targets(home: &Path) -> Result<Vec<String>> {
    let corpora = std::fs::read_dir(home.join("corpus")).context("cannot list the corpora")?;
    let mut names = corpora
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// Runs one target and says how many inputs it took, or all that libFuzzer said when one broke it.
fn run_target(home: &Path, target: &str) -> Result<bool> {
    let found = fresh_directory(target)?;
    let output = cargo()
        .args(["run", "--quiet", "--locked", "--bin", target, "--"])
        .arg(format!("-max_total_time={SECONDS_PER_TARGET}"))
        .arg(format!("-max_len={INPUT_LENGTH_LIMIT_BYTES}"))
        .arg(format!("-timeout={INPUT_TIMEOUT_SECONDS}"))
        .arg(format!("-rss_limit_mb={MEMORY_LIMIT_MIB}"))
        .arg(format!("-artifact_prefix={}/broken-by-", found.display()))
        .arg(&found)
        .arg(home.join("corpus").join(target))
        .current_dir(home)
        .stdin(Stdio::null())
        .output()
        .context("cannot start cargo")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let held = output.status.success();
    match inputs(&said).filter(|_| held) {
        Some(count) => println!("fuzz {target} ... ok, {count} inputs"),
        None => println!(
            "{said}{}",
            paint(Tone::Bad, &format!("fuzz {target} ... FAILED"))
        ),
    }
    Ok(held)
}

/// An empty directory for what one run of a target finds.
fn fresh_directory(target: &str) -> Result<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .with_file_name("target")
        .join("fuzz/found")
        .join(target);
    if directory.exists() {
        std::fs::remove_dir_all(&directory).context("cannot remove what the last run found")?;
    }
    std::fs::create_dir_all(&directory).context("cannot make a place for what is found")?;
    Ok(directory)
}

/// The number in the line that libFuzzer ends with: `Done 1234 runs in 5 second(s)`.
fn inputs(said: &str) -> Option<u64> {
    let line = said
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("Done "))?;
    line.split_once(" runs ")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_how_many_inputs_there_were() {
        let said = "#2\tINITED cov: 3\n#9\tDONE   cov: 4\nDone 1234 runs in 5 second(s)\n";
        assert_eq!(inputs(said), Some(1234));
        assert_eq!(inputs("==1== ERROR: libFuzzer: deadly signal\n"), None);
    }
}
