//! `Load_Balancer_Health_Check` rows as values.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::OptionDeclaration;
use super::options::bad;
use crate::endpoint::Endpoint;
use crate::fault::RowFault;
use crate::nb;

/// How the backends of a virtual address are probed: a TCP connection, a UDP datagram that no ICMP error
/// answers, or, with a path, an HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// Whose backends are probed; `None` for a template's, whose row then names the key of `vips`.
    pub vip: Option<Endpoint>,
    /// From one probe to the next.
    pub interval_s: u32,
    /// How long an answer may take.
    pub timeout_s: u32,
    /// The successes after which a backend is online.
    pub success_count: u32,
    /// The failures after which it is offline.
    pub failure_count: u32,
    /// The request, if HTTP is spoken.
    pub http: Option<HttpProbe>,
}

/// An HTTP request that is answered by a healthy backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// What is asked for; it begins with `/`.
    pub path: String,
    /// The `Host` header; the backend's address where none is given.
    pub host: Option<String>,
    /// The statuses of healthy backends.
    pub statuses: RangeInclusive<u16>,
}

/// Every key of the `options` column that is carried out.
pub const OPTIONS: &[OptionDeclaration] = &[
    super::options::ovn("interval", "SECONDS", "From one probe to the next; 5."),
    super::options::ovn("timeout", "SECONDS", "How long an answer may take; 3."),
    super::options::ovn(
        "success_count",
        "COUNT",
        "The successes after which a backend is online; 1.",
    ),
    super::options::ovn(
        "failure_count",
        "COUNT",
        "The failures after which a backend is offline; 1.",
    ),
    super::options::own(
        "http_path",
        "PATH",
        "Ask for this by HTTP, instead of only connecting.",
    ),
    super::options::own(
        "http_host",
        "NAME",
        "The Host header of the request; the backend's address where none is given.",
    ),
    super::options::own(
        "http_statuses",
        "STATUS[-STATUS]",
        "The statuses of healthy backends; 200-399.",
    ),
];

/// The longest time between probes and for an answer: a day.
const MAX_SECONDS: u32 = 86_400;

/// The most probes that are counted.
const MAX_COUNT: u32 = 1_000;

/// The longest path or host, in bytes.
const MAX_HTTP_TEXT_BYTES: usize = 1_024;

type Map = BTreeMap<String, String>;

impl HealthCheck {
    /// Reads a row. Keys that are not in [`OPTIONS`] are passed over.
    pub fn parse(row: &nb::LoadBalancerHealthCheck) -> Result<Self, RowFault> {
        let vip = match row.vip.parse::<Endpoint>() {
            Ok(endpoint) => Some(endpoint),
            Err(_) if row.vip.starts_with('^') => None,
            Err(error) => return Err(RowFault::new("vip", error.to_string())),
        };
        let options = &row.options;
        Ok(Self {
            vip,
            interval_s: number(options, "interval", MAX_SECONDS)?.unwrap_or(5),
            timeout_s: number(options, "timeout", MAX_SECONDS)?.unwrap_or(3),
            success_count: number(options, "success_count", MAX_COUNT)?.unwrap_or(1),
            failure_count: number(options, "failure_count", MAX_COUNT)?.unwrap_or(1),
            http: http(options)?,
        })
    }
}

fn number(map: &Map, key: &'static str, max: u32) -> Result<Option<u32>, RowFault> {
    let Some(text) = map.get(key).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match u32::from_str(text) {
        Ok(number) if (1..=max).contains(&number) => Ok(Some(number)),
        _ => Err(bad(
            key,
            format!("{text:?} is not a number from 1 to {max}"),
        )),
    }
}

fn http(map: &Map) -> Result<Option<HttpProbe>, RowFault> {
    let host = http_text(map, "http_host")?;
    let statuses = statuses(map)?;
    let Some(path) = http_text(map, "http_path")? else {
        return Ok(None);
    };
    if !path.starts_with('/') {
        let message = format!("{path:?} does not begin with a slash");
        return Err(bad("http_path", message));
    }
    Ok(Some(HttpProbe {
        path,
        host,
        statuses,
    }))
}

/// A text that may stand in the lines of a request.
fn http_text(map: &Map, key: &'static str) -> Result<Option<String>, RowFault> {
    let Some(text) = map.get(key).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.len() > MAX_HTTP_TEXT_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!(
            "it is not printable ASCII without spaces of at most {MAX_HTTP_TEXT_BYTES} bytes"
        );
        return Err(bad(key, message));
    }
    Ok(Some(text.clone()))
}

fn statuses(map: &Map) -> Result<RangeInclusive<u16>, RowFault> {
    const KEY: &str = "http_statuses";
    let Some(text) = map.get(KEY).filter(|text| !text.is_empty()) else {
        return Ok(200..=399);
    };
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| {
        let status = text.parse().ok();
        status.filter(|status| (100..=599).contains(status))
    };
    match (status(low), status(high)) {
        (Some(low), Some(high)) if low <= high => Ok(low..=high),
        _ => {
            let message =
                format!("{text:?} is neither a status from 100 to 599 nor a range of them");
            Err(bad(KEY, message))
        }
    }
}
