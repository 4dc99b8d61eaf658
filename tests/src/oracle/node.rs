//! An OVN with one node: its databases, `ovn-northd`, `ovn-controller` and a switch in user space, whose ports are
//! sockets of this process.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ground::process::wait_until;
use tempfile::TempDir;

use super::ovn::{finish, start};
use crate::scenario::Side;

/// Where the packages put the database schemas.
const SCHEMAS: [(&str, &str); 3] = [
    ("nb", "/usr/share/ovn/ovn-nb.ovsschema"),
    ("sb", "/usr/share/ovn/ovn-sb.ovsschema"),
    ("conf", "/usr/share/openvswitch/vswitch.ovsschema"),
];
/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Nothing more comes out when nothing did for so long.
const SILENCE: Duration = Duration::from_millis(150);

/// A running OVN with a node. Dropping it ends its processes and removes its files.
#[derive(Debug)]
pub struct OvnNode {
    /// The last started first.
    children: Vec<Child>,
    ports: Vec<(String, UnixStream)>,
    directory: TempDir,
}

impl OvnNode {
    /// Starts an OVN with empty databases.
    pub fn start() -> Result<Self> {
        let directory = TempDir::new().context("cannot make a directory for OVN")?;
        let mut node = Self {
            children: Vec::new(),
            ports: Vec::new(),
            directory,
        };
        node.start_databases()?;
        let ovn = [
            "external-ids:system-id=hv1".to_owned(),
            format!("external-ids:ovn-remote={}", node.socket("sb")),
            "external-ids:ovn-encap-type=geneve".to_owned(),
            "external-ids:ovn-encap-ip=127.0.0.1".to_owned(),
        ];
        let settings = ["--no-wait", "init", "--", "set", "Open_vSwitch", "."].map(str::to_owned);
        node.vsctl(&[settings.as_slice(), &ovn].concat())?;
        let mut switch = Command::new("ovs-vswitchd");
        switch.args(["--enable-dummy=system", "--disable-system"]);
        switch.arg(format!("--unixctl={}", node.control().display()));
        node.spawn(switch.arg(node.socket("conf")), "switch")?;
        let bridge =
            "add-br br-int -- set bridge br-int fail-mode=secure other-config:disable-in-band=true";
        node.vsctl(&bridge.split(' ').map(str::to_owned).collect::<Vec<_>>())?;
        let mut northd = Command::new("ovn-northd");
        northd.arg(format!("--ovnnb-db={}", node.socket("nb")));
        northd.arg(format!("--ovnsb-db={}", node.socket("sb")));
        node.spawn(&mut northd, "northd")?;
        let mut controller = Command::new("ovn-controller");
        controller.arg(node.socket("conf"));
        node.spawn(&mut controller, "controller")?;
        node.nbctl(&["init".to_owned()])?;
        Ok(node)
    }

    fn start_databases(&mut self) -> Result<()> {
        let mut server = Command::new("ovsdb-server");
        for (name, schema) in SCHEMAS {
            let database = self.path().join(format!("{name}.db"));
            finish(
                Command::new("ovsdb-tool")
                    .arg("create")
                    .arg(&database)
                    .arg(schema),
            )?;
            server
                .arg(format!("--remote=p{}", self.socket(name)))
                .arg(database);
        }
        self.spawn(&mut server, "ovsdb")?;
        let last = self.path().join("conf.sock");
        wait_until("the databases of OVN", PATIENCE, || {
            last.exists().then_some(())
        })
    }

    fn spawn(&mut self, command: &mut Command, name: &str) -> Result<()> {
        let child = start(self.path(), command, name)?;
        self.children.insert(0, child);
        Ok(())
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn socket(&self, name: &str) -> String {
        format!("unix:{}/{name}.sock", self.path().display())
    }

    fn vsctl(&self, arguments: &[String]) -> Result<()> {
        let mut command = Command::new("ovs-vsctl");
        command
            .arg(format!("--db={}", self.socket("conf")))
            .arg("--timeout=10");
        finish(command.args(arguments)).map(drop)
    }

    fn nbctl(&self, arguments: &[String]) -> Result<()> {
        let mut command = Command::new("ovn-nbctl");
        command
            .arg(format!("--db={}", self.socket("nb")))
            .arg("--timeout=10");
        finish(command.args(arguments)).map(drop)
    }

    /// Waits until the node's flows are in force, also for packets like those before.
    fn settle(&self) -> Result<()> {
        self.nbctl(&["--wait=hv", "sync"].map(str::to_owned))?;
        let mut command = Command::new("ovs-appctl");
        finish(
            command
                .arg("-t")
                .arg(self.control())
                .arg("revalidator/wait"),
        )
        .map(drop)
    }

    /// The socket that the switch takes commands on.
    fn control(&self) -> PathBuf {
        self.path().join("switch.ctl")
    }

    /// Frames that came out, until none comes any more.
    fn receive(&mut self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut frames = Vec::new();
        let mut until = Instant::now() + SILENCE;
        while Instant::now() < until {
            let before = frames.len();
            for (name, stream) in &mut self.ports {
                while let Some(frame) = next(stream)? {
                    frames.push((name.clone(), frame));
                }
            }
            if frames.len() > before {
                until = Instant::now() + SILENCE;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(frames)
    }
}

/// The next frame of a port's socket, which has its length in front.
fn next(stream: &mut UnixStream) -> Result<Option<Vec<u8>>> {
    stream.set_nonblocking(true)?;
    let mut length = [0; 2];
    match stream.read(&mut length[..1]) {
        Ok(0) => bail!("a port is closed"),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
        Err(error) => return Err(error).context("a port cannot be read"),
    }
    stream.set_nonblocking(false)?;
    stream.read_exact(&mut length[1..])?;
    let mut frame = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut frame)?;
    Ok(Some(frame))
}

impl Side for OvnNode {
    fn plug(&mut self, ports: &[String]) -> Result<()> {
        for port in ports {
            let socket = self.path().join(format!("port-{port}"));
            let command = format!(
                "add-port br-int {port} -- set interface {port} type=dummy external-ids:iface-id={port} \
                 options:pstream=punix:{}",
                socket.display()
            );
            self.vsctl(&command.split(' ').map(str::to_owned).collect::<Vec<_>>())?;
            wait_until("a port of OVN", PATIENCE, || socket.exists().then_some(()))?;
            let stream = UnixStream::connect(socket).context("a port takes no connection")?;
            self.ports.push((port.clone(), stream));
        }
        for port in ports {
            let wait = format!("--timeout=10 wait-until Logical_Switch_Port {port} up=true");
            self.nbctl(&wait.split(' ').map(str::to_owned).collect::<Vec<_>>())?;
        }
        self.settle()?;
        self.receive().map(drop)
    }

    fn command(&mut self, lines: &[Vec<String>]) -> Result<()> {
        self.nbctl(&lines.join(&"--".to_owned()))?;
        self.settle()
    }

    fn send(
        &mut self,
        port: &str,
        frame: &[u8],
        _expected: usize,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let found = self.ports.iter_mut().find(|(name, _)| name == port);
        let (_, stream) = found.with_context(|| format!("{port} is not plugged"))?;
        let length = (frame.len() as u16).to_be_bytes();
        stream
            .write_all(&[&length, frame].concat())
            .context("a port takes no frame")?;
        self.receive()
    }
}

impl Drop for OvnNode {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Both fail only for a process that has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
