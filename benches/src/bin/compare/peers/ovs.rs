//! Open vSwitch with its datapath in user space, its ports TAP devices of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use ground::namespace::Namespace;
use ground::process::{Daemon, wait_until};
use ground::sandbox;

use super::bare::path;
use crate::peer::{Lane, Peer, Standing, Station};
use crate::shell;
use crate::wire::settle;

pub(super) struct Ovs {
    /// Whether `userspace-tso-enable` is set.
    pub(super) segments: bool,
}

/// Where the packages put the database's schema.
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
/// How long a program may take to start.
const READY_WITHIN: Duration = Duration::from_secs(10);

impl Peer for Ovs {
    fn name(&self) -> &'static str {
        if self.segments { "ovs-tso" } else { "ovs" }
    }

    fn about(&self) -> &'static str {
        match self.segments {
            true => "Open vSwitch in user space, userspace-tso-enable",
            false => "Open vSwitch in user space, as installed",
        }
    }

    fn programs(&self) -> &'static [&'static str] {
        &[
            "ip",
            "nft",
            "ovsdb-tool",
            "ovsdb-server",
            "ovs-vswitchd",
            "ovs-vsctl",
        ]
    }

    fn version(&self) -> Result<String> {
        shell::version("ovs-vswitchd")
    }

    fn set_up(&self, prefix: &str) -> Result<Standing> {
        let node = Namespace::new(&format!("{prefix}-node"))?;
        let switch = Switch::start(prefix, &node, self.segments, &[])?;
        switch.vsctl(&node, "add-br br0 -- set bridge br0 datapath_type=netdev")?;
        let mut stations = Vec::new();
        for number in [11, 12] {
            let pod = Namespace::new(&format!("{prefix}-{number}"))?;
            let address = [10, 0, 1, number].into();
            stations.push(switch.plug(&node, "br0", pod, &format!("p{number}"), address)?);
        }
        let [client, server] = <[Station; 2]>::try_from(stations)
            .map_err(|_| anyhow::anyhow!("there are two stations"))?;
        Ok(Standing {
            paths: vec![path(Lane::Switched, client, server)],
            processes: switch.processes(),
            _alive: Box::new((switch, node)),
        })
    }
}

/// An Open vSwitch on a node.
pub(super) struct Switch {
    directory: PathBuf,
    daemons: Vec<Daemon>,
}

impl Switch {
    /// Starts one; `settings` are for its table `Open_vSwitch`.
    pub(super) fn start(
        name: &str,
        node: &Namespace,
        segments: bool,
        settings: &[String],
    ) -> Result<Switch> {
        let directory = sandbox::scratch_directory(&format!("{name}-ovs"))?;
        let mut switch = Switch {
            directory,
            daemons: Vec::new(),
        };
        let [database, socket] = ["conf.db", "conf.sock"].map(|file| switch.file(file));
        shell::run(node, &format!("ovsdb-tool create {database} {SCHEMA}"))?;
        let arguments = [format!("--remote=punix:{socket}"), database];
        switch.spawn(node, "ovsdb-server", &arguments)?;
        wait_until("the database of Open vSwitch", READY_WITHIN, || {
            Path::new(&socket).exists().then_some(())
        })?;
        switch.vsctl(node, "--no-wait init")?;
        let tso = format!("other_config:userspace-tso-enable={segments}");
        for setting in settings.iter().chain([&tso]) {
            switch.vsctl(node, &format!("--no-wait set Open_vSwitch . {setting}"))?;
        }
        let arguments = ["--disable-system".to_owned(), format!("unix:{socket}")];
        switch.spawn(node, "ovs-vswitchd", &arguments)?;
        Ok(switch)
    }

    /// A file in its directory.
    pub(super) fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    /// Starts one of its programs, which lives as long as it does.
    pub(super) fn spawn(
        &mut self,
        node: &Namespace,
        program: &str,
        arguments: &[String],
    ) -> Result<()> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("OVS_RUNDIR", &self.directory)
            .env("OVN_RUNDIR", &self.directory);
        let log = self.directory.join(format!("{program}.log"));
        let daemon = Daemon::start(program, node, &mut command, log)?;
        self.daemons.push(daemon);
        Ok(())
    }

    /// Runs `ovs-vsctl` with the words of a line, and waits until they are in force.
    pub(super) fn vsctl(&self, node: &Namespace, line: &str) -> Result<()> {
        let database = self.file("conf.sock");
        let line = format!("ovs-vsctl --db=unix:{database} --timeout=10 {line}");
        shell::run(node, &line).map(drop)
    }

    /// Gives a bridge a port, and the port's device to a pod.
    pub(super) fn plug(
        &self,
        node: &Namespace,
        bridge: &str,
        pod: Namespace,
        port: &str,
        address: std::net::Ipv4Addr,
    ) -> Result<Station> {
        let line = format!("add-port {bridge} {port} -- set interface {port} type=internal");
        self.vsctl(node, &line)?;
        shell::run(node, &format!("ip link set {port} netns {}", pod.name()))
            .context("the port's device")?;
        settle(pod, port, address)
    }

    pub(super) fn processes(&self) -> Vec<u32> {
        self.daemons.iter().map(Daemon::id).collect()
    }
}
