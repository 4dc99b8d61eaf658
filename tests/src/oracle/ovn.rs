//! An OVN without nodes: its two databases and its `ovn-northd`, talked to with `ovn-nbctl` and `ovn-trace`.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ground::process::wait_until;
use tempfile::TempDir;

/// Where OVN's packages put the database schemas.
const SCHEMAS: &str = "/usr/share/ovn";

/// How long the servers may take to come up.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// A running OVN. Dropping it ends its processes and removes its files.
#[derive(Debug)]
pub struct Ovn {
    northd: Child,
    database: Child,
    directory: TempDir,
}

impl Ovn {
    /// Starts an OVN with empty databases.
    pub fn start() -> Result<Self> {
        let directory = TempDir::new().context("cannot make a directory for OVN")?;
        let path = directory.path();
        for name in ["nb", "sb"] {
            let schema = format!("{SCHEMAS}/ovn-{name}.ovsschema");
            let database = path.join(format!("{name}.db"));
            finish(
                Command::new("ovsdb-tool")
                    .arg("create")
                    .arg(database)
                    .arg(schema),
            )?;
        }
        let mut server = Command::new("ovsdb-server");
        server.args(["nb", "sb"].map(|name| format!("--remote={}", listening(path, name))));
        server.args(["nb", "sb"].map(|name| path.join(format!("{name}.db"))));
        let database = start(path, &mut server, "ovsdb")?;
        wait_until("the databases of OVN", READY_WITHIN, || {
            path.join("sb.sock").exists().then_some(())
        })?;
        let mut northd = Command::new("ovn-northd");
        northd
            .arg(format!("--ovnnb-db={}", socket(path, "nb")))
            .arg(format!("--ovnsb-db={}", socket(path, "sb")));
        let northd = start(path, &mut northd, "northd")?;
        Ok(Self {
            northd,
            database,
            directory,
        })
    }

    /// Runs `ovn-nbctl`, waits until its changes are compiled, and returns what it printed.
    pub fn nbctl<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String> {
        let output = finish(
            Command::new("ovn-nbctl")
                .arg(format!("--db={}", socket(self.directory.path(), "nb")))
                .args(["--wait=sb", "--timeout=20"])
                .args(arguments),
        )?;
        String::from_utf8(output.stdout).context("ovn-nbctl prints something that is not text")
    }

    /// What `ovn-trace --summary` says of a packet; `None` where it has no answer but a failed assertion.
    /// `states` are what the packet is to its connections, lookup by lookup.
    pub fn trace(
        &self,
        datapath: &str,
        microflow: &str,
        states: &[&str],
    ) -> Result<Option<String>> {
        let output = Command::new("ovn-trace")
            .arg(format!("--db={}", socket(self.directory.path(), "sb")))
            .args(states.iter().map(|state| format!("--ct={state}")))
            .args(["--summary", datapath, microflow])
            .output()
            .context("cannot start ovn-trace")?;
        if output.status.code().is_none() {
            return Ok(None);
        }
        if !output.status.success() {
            bail!(
                "ovn-trace {datapath} '{microflow}': {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        String::from_utf8(output.stdout)
            .map(Some)
            .context("ovn-trace prints something that is not text")
    }
}

impl Drop for Ovn {
    fn drop(&mut self) {
        for child in [&mut self.northd, &mut self.database] {
            // Both fail only for a process that has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn socket(directory: &Path, name: &str) -> String {
    format!("unix:{}/{name}.sock", directory.display())
}

fn listening(directory: &Path, name: &str) -> String {
    format!("p{}", socket(directory, name))
}

/// Starts a server in the foreground, its files and messages in the directory.
pub(super) fn start(directory: &Path, command: &mut Command, name: &str) -> Result<Child> {
    command
        .arg(format!("--log-file={}/{name}.log", directory.display()))
        .envs(["OVS_RUNDIR", "OVN_RUNDIR"].map(|name| (name, directory)))
        .arg("-vconsole:off")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start OVN's {name}"))
}

pub(super) fn finish(command: &mut Command) -> Result<Output> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output)
}
