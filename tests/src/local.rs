//! A `northd` on a loopback address: the logical network without nodes, talked to with `vsctl`.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use ground::programs;
use tempfile::TempDir;

/// A running `northd`. Dropping it ends its process and removes its files.
#[derive(Debug)]
pub struct Weft {
    northd: Child,
    northbound: String,
    _directory: TempDir,
}

impl Weft {
    /// Starts a `northd` with an empty database on ports that are free.
    pub fn start() -> Result<Self> {
        let directory = TempDir::new().context("cannot make a directory for northd")?;
        let mut northd = Command::new(programs::path("northd")?)
            .args([
                "--northbound",
                "127.0.0.1:0",
                "--southbound",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start northd")?;
        let errors = northd
            .stderr
            .take()
            .context("northd has no standard error")?;
        let mut lines = BufReader::new(errors).lines();
        let northbound = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.strip_prefix("northd ready: northbound ")?
                    .split(' ')
                    .next()
                    .map(str::to_owned)
            })
            .context("northd ended before it was ready")?;
        // What it says later is of no interest, but must not fill the pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(Self {
            northd,
            northbound,
            _directory: directory,
        })
    }

    /// Runs `vsctl` and returns what it printed.
    pub fn vsctl<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String> {
        let output = self.run(arguments)?;
        if !output.status.success() {
            let words: Vec<_> = arguments
                .iter()
                .map(|word| word.as_ref().to_string_lossy())
                .collect();
            bail!(
                "vsctl {}: {}",
                words.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        String::from_utf8(output.stdout).context("vsctl prints something that is not text")
    }

    /// Runs `vsctl` to its end, whatever that is.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Output> {
        Command::new(programs::path("vsctl")?)
            .args(["--timeout=20"])
            .args(arguments)
            .env("WEFT_NORTHBOUND", &self.northbound)
            .stdin(Stdio::null())
            .output()
            .context("cannot start vsctl")
    }
}

impl Drop for Weft {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.northd.kill();
        let _ = self.northd.wait();
    }
}
