//! The tour of the README does what it says: its commands run in one shell, and print what stands there.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use ground::programs;
use ground::sandbox::SCRATCH;
use tests::skip::has_program;
use tests::story::tell;

/// Stands for any text in a line of output, and as a line of its own for any lines.
const ANYTHING: char = '…';

/// Printed by the shell before each command's output.
const MARK: char = '\u{1e}';

/// A command of the tour and the lines that it is to print. Without lines, any output will do.
#[derive(Debug)]
struct Step {
    command: String,
    expected: Vec<String>,
}

/// The steps in the `console` blocks of the tour.
fn steps(readme: &str) -> Vec<Step> {
    let tour = readme
        .split("## A tour")
        .nth(1)
        .expect("the README has a tour");
    let tour = tour.split("\n## ").next().unwrap_or(tour);
    let mut steps: Vec<Step> = Vec::new();
    for block in tour.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or(block);
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step {
                    command: command.to_owned(),
                    expected: Vec::new(),
                }),
                None => steps
                    .last_mut()
                    .expect("output follows a command")
                    .expected
                    .push(line.to_owned()),
            }
        }
    }
    steps
}

/// One shell that runs all commands and marks where the output of each begins.
fn script(steps: &[Step]) -> String {
    steps
        .iter()
        .map(|step| format!("printf '{MARK}'\n{}\n", step.command))
        .collect()
}

fn agrees(pattern: &[String], lines: &[&str]) -> bool {
    match (pattern, lines) {
        ([], []) => true,
        ([first, rest @ ..], _) if first.trim() == ANYTHING.to_string() => {
            (0..=lines.len()).any(|skipped| agrees(rest, &lines[skipped..]))
        }
        ([first, rest @ ..], [line, others @ ..]) => {
            line_agrees(first, line) && agrees(rest, others)
        }
        _ => false,
    }
}

fn line_agrees(pattern: &str, line: &str) -> bool {
    let Some((before, after)) = pattern.split_once(ANYTHING) else {
        return pattern.trim_end() == line.trim_end();
    };
    line.strip_prefix(before).is_some_and(|rest| {
        (0..=rest.len())
            .filter(|end| rest.is_char_boundary(*end))
            .any(|start| line_agrees(after, &rest[start..]))
    })
}

#[test]
fn the_tour_does_what_it_says() {
    tell(|| {
        let test = "the_tour_does_what_it_says";
        if !has_program(test, "ip", "iproute2") || !has_program(test, "ping", "iputils-ping") {
            return Ok(());
        }
        let readme =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md"))?;
        let steps = steps(&readme);
        ensure!(steps.len() > 10, "the tour has {} steps", steps.len());
        let path = format!(
            "{}:{}",
            programs::directory()?.display(),
            std::env::var("PATH")?
        );
        // Files, not pipes: the daemons of the tour keep what they print to open until the sandbox ends.
        let (printed, errors) = (
            Path::new(SCRATCH).join("printed"),
            Path::new(SCRATCH).join("errors"),
        );
        Command::new("sh")
            .args(["-c", &script(&steps)])
            .env("PATH", path)
            .stdout(fs::File::create(&printed)?)
            .stderr(fs::File::create(&errors)?)
            .status()
            .context("cannot start a shell")?;
        let printed = fs::read_to_string(printed)?;
        let errors = fs::read_to_string(errors)?;
        let parts: Vec<_> = printed.split(MARK).skip(1).collect();
        ensure!(
            parts.len() == steps.len(),
            "the shell ended early: {errors}"
        );
        for (step, part) in steps.iter().zip(parts) {
            let lines: Vec<_> = part.lines().collect();
            ensure!(
                step.expected.is_empty() || agrees(&step.expected, &lines),
                "$ {}\nprints\n{part}\ninstead of\n{}\nerrors:\n{errors}",
                step.command,
                step.expected.join("\n")
            );
        }
        Ok(())
    });
}

#[test]
fn patterns_stand_for_any_text_and_any_lines() {
    let check = |pattern: &str, text: &str, expected: bool| {
        let pattern: Vec<_> = pattern.lines().map(str::to_owned).collect();
        assert_eq!(
            agrees(&pattern, &text.lines().collect::<Vec<_>>()),
            expected,
            "{pattern:?} {text:?}"
        );
    };
    check("a\nb", "a\nb", true);
    check("a\nb", "a\nc", false);
    check("a…c", "abbbc", true);
    check("a…c", "abbb", false);
    check("…\nlast", "one\ntwo\nlast", true);
    check("…\nlast\n…", "last", true);
    check("first\n…", "second", false);
}
