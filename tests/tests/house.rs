//! The shape of the house: which crate may build on which, and how a source file looks.
//!
//! Input: `cargo metadata` and every Rust file of the repository. Output: nothing; each breach is named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Each storey, from the ground up. A crate builds on crates of lower storeys only.
const STOREYS: [&[&str]; 5] = [
    &["packet"],
    &["model", "expr", "pipeline"],
    &["northbound-proto", "southbound-proto"],
    &["northd", "vswitch", "cli"],
    &["ground", "tests", "benches", "xtask"],
];

/// What else is forbidden, although the storeys would allow it.
const FORBIDDEN: [(&str, &str); 5] = [
    // The data path knows nothing of the northbound model and its language.
    ("vswitch", "model"),
    ("vswitch", "expr"),
    ("vswitch", "northbound-proto"),
    // The command line shows what the daemons decide.
    ("cli", "pipeline"),
    ("pipeline", "model"),
];

/// Libraries that would bring I/O, time or threads to where there must be none.
const PURE: [&str; 4] = ["packet", "model", "expr", "pipeline"];
const IMPURE_LIBRARIES: [&str; 9] = [
    "tokio",
    "tonic",
    "prost",
    "nix",
    "libc",
    "socket2",
    "rtnetlink",
    "redb",
    "axum",
];

/// The longest source file, in lines; tests and generated listings count too.
const FILE_LINES_LIMIT: usize = 700;

/// The only places with unsafe code.
const UNSAFE_PLACES: [&str; 2] = ["vswitch/src/sys", "vswitch/src/connection"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate is inside the repository")
        .to_owned()
}

/// Each member of the workspace with the libraries it builds on; what only its tests use is left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    let metadata: Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let text = |value: &Value| value.as_str().expect("a name is text").to_owned();
    metadata["packages"]
        .as_array()
        .expect("there are packages")
        .iter()
        .map(|package| {
            let used = package["dependencies"]
                .as_array()
                .expect("a package lists its dependencies")
                .iter()
                .filter(|dependency| dependency["kind"] != "dev")
                .map(|dependency| text(&dependency["name"]))
                .collect();
            (text(&package["name"]), used)
        })
        .collect()
}

/// Every Rust file of the repository, by its path from the root.
fn sources() -> Vec<(String, String)> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "*.rs",
        ])
        .current_dir(root())
        .output()
        .expect("git starts");
    let names = String::from_utf8(output.stdout).expect("paths are text");
    let files: Vec<_> = names
        .lines()
        .filter_map(|name| Some((name.to_owned(), fs::read_to_string(root().join(name)).ok()?)))
        .collect();
    assert!(
        files.len() > 50,
        "git lists the source files, not {}",
        files.len()
    );
    files
}

/// Fails with all complaints at once.
fn expect_none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn crates_build_only_on_lower_storeys() {
    let storey = |name: &str| STOREYS.iter().position(|storey| storey.contains(&name));
    let mut complaints = Vec::new();
    for (name, used) in dependencies() {
        let Some(own) = storey(&name) else {
            complaints.push(format!("{name} has no storey: say where it belongs"));
            continue;
        };
        let top = STOREYS.len() - 1;
        let climbs =
            |other: &String| storey(other).is_some_and(|theirs| theirs >= own && own != top);
        complaints.extend(
            used.iter()
                .filter(|other| climbs(other))
                .map(|other| format!("{name} builds on {other}")),
        );
        let forbidden = |other: &&String| FORBIDDEN.contains(&(name.as_str(), other.as_str()));
        complaints.extend(
            used.iter()
                .filter(forbidden)
                .map(|other| format!("{name} must not know {other}")),
        );
    }
    expect_none(complaints);
}

#[test]
fn pure_crates_know_no_input_and_output() {
    let all = dependencies();
    let complaints = PURE
        .iter()
        .flat_map(|name| {
            let used = &all[*name];
            IMPURE_LIBRARIES
                .iter()
                .filter(|library| used.contains(**library))
                .map(move |library| format!("{name} uses {library}"))
        })
        .collect();
    expect_none(complaints);
}

#[test]
fn the_pipeline_reads_no_clock_and_starts_no_thread() {
    let words = [
        "Instant::now",
        "SystemTime",
        "std::thread",
        "std::net::Udp",
        "std::net::Tcp",
        "std::fs",
        "println!",
    ];
    let complaints = sources()
        .into_iter()
        .filter(|(path, _)| path.starts_with("pipeline/src") || path.starts_with("packet/src"))
        .flat_map(|(path, text)| {
            words
                .into_iter()
                .filter(move |word| text.contains(word))
                .map(move |word| format!("{path}: {word}"))
        })
        .collect();
    expect_none(complaints);
}

#[test]
fn every_file_says_what_it_is_for_and_stays_short() {
    let mut complaints = Vec::new();
    for (path, text) in sources() {
        if !text.starts_with("//!") {
            complaints.push(format!("{path}: does not begin with //!"));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_LIMIT {
            complaints.push(format!("{path}: {lines} lines, {FILE_LINES_LIMIT} at most"));
        }
    }
    expect_none(complaints);
}

#[test]
fn nothing_is_left_for_later() {
    // In pieces, so that this file does not find itself.
    let words = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["dbg", "!("],
        ["to", "do!("],
        ["unimpl", "emented!("],
    ]
    .map(|word| word.concat());
    let mut complaints = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let found = words.iter().filter(|word| line.contains(word.as_str()));
            complaints.extend(found.map(|word| format!("{path}:{}: {word}", number + 1)));
        }
    }
    expect_none(complaints);
}

#[test]
fn unsafe_code_stays_in_its_places() {
    let allowance = ["allow(unsafe", "_code)"].concat();
    let block = ["unsafe", " {"].concat();
    let complaints = sources()
        .into_iter()
        .filter(|(path, _)| !UNSAFE_PLACES.iter().any(|place| path.starts_with(place)))
        .filter(|(_, text)| text.contains(&allowance) || text.contains(&block))
        .map(|(path, _)| path)
        .collect();
    expect_none(complaints);
}
