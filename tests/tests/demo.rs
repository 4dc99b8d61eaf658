//! The demonstration does what the README promises, and leaves nothing behind.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ground::process::wait_until;
use ground::programs;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tests::skip::skip;
use tests::story::reason_to_skip;

/// How long processes may take to vanish after their sandbox.
const SOON: Duration = Duration::from_secs(5);

fn demo(arguments: &[&str]) -> Result<Output> {
    Command::new(programs::path("demo")?)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("cannot start the demonstration")
}

/// The processes of our programs, anywhere.
fn processes() -> BTreeSet<u32> {
    let directory = programs::directory().expect("a test knows its directory");
    let is_ours = |id: &u32| {
        fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|path| {
            path.parent() == Some(&directory) && path.file_name().is_some_and(|name| name != "deps")
        })
    };
    let entries = fs::read_dir("/proc").expect("/proc is there").flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(is_ours).collect()
}

/// The processes that stand in the sandbox of another process, itself included.
fn inhabitants(id: u32) -> BTreeSet<u32> {
    let Ok(place) = fs::read_link(format!("/proc/{id}/ns/mnt")) else {
        return BTreeSet::new();
    };
    let lives_there = |other: &u32| {
        fs::read_link(format!("/proc/{other}/ns/mnt")).is_ok_and(|seen| seen == place)
    };
    processes().into_iter().filter(lives_there).collect()
}

fn can_run(test: &str) -> bool {
    if let Some(reason) = reason_to_skip() {
        skip(test, &reason);
        return false;
    }
    programs::build().unwrap_or_else(|error| panic!("{error:#}"));
    true
}

#[test]
fn the_demonstration_shows_everything_and_keeps_its_promises() -> Result<()> {
    if !can_run("the_demonstration_shows_everything_and_keeps_its_promises") {
        return Ok(());
    }
    let output = demo(&[])?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for part in [
        "Starting",
        "The logical network",
        "Who reaches whom",
        "The way of one packet",
        "Throughput",
        "Gbit/s",
        "A service and a policy",
        "blue-1 sees one address; pods on both nodes answer",
        "silence: the ACL default-deny drops",
        "refused at once: the ACL no-ssh rejects",
        "README.md",
    ] {
        assert!(
            text.contains(part),
            "the demonstration shows {part:?}:\n{text}"
        );
    }
    assert_eq!(
        text.matches("46tT").count(),
        12,
        "four pods reach three others each:\n{text}"
    );
    assert!(
        !text.contains('\u{1b}'),
        "no colours where there is no terminal"
    );
    Ok(())
}

#[test]
fn a_demonstration_that_was_kept_can_be_entered_and_stopped() -> Result<()> {
    if !can_run("a_demonstration_that_was_kept_can_be_entered_and_stopped") {
        return Ok(());
    }
    let output = demo(&["--keep"])?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let id = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("$ kill "))
        .context("it says how to stop it")?;
    let number: u32 = id.parse()?;
    let living = inhabitants(number);
    assert!(
        living.len() >= 4,
        "the show, northd and two vswitches live in it: {living:?}"
    );
    let shown = demo(&["--enter", id, "vsctl", "show"])?;
    kill(Pid::from_raw(number.try_into()?), Signal::SIGTERM)?;
    assert!(
        String::from_utf8_lossy(&shown.stdout).contains("port blue-1"),
        "{shown:?}"
    );
    wait_until("everything in it has ended", SOON, || {
        processes().is_disjoint(&living).then_some(())
    })
}

#[test]
fn a_demonstration_that_is_interrupted_leaves_nothing_behind() -> Result<()> {
    if !can_run("a_demonstration_that_is_interrupted_leaves_nothing_behind") {
        return Ok(());
    }
    // A terminal's Ctrl-C is told to the whole group. Whoever runs tests in the background may have had it ignored.
    let mut show = Command::new("env")
        .arg("--default-signal=INT")
        .arg(programs::path("demo")?)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the demonstration")?;
    let mut lines = BufReader::new(show.stdout.take().context("it has an output")?).lines();
    ensure!(
        lines.any(|line| line.is_ok_and(|line| line.contains("attached on"))),
        "it attaches pods"
    );
    let group = Pid::from_raw(show.id().try_into()?);
    let living = inhabitants(show.id());
    assert!(
        living.len() >= 4,
        "the show, northd and two vswitches live in it: {living:?}"
    );
    killpg(group, Signal::SIGINT)?;
    assert_eq!(show.wait()?.signal(), Some(Signal::SIGINT as i32));
    wait_until("everything in it has ended", SOON, || {
        processes().is_disjoint(&living).then_some(())
    })
}
