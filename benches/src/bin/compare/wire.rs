//! The underlay of two nodes: a namespace each, with an interface on one bridge, as `ground` lays it for weft.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use ground::link;
use ground::namespace::Namespace;
use ground::network::UNDERLAY_INTERFACE;
use ipnet::{IpNet, Ipv4Net};

use crate::peer::Station;

/// The nodes' addresses on the underlay.
pub(crate) const ADDRESSES: [Ipv4Addr; 2] =
    [Ipv4Addr::new(192, 0, 2, 11), Ipv4Addr::new(192, 0, 2, 12)];

/// What the nodes' networks are on.
pub(crate) struct Wire {
    pub(crate) nodes: [Namespace; 2],
}

impl Wire {
    /// Lays it; the interfaces are up and have no addresses.
    pub(crate) fn lay(prefix: &str) -> Result<Wire> {
        let hub = Namespace::new(&format!("{prefix}-hub"))?;
        hub.run(|| link::add_bridge("underlay"))?;
        hub.run(keep_from_filters)?;
        let lay = |name: &str| -> Result<Namespace> {
            let node = Namespace::new(&format!("{prefix}-{name}"))?;
            hub.run(|| link::add_cable(name, &node, UNDERLAY_INTERFACE))?;
            hub.run(|| link::plug(name, "underlay"))?;
            Ok(node)
        };
        Ok(Wire {
            nodes: [lay("a")?, lay("b")?],
        })
    }

    /// Gives the interfaces their addresses.
    pub(crate) fn address(&self) -> Result<()> {
        for (node, address) in self.nodes.iter().zip(ADDRESSES) {
            node.run(|| link::add_address(UNDERLAY_INTERFACE, net(address)))?;
        }
        Ok(())
    }
}

/// Lets frames pass the bridges of the calling thread's namespace without a look by the filters of IP: a bridge is a cable
/// here. A kernel that has no such filters has nothing to keep from them.
pub(crate) fn keep_from_filters() -> Result<()> {
    let setting = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    match std::fs::write(setting, "0") {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context(setting),
        _ => Ok(()),
    }
}

/// An address in its subnet, which has 24 bits.
pub(crate) fn net(address: Ipv4Addr) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(address, 24))
}

/// The first station of a subnet, which is its router.
pub(crate) fn gateway(address: Ipv4Addr) -> Ipv4Addr {
    let [a, b, c, _] = address.octets();
    Ipv4Addr::new(a, b, c, 1)
}

/// Makes a station of an interface that is in a namespace: an address, and a way to the rest of the world.
pub(crate) fn settle(namespace: Namespace, interface: &str, address: Ipv4Addr) -> Result<Station> {
    namespace.run(|| -> Result<()> {
        link::add_address(interface, net(address))?;
        link::up(interface)
    })?;
    let route = format!(
        "ip route add default via {} dev {interface} onlink",
        gateway(address)
    );
    crate::shell::run(&namespace, &route)?;
    Ok(Station {
        namespace,
        interface: interface.to_owned(),
        address,
    })
}
