//! Times, for people.

use time::OffsetDateTime;
use time::macros::format_description;

/// A time in UTC, to the second.
pub(crate) fn time(unix_ms: u64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    i64::try_from(unix_ms / 1000)
        .ok()
        .and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok())
        .and_then(|time| time.format(format).ok())
        .unwrap_or_else(|| "unknown".to_owned())
}
