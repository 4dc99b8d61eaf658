//! A virtual address with its backends, as `lb-add` takes them.

use model::endpoint::Endpoint;

use crate::failure::Failure;

/// An address family.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Ipv4,
    Ipv6,
}

/// A pair for the `vips` column, in its canonical form.
pub(super) struct Vip {
    pub(super) key: String,
    pub(super) backends: String,
    pub(super) has_port: bool,
}

/// What backends have to be like.
struct Expected<'a> {
    /// The virtual address, without its port.
    vip: &'a str,
    family: Family,
    has_port: bool,
}

impl Family {
    fn of(endpoint: &Endpoint) -> Self {
        if endpoint.ip.is_ipv4() {
            Self::Ipv4
        } else {
            Self::Ipv6
        }
    }

    /// The value of `options:address-family`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

impl Vip {
    /// Reads addresses.
    pub(super) fn parse(key: &str, backends: &str) -> Result<Self, Failure> {
        let endpoint: Endpoint = key.parse().map_err(|_| {
            Failure::new(format!(
                "{key}: should be an IP address (or an IP address and a port number with : as a separator)."
            ))
        })?;
        let expected = Expected {
            vip: &endpoint.ip.to_string(),
            family: Family::of(&endpoint),
            has_port: endpoint.port.is_some(),
        };
        Ok(Self {
            key: endpoint.to_string(),
            backends: parse_backends(backends, &expected).map_err(Failure::new)?,
            has_port: expected.has_port,
        })
    }

    /// Reads variables, or backends that are addresses.
    pub(super) fn parse_template(
        key: &str,
        backends: &str,
        family: Family,
    ) -> Result<Self, Failure> {
        let parts: Vec<&str> = key.split(':').filter(|part| !part.is_empty()).collect();
        let (vip, has_port) = match parts.as_slice() {
            [vip] => (*vip, false),
            [vip, _] => (*vip, true),
            _ => {
                return Err(Failure::new(format!(
                    "{key}: should be a template of the form: '^vip_variable[:^port_variable|:port]'."
                )));
            }
        };
        let expected = Expected {
            vip,
            family,
            has_port,
        };
        let backends = template_backends(backends).or_else(|template| {
            parse_backends(backends, &expected).map_err(|explicit| {
                Failure::new(format!(
                    "invalid backend: template ({template}) OR explicit ({explicit})"
                ))
            })
        })?;
        Ok(Self {
            key: parts.join(":"),
            backends,
            has_port,
        })
    }
}

/// The backends of a list.
fn tokens(backends: &str) -> impl Iterator<Item = &str> {
    backends.split(',').filter(|token| !token.is_empty())
}

/// The backends in canonical form, or everything that is wrong with them.
fn parse_backends(backends: &str, expected: &Expected<'_>) -> Result<String, String> {
    collect(tokens(backends).map(|token| parse_backend(token, expected)))
}

fn parse_backend(token: &str, expected: &Expected<'_>) -> Result<String, String> {
    let form = match expected.has_port {
        true => "an IP address and a port number with : as a separator",
        false => "an IP address",
    };
    let endpoint: Endpoint = token
        .parse()
        .map_err(|_| format!("{token}: should be {form}"))?;
    if Family::of(&endpoint) != expected.family {
        return Err(format!(
            "{token}: IP address family is different from VIP {}",
            expected.vip
        ));
    }
    if endpoint.port.is_some() != expected.has_port {
        return Err(format!("{token}: should be {form}"));
    }
    Ok(endpoint.to_string())
}

fn template_backends(backends: &str) -> Result<String, String> {
    collect(tokens(backends).map(|token| {
        let parts: Vec<&str> = token.split(':').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            [_] | [_, _] => Ok(parts.join(":")),
            _ => Err(format!(
                "{}: should be a template of the form: '^backendip_variable1[:^port_variable1|:port]'",
                parts.first().unwrap_or(&"")
            )),
        }
    }))
}

/// Joins what went well, or all that did not into one sentence.
fn collect(results: impl Iterator<Item = Result<String, String>>) -> Result<String, String> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(text) => good.push(text),
            Err(message) => bad.push(message),
        }
    }
    if bad.is_empty() {
        return Ok(good.join(","));
    }
    Err(format!("{}.", bad.join(", ")))
}
