//! The servers that make up a running northd.

mod grpc;
mod http;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::insight::ControlInsight;
use crate::metrics::Metrics;
use crate::northbound::Northbound;
use crate::readiness::Readiness;
use crate::southbound::{Southbound, SouthboundService};

/// What the servers share.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) northbound: Northbound,
    pub(crate) control: Southbound,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) readiness: Arc<Readiness>,
    /// Cancelled when northd stops.
    pub(crate) cancel: CancellationToken,
}

/// Why a server ended.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A gRPC server failed.
    #[error("a gRPC server failed")]
    Grpc(#[from] tonic::transport::Error),
    /// The descriptors for reflection do not fit together.
    #[error("gRPC reflection failed")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The HTTP server failed.
    #[error("the HTTP server failed")]
    Http(#[from] std::io::Error),
    /// A server broke one of its own invariants.
    #[error("a server panicked")]
    Panicked(#[source] tokio::task::JoinError),
    /// A server ended without being told to.
    #[error("a server ended")]
    Ended,
}

/// Starts the servers as tasks that end when `parts.cancel` is cancelled.
pub(crate) fn start(
    tasks: &mut JoinSet<Result<(), Fault>>,
    parts: Parts,
    northbound: TcpListener,
    southbound: TcpListener,
    http: Option<TcpListener>,
) {
    let insight = Arc::new(ControlInsight::new(
        parts.northbound.clone(),
        parts.control.clone(),
    ));
    let sessions = SouthboundService::new(parts.control.clone(), parts.cancel.clone());
    tasks.spawn(grpc::serve_northbound(northbound, parts.clone(), insight));
    tasks.spawn(grpc::serve_southbound(
        southbound,
        sessions,
        parts.cancel.clone(),
    ));
    if let Some(listener) = http {
        tasks.spawn(http::serve(listener, parts));
    }
}
