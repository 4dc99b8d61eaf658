//! Link-layer addresses.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A 48-bit IEEE 802 MAC address, in transmission order.
#[derive(
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[serde(try_from = "String", into = "String")]
#[repr(transparent)]
pub struct Mac(pub [u8; 6]);

/// The text is not six hexadecimal octets separated by colons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a MAC address (expected six hexadecimal octets, such as 0a:58:0a:f4:00:01)")]
pub struct MacError(pub String);

impl Mac {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Mac = Mac([0xff; 6]);
    /// `00:00:00:00:00:00`, which no station owns.
    pub const ZERO: Mac = Mac([0; 6]);

    /// True for group addresses, broadcast included (the I/G bit of the first octet).
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// True for `ff:ff:ff:ff:ff:ff`.
    pub fn is_broadcast(self) -> bool {
        self == Mac::BROADCAST
    }

    /// True for `00:00:00:00:00:00`.
    pub fn is_zero(self) -> bool {
        self == Mac::ZERO
    }

    /// The group address that carries an IP multicast address (RFC 1112 section 6.4, RFC 2464 section 7).
    pub const fn of_multicast(ip: IpAddr) -> Mac {
        match ip {
            IpAddr::V4(ip) => {
                let [_, b, c, d] = ip.octets();
                Mac([0x01, 0x00, 0x5e, b & 0x7f, c, d])
            }
            IpAddr::V6(ip) => {
                let [.., a, b, c, d] = ip.octets();
                Mac([0x33, 0x33, a, b, c, d])
            }
        }
    }

    /// The modified EUI-64 link-local address of the station (RFC 4291 appendix A).
    pub const fn link_local(self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.0;
        Ipv6Addr::from_octets([
            0xfe,
            0x80,
            0,
            0,
            0,
            0,
            0,
            0,
            a ^ 2,
            b,
            c,
            0xff,
            0xfe,
            d,
            e,
            f,
        ])
    }
}

/// The solicited-node multicast address of an IPv6 address (RFC 4291 section 2.7.1).
pub const fn solicited_node(ip: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = ip.octets();
    Ipv6Addr::from_octets([0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            *octet = parts
                .next()
                .filter(|part| matches!(part.len(), 1..=2) && !part.starts_with('+'))
                .and_then(|part| u8::from_str_radix(part, 16).ok())
                .ok_or_else(|| MacError(text.to_owned()))?;
        }
        match parts.next() {
            None => Ok(Mac(octets)),
            Some(_) => Err(MacError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Mac {
    type Error = MacError;

    fn try_from(text: String) -> Result<Self, MacError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses_round_trip_and_refuse_what_is_not_one() {
        for (text, expected) in [
            ("0a:58:0a:f4:00:01", Some("0a:58:0a:f4:00:01")),
            ("A:B:C:D:E:F", Some("0a:0b:0c:0d:0e:0f")),
            ("0a:58:0a:f4:00", None),
            ("0a:58:0a:f4:00:01:02", None),
            ("+a:58:0a:f4:00:01", None),
            ("", None),
            ("router", None),
        ] {
            let parsed = text.parse::<Mac>().ok().map(|mac| mac.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn addresses_derived_from_others_are_those_of_the_rfcs() {
        let mac = Mac([0x02, 0x58, 0x0a, 0xf4, 0x00, 0x01]);
        assert_eq!(mac.link_local().to_string(), "fe80::58:aff:fef4:1");
        let ip: Ipv6Addr = "2001:db8::12:3456".parse().unwrap();
        assert_eq!(solicited_node(ip).to_string(), "ff02::1:ff12:3456");
        for (ip, expected) in [
            ("224.129.2.3", "01:00:5e:01:02:03"),
            ("ff02::1:ff12:3456", "33:33:ff:12:34:56"),
        ] {
            assert_eq!(Mac::of_multicast(ip.parse().unwrap()).to_string(), expected);
        }
    }
}
