//! The `northd` binary: settings, logs, signals, and the library.

use anyhow::Context;
use clap::Parser;
use northd::config::Settings;
use northd::{Northd, logging};
use sd_notify::NotifyState;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    match run(Settings::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("northd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(settings: Settings) -> anyhow::Result<()> {
    let config = settings.resolve()?;
    logging::init(config.log_format, config.verbosity)?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;

    let mut northd = Northd::start(config).await?;
    let addresses = northd.addresses();
    eprintln!(
        "northd ready: northbound {} southbound {}{}",
        addresses.northbound,
        addresses.southbound,
        addresses
            .http
            .map_or(String::new(), |http| format!(" http {http}")),
    );
    tell_service_manager(NotifyState::Ready);

    let failure = tokio::select! {
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        fault = northd.failed() => Some(fault),
    };
    tell_service_manager(NotifyState::Stopping);
    northd.shutdown().await;
    failure.map_or(Ok(()), |fault| Err(fault.into()))
}

/// The service manager may be away, which is no reason not to run.
fn tell_service_manager(state: NotifyState) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
