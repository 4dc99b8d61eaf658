//! The ceiling: the program `forwarder`, which moves frames between two devices of weft's kinds and does nothing else.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ground::namespace::Namespace;
use ground::process::Daemon;
use ground::{programs, sandbox};

use crate::peer::{Lane, Path, Peer, Standing, Station};
use crate::shell;
use crate::wire::{ADDRESSES, Wire, settle};

pub(super) struct Bare {
    /// Whether one system call moves many frames, as weft's own ports do it.
    pub(super) moves_many: bool,
}

/// The longest IP packet of a station whose packets go through the tunnel.
const TUNNEL_MTU: u32 = 1_442;

impl Peer for Bare {
    fn name(&self) -> &'static str {
        match self.moves_many {
            false => "bare",
            true => "bare-ring",
        }
    }

    fn about(&self) -> &'static str {
        match self.moves_many {
            false => "TAP to TAP, or TAP to Geneve with UDP_SEGMENT and UDP_GRO, and nothing else",
            true => {
                "TAP to TAP on one node through weft's own ports with io_uring, and nothing else"
            }
        }
    }

    fn programs(&self) -> &'static [&'static str] {
        &[]
    }

    fn version(&self) -> Result<String> {
        Ok(vswitch::VERSION.to_owned())
    }

    fn set_up(&self, prefix: &str) -> Result<Standing> {
        let (near, near_daemon) = local(prefix, self.moves_many)?;
        if self.moves_many {
            return Ok(Standing {
                paths: vec![near],
                processes: vec![near_daemon.id()],
                _alive: Box::new(near_daemon),
            });
        }
        let (far, mut daemons, wire) = across(prefix)?;
        daemons.push(near_daemon);
        Ok(Standing {
            paths: vec![near, far],
            processes: daemons.iter().map(Daemon::id).collect(),
            _alive: Box::new((daemons, wire)),
        })
    }
}

fn local(prefix: &str, moves_many: bool) -> Result<(Path, Daemon)> {
    let pods = [1, 2].map(|number| Namespace::new(&format!("{prefix}-{number}")));
    let [client, server] = pods;
    let (client, server) = (client?, server?);
    let here = Namespace::current("sandbox")?;
    let ends = [&client, &server].map(|pod| pod.path().display().to_string());
    let daemon = match moves_many {
        false => start(prefix, &here, &["tap", &ends[0], &ends[1]]),
        true => start(prefix, &here, &["ports", &ends[0], &ends[1], "io-uring"]),
    };
    let daemon = daemon?;
    let client = settle(client, "eth0", Ipv4Addr::new(10, 0, 1, 11))?;
    let server = settle(server, "eth0", Ipv4Addr::new(10, 0, 1, 12))?;
    Ok((path(Lane::Switched, client, server), daemon))
}

fn across(prefix: &str) -> Result<(Path, Vec<Daemon>, Wire)> {
    let wire = Wire::lay(prefix)?;
    wire.address()?;
    let mut stations = Vec::new();
    let mut daemons = Vec::new();
    for (number, node) in wire.nodes.iter().enumerate() {
        let pod = Namespace::new(&format!("{prefix}-far{number}"))?;
        let [own, far] = [ADDRESSES[number], ADDRESSES[1 - number]].map(|ip| ip.to_string());
        let end = pod.path().display().to_string();
        let name = format!("{prefix}-{number}");
        daemons.push(start(&name, node, &["tunnel", &end, &own, &far])?);
        let bounds = format!("ip link set eth0 mtu {TUNNEL_MTU}");
        shell::run(&pod, &bounds)?;
        let address = Ipv4Addr::new(10, 0, 1, 11 + number as u8);
        stations.push(settle(pod, "eth0", address)?);
    }
    let [client, server] =
        <[Station; 2]>::try_from(stations).map_err(|_| anyhow::anyhow!("there are two nodes"))?;
    Ok((path(Lane::SwitchedAcross, client, server), daemons, wire))
}

/// A path to the server's own address.
pub(super) fn path(lane: Lane, client: Station, server: Station) -> Path {
    let to = server.address;
    Path {
        lane,
        client: Arc::new(client),
        server: Arc::new(server),
        to,
        next_hop: to,
    }
}

fn start(name: &str, namespace: &Namespace, arguments: &[&str]) -> Result<Daemon> {
    let mut command = Command::new(programs::path("forwarder")?);
    command.args(arguments);
    let log = std::path::Path::new(sandbox::SCRATCH).join(format!("{name}.log"));
    let mut daemon = Daemon::start(name, namespace, &mut command, log)?;
    daemon.wait_for_line(Duration::from_secs(5), |line| line == "ready")?;
    Ok(daemon)
}
