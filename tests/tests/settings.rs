//! The settings files in `examples/` are good, health and metrics are served, and daemons stop when asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ground::namespace::Namespace;
use ground::process::{Daemon, wait_until};
use ground::{link, programs, sandbox};
use tests::story::tell;
use tests::world::PATIENCE;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(name)
}

/// Starts a program with an example's settings, but for its directories.
fn start(program: &str, more: &[&str]) -> Result<Daemon> {
    let namespace = Namespace::current("sandbox")?;
    let directory = sandbox::scratch_directory(program)?;
    let log = directory.with_extension("log");
    let mut command = Command::new(programs::path(program)?);
    command
        .arg("--config")
        .arg(example(&format!("{program}.toml")))
        .arg("--data-dir")
        .arg(directory)
        .args(more);
    let mut daemon = Daemon::start(program, &namespace, &mut command, log)?;
    daemon.wait_for_line(PATIENCE, |line| {
        line.starts_with(&format!("{program} ready"))
    })?;
    Ok(daemon)
}

/// The status line and the body that an address answers a GET with.
fn get(address: &str, path: &str) -> Result<(String, String)> {
    let address: SocketAddr = address.parse()?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("an HTTP answer has a head and a body")?;
    Ok((
        head.lines().next().unwrap_or_default().to_owned(),
        body.to_owned(),
    ))
}

#[test]
fn the_example_settings_start_daemons_that_serve_health_and_metrics_and_stop_cleanly() {
    tell(|| {
        for address in ["192.0.2.1/24", "192.0.2.11/24"] {
            link::add_address("lo", address.parse()?)?;
        }
        let socket = format!("{}/vswitch.sock", sandbox::SCRATCH);
        let northd = start("northd", &[])?;
        let vswitch = start("vswitch", &["--admin-socket", &socket])?;
        for (address, metric) in [
            ("127.0.0.1:9641", "# TYPE"),
            (
                "127.0.0.1:9642",
                "weft_vswitch_tracked_refused_ports_total 0",
            ),
        ] {
            for path in ["/healthz", "/readyz"] {
                wait_until(path, PATIENCE, || {
                    get(address, path)
                        .is_ok_and(|(status, _)| status.contains("200"))
                        .then_some(())
                })?;
            }
            let (status, body) = get(address, "/metrics")?;
            ensure!(
                status.contains("200") && body.contains(metric),
                "{address}: {status}\n{body}"
            );
        }
        for daemon in [vswitch, northd] {
            let status = daemon.terminate()?;
            ensure!(status.success(), "a daemon stops cleanly: {status}");
        }
        Ok(())
    });
}
