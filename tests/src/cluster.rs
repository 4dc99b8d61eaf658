//! A cluster as its network plugin lays it: a switch for each node, a router that joins them, pods numbered from 1.
//!
//! Pod 2 of node `a` is at the port `a2`, with the addresses 10.244.1.2 and fd00:244:1::2; node `b` has the second
//! subnet. Every switch takes part in the load balancer group `services`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Result;
use ground::network::Underlay;

use crate::serve::Server;
use crate::world::World;

/// The nodes.
pub const NODES: [&str; 2] = ["a", "b"];

/// The address of a pod, by the name of its port.
pub fn address(port: &str, is_v4: bool) -> IpAddr {
    let (subnet, number) = place(port);
    match is_v4 {
        true => Ipv4Addr::new(10, 244, subnet, number).into(),
        false => Ipv6Addr::new(
            0xfd00,
            0x244,
            u16::from(subnet),
            0,
            0,
            0,
            0,
            u16::from(number),
        )
        .into(),
    }
}

/// The node of a pod, by the name of its port.
pub fn node(port: &str) -> &str {
    &port[..1]
}

fn place(port: &str) -> (u8, u8) {
    let (node, number) = port.split_at(1);
    let subnet = if node == NODES[0] { 1 } else { 2 };
    (subnet, number.parse().expect("pods have numbers"))
}

/// Where the servers of all pods listen.
pub const PORT: u16 = 8080;

/// The addresses of servers in pods, as load balancers take them.
pub fn backends<'p>(ports: impl IntoIterator<Item = &'p str>, is_v4: bool) -> String {
    let ends = ports.into_iter();
    let ends = ends.map(|port| SocketAddr::new(address(port, is_v4), PORT).to_string());
    ends.collect::<Vec<_>>().join(",")
}

/// One command that lays the logical network, with so many pods a node.
fn command(pods: usize) -> String {
    let mut command = String::from(
        "vsctl lr-add cluster -- --id=@services create Load_Balancer_Group name=services",
    );
    for (node, subnet) in NODES.iter().zip(1..) {
        let to_router = format!("{node}-cluster");
        command += &format!(
            " -- ls-add {node} -- add Logical_Switch {node} load_balancer_group @services \
             -- lrp-add cluster cluster-{node} 0a:00:00:00:0{subnet}:fe \
             10.244.{subnet}.254/24 fd00:244:{subnet}::fe/64 \
             -- lsp-add {node} {to_router} -- lsp-set-type {to_router} router \
             -- lsp-set-addresses {to_router} router \
             -- lsp-set-options {to_router} router-port=cluster-{node}"
        );
        for number in 1..=pods {
            let port = format!("{node}{number}");
            let (v4, v6) = (address(&port, true), address(&port, false));
            let station = format!("'0a:00:00:00:0{subnet}:{number:02x} {v4} {v6}'");
            command += &format!(
                " -- lsp-add {node} {port} -- lsp-set-addresses {port} {station} \
                 -- lsp-set-port-security {port} {station}"
            );
        }
    }
    command
}

impl World {
    /// A cluster of two nodes with so many pods each, all of them attached.
    pub fn cluster(pods: usize, workers: usize) -> Result<Self> {
        Self::cluster_with(pods, &["--workers", &workers.to_string()])
    }

    /// The same, with these arguments for the nodes' vswitches.
    pub fn cluster_with(pods: usize, arguments: &[&str]) -> Result<Self> {
        let mut world = Self::empty_with(Underlay::V4, arguments)?;
        world.network.script(&command(pods))?;
        for node in NODES {
            for number in 1..=pods {
                world.attach(node, &format!("{node}{number}"))?;
            }
        }
        world.network.sync()?;
        Ok(world)
    }

    /// Starts servers in some pods.
    pub fn serve<'p>(&self, ports: impl IntoIterator<Item = &'p str>) -> Result<Vec<Server>> {
        let ports = ports.into_iter();
        ports
            .map(|port| Server::start(self.pod(port)?, PORT))
            .collect()
    }

    /// Makes a service on all switches, of VIPs with their backends.
    pub fn service(&self, name: &str, protocol: &str, vips: &[(&str, &str)]) -> Result<()> {
        let mut line = String::new();
        for (vip, backends) in vips {
            line += &format!("lb-add {name} {vip} {backends} {protocol} -- ");
        }
        self.network.vsctl_line(line.trim_end_matches(" -- "))?;
        let row = self
            .network
            .vsctl(&["get", "Load_Balancer", name, "_uuid"])?;
        let row = row.trim();
        self.change(&format!(
            "add Load_Balancer_Group services load_balancer {row}"
        ))?;
        Ok(())
    }
}
