//! weft itself: `northd` and two nodes, as installed.

use std::sync::Arc;

use anyhow::{Context, Result};
use ground::network::{Network, Underlay};

use crate::peer::{Lane, Path, Peer, Standing, Station};
use crate::topology::{self, LANES, PORTS};
use crate::wire::gateway;

pub(super) struct Weft;

/// The chassis names of the nodes.
const NODES: [&str; 2] = ["a", "b"];

impl Peer for Weft {
    fn name(&self) -> &'static str {
        "weft"
    }

    fn about(&self) -> &'static str {
        "northd and two nodes, with defaults"
    }

    fn programs(&self) -> &'static [&'static str] {
        &[]
    }

    fn version(&self) -> Result<String> {
        Ok(vswitch::VERSION.to_owned())
    }

    fn set_up(&self, _: &str) -> Result<Standing> {
        let mut network = Network::lay(Underlay::V4, &NODES)?;
        network.start()?;
        network.vsctl(&topology::commands().join(&"--".to_owned()))?;
        let mut stations = Vec::new();
        for port in &PORTS {
            let pod = network.attach(NODES[port.node], port.name)?;
            stations.push(Arc::new(Station {
                namespace: pod.namespace,
                interface: pod.interface,
                address: port.address,
            }));
        }
        network.sync()?;
        let processes = NODES.iter().map(|node| {
            let daemon = network.node(node)?.vswitch();
            Ok(daemon.context("the node does not run")?.id())
        });
        Ok(Standing {
            processes: processes.collect::<Result<_>>()?,
            paths: paths(&stations),
            _alive: Box::new(network),
        })
    }
}

/// The paths of the logical network, between the stations of its ports.
pub(super) fn paths(stations: &[Arc<Station>]) -> Vec<Path> {
    let path = |&(lane, client, server, to): &(Lane, usize, usize, _)| Path {
        lane,
        client: Arc::clone(&stations[client]),
        server: Arc::clone(&stations[server]),
        to,
        next_hop: match lane.is_served() {
            true => gateway(PORTS[client].address),
            false => to,
        },
    };
    LANES.iter().map(path).collect()
}
