//! `cargo ci`: each step in order, with its time, and one closing line that sums all test results.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::bench;
use crate::fuzz;
use crate::machine;
use crate::report::{Tone, paint, seconds};

/// The file that tests which must leave something out write a line to, one a test.
const SKIPPED_FILE: &str = "WEFT_SKIPPED";

/// What the step of the fuzz targets is called.
const FUZZ_STEP: &str = "fuzz targets";

/// What the step of the instruction counts is called.
const COUNT_STEP: &str = "instruction counts";

/// What a step runs: a name to print and the arguments of cargo.
struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
    /// Environment that only this step needs.
    environment: &'static [(&'static str, &'static str)],
}

const STEPS: [Step; 5] = [
    Step {
        name: "format",
        arguments: &["fmt", "--all", "--check"],
        environment: &[],
    },
    Step {
        name: "lints",
        arguments: &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
        environment: &[],
    },
    Step {
        name: "documentation",
        arguments: &[
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ],
        // These pages are for who reads the code: links to what is private lead somewhere.
        environment: &[(
            "RUSTDOCFLAGS",
            "-D warnings -A rustdoc::private_intra_doc_links",
        )],
    },
    Step {
        name: "programs",
        arguments: &["build", "--workspace", "--bins"],
        environment: &[],
    },
    Step {
        name: "tests",
        arguments: &["test", "--workspace", "--no-fail-fast"],
        environment: &[],
    },
];

/// Test results, summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Runs every step, also after one that failed, and fails at the end if any did.
pub(crate) fn run() -> Result<()> {
    check_machine()?;
    let skipped = std::env::temp_dir().join(format!("weft-skipped-{}", std::process::id()));
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for step in &STEPS {
        if !run_step(step, &skipped, &mut tally)? {
            failures.push(step.name);
        }
    }
    if !run_fuzzers(&mut tally) {
        failures.push(FUZZ_STEP);
    }
    if !run_counts(&mut tally) {
        failures.push(COUNT_STEP);
    }
    let left_out = std::fs::read_to_string(&skipped).unwrap_or_default();
    // Gone already when no test left anything out.
    let _ = std::fs::remove_file(&skipped);
    conclude(tally, &failures, &left_out)
}

/// Names what the machine lacks. Where tests must not be left out (`CI=true`), that is an error.
fn check_machine() -> Result<()> {
    let mut complaints = Vec::new();
    let packages = machine::missing_packages();
    if !packages.is_empty() {
        complaints.push(format!(
            "some tests need programs that are not installed\n  try, as root: apt-get install {}",
            packages.join(" ")
        ));
    }
    for check in [machine::check_tun(), machine::check_namespaces()] {
        complaints.extend(check.err().map(|error| format!("{error:#}")));
    }
    if complaints.is_empty() {
        return Ok(());
    }
    let text = complaints.join("\n");
    if std::env::var("CI").is_ok_and(|value| value == "true") {
        bail!("{text}");
    }
    eprintln!(
        "{}\ntests that need this are skipped\n",
        paint(Tone::Note, &text)
    );
    Ok(())
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs one step and says how it went; test results are added to the tally.
fn run_step(step: &Step, skipped: &std::path::Path, tally: &mut Tally) -> Result<bool> {
    let start = begin(step.name);
    let mut child = cargo()
        .args(step.arguments)
        .envs(step.environment.iter().copied())
        .env(SKIPPED_FILE, skipped)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let output = child
        .stdout
        .take()
        .context("cargo has no standard output")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("cannot read what cargo prints")?;
        tally.add(&line);
        println!("{line}");
    }
    let succeeded = child.wait().context("cannot wait for cargo")?.success();
    end(step.name, start, succeeded);
    Ok(succeeded)
}

/// Runs the fuzz targets as one step; each of them counts as a test.
fn run_fuzzers(tally: &mut Tally) -> bool {
    let start = begin(FUZZ_STEP);
    let outcome = fuzz::run();
    if let Err(error) = &outcome {
        eprintln!("{error:#}");
    }
    let verdicts = outcome.unwrap_or_else(|_| vec![false]);
    let held = verdicts.iter().filter(|held| **held).count();
    tally.passed += held as u64;
    tally.failed += (verdicts.len() - held) as u64;
    end(FUZZ_STEP, start, held == verdicts.len());
    held == verdicts.len()
}

/// Compares the instruction counts with those written down as one step, which counts as one test.
fn run_counts(tally: &mut Tally) -> bool {
    let start = begin(COUNT_STEP);
    let outcome = bench::compare();
    if let Err(error) = &outcome {
        eprintln!("{error:#}");
    }
    let is_fine = outcome.is_ok();
    tally.passed += u64::from(is_fine);
    tally.failed += u64::from(!is_fine);
    end(COUNT_STEP, start, is_fine);
    is_fine
}

/// Prints a step's heading.
fn begin(name: &str) -> Instant {
    eprintln!("{}", paint(Tone::Strong, &format!("==> {name}")));
    Instant::now()
}

/// Says how a step went, and how long it took.
fn end(name: &str, start: Instant, succeeded: bool) {
    let (tone, word) = if succeeded {
        (Tone::Good, "ok")
    } else {
        (Tone::Bad, "FAILED")
    };
    let line = format!("    {name} {word} in {}", seconds(start.elapsed()));
    eprintln!("{}\n", paint(tone, &line));
}

/// Prints the closing line, alone on its line and last on standard output.
fn conclude(mut tally: Tally, failures: &[&str], left_out: &str) -> Result<()> {
    for line in left_out.lines() {
        eprintln!("{}", paint(Tone::Note, &format!("skipped: {line}")));
        tally.skipped += 1;
        tally.passed = tally.passed.saturating_sub(1);
    }
    println!(
        "{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    );
    if !failures.is_empty() {
        bail!("failed: {}", failures.join(", "));
    }
    if tally.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

impl Tally {
    /// Adds a result line of the test runner; any other line counts nothing.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line
            .trim()
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            let Some((number, what)) = part.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_summed_and_other_lines_are_not() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 9 filtered out; finished in 1.20s",
            "the test result: ok. 100 passed",
        ] {
            tally.add(line);
        }
        assert_eq!(
            tally,
            Tally {
                passed: 7,
                failed: 2,
                skipped: 1
            }
        );
    }

    #[test]
    fn a_run_without_a_test_is_no_success() {
        assert!(conclude(Tally::default(), &[], "").is_err());
    }

    #[test]
    fn a_failed_step_fails_the_run() {
        let tally = Tally {
            passed: 5,
            ..Tally::default()
        };
        assert!(conclude(tally, &[], "").is_ok());
        assert!(conclude(tally, &["lints"], "").is_err());
    }
}
