//! Linux's own: bridges and veth; a service by nftables on a node that routes; VXLAN between nodes.

use std::net::Ipv4Addr;

use anyhow::Result;
use ground::link;
use ground::namespace::Namespace;

use super::bare::path;
use crate::peer::{Lane, Path, Peer, Standing, Station};
use crate::shell;
use crate::wire::{ADDRESSES, Wire, keep_from_filters, settle};

pub(super) struct Linux;

/// The address of the service.
const VIP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// The translation of the service, and the judgement of what comes back.
const SERVICE: &str = "table ip service {
    chain prerouting {
        type nat hook prerouting priority -100;
        ip daddr 10.96.0.1 dnat to 10.0.3.11
    }
    chain forward {
        type filter hook forward priority 0;
        ct state established,related accept
    }
}";

impl Peer for Linux {
    fn name(&self) -> &'static str {
        "linux"
    }

    fn about(&self) -> &'static str {
        "bridge and veth; service: nftables NAT, no ACLs; across: VXLAN"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["ip", "nft"]
    }

    fn version(&self) -> Result<String> {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
        Ok(format!("Linux {}", release.trim()))
    }

    fn set_up(&self, prefix: &str) -> Result<Standing> {
        let node = Namespace::new(&format!("{prefix}-node"))?;
        let wire = Wire::lay(prefix)?;
        for place in wire.nodes.iter().chain([&node]) {
            place.run(keep_from_filters)?;
        }
        wire.address()?;
        let paths = vec![
            switched(prefix, &node)?,
            served(prefix, &node)?,
            across(prefix, &wire)?,
        ];
        Ok(Standing {
            paths,
            processes: Vec::new(),
            _alive: Box::new((node, wire)),
        })
    }
}

/// A station on a bridge of a node.
fn station(prefix: &str, node: &Namespace, bridge: &str, address: Ipv4Addr) -> Result<Station> {
    let [.., switch, number] = address.octets();
    let name = format!("p{switch}-{number}");
    let pod = Namespace::new(&format!("{prefix}-{name}"))?;
    node.run(|| -> Result<()> {
        link::add_cable(&name, &pod, "eth0")?;
        link::plug(&name, bridge)
    })?;
    settle(pod, "eth0", address)
}

fn switched(prefix: &str, node: &Namespace) -> Result<Path> {
    node.run(|| link::add_bridge("plain"))?;
    let client = station(prefix, node, "plain", Ipv4Addr::new(10, 0, 1, 11))?;
    let server = station(prefix, node, "plain", Ipv4Addr::new(10, 0, 1, 12))?;
    Ok(path(Lane::Switched, client, server))
}

fn served(prefix: &str, node: &Namespace) -> Result<Path> {
    for (bridge, switch) in [("left", 2), ("right", 3)] {
        let address = crate::wire::net(Ipv4Addr::new(10, 0, switch, 1));
        node.run(|| -> Result<()> {
            link::add_bridge(bridge)?;
            link::add_address(bridge, address)
        })?;
    }
    node.run(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1"))?;
    shell::run_words(node, &["nft", "-f", "-"], SERVICE)?;
    let client = station(prefix, node, "left", Ipv4Addr::new(10, 0, 2, 11))?;
    let server = station(prefix, node, "right", Ipv4Addr::new(10, 0, 3, 11))?;
    let next_hop = crate::wire::gateway(client.address);
    Ok(Path {
        to: VIP,
        next_hop,
        ..path(Lane::Served, client, server)
    })
}

fn across(prefix: &str, wire: &Wire) -> Result<Path> {
    for (number, node) in wire.nodes.iter().enumerate() {
        let (own, far) = (ADDRESSES[number], ADDRESSES[1 - number]);
        node.run(|| link::add_bridge("overlay"))?;
        let device = format!("type vxlan id 1 dstport 4789 local {own} remote {far} dev eth0");
        shell::run_all(
            node,
            &format!("ip link add vxlan {device}\nip link set vxlan master overlay up"),
        )?;
    }
    let [a, b] = &wire.nodes;
    let client = station(prefix, a, "overlay", Ipv4Addr::new(10, 0, 4, 11))?;
    let server = station(prefix, b, "overlay", Ipv4Addr::new(10, 0, 4, 12))?;
    for station in [&client, &server] {
        station.namespace.run(|| link::set_mtu("eth0", 1_450))?;
    }
    Ok(path(Lane::SwitchedAcross, client, server))
}
