//! The options about tracked connections.

use std::collections::BTreeMap;

use pipeline::conntrack::{Settings, Timeouts};
use serde::{Deserialize, Deserializer};

use super::{ConfigError, Options, refused};

/// Connections that are tracked at once unless another number is set: what they take is 40 MB.
pub(super) const CONNECTIONS: u32 = 1 << 18;

/// Reads `state=seconds`.
pub(super) fn parse_timeout(text: &str) -> Result<(String, u32), String> {
    let (name, seconds) = text
        .split_once('=')
        .ok_or("expected STATE=SECONDS, such as udp=30")?;
    let seconds = seconds
        .parse()
        .map_err(|_| format!("{seconds:?} is no number of seconds"))?;
    Ok((name.to_owned(), seconds))
}

/// Reads a table of the file: `timeouts = { udp = 30 }`.
pub(super) fn timeouts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, u32)>, D::Error> {
    let table = BTreeMap::<String, u32>::deserialize(deserializer)?;
    Ok(table.into_iter().collect())
}

/// How connections are judged and kept.
pub(super) fn settings(options: &Options) -> Result<Settings, ConfigError> {
    let mut settings = Settings {
        is_liberal: options.tcp_liberal,
        ..Settings::default()
    };
    if let Some(half_open) = options.half_open {
        if half_open == 0 {
            return Err(refused("half-open", 0, "no connection could ever begin"));
        }
        settings.half_open_quota = half_open;
    }
    for (name, seconds) in &options.timeouts {
        if *seconds == 0 {
            let problem = "a connection must be kept for a second at least";
            return Err(refused("timeout", format!("{name}=0"), problem));
        }
        if !settings.timeouts.set(name, *seconds) {
            let problem = format!("no such state; there are {}", Timeouts::NAMES.join(", "));
            return Err(refused("timeout", name, problem));
        }
    }
    Ok(settings)
}
