//! The results as a page: ratios to the goals, then every value.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::goals::{self, Bound, Goal};
use crate::plot;
use crate::results::{Key, Results, Spread};

/// Prints the page; a full run's is kept, with its plots.
pub(crate) fn publish(results: &Results, is_full: bool) -> Result<()> {
    let page = page(results);
    println!("{page}");
    if !is_full {
        return Ok(());
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let plots = own.join("plots");
    fs::create_dir_all(&plots).context("cannot make a directory for the plots")?;
    for (name, text) in plot::all(results) {
        let path = plots.join(format!("{name}.svg"));
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let path = own.join("RESULTS.md");
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
}

fn page(results: &Results) -> String {
    let mut text = String::from(
        "# How weft compares\n\n\
         Written by `cargo xtask bench ground`; [docs/performance.md](../docs/performance.md) says what is measured, and how. \
         Values are medians of rounds in which all systems took turns, with the least and the greatest. Only ratios within \
         one run mean anything.\n\n",
    );
    text += &machine();
    for about in &results.systems {
        let _ = writeln!(
            text,
            "- **{}**: {} ({})",
            about.name, about.about, about.version
        );
    }
    if !results.troubles.is_empty() {
        text += "\nWhat went wrong:\n\n";
        for trouble in &results.troubles {
            let _ = writeln!(text, "- {}", trouble.lines().next().unwrap_or_default());
        }
    }
    text += &ratios(results);
    text += &values(results);
    text
}

/// The machine and the commit, as items of a list.
fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, name)| name);
    let count = info
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let load = read("/proc/loadavg");
    let load = load.split_whitespace().nth(2).unwrap_or("?");
    format!(
        "- Commit {}, Linux {}, {count} processors ({model}), load average of 15 minutes at the end {load}\n",
        commit(),
        read("/proc/sys/kernel/osrelease").trim(),
    )
}

fn commit() -> String {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=10"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.ok()
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

fn ratios(results: &Results) -> String {
    let mut text = String::from(
        "\n## Ratios\n\n\
         | load | weft | against | ratio | of single rounds | goal | |\n|---|---|---|---|---|---|---|\n",
    );
    for goal in goals::all() {
        let Some((ratio, is_met)) = goal.judge(results) else {
            continue;
        };
        let Goal {
            ours,
            theirs,
            bound,
        } = goal;
        let bound = match bound {
            Bound::AtLeast(bound) => format!("≥ {bound}"),
            Bound::AtMost(bound) => format!("≤ {bound}"),
        };
        let _ = writeln!(
            text,
            "| {}, {} | {} | {}, {} | **{:.2}** | {:.2} – {:.2} | {bound} | {} |",
            ours.load,
            ours.metric.unit(),
            ours.lane,
            theirs.peer,
            theirs.lane,
            ratio.median,
            ratio.least,
            ratio.greatest,
            if is_met { "met" } else { "not met" },
        );
    }
    text
}

fn values(results: &Results) -> String {
    let mut text = String::from("\n## Values\n");
    let mut last = None;
    for key in results.keys() {
        let Some(spread) = results.spread(key) else {
            continue;
        };
        if last != Some((key.load, key.metric)) {
            last = Some((key.load, key.metric));
            let _ = writeln!(
                text,
                "\n### {}: {}\n\n| way | system | median | least – greatest |\n|---|---|---|---|",
                key.load,
                key.metric.unit()
            );
        }
        text += &row(key, spread);
    }
    text
}

fn row(key: Key, spread: Spread) -> String {
    let Spread {
        median,
        least,
        greatest,
    } = spread;
    format!(
        "| {} | {} | {} | {} – {} |\n",
        key.lane,
        key.peer,
        number(median),
        number(least),
        number(greatest)
    )
}

/// A number with about three digits that mean something.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
