//! Tests that must leave something out on this machine say so, and count as skipped.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Names the file, set by `cargo ci`, that collects a line for each skipped test.
const FILE: &str = "WEFT_SKIPPED";

/// Says that a test is left out, and why. Where nothing may be left out (`CI=true`), this is a failure.
pub fn skip(test: &str, reason: &str) {
    if std::env::var("CI").is_ok_and(|value| value == "true") {
        panic!("{test} cannot run here: {reason}");
    }
    let line = format!("{test}: {reason}\n");
    // Written past the test runner, which hides what passing tests print.
    let _ = std::io::stderr().write_all(format!("skipped {line}").as_bytes());
    if let Some(path) = std::env::var_os(FILE) {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the list of skipped tests is writable");
    }
}

/// Whether a program is installed. When it is not, the test is reported as skipped.
pub fn has_program(test: &str, program: &str, package: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .any(|directory| directory.join(program).is_file());
    if !found {
        skip(
            test,
            &format!("{program} is not installed (apt-get install {package})"),
        );
    }
    found
}
