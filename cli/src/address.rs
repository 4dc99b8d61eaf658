//! Addresses as commands take them, and their canonical forms.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Whether the text is a MAC address.
pub fn is_mac(text: &str) -> bool {
    text.parse::<packet::Mac>().is_ok()
}

/// The canonical form of an address without a prefix length.
pub fn normalize_address(text: &str) -> Option<String> {
    IpAddr::from_str(text)
        .ok()
        .map(|address| address.to_string())
}

/// An IPv4 network, with the host's bits as they were given: `A.B.C.D`, `A.B.C.D/LENGTH` or `A.B.C.D/MASK`.
pub fn parse_ipv4_network(text: &str) -> Option<Ipv4Net> {
    let (address, length) = match text.split_once('/') {
        Some((address, suffix)) => (address, ipv4_length(suffix)?),
        None => (text, 32),
    };
    Ipv4Net::new(parse_ipv4(address)?, length).ok()
}

/// An IPv6 network, with the host's bits as they were given: `ADDRESS`, `ADDRESS/LENGTH` or `ADDRESS/MASK`.
pub fn parse_ipv6_network(text: &str) -> Option<Ipv6Net> {
    let (address, length) = match text.split_once('/') {
        Some((address, suffix)) => (address, ipv6_length(suffix)?),
        None => (text, 128),
    };
    Ipv6Net::new(address.parse().ok()?, length).ok()
}

/// A network of either family.
pub fn parse_network(text: &str) -> Option<IpNet> {
    parse_ipv4_network(text)
        .map(IpNet::V4)
        .or_else(|| parse_ipv6_network(text).map(IpNet::V6))
}

/// The canonical form of a network: without the host's bits, and without the length where it is whole.
pub fn normalize_network(text: &str) -> Option<String> {
    parse_network(text).map(|network| network_text(&network))
}

/// A network's text, without the host's bits, and without the length where it is whole.
pub fn network_text(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.trunc().to_string()
    }
}

/// The addresses of `MAC [IP]...` as in a port's `addresses`; `None` without a MAC. What follows the first
/// word that is no address is passed over.
pub fn port_addresses(text: &str) -> Option<Vec<IpAddr>> {
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    words.next().filter(|word| is_mac(word))?;
    Some(
        words
            .map_while(parse_network)
            .map(|network| network.addr())
            .collect(),
    )
}

/// Octets may have leading zeros in networks, as in inet_addr's days.
fn parse_ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut words = text.split('.');
    for octet in &mut octets {
        let word = words.next()?;
        if word.is_empty() || word.len() > 3 || !word.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *octet = word.parse().ok()?;
    }
    words.next().is_none().then(|| octets.into())
}

fn ipv4_length(suffix: &str) -> Option<u8> {
    if suffix.contains('.') {
        ipnet::ipv4_mask_to_prefix(parse_ipv4(suffix)?).ok()
    } else {
        parse_length(suffix, 32)
    }
}

fn ipv6_length(suffix: &str) -> Option<u8> {
    match Ipv6Addr::from_str(suffix) {
        Ok(mask) => ipnet::ipv6_mask_to_prefix(mask).ok(),
        Err(_) => parse_length(suffix, 128),
    }
}

fn parse_length(suffix: &str, max: u8) -> Option<u8> {
    let is_number = !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit());
    suffix
        .parse()
        .ok()
        .filter(|&length| is_number && length <= max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_one_canonical_form() {
        for (text, expected) in [
            ("10.0.0.111/24", Some("10.0.0.0/24")),
            ("10.0.0.1", Some("10.0.0.1")),
            ("10.0.0.1/32", Some("10.0.0.1")),
            ("010.0.0.5/255.255.255.0", Some("10.0.0.0/24")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("0:0:0:0:0:0:0:0/0", Some("::/0")),
            ("2001:DB8::1/64", Some("2001:db8::/64")),
            ("fe80::1/ffff::", Some("fe80::/16")),
            ("10.0.0.111a/24", None),
            ("10.0.0.111/24a", None),
            ("10.0.0.1/33", None),
            ("10.0.0.256/24", None),
            ("10.0.0.1/255.0.255.0", None),
            ("10.0.5", None),
            ("fe80::1/129", None),
            ("10.0.0.1/+8", None),
            ("", None),
        ] {
            assert_eq!(normalize_network(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_ports_addresses_end_at_the_first_word_that_is_none() {
        let texts = |text| {
            port_addresses(text).map(|addresses| {
                let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
                texts.join(" ")
            })
        };
        for (text, expected) in [
            (
                "00:00:00:00:00:01 10.0.0.1 fe80::1",
                Some("10.0.0.1 fe80::1"),
            ),
            ("00:00:00:00:00:01", Some("")),
            ("00:00:00:00:00:01 10.0.0.1/24", Some("10.0.0.1")),
            ("00:00:00:00:00:01 x 10.0.0.1", Some("")),
            ("unknown", None),
            ("10.0.0.1", None),
        ] {
            assert_eq!(texts(text).as_deref(), expected, "{text}");
        }
    }
}
