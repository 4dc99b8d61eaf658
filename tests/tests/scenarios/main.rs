//! What comes out of the data path is what came out of OVN: every scenario in `tests/scenarios` is played in memory,
//! by the real commands, compiler and data path, and once more by the programs with TAP devices.
//!
//! `WEFT_SCENARIO=WORDS` plays only those whose titles have these words. `WEFT_SCENARIOS=PATH` plays the scenarios of that
//! file in the place of any other.

mod live;
mod northd;
mod weft;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use live::Live;
use tests::scenario::{Event, Scenario, Side, parse, play};
use tests::story::tell;
use weft::Weft;

/// The files with scenarios.
const FILES: [&str; 11] = [
    "acl.txt",
    "rules.txt",
    "policy.txt",
    "cluster.txt",
    "balance.txt",
    "nat.txt",
    "distributed.txt",
    "fragments.txt",
    "beside.txt",
    "tiers.txt",
    "qos.txt",
];

/// The scenarios of a file.
fn scenarios(file: &str) -> Result<Vec<Scenario>> {
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let path = std::env::var_os("WEFT_SCENARIOS").map_or_else(|| known.join(file), PathBuf::from);
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    let wanted = std::env::var("WEFT_SCENARIO").unwrap_or_default();
    let mut scenarios = parse(&text)?;
    scenarios.retain(|scenario| scenario.title.contains(&wanted));
    Ok(scenarios)
}

/// Plays a scenario, and tells what is different, if anything is.
fn difference(scenario: &Scenario, side: &mut dyn Side) -> Option<String> {
    let title = &scenario.title;
    match compare(scenario, side) {
        Ok(text) if text.is_empty() => None,
        Ok(text) => Some(format!("{title}\n{text}")),
        Err(error) => Some(format!("{title}\n  cannot be played: {error:#}\n")),
    }
}

/// What is different in one scenario, frame by frame.
fn compare(scenario: &Scenario, side: &mut dyn Side) -> Result<String> {
    let seen = play(scenario, side)?;
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
    Ok(text)
}

fn check(file: &str) -> Result<()> {
    let mut differences = Vec::new();
    for scenario in scenarios(file)? {
        differences.extend(difference(&scenario, &mut Weft::start()?));
    }
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
fn packets_are_marked_as_with_ovn() -> Result<()> {
    check("qos.txt")
}

#[test]
fn gateway_ports_translate_and_balance_as_with_ovn() -> Result<()> {
    check("distributed.txt")
}

#[test]
fn routers_beside_each_other_find_what_the_other_is_asked_for() -> Result<()> {
    check("beside.txt")
}

#[test]
fn rules_decide_tier_by_tier() -> Result<()> {
    check("tiers.txt")
}

#[test]
fn every_scenario_is_kept() -> Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        assert!(
            FILES.iter().any(|file| name == **file),
            "{name:?} is not played"
        );
    }
    Ok(())
}

#[test]
fn programs_and_tap_devices_do_as_ovn_does() {
    tell(|| {
        let mut live = Live::start()?;
        let mut differences = Vec::new();
        for file in FILES {
            for scenario in scenarios(file)? {
                live.clear();
                differences.extend(difference(&scenario, &mut live));
            }
        }
        let text = differences.join("\n");
        assert!(
            differences.is_empty(),
            "{} scenarios differ:\n{text}",
            differences.len()
        );
        Ok(())
    });
}
