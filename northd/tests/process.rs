//! The binary from outside: ready, healthy, stopped, and plain words when it cannot start.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use common::{NORTHD, Process};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("northd listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: northd\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut reply = String::new();
    stream
        .read_to_string(&mut reply)
        .expect("an answer in UTF-8");
    reply
}

fn refuses_to_start(arguments: &[&str], expected: &[&str]) {
    let output = Command::new(NORTHD)
        .args(arguments)
        .output()
        .expect("northd runs");
    assert!(!output.status.success(), "{arguments:?}");
    let message = String::from_utf8(output.stderr).expect("UTF-8");
    for part in expected {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

#[test]
fn a_ready_northd_is_healthy_counts_and_stops_on_a_signal() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut process = Process::start(directory.path());
        let http = process.http.expect("asked for");
        assert!(get(http, "/healthz").starts_with("HTTP/1.1 200"));
        assert!(get(http, "/readyz").starts_with("HTTP/1.1 200"));
        let metrics = get(http, "/metrics");
        assert!(
            metrics.contains("\nweft_northd_rows{table=\"NB_Global\"} 1\n"),
            "{metrics}"
        );
        assert!(metrics.contains("\nweft_northd_revision "), "{metrics}");
        assert!(
            metrics.contains("\nweft_northd_connected_nodes 0\n"),
            "{metrics}"
        );

        let pid = Pid::from_raw(process.child.id().try_into().expect("a process id"));
        kill(pid, signal).expect("northd runs");
        let status = process.child.wait().expect("northd ended");
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}

#[test]
fn a_second_northd_on_one_directory_is_told_so() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let _first = Process::start(directory.path());
    let path = directory.path().display().to_string();
    refuses_to_start(
        &[
            "--data-dir",
            &path,
            "--northbound",
            "127.0.0.1:0",
            "--southbound",
            "127.0.0.1:0",
        ],
        &["northd: ", &path, "is in use by another northd"],
    );
}

#[test]
fn what_is_wrong_with_the_settings_is_said() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("northd.toml");
    let path = file.display().to_string();
    let write = |text: &str| std::fs::write(Path::new(&file), text).expect("written");
    write("http = \"127.0.0.1:0\"\nnorthbond = \"127.0.0.1:0\"\n");
    refuses_to_start(
        &["--config", &path],
        &[&path, "line 2", "unknown field `northbond`"],
    );
    refuses_to_start(&["--northbound", "here"], &["--northbound", "'here'"]);
    refuses_to_start(&["--log-format", "xml"], &["'xml'", "text, json"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken
        .local_addr()
        .map(|address| (taken, address.to_string()))
        .expect("bound");
    let data_dir = directory.path().join("data").display().to_string();
    refuses_to_start(
        &["--data-dir", &data_dir, "--northbound", &taken.1],
        &["cannot listen on northbound address", &taken.1, "in use"],
    );
}
