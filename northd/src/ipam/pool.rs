//! What a switch gives out.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use ipnet::{Ipv4Net, Ipv6Net};
use packet::Mac;

/// The length of a prefix that a MAC address makes into an address (RFC 4291 section 2.5.1).
const PREFIX_LENGTH: u8 = 64;

/// The addresses of a switch that may be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pool {
    subnet: Option<Ipv4Net>,
    /// As numbers, each after the last; `subnet` says what of them counts.
    excluded: Vec<Range<u64>>,
    ipv6_prefix: Option<[u8; 8]>,
    mac_only: bool,
    /// What could not be read.
    pub(crate) complaints: Vec<String>,
}

impl Pool {
    /// Reads `Logical_Switch.other_config`.
    pub(crate) fn parse(config: &BTreeMap<String, String>) -> Self {
        let mut pool = Self::default();
        let text = |key: &str| config.get(key).map(String::as_str);
        if let Some(subnet) = text("subnet") {
            match subnet.parse::<Ipv4Net>() {
                Ok(subnet) if subnet.prefix_len() < 32 => pool.subnet = Some(subnet.trunc()),
                _ => pool.complain(format!("subnet={subnet:?} is no IPv4 network")),
            }
        }
        if let Some(excluded) = text("exclude_ips") {
            pool.exclude(excluded);
        }
        if let Some(prefix) = text("ipv6_prefix") {
            match ipv6_prefix(prefix) {
                Some(prefix) => pool.ipv6_prefix = Some(prefix),
                None => pool.complain(format!("ipv6_prefix={prefix:?} is no IPv6 network of /64")),
            }
        }
        let gives_ips = ["subnet", "ipv6_prefix"].map(text) != [None, None];
        pool.mac_only =
            !gives_ips && text("mac_only").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        pool
    }

    /// Whether ports of the switch are given anything.
    pub(crate) fn is_in_use(&self) -> bool {
        self.subnet.is_some() || self.ipv6_prefix.is_some() || self.mac_only
    }

    /// Whether ports are given IPv4 addresses.
    pub(crate) fn has_ipv4(&self) -> bool {
        self.subnet.is_some()
    }

    /// Whether an address may be given out: neither the subnet's own, nor the first, which is the router's,
    /// nor the broadcast address, nor an excluded one.
    pub(crate) fn may_give(&self, ip: Ipv4Addr) -> bool {
        let number = u64::from(u32::from(ip));
        self.usable().contains(&number)
            && !self.excluded.iter().any(|range| range.contains(&number))
    }

    /// The least address that may be given out and is not in use.
    pub(crate) fn choose(&self, is_used: impl Fn(Ipv4Addr) -> bool) -> Option<Ipv4Addr> {
        let numbers = self
            .usable()
            .filter_map(|number| u32::try_from(number).ok());
        let mut addresses = numbers.map(Ipv4Addr::from);
        addresses.find(|ip| self.may_give(*ip) && !is_used(*ip))
    }

    /// The IPv6 address of a port: the wished one if it is of the prefix, else that of its MAC address
    /// (RFC 4291 appendix A).
    pub(crate) fn ipv6(&self, mac: Mac, wish: Option<Ipv6Addr>) -> Option<Ipv6Addr> {
        let prefix = self.ipv6_prefix?;
        let [a, b, c, d, e, f] = mac.0;
        let mut octets = [0; 16];
        octets[..8].copy_from_slice(&prefix);
        octets[8..].copy_from_slice(&[a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
        let wish = wish.filter(|ip| ip.octets()[..8] == prefix);
        Some(wish.unwrap_or_else(|| octets.into()))
    }

    fn usable(&self) -> Range<u64> {
        let Some(subnet) = self.subnet else {
            return 0..0;
        };
        let number = |ip: Ipv4Addr| u64::from(u32::from(ip));
        number(subnet.network()) + 2..number(subnet.broadcast())
    }

    /// Reads `IP`s and `IP..IP`s with blanks between them; what comes after a bad one is not read.
    fn exclude(&mut self, text: &str) {
        for word in text.split_whitespace() {
            let (first, last) = word.split_once("..").unwrap_or((word, word));
            let number = |ip: &str| ip.parse::<Ipv4Addr>().ok().map(u32::from).map(u64::from);
            let Some((first, last)) = number(first).zip(number(last)) else {
                self.complain(format!("exclude_ips: {word:?} is neither IP nor IP..IP"));
                return;
            };
            self.excluded.push(first..last + 1);
        }
    }

    fn complain(&mut self, complaint: String) {
        self.complaints.push(complaint);
    }
}

fn ipv6_prefix(text: &str) -> Option<[u8; 8]> {
    let address = match text.parse::<Ipv6Addr>() {
        Ok(address) => address,
        Err(_) => {
            let network: Ipv6Net = text.parse().ok()?;
            (network.prefix_len() == PREFIX_LENGTH).then(|| network.addr())?
        }
    };
    address.octets()[..8].try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(config: &[(&str, &str)]) -> Pool {
        let config = config.iter();
        let config = config.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Pool::parse(&config.collect())
    }

    /// Input: subnet, exclusions. Output: all addresses that are given out, in order.
    #[test]
    fn the_lowest_free_addresses_are_given_out() {
        let check = |subnet, excluded, expected: &[u8]| {
            let pool = pool(&[("subnet", subnet), ("exclude_ips", excluded)]);
            let mut given: Vec<Ipv4Addr> = Vec::new();
            while let Some(ip) = pool.choose(|ip| given.contains(&ip)) {
                given.push(ip);
            }
            let last: Vec<u8> = given.iter().map(|ip| ip.octets()[3]).collect();
            assert_eq!(last, expected, "{subnet} without {excluded}");
        };
        check("10.0.0.0/29", "", &[2, 3, 4, 5, 6]);
        check("10.0.0.9/29", "10.0.0.11 10.0.0.13..10.0.0.99", &[10, 12]);
        check("10.0.0.0/29", "x 10.0.0.3", &[2, 3, 4, 5, 6]);
        check("10.0.0.0/30", "", &[2]);
        check("10.0.0.0/31", "", &[]);
        check("10.0.0.0/32", "", &[]);
        check("255.255.255.248/29", "0.0.0.0..255.255.255.253", &[254]);
    }

    /// Input: a switch's settings. Output: the IPv6 address of a MAC address.
    #[test]
    fn an_ipv6_address_is_made_of_the_mac_address() {
        let check = |prefix, wish: Option<&str>, expected: Option<&str>| {
            let mac = "0a:00:00:01:00:4f".parse().expect("a MAC");
            let wish = wish.map(|ip| ip.parse().expect("an address"));
            let found = pool(&[("ipv6_prefix", prefix)]).ipv6(mac, wish);
            let expected = expected.map(|ip| ip.parse().expect("an address"));
            assert_eq!(found, expected, "{prefix} {wish:?}");
        };
        check("fd00:2::", None, Some("fd00:2::800:ff:fe01:4f"));
        check("fd00:2::/64", None, Some("fd00:2::800:ff:fe01:4f"));
        check("fd00:2::", Some("fd00:2::99"), Some("fd00:2::99"));
        check(
            "fd00:2::",
            Some("fd00:3::99"),
            Some("fd00:2::800:ff:fe01:4f"),
        );
        check("fd00:2::/48", None, None);
        check("x", None, None);
    }

    #[test]
    fn what_cannot_be_read_is_complained_about() {
        let complaints = |config: &[(&str, &str)]| pool(config).complaints.len();
        assert_eq!(complaints(&[("subnet", "10.0.0.0/24")]), 0);
        assert_eq!(complaints(&[("subnet", "10.0.0.0/32")]), 1);
        assert_eq!(complaints(&[("exclude_ips", "10.0.0.1..x")]), 1);
        assert_eq!(complaints(&[("ipv6_prefix", "10.0.0.0/24")]), 1);
        assert!(pool(&[("mac_only", "true")]).is_in_use());
        assert!(!pool(&[("mac_only", "true"), ("subnet", "x")]).is_in_use());
    }
}
