//! The texts of `addresses` and `port_security`.

use std::net::IpAddr;

use ipnet::IpNet;
use packet::Mac;
use pipeline::object::{PortSecurity, StationAddresses};

/// A MAC address and what was written after it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Station {
    pub(super) mac: Mac,
    /// Addresses with the prefix lengths that were written; a full one where none was.
    pub(super) networks: Vec<IpNet>,
    /// The first word that is no address. It and what follows it is not in force.
    pub(super) invalid: Option<String>,
}

/// The text does not start with a MAC address.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error(
    "{0:?} does not start with a MAC address (expected such as \"0a:58:0a:f4:00:03 10.244.0.3\")"
)]
pub(super) struct NoMac(String);

impl Station {
    /// Reads `MAC [IP[/LENGTH]]...`. As in OVN, the words up to the first bad one stand.
    pub(super) fn parse(text: &str) -> Result<Self, NoMac> {
        let mut words = text.split_whitespace();
        let mac = words.next().and_then(|word| word.parse().ok());
        let mut station = Self {
            mac: mac.ok_or_else(|| NoMac(text.to_owned()))?,
            ..Self::default()
        };
        for word in words {
            match network(word) {
                Some(network) => station.networks.push(network),
                None => {
                    station.invalid = Some(word.to_owned());
                    break;
                }
            }
        }
        Ok(station)
    }

    /// The sentence about the bad word, if there is one.
    pub(super) fn complaint(&self) -> Option<String> {
        let word = self.invalid.as_ref()?;
        Some(format!(
            "{word:?} is not an IP address; it and what follows it is ignored"
        ))
    }

    /// The station as one that owns addresses.
    pub(super) fn into_addresses(self) -> StationAddresses {
        let mut addresses = StationAddresses {
            mac: self.mac,
            ..StationAddresses::default()
        };
        for network in self.networks {
            match network.addr() {
                IpAddr::V4(ip) => addresses.ipv4.push(ip),
                IpAddr::V6(ip) => addresses.ipv6.push(ip),
            }
        }
        addresses
    }

    /// The station as one that is restricted to addresses.
    pub(super) fn into_port_security(self) -> PortSecurity {
        let mut security = PortSecurity {
            mac: self.mac,
            ipv4: Vec::new(),
            ipv6: Vec::new(),
        };
        for network in self.networks {
            match network {
                IpNet::V4(network) => security.ipv4.push(network),
                IpNet::V6(network) => security.ipv6.push(network),
            }
        }
        security
    }
}

/// The stations that texts of `addresses` name; other texts name none.
pub(crate) fn stations_of<'a>(
    texts: impl IntoIterator<Item = &'a String>,
) -> impl Iterator<Item = StationAddresses> {
    let stations = texts
        .into_iter()
        .filter_map(|text| Station::parse(text).ok());
    stations.map(Station::into_addresses)
}

/// `IP` or `IP/LENGTH`.
pub(super) fn network(word: &str) -> Option<IpNet> {
    match word.parse::<IpAddr>() {
        Ok(ip) => Some(IpNet::from(ip)),
        Err(_) => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, &[&str], Option<&str>)>) {
        let station = Station::parse(text).ok();
        let found = station.map(|station| {
            let networks = station.networks.iter().map(ToString::to_string);
            (
                station.mac.to_string(),
                networks.collect::<Vec<_>>(),
                station.invalid.clone(),
            )
        });
        let expected = expected.map(|(mac, networks, invalid)| {
            let networks = networks.iter().map(|network| (*network).to_owned());
            (
                mac.to_owned(),
                networks.collect(),
                invalid.map(str::to_owned),
            )
        });
        assert_eq!(found, expected, "{text:?}");
    }

    /// Input: texts of `addresses`. Output: MAC, networks, and the first word that is not in force.
    #[test]
    fn the_words_up_to_the_first_bad_one_stand() {
        let mac = "02:00:00:00:00:01";
        check(mac, Some((mac, &[], None)));
        check(
            "02:00:00:00:00:01 10.0.0.1  fd00::1",
            Some((mac, &["10.0.0.1/32", "fd00::1/128"], None)),
        );
        check(
            "02:00:00:00:00:01 10.0.0.1/24",
            Some((mac, &["10.0.0.1/24"], None)),
        );
        check(
            "02:00:00:00:00:01 10.0.0.1 x 10.0.0.2",
            Some((mac, &["10.0.0.1/32"], Some("x"))),
        );
        check("10.0.0.1", None);
        check("", None);
    }
}
