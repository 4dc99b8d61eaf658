//! Structured logs on standard error.

use std::io::{IsTerminal, stderr};

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::acl_log;
use crate::config::LogFormat;

/// Sends the process's logs to standard error from now on. Libraries are heard only when something is wrong,
/// or with the highest verbosity. Text is coloured on a terminal, unless `NO_COLOR` says otherwise.
pub fn init(format: LogFormat, verbosity: u8) -> Result<(), TryInitError> {
    let (own, others) = match verbosity {
        0 => (Level::INFO, Level::WARN),
        1 => (Level::DEBUG, Level::WARN),
        _ => (Level::TRACE, Level::DEBUG),
    };
    let targets = Targets::new().with_default(others).with_targets([
        ("vswitch", own),
        ("pipeline", own),
        (acl_log::TARGET, own),
    ]);
    let registry = tracing_subscriber::registry().with(targets);
    match format {
        LogFormat::Text => registry
            .with(fmt::layer().with_writer(stderr).with_ansi(is_coloured()))
            .try_init(),
        LogFormat::Json => registry
            .with(fmt::layer().json().with_writer(stderr))
            .try_init(),
    }
}

/// Colours are for people at a terminal; `NO_COLOR`, set to anything but nothing, turns them off there too.
fn is_coloured() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
