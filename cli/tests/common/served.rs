//! The `vsctl` program and a northd in this process, on loopback ports of the system's choice.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use northd::Northd;
use northd::config::{Config, LogFormat};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::script::{Output, Side};

/// A northd with an empty database; it ends with this.
pub(crate) struct Served {
    address: SocketAddr,
    northd: Option<Northd>,
    runtime: Runtime,
    _directory: TempDir,
}

impl Served {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config {
            northbound: any,
            southbound: any,
            http: None,
            data_dir: directory.path().to_owned(),
            log_format: LogFormat::Text,
            verbosity: 0,
        };
        let runtime = Runtime::new().expect("a runtime");
        let northd = runtime
            .block_on(Northd::start(config))
            .expect("northd starts");
        Self {
            address: northd.addresses().northbound,
            northd: Some(northd),
            runtime,
            _directory: directory,
        }
    }

    /// A command that reaches this northd.
    pub(crate) fn command(&self) -> Command {
        let mut command = vsctl();
        command.env("WEFT_NORTHBOUND", self.address.to_string());
        command
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The program, without any settings of this environment.
pub(crate) fn vsctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vsctl"));
    command
        .env_remove("WEFT_NORTHBOUND")
        .env_remove("WEFT_NODE");
    command
}

/// Runs a command to its end; a signal is told as shells do.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().expect("vsctl runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let signal = output.status.signal().map(|signal| 128 + signal);
    Output {
        stdout: text(output.stdout),
        stderr: text(output.stderr),
        status: output.status.code().or(signal).expect("a status"),
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(northd) = self.northd.take() {
            self.runtime.block_on(northd.shutdown());
        }
    }
}

impl Side for Served {
    fn run(&mut self, words: &[String]) -> Output {
        run(self.command().args(words))
    }
}
