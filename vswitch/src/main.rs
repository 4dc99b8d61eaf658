//! The `vswitch` binary: settings, logs, signals, and the library.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use vswitch::config::CommandLine;
use vswitch::health::Health;
use vswitch::{Vswitch, logging};

fn main() -> ExitCode {
    match run(CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vswitch: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(command_line: CommandLine) -> anyhow::Result<()> {
    let config = command_line.into_config()?;
    logging::init(config.log_format, config.verbose)?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;

    let chassis = config.chassis.clone();
    let admin_socket = config.admin_socket.clone();
    let mut vswitch = Vswitch::start(config).await?;
    let addresses = vswitch.addresses();
    eprintln!(
        "vswitch ready: chassis {chassis} tunnel {} admin {}{}",
        addresses.tunnel,
        admin_socket.display(),
        addresses
            .http
            .map_or(String::new(), |http| format!(" http {http}")),
    );
    tell_service_manager(NotifyState::Ready);
    let watchdog = tokio::spawn(feed_watchdog(vswitch.health()));

    let has_failed = tokio::select! {
        _ = interrupt.recv() => false,
        _ = terminate.recv() => false,
        () = vswitch.failed() => true,
    };
    watchdog.abort();
    tell_service_manager(NotifyState::Stopping);
    vswitch.shutdown().await;
    anyhow::ensure!(!has_failed, "the agent stopped by itself");
    Ok(())
}

/// Tells the service manager that the agent and all workers are alive, as often as it wants to hear it. When
/// one is dead it hears nothing more, and restarts the vswitch if it is told to.
async fn feed_watchdog(health: Health) {
    let Some(timeout) = sd_notify::watchdog_enabled() else {
        return;
    };
    let every = (timeout / 2).max(Duration::from_millis(1));
    let tell = || tell_service_manager(NotifyState::Watchdog);
    let unhealthy = health.tell_while_well(every, tell).await;
    tracing::error!(%unhealthy, "the service manager's watchdog is not fed any more");
}

/// The service manager may be away, which is no reason not to run.
fn tell_service_manager(state: NotifyState) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
