//! Services as clients meet them: virtual addresses on two nodes, with real servers and real clients.
//!
//! The network is that of [`tests::cluster`]: pods `a1`.. and `b1`.. on the nodes `a` and `b`. The first pod of a node is
//! a client, the others are backends.

mod change;
mod connections;
mod empty;
mod gateway;
mod health;
mod load;
mod nodes;
mod sctp;
mod spread;

use std::net::SocketAddr;

use anyhow::Result;
use tests::cluster::backends;
use tests::world::World;

/// The address of the service over IPv4.
const VIP_V4: &str = "10.96.0.1:80";
/// And over IPv6.
const VIP_V6: &str = "[fd96::1]:80";
/// The backends, two on each node.
const BACKENDS: [&str; 4] = ["a2", "a3", "b2", "b3"];

fn to(address: &str) -> SocketAddr {
    address.parse().expect("an address with a port")
}

/// Makes the service `web` of some pods, over both families.
fn web(world: &World, protocol: &str, pods: &[&str]) -> Result<()> {
    let v4 = backends(pods.iter().copied(), true);
    let v6 = backends(pods.iter().copied(), false);
    world.service("web", protocol, &[(VIP_V4, &v4), (VIP_V6, &v6)])
}

/// Gives `web` other backends.
fn change(world: &World, protocol: &str, pods: &[&str]) -> Result<()> {
    let v4 = backends(pods.iter().copied(), true);
    let v6 = backends(pods.iter().copied(), false);
    world.change(&format!(
        "-- --may-exist lb-add web {VIP_V4} {v4} {protocol} -- --may-exist lb-add web {VIP_V6} {v6} {protocol}"
    ))?;
    Ok(())
}

/// Sets an option of `web`.
fn set(world: &World, option: &str, value: &str) -> Result<()> {
    let pair = format!("options:{option}=\"{value}\"");
    let command = ["--timeout=20", "--wait=hv", "set", "Load_Balancer", "web"];
    world.network.vsctl(&[&command[..], &[&pair]].concat())?;
    Ok(())
}
