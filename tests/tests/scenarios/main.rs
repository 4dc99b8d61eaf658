//! What comes out of the data path is what came out of OVN: every scenario in `tests/scenarios` is played in memory,
//! by the real commands, compiler and data path.
//!
//! `WEFT_SCENARIO=WORDS` plays only those whose titles have these words. `WEFT_SCENARIOS=PATH` plays the scenarios of that
//! file in the place of any other.

mod northd;
mod weft;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tests::scenario::{Event, Scenario, parse, play};
use weft::Weft;

/// Plays all scenarios of a file, and returns what is different in each.
fn differences(file: &str) -> Result<Vec<String>> {
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let path = std::env::var_os("WEFT_SCENARIOS").map_or_else(|| known.join(file), PathBuf::from);
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    let wanted = std::env::var("WEFT_SCENARIO").unwrap_or_default();
    let mut differences = Vec::new();
    for scenario in parse(&text)?
        .iter()
        .filter(|scenario| scenario.title.contains(&wanted))
    {
        let title = &scenario.title;
        match difference(scenario) {
            Ok(None) => {}
            Ok(Some(difference)) => differences.push(format!("{title}\n{difference}")),
            Err(error) => differences.push(format!("{title}\n  cannot be played: {error:#}\n")),
        }
    }
    Ok(differences)
}

/// What is different in one scenario, frame by frame.
fn difference(scenario: &Scenario) -> Result<Option<String>> {
    let mut weft = Weft::start()?;
    let seen = play(scenario, &mut weft)?;
    let mut text = String::new();
    for (line, seen) in seen {
        let steps = scenario.steps.iter();
        let step = steps
            .clone()
            .find(|step| step.line == line)
            .context("a line of a frame")?;
        let expected = step.of_us().unwrap_or_default();
        if seen == expected {
            continue;
        }
        let Event::Frame { port, frame, .. } = &step.event else {
            continue;
        };
        text.push_str(&format!("{line:>5}: > {port} {frame}\n"));
        let list = |sign: char, ours: &[String], theirs: &[String]| -> String {
            let only = ours.iter().filter(|frame| !theirs.contains(frame));
            only.map(|frame| format!("       {sign} {frame}\n"))
                .collect()
        };
        text.push_str(&list('-', &expected, &seen));
        text.push_str(&list('+', &seen, &expected));
    }
    Ok((!text.is_empty()).then_some(text))
}

fn check(file: &str) -> Result<()> {
    let differences = differences(file)?;
    assert!(
        differences.is_empty(),
        "{} scenarios of {file} differ (- expected, + seen):\n{}",
        differences.len(),
        differences.join("\n")
    );
    Ok(())
}

#[test]
fn acls_decide_as_with_ovn() -> Result<()> {
    check("acl.txt")
}

#[test]
fn rules_between_switches_decide_as_with_ovn() -> Result<()> {
    check("rules.txt")
}

#[test]
fn pods_and_the_world_reach_each_other_as_with_ovn() -> Result<()> {
    check("cluster.txt")
}

#[test]
fn policies_of_clusters_decide_as_with_ovn() -> Result<()> {
    check("policy.txt")
}

#[test]
fn services_are_balanced_as_with_ovn() -> Result<()> {
    check("balance.txt")
}

#[test]
fn addresses_are_translated_as_with_ovn() -> Result<()> {
    check("nat.txt")
}

#[test]
fn fragments_follow_their_first() -> Result<()> {
    check("fragments.txt")
}

#[test]
fn gateway_ports_translate_and_balance_as_with_ovn() -> Result<()> {
    check("distributed.txt")
}
