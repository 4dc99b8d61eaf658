//! OVN on Open vSwitch in user space: its databases, `ovn-northd`, and two nodes with `ovn-controller`.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ground::namespace::Namespace;
use ground::process::{Daemon, wait_until};
use ground::{link, sandbox};

use super::ovs::Switch;
use super::weft::paths;
use crate::peer::{Lane, Path, Peer, Standing};
use crate::shell;
use crate::topology::{self, PORTS, mac};
use crate::wire::{ADDRESSES, Wire, net};

pub(super) struct Ovn {
    /// Whether `userspace-tso-enable` is set.
    pub(super) segments: bool,
}

/// The databases, with where the packages put their schemas.
const DATABASES: [(&str, &str); 2] = [
    ("nb", "/usr/share/ovn/ovn-nb.ovsschema"),
    ("sb", "/usr/share/ovn/ovn-sb.ovsschema"),
];
/// How long a program may take to start.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// The longest IP packet of a pod: what Geneve with OVN's option leaves of the underlay's.
const POD_MTU: u32 = 1_442;

impl Peer for Ovn {
    fn name(&self) -> &'static str {
        if self.segments { "ovn-tso" } else { "ovn" }
    }

    fn about(&self) -> &'static str {
        match self.segments {
            true => "OVN on Open vSwitch in user space, userspace-tso-enable",
            false => "OVN on Open vSwitch in user space, as installed",
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
            "ovn-northd",
            "ovn-nbctl",
            "ovn-controller",
        ]
    }

    fn version(&self) -> Result<String> {
        let versions = [
            shell::version("ovn-controller")?,
            shell::version("ovs-vswitchd")?,
        ];
        Ok(versions.join(", "))
    }

    fn set_up(&self, prefix: &str) -> Result<Standing> {
        let center = Center::start(prefix)?;
        let wire = Wire::lay(prefix)?;
        let mut switches = Vec::new();
        for (number, node) in wire.nodes.iter().enumerate() {
            let name = format!("{prefix}-{number}");
            switches.push(start_node(&name, number, node, &center, self.segments)?);
        }
        center.nbctl(&topology::commands().join(&"--".to_owned()))?;
        let mut stations = Vec::new();
        for port in &PORTS {
            let pod = Namespace::new(&format!("{prefix}-{}", port.name))?;
            let (switch, node) = (&switches[port.node], &wire.nodes[port.node]);
            let station = switch.plug(node, "br-int", pod, port.name, port.address)?;
            let id = format!("set interface {0} external-ids:iface-id={0}", port.name);
            switch.vsctl(node, &id)?;
            let bounds = format!(
                "ip link set {} address {} mtu {POD_MTU}",
                port.name,
                mac(port.address)
            );
            shell::run(&station.namespace, &bounds)?;
            stations.push(Arc::new(station));
        }
        for port in &PORTS {
            let wait = ["wait-until", "Logical_Switch_Port", port.name, "up=true"];
            center.nbctl(&wait.map(str::to_owned))?;
        }
        center.nbctl(&["--wait=hv", "sync"].map(str::to_owned))?;
        let mut processes: Vec<u32> = switches.iter().flat_map(Switch::processes).collect();
        processes.extend(center.daemons.iter().map(Daemon::id));
        Ok(Standing {
            paths: lanes(paths(&stations), self.segments),
            processes,
            _alive: Box::new((switches, center, wire)),
        })
    }
}

/// What is measured: the lanes that Open vSwitch alone does not have, and with segmentation those of one node.
fn lanes(mut paths: Vec<Path>, segments: bool) -> Vec<Path> {
    paths.retain(|path| path.lane.is_served() && !(segments && path.lane == Lane::ServedAcross));
    paths
}

/// Starts a node's switch and `ovn-controller`; the switch takes up the underlay's interface.
fn start_node(
    name: &str,
    number: usize,
    node: &Namespace,
    center: &Center,
    segments: bool,
) -> Result<Switch> {
    let settings = [
        format!("external-ids:system-id=node{number}"),
        format!("external-ids:ovn-remote={}", center.socket("sb")),
        "external-ids:ovn-encap-type=geneve".to_owned(),
        format!("external-ids:ovn-encap-ip={}", ADDRESSES[number]),
        "external-ids:ovn-bridge-datapath-type=netdev".to_owned(),
    ];
    let mut switch = Switch::start(name, node, segments, &settings)?;
    switch.vsctl(
        node,
        "add-br br-phy -- set bridge br-phy datapath_type=netdev",
    )?;
    switch.vsctl(node, "add-port br-phy eth0")?;
    node.run(|| -> Result<()> {
        link::add_address("br-phy", net(ADDRESSES[number]))?;
        link::up("br-phy")
    })?;
    let bridge = "add-br br-int -- set bridge br-int datapath_type=netdev fail-mode=secure";
    switch.vsctl(node, bridge)?;
    let database = format!("unix:{}", switch.file("conf.sock"));
    switch.spawn(node, "ovn-controller", &[database])?;
    Ok(switch)
}

/// The databases and `ovn-northd`.
struct Center {
    here: Namespace,
    directory: std::path::PathBuf,
    daemons: Vec<Daemon>,
}

impl Center {
    fn start(prefix: &str) -> Result<Center> {
        let mut center = Center {
            here: Namespace::current("sandbox")?,
            directory: sandbox::scratch_directory(&format!("{prefix}-ovn"))?,
            daemons: Vec::new(),
        };
        let mut arguments = Vec::new();
        for (name, schema) in DATABASES {
            let database = center
                .directory
                .join(format!("{name}.db"))
                .display()
                .to_string();
            shell::run(
                &center.here,
                &format!("ovsdb-tool create {database} {schema}"),
            )?;
            arguments.push(format!("--remote=p{}", center.socket(name)));
            arguments.push(database);
        }
        center.spawn("ovsdb-server", &arguments)?;
        let last = center.directory.join("sb.sock");
        wait_until("the databases of OVN", READY_WITHIN, || {
            last.exists().then_some(())
        })?;
        let ends = DATABASES.map(|(name, _)| format!("--ovn{name}-db={}", center.socket(name)));
        center.spawn("ovn-northd", &ends)?;
        center.nbctl(&["init".to_owned()])?;
        Ok(center)
    }

    fn spawn(&mut self, program: &str, arguments: &[String]) -> Result<()> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("OVS_RUNDIR", &self.directory)
            .env("OVN_RUNDIR", &self.directory);
        let log = self.directory.join(format!("{program}.log"));
        self.daemons
            .push(Daemon::start(program, &self.here, &mut command, log)?);
        Ok(())
    }

    fn socket(&self, name: &str) -> String {
        format!("unix:{}/{name}.sock", self.directory.display())
    }

    fn nbctl(&self, arguments: &[String]) -> Result<()> {
        let database = format!("--db={}", self.socket("nb"));
        let words = ["ovn-nbctl", &database, "--timeout=20"].into_iter();
        let words: Vec<&str> = words.chain(arguments.iter().map(String::as_str)).collect();
        shell::run_words(&self.here, &words, "").map(drop)
    }
}
