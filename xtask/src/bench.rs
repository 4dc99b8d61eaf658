//! `cargo xtask bench`: counts instructions and compares them with those written down, and measures time.
//!
//! Instructions are the same on a busy machine and on a quiet one, but not with another compiler or another processor
//! architecture. What is written down names both; where they differ, counts are shown and nothing is compared.

mod counts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::ci::cargo;
use crate::report::{Tone, paint};
use counts::{Baseline, Change, Counts};

/// The function within which instructions are counted, as callgrind knows it.
const COUNTED: &str = "count::counted";
/// What the counted program is told to count.
const HALVES: [&str; 2] = ["packets", "rules"];
/// Cargo's name for how the counted program is built.
const PROFILE: &str = "count";

const USAGE: &str = "\
usage: cargo xtask bench                    count instructions and compare them, then measure time
       cargo xtask bench count              only count and compare
       cargo xtask bench count --renew      count, and write the counts down as those to compare with
       cargo xtask bench replay [NAME...]   only measure time, of the scenarios whose names begin so
       cargo xtask bench ground             compare with other systems on devices, and write benches/RESULTS.md
       cargo xtask bench ground [--quick] [WHAT...]
                                            only print, of systems or loads (streams, frames, echo, connects, idle)";

/// Runs what the words after `bench` ask for.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => {
            compare()?;
            replay(&[])
        }
        ["count"] => compare(),
        ["count", "--renew"] => renew(),
        ["replay", ref names @ ..] => replay(names),
        ["ground", ref words @ ..] => ground(words),
        _ => bail!("{USAGE}"),
    }
}

/// Counts, shows each count beside the one that is written down, and fails if any is another by more than chance.
pub(crate) fn compare() -> Result<()> {
    let counts = count()?;
    let path = baseline_path();
    let compiler = compiler()?;
    let baseline = match path.exists() {
        true => Baseline::read(&path)?,
        false => Baseline::default(),
    };
    if baseline.compiler != compiler {
        let text = format!(
            "counts of {:?} are written down, this is {compiler}: nothing is compared",
            baseline.compiler
        );
        eprintln!("{}", paint(Tone::Note, &text));
        for (name, count) in &counts {
            println!("{count:>12}  {name}");
        }
        return Ok(());
    }
    let changes = baseline.compare(&counts);
    for Change { name, line, .. } in &changes {
        println!("{line}  {name}");
    }
    let complaints = changes.iter().filter(|change| !change.is_fine);
    let names: Vec<_> = complaints.map(|change| change.name.as_str()).collect();
    ensure!(
        names.is_empty(),
        "instruction counts are not those written down in benches/counts.tsv, to {} %: {}\n  \
         to see them again: cargo xtask bench count\n  \
         if the change is meant: cargo xtask bench count --renew, and make benches/counts.tsv part of the change",
        counts::TOLERANCE_PERCENT,
        names.join("; ")
    );
    Ok(())
}

fn renew() -> Result<()> {
    let baseline = Baseline {
        compiler: compiler()?,
        counts: count()?,
    };
    baseline.write(&baseline_path())
}

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

fn baseline_path() -> PathBuf {
    root().join("benches/counts.tsv")
}

/// The compiler and what it compiles for, in words.
fn compiler() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("--version")
        .output()
        .context("cannot ask the compiler for its version")?;
    let version = String::from_utf8_lossy(&output.stdout);
    Ok(format!("{} for {}", version.trim(), std::env::consts::ARCH))
}

/// Builds a program of the benches; returns where it is.
fn build(program: &str, profile: &str, features: &[&str]) -> Result<PathBuf> {
    let built = cargo()
        .args(["build", "--package", "benches", "--bin", program])
        .args(["--profile", profile])
        .args(features)
        .stdin(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    ensure!(built.success(), "the program {program} does not build");
    Ok(target().join(profile).join(program))
}

/// Where cargo puts what it builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or(root().join("target"), PathBuf::from)
}

/// Instructions of each piece of work.
fn count() -> Result<Counts> {
    let program = build("count", PROFILE, &["--features", "fixed-seeds"])?;
    let dumps = std::env::temp_dir().join(format!("weft-count-{}", std::process::id()));
    std::fs::create_dir_all(&dumps).context("cannot make a directory for the counts")?;
    let counts = run_halves(&program, &dumps);
    std::fs::remove_dir_all(&dumps).context("cannot tidy up after the counts")?;
    counts
}

/// Both halves of the work beside each other.
fn run_halves(program: &Path, dumps: &Path) -> Result<Counts> {
    let halves = std::thread::scope(|scope| {
        let run = |half| scope.spawn(move || run_counted(program, half, &dumps.join(half)));
        HALVES.map(run).map(|half| {
            half.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    });
    let mut counts = Counts::new();
    for half in halves {
        counts.extend(half?);
    }
    Ok(counts)
}

fn run_counted(program: &Path, half: &str, dumps: &Path) -> Result<Counts> {
    std::fs::create_dir_all(dumps).context("cannot make a directory for the counts")?;
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--dump-after={COUNTED}"))
        .arg(format!(
            "--callgrind-out-file={}",
            dumps.join("dump").display()
        ))
        .arg(program)
        .arg(half)
        .stdin(Stdio::null())
        .output()
        .context("cannot start valgrind\n  try, as root: apt-get install valgrind")?;
    ensure!(
        output.status.success(),
        "the counted program failed\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut counts = BTreeMap::new();
    for (line, number) in String::from_utf8_lossy(&output.stdout).lines().zip(1..) {
        let dump = dumps.join(format!("dump.{number}"));
        let text = std::fs::read_to_string(&dump).context("a count is missing")?;
        let (name, count) = counts::read_dump(line, &text)?;
        counts.insert(name, count);
    }
    ensure!(!counts.is_empty(), "nothing was counted");
    Ok(counts)
}

/// Compares with other systems.
fn ground(words: &[&str]) -> Result<()> {
    let packages = ["northd", "vswitch", "cli", "benches"];
    let built = cargo()
        .args(["build", "--release", "--bins"])
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .stdin(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    ensure!(built.success(), "the programs do not build");
    let status = Command::new(target().join("release/compare"))
        .args(words)
        .status()
        .context("cannot start the program that compares")?;
    ensure!(status.success(), "the comparison failed");
    Ok(())
}

fn replay(names: &[&str]) -> Result<()> {
    let program = build("replay", "release", &[])?;
    let status = Command::new(program)
        .args(names)
        .status()
        .context("cannot start the program that measures")?;
    ensure!(status.success(), "the measurement failed");
    Ok(())
}
