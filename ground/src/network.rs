//! The whole system in a sandbox: `northd`, nodes with a `vswitch` each on one underlay, and pods.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ipnet::IpNet;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::sys::socket::SockaddrStorage;

use crate::namespace::Namespace;
use crate::process::Daemon;
use crate::{link, probe, programs, sandbox};

/// How long a daemon may take to say that it is ready.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// How long `vsctl attach` and `--wait` may take.
const COMMAND_LIMIT_SECONDS: &str = "20";

/// Where the northbound interface listens, inside the sandbox.
pub const NORTHBOUND: &str = "127.0.0.1:6641";

/// The TCP port of the southbound interface.
const SOUTHBOUND_PORT: u16 = 6642;

/// The bridge that joins the nodes, and the interface of each node on it.
const UNDERLAY_BRIDGE: &str = "underlay";
/// A node's interface on the underlay.
pub const UNDERLAY_INTERFACE: &str = "eth0";

/// The address family that the nodes speak with each other and with `northd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underlay {
    /// 192.0.2.0/24.
    V4,
    /// 2001:db8::/64.
    V6,
}

impl Underlay {
    /// The address of a station on the underlay; `northd` is number 1, nodes follow from 11.
    fn address(self, number: u8) -> IpNet {
        match self {
            Self::V4 => IpNet::new_assert(Ipv4Addr::new(192, 0, 2, number).into(), 24),
            Self::V6 => {
                let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number));
                IpNet::new_assert(address.into(), 64)
            }
        }
    }
}

/// A network: dropping it ends every program in it.
#[derive(Debug)]
pub struct Network {
    underlay: Underlay,
    base: Namespace,
    northd: Option<Daemon>,
    nodes: Vec<Node>,
}

/// A node: a namespace with an address on the underlay and, while it runs, a `vswitch`.
#[derive(Debug)]
pub struct Node {
    /// Its chassis name.
    pub name: String,
    /// Its namespace.
    pub namespace: Namespace,
    /// Its address on the underlay.
    pub encap_ip: IpAddr,
    vswitch: Option<Daemon>,
}

/// A pod: a namespace with one interface.
#[derive(Debug)]
pub struct Pod {
    /// Its namespace.
    pub namespace: Namespace,
    /// The interface that `vsctl attach` put there.
    pub interface: String,
    /// The logical switch port that it is plugged into.
    pub port: String,
}

impl Network {
    /// Lays the underlay and makes the nodes' namespaces. Nothing runs yet.
    pub fn lay(underlay: Underlay, nodes: &[&str]) -> Result<Self> {
        let base = Namespace::current("sandbox")?;
        link::add_bridge(UNDERLAY_BRIDGE)?;
        link::add_address(UNDERLAY_BRIDGE, underlay.address(1))?;
        let nodes = nodes
            .iter()
            .zip(11..)
            .map(|(name, number)| Node::lay(name, underlay.address(number)))
            .collect::<Result<_>>()?;
        Ok(Self {
            underlay,
            base,
            northd: None,
            nodes,
        })
    }

    /// Starts `northd` and returns when it says that it is ready. What it stored before is still there.
    pub fn start_northd(&mut self) -> Result<()> {
        let directory = sandbox::scratch_directory("northd")?;
        let southbound = self.southbound();
        let mut command = Command::new(programs::path("northd")?);
        command
            .args(["--northbound", NORTHBOUND, "--southbound", &southbound])
            .arg("--data-dir")
            .arg(&directory);
        let log = Path::new(sandbox::SCRATCH).join("northd.log");
        let mut daemon = Daemon::start("northd", &self.base, &mut command, log)?;
        daemon.wait_for_line(READY_WITHIN, |line| line.starts_with("northd ready"))?;
        self.northd = Some(daemon);
        Ok(())
    }

    /// Starts a node's `vswitch` and returns when it says that it is ready. `extra` are more arguments.
    pub fn start_vswitch(&mut self, node: &str, extra: &[&str]) -> Result<()> {
        let southbound = self.southbound();
        self.node_mut(node)?.start(&southbound, extra)
    }

    /// Starts `northd` and the `vswitch` of every node.
    pub fn start(&mut self) -> Result<()> {
        self.start_northd()?;
        let southbound = self.southbound();
        self.nodes
            .iter_mut()
            .try_for_each(|node| node.start(&southbound, &[]))
    }

    /// Takes the running `northd` out of the network, to be ended one way or the other.
    pub fn take_northd(&mut self) -> Result<Daemon> {
        self.northd.take().context("northd does not run")
    }

    /// Takes a node's running `vswitch` out of the network, to be ended one way or the other.
    pub fn take_vswitch(&mut self, node: &str) -> Result<Daemon> {
        let node = self.node_mut(node)?;
        node.vswitch
            .take()
            .with_context(|| format!("no vswitch runs on {}", node.name))
    }

    /// A node by its chassis name.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.nodes
            .iter()
            .find(|node| node.name == name)
            .with_context(|| format!("there is no node {name}"))
    }

    fn node_mut(&mut self, name: &str) -> Result<&mut Node> {
        self.nodes
            .iter_mut()
            .find(|node| node.name == name)
            .with_context(|| format!("there is no node {name}"))
    }

    /// All nodes, in the order in which they were named.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn southbound(&self) -> String {
        std::net::SocketAddr::new(self.underlay.address(1).addr(), SOUTHBOUND_PORT).to_string()
    }

    /// Runs `vsctl` on the northbound interface and returns what it printed.
    pub fn vsctl<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String> {
        run(Command::new(programs::path("vsctl")?)
            .args(arguments)
            .env("WEFT_NORTHBOUND", NORTHBOUND))
    }

    /// Runs `vsctl` with the words of a line, which stand between blanks; quotes are not looked at.
    pub fn vsctl_line(&self, line: &str) -> Result<String> {
        self.vsctl(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs a shell script of `vsctl` commands; `environment` adds to what it sees.
    pub fn script(&self, text: &str) -> Result<String> {
        run(Command::new("sh")
            .args(["-eu", "-c", text])
            .env("PATH", search_path()?)
            .env("WEFT_NORTHBOUND", NORTHBOUND))
    }

    /// Runs `vsctl` on a node's admin socket and returns what it printed.
    pub fn node_vsctl<S: AsRef<OsStr>>(&self, node: &str, arguments: &[S]) -> Result<String> {
        let socket = self.node(node)?.admin_socket();
        run(Command::new(programs::path("vsctl")?)
            .args(arguments)
            .env("WEFT_NODE", socket))
    }

    /// Makes a pod and attaches it to a logical switch port on a node.
    pub fn attach(&self, node: &str, port: &str) -> Result<Pod> {
        let namespace = Namespace::new(port)?;
        self.attach_to(node, port, namespace, &[])
    }

    /// Attaches a namespace to a logical switch port on a node; `extra` are more arguments.
    pub fn attach_to(
        &self,
        node: &str,
        port: &str,
        namespace: Namespace,
        extra: &[&str],
    ) -> Result<Pod> {
        let interface = "eth0".to_owned();
        let mut arguments = vec!["--timeout", COMMAND_LIMIT_SECONDS, "attach", port];
        arguments.extend(["--netns", namespace.name(), "--ifname", &interface]);
        arguments.extend(extra);
        self.node_vsctl(node, &arguments)?;
        let port = port.to_owned();
        Ok(Pod {
            namespace,
            interface,
            port,
        })
    }

    /// Returns when every node has in force what was committed before this call.
    pub fn sync(&self) -> Result<()> {
        self.vsctl(&["--timeout", COMMAND_LIMIT_SECONDS, "--wait=hv", "sync"])
            .map(drop)
    }
}

impl Pod {
    /// The addresses of the pod's interface, link-local ones left out.
    pub fn addresses(&self) -> Result<Vec<IpAddr>> {
        let entries: Vec<_> = self.namespace.run(|| getifaddrs().map(Iterator::collect))?;
        Ok(entries
            .into_iter()
            .filter(|entry: &InterfaceAddress| entry.interface_name == self.interface)
            .filter_map(|entry| ip_of(&entry.address?))
            .filter(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()))
            .collect())
    }

    /// The pod's first IPv4 address.
    pub fn v4(&self) -> Result<IpAddr> {
        self.first("IPv4", IpAddr::is_ipv4)
    }

    /// The pod's first IPv6 address that is not link-local.
    pub fn v6(&self) -> Result<IpAddr> {
        self.first("IPv6", IpAddr::is_ipv6)
    }

    fn first(&self, family: &str, accept: fn(&IpAddr) -> bool) -> Result<IpAddr> {
        let found = self.addresses()?.into_iter().find(accept);
        found.with_context(|| format!("the pod at {} has no {family} address", self.port))
    }

    /// Whether another address answers an echo request from here in a few seconds.
    pub fn reaches(&self, to: IpAddr) -> Result<bool> {
        self.namespace
            .run(|| probe::reaches(to, Duration::from_secs(5)))
    }
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
}

impl Node {
    fn lay(name: &str, address: IpNet) -> Result<Self> {
        let namespace = Namespace::new(name)?;
        link::add_cable(name, &namespace, UNDERLAY_INTERFACE)?;
        link::plug(name, UNDERLAY_BRIDGE)?;
        namespace.run(|| link::add_address(UNDERLAY_INTERFACE, address))?;
        let name = name.to_owned();
        Ok(Self {
            name,
            namespace,
            encap_ip: address.addr(),
            vswitch: None,
        })
    }

    /// The unix socket of the node's `vswitch`.
    pub fn admin_socket(&self) -> PathBuf {
        Path::new(sandbox::SCRATCH).join(format!("{}.sock", self.name))
    }

    /// The running `vswitch`, if there is one.
    pub fn vswitch(&self) -> Option<&Daemon> {
        self.vswitch.as_ref()
    }

    fn start(&mut self, southbound: &str, extra: &[&str]) -> Result<()> {
        let directory = sandbox::scratch_directory(&self.name)?;
        let mut command = Command::new(programs::path("vswitch")?);
        command
            .args(["--southbound", southbound, "--chassis", &self.name])
            .args(["--encap-ip", &self.encap_ip.to_string()])
            .arg("--data-dir")
            .arg(&directory)
            .arg("--admin-socket")
            .arg(self.admin_socket())
            .args(extra);
        let log = Path::new(sandbox::SCRATCH).join(format!("{}.log", self.name));
        let mut daemon = Daemon::start(&self.name, &self.namespace, &mut command, log)?;
        daemon.wait_for_line(READY_WITHIN, |line| line.starts_with("vswitch ready"))?;
        self.vswitch = Some(daemon);
        Ok(())
    }
}

/// The search path of scripts, in which `vsctl` is ours.
fn search_path() -> Result<std::ffi::OsString> {
    let own = programs::path("vsctl")?;
    let directories = own.parent().map(Path::to_owned).into_iter();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(directories.chain(std::env::split_paths(&inherited)))
        .context("PATH cannot be extended")
}

/// Runs a command to its end; what it printed, or an error with what it complained about.
fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !output.status.success() {
        let arguments: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        bail!(
            "{:?} {} failed ({}): {}",
            command.get_program(),
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    String::from_utf8(output.stdout).context("the output is not text")
}
