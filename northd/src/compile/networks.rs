//! The addresses of a router port.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use packet::Mac;

use super::address::network;

/// The prefix length of the network of a link-local address.
const LINK_LOCAL_LENGTH: u8 = 64;

/// What `networks` says, with the link-local address that every port has.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Networks {
    pub(super) ipv4: Vec<Ipv4Net>,
    pub(super) ipv6: Vec<Ipv6Net>,
    /// The texts that say no network.
    pub(super) invalid: Vec<String>,
}

impl Networks {
    /// Reads `networks` of a port with this MAC address.
    pub(super) fn parse<'a>(mac: Mac, texts: impl IntoIterator<Item = &'a String>) -> Self {
        let mut networks = Self::default();
        for text in texts {
            match network(text) {
                Some(IpNet::V4(network)) if !network.addr().is_unspecified() => {
                    networks.ipv4.push(network);
                }
                Some(IpNet::V6(network)) => networks.ipv6.push(network),
                _ => networks.invalid.push(text.clone()),
            }
        }
        let link_local = link_local(mac);
        if !networks.ipv6.iter().any(|own| own.addr() == link_local) {
            let network = Ipv6Net::new_assert(link_local, LINK_LOCAL_LENGTH);
            networks.ipv6.push(network);
        }
        networks
    }

    /// All networks: IPv4 first, the link-local one last.
    pub(super) fn iter(&self) -> impl Iterator<Item = IpNet> + '_ {
        let ipv4 = self.ipv4.iter().copied().map(IpNet::from);
        ipv4.chain(self.ipv6.iter().copied().map(IpNet::from))
    }

    /// The port's own address in the network of `ip`. `None` when `ip` is in none, or is the port's own.
    pub(super) fn towards(&self, ip: IpAddr) -> Option<IpAddr> {
        let own = self.iter().find(|network| network.contains(&ip));
        own.map(|network| network.addr()).filter(|own| *own != ip)
    }

    /// The port's first address of the family.
    pub(super) fn first(&self, is_ipv4: bool) -> Option<IpAddr> {
        let mut own = self.iter().map(|network| network.addr());
        own.find(|own| own.is_ipv4() == is_ipv4)
    }
}

/// The modified EUI-64 link-local address of a MAC address (RFC 4291 appendix A).
pub(super) fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    let identifier = [a ^ 2, b, c, 0xff, 0xfe, d, e, f];
    let mut octets = [0; 16];
    octets[..2].copy_from_slice(&[0xfe, 0x80]);
    octets[8..].copy_from_slice(&identifier);
    octets.into()
}

/// True for an address of `fe80::/64`, which means something on one link only.
pub(super) fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.segments()[..4] == [0xfe80, 0, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Input: a MAC address and `networks`. Output: all addresses of the port.
    #[test]
    fn every_router_port_has_its_link_local_address_once() {
        let mac = Mac([0x0a, 0, 0, 0, 0, 1]);
        for (texts, expected) in [
            (vec!["10.0.0.1/24"], "10.0.0.1/24 fe80::800:ff:fe00:1/64"),
            (vec!["fe80::800:ff:fe00:1/64"], "fe80::800:ff:fe00:1/64"),
            (
                vec!["10.0.0.1", "x", "0.0.0.0/0"],
                "10.0.0.1/32 fe80::800:ff:fe00:1/64",
            ),
        ] {
            let texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
            let networks = Networks::parse(mac, &texts);
            let found: Vec<_> = networks.iter().map(|network| network.to_string()).collect();
            assert_eq!(found.join(" "), expected, "{texts:?}");
        }
    }
}
