//! `IP`, `IP:PORT` and `[IPv6]:PORT`, as virtual addresses and backends are written.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

/// An address, and a port of it or all that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The address.
    pub ip: IpAddr,
    /// The port; `None` for the address as a whole.
    pub port: Option<NonZeroU16>,
}

/// A text that is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an IP address, or an IP address and a port such as 10.0.0.1:80 or [fd00::1]:80"
)]
pub struct NoEndpoint(pub String);

impl FromStr for Endpoint {
    type Err = NoEndpoint;

    fn from_str(text: &str) -> Result<Self, NoEndpoint> {
        parse(text).ok_or_else(|| NoEndpoint(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Endpoint> {
    if let Ok(ip) = text.parse() {
        return Some(Endpoint { ip, port: None });
    }
    let (ip, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (ip, rest) = rest.split_once(']')?;
            let port = rest.strip_prefix(':').or(rest.is_empty().then_some(""))?;
            (ip.parse::<IpAddr>().ok()?, port)
        }
        None => {
            let (ip, port) = text.split_once(':')?;
            (IpAddr::V4(ip.parse().ok()?), port)
        }
    };
    let port = parse_port(port)?;
    Some(Endpoint { ip, port })
}

/// A port in decimal; 0 and nothing are none, as in OVN.
fn parse_port(text: &str) -> Option<Option<NonZeroU16>> {
    if text.is_empty() {
        return Some(None);
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let port: u16 = text.parse().ok().filter(|_| is_number)?;
    Some(NonZeroU16::new(port))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ip, self.port) {
            (ip, None) => write!(f, "{ip}"),
            (IpAddr::V4(ip), Some(port)) => write!(f, "{ip}:{port}"),
            (IpAddr::V6(ip), Some(port)) => write!(f, "[{ip}]:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn endpoints_have_one_canonical_form() {
        for (text, expected) in [
            ("10.0.0.1", Some("10.0.0.1")),
            ("10.0.0.1:80", Some("10.0.0.1:80")),
            (" 10.0.0.1:80", None),
            ("10.0.0.1:080", Some("10.0.0.1:80")),
            ("10.0.0.1:0", Some("10.0.0.1")),
            ("fd00:0::1", Some("fd00::1")),
            ("[fd00::1]", Some("fd00::1")),
            ("[FD00::1]:65535", Some("[fd00::1]:65535")),
            ("10.0.0.1:65536", None),
            ("10.0.0.1:", Some("10.0.0.1")),
            ("10.0.0.1:+80", None),
            ("10.0.0.1:80:80", None),
            ("10.0.0.300", None),
            ("[10.0.0.1]:80", Some("10.0.0.1:80")),
            ("[fd00::1", None),
            ("[fd00::1]80", None),
            ("^vip", None),
            ("", None),
        ] {
            let found = text.parse::<Endpoint>().ok().map(|found| found.to_string());
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
    }
}
