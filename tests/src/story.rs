//! The Linux ground of a test: each story runs in a process and a sandbox of its own.
//!
//! [`tell`] starts the test's own program again for just this one test, through `sandbox`. There, alone in
//! its namespaces, the story is told; its failure is the test's failure.

use std::any::type_name;
use std::fs::OpenOptions;
use std::process::Command;

use anyhow::Result;
use ground::{programs, sandbox};

use crate::skip::skip;

/// Tells the story in a sandbox. Call it once, from a test function, with a closure written there.
pub fn tell<F: FnOnce() -> Result<()>>(story: F) {
    if sandbox::is_inside() {
        story().unwrap_or_else(|error| panic!("{error:?}"));
        return;
    }
    let name = test_name::<F>();
    if let Some(reason) = reason_to_skip() {
        skip(&name, &reason);
        return;
    }
    programs::build().unwrap_or_else(|error| panic!("{error:#}"));
    again(&name);
}

/// The name that the test runner knows a test by: the path of its closure without crate and closure.
fn test_name<F>() -> String {
    let path = type_name::<F>();
    let inner = path.split_once("::").map_or(path, |(_, inner)| inner);
    inner.trim_end_matches("::{{closure}}").to_owned()
}

/// Runs one test of this program again, inside.
fn again(name: &str) {
    let sandbox = programs::path("sandbox").unwrap_or_else(|error| panic!("{error:#}"));
    let this = std::env::current_exe().expect("a test program knows its own file");
    let output = Command::new(sandbox)
        .arg(this)
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .output()
        .expect("the sandbox program starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    print!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success(),
        "{name} failed in its sandbox, see above"
    );
    assert!(
        stdout.contains("1 passed"),
        "the test runner did not find {name}"
    );
}

/// Why a story cannot be told on this machine, if so.
pub fn reason_to_skip() -> Option<String> {
    match OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
    {
        Ok(_) => None,
        Err(error) => Some(format!(
            "/dev/net/tun does not open ({error}); try, as root: modprobe tun, chmod 0666 /dev/net/tun"
        )),
    }
}
