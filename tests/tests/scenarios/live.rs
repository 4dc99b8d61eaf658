//! The whole system: `northd`, a `vswitch` and TAP devices in a sandbox, one for all scenarios of a file.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ground::frames::Frames;
use ground::namespace::Namespace;
use ground::network::{Network, Pod, Underlay};
use tests::scenario::Side;

use super::northd::NODE;

/// All ports of all scenarios; they are plugged once.
const PORTS: [&str; 6] = ["a", "b", "c", "d", "x", "y"];
/// What a scenario leaves behind, by table.
const TABLES: [&str; 5] = [
    "Load_Balancer",
    "Load_Balancer_Group",
    "Port_Group",
    "Address_Set",
    "Chassis_Template_Var",
];
/// How long is waited for frames that should come out.
const PATIENCE: Duration = Duration::from_secs(20);
/// Nothing more comes out when nothing did for so long.
const SILENCE: Duration = Duration::from_millis(10);

/// A running system.
pub(crate) struct Live {
    network: Network,
    interfaces: BTreeMap<String, Frames>,
    /// They hold the namespaces.
    _pods: Vec<Pod>,
    /// The words that remove what the last scenario leaves behind; none while one is played.
    removal: Vec<String>,
    /// The switches and routers, each behind the command that removes it.
    made: Vec<[String; 2]>,
}

impl Live {
    /// Starts the system and plugs all ports.
    pub(crate) fn start() -> Result<Self> {
        let mut network = Network::lay(Underlay::V4, &[NODE])?;
        network.start()?;
        let ports = PORTS
            .map(|port| format!("-- lsp-add none {port}"))
            .join(" ");
        network.vsctl_line(&format!("ls-add none {ports}"))?;
        let mut live = Self {
            network,
            interfaces: BTreeMap::new(),
            _pods: Vec::new(),
            removal: Vec::new(),
            made: vec![["ls-del".to_owned(), "none".to_owned()]],
        };
        PORTS.iter().try_for_each(|port| live.attach(port))?;
        Ok(live)
    }

    /// Plugs a port. The kernel at its other end keeps silent.
    fn attach(&mut self, port: &str) -> Result<()> {
        let namespace = Namespace::new(port)?;
        namespace
            .run(|| std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"))
            .context("IPv6 cannot be switched off")?;
        let pod = self.network.attach_to(NODE, port, namespace, &["--bare"])?;
        let frames = Frames::open(&pod.namespace, &pod.interface)?;
        self.interfaces.insert(port.to_owned(), frames);
        self._pods.push(pod);
        Ok(())
    }

    /// Has the next command, the first of a scenario, remove what the last one leaves behind.
    pub(crate) fn clear(&mut self) {
        let made = std::mem::take(&mut self.made).into_iter();
        let mut words: Vec<String> = made
            .flat_map(|[command, name]| [command, name, "--".to_owned()])
            .collect();
        let tables = TABLES
            .iter()
            .flat_map(|table| ["--all", "destroy", table, "--"]);
        let options = [
            "remove",
            "NB_Global",
            ".",
            "options",
            "default_acl_drop",
            "controller_event",
            "--",
        ];
        words.extend(tables.chain(options).map(str::to_owned));
        self.removal = words;
    }

    /// Notes the switches and routers that a command line makes.
    fn note(&mut self, line: &[String]) {
        for pair in line.windows(2) {
            if ["ls-add", "lr-add"].contains(&pair[0].as_str()) {
                self.made
                    .push([pair[0].replace("add", "del"), pair[1].clone()]);
            }
        }
    }
}

impl Side for Live {
    fn plug(&mut self, ports: &[String]) -> Result<()> {
        for port in ports {
            let line = format!("attach {port} --netns {port} --ifname eth0 --bare --may-exist");
            let words: Vec<&str> = line.split(' ').collect();
            self.network.node_vsctl(NODE, &words)?;
        }
        self.network.sync()
    }

    fn command(&mut self, lines: &[Vec<String>]) -> Result<()> {
        let mut words = vec!["--timeout=20".to_owned(), "--wait=hv".to_owned()];
        words.append(&mut self.removal);
        lines.iter().for_each(|line| self.note(line));
        words.extend(lines.join(&"--".to_owned()));
        self.network.vsctl(&words).map(drop)
    }

    fn send(
        &mut self,
        port: &str,
        frame: &[u8],
        expected: usize,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let sender = self.interfaces.get(port);
        sender
            .with_context(|| format!("{port} is not plugged"))?
            .send(frame)?;
        let deadline = Instant::now() + PATIENCE;
        let mut out = Vec::new();
        loop {
            std::thread::sleep(SILENCE);
            let before = out.len();
            for (name, frames) in &self.interfaces {
                while let Some(frame) = frames.receive(Duration::ZERO)? {
                    out.push((name.clone(), frame));
                }
            }
            let is_complete = out.len() >= expected || Instant::now() > deadline;
            if out.len() == before && is_complete {
                return Ok(out);
            }
        }
    }
}
