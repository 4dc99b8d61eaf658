//! What a port wants to be given.

use std::net::{Ipv4Addr, Ipv6Addr};

use packet::Mac;

/// One of the texts of `addresses` that ask for an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The MAC address that it brings.
    pub(crate) mac: Option<Mac>,
    /// The IPv4 address that it would like.
    pub(crate) ipv4: Option<Ipv4Addr>,
    /// The IPv6 address that it would like.
    pub(crate) ipv6: Option<Ipv6Addr>,
}

impl Wish {
    /// Reads `dynamic`, `MAC dynamic` or `dynamic [IPV4] [IPV6]`; any other text asks for nothing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let none = Self::default();
        Some(match words[..] {
            ["dynamic"] => none,
            ["dynamic", ip] => match ip.parse() {
                Ok(ipv4) => Self {
                    ipv4: Some(ipv4),
                    ..none
                },
                Err(_) => Self {
                    ipv6: Some(ip.parse().ok()?),
                    ..none
                },
            },
            ["dynamic", ipv4, ipv6] => Self {
                ipv4: Some(ipv4.parse().ok()?),
                ipv6: Some(ipv6.parse().ok()?),
                ..none
            },
            [mac, "dynamic"] => Self {
                mac: Some(mac.parse().ok()?),
                ..none
            },
            _ => return None,
        })
    }

    /// The first wish of a port; OVN hears no other.
    pub(crate) fn first<'a>(addresses: impl IntoIterator<Item = &'a String>) -> Option<Self> {
        addresses.into_iter().find_map(|text| Self::parse(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, &str, &str)>) {
        let or_empty = |text: Option<String>| text.unwrap_or_default();
        let found = Wish::parse(text).map(|wish| {
            (
                or_empty(wish.mac.map(|mac| mac.to_string())),
                or_empty(wish.ipv4.map(|ip| ip.to_string())),
                or_empty(wish.ipv6.map(|ip| ip.to_string())),
            )
        });
        let expected = expected.map(|(mac, ipv4, ipv6)| (mac.into(), ipv4.into(), ipv6.into()));
        assert_eq!(found, expected, "{text:?}");
    }

    /// Input: texts of `addresses`. Output: what they ask for.
    #[test]
    fn four_forms_ask_for_an_address() {
        check("dynamic", Some(("", "", "")));
        check("dynamic 10.0.0.9", Some(("", "10.0.0.9", "")));
        check("dynamic fd00::9", Some(("", "", "fd00::9")));
        check(
            "dynamic 10.0.0.9 fd00::9",
            Some(("", "10.0.0.9", "fd00::9")),
        );
        check(
            "02:00:00:00:00:01 dynamic",
            Some(("02:00:00:00:00:01", "", "")),
        );
        for text in [
            "",
            "unknown",
            "dynamic x",
            "dynamic fd00::9 10.0.0.9",
            "02:00:00:00:00:01 10.0.0.9 dynamic",
            "02:00:00:00:00:01",
        ] {
            check(text, None);
        }
    }
}
