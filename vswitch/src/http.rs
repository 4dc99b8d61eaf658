//! Health and metrics over HTTP, for whoever watches the node.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::metrics;

/// Serves `/healthz`, `/readyz` and `/metrics` until told to stop.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    stop: CancellationToken,
) -> io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health);
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// Binds the address that health and metrics are served at.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// The process works as far as it depends on itself: its agent and all its workers.
async fn healthz(State(health): State<Health>) -> impl IntoResponse {
    match health.check().await {
        Ok(_) => (StatusCode::OK, "ok\n".to_owned()),
        Err(dead) => (StatusCode::SERVICE_UNAVAILABLE, format!("{dead}\n")),
    }
}

/// The node forwards: it has a revision in force, from northd or from its data directory.
async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    let view = match health.check().await {
        Ok(view) => view,
        Err(dead) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{dead}\n")),
    };
    if view.revision == 0 && view.objects == 0 {
        let waiting = format!("no revision yet from northd at {}\n", view.address);
        return (StatusCode::SERVICE_UNAVAILABLE, waiting);
    }
    (StatusCode::OK, format!("revision {}\n", view.revision))
}

async fn metrics(State(health): State<Health>) -> impl IntoResponse {
    let view = health.control.view().await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let stats = health.data_path.stats();
    let sums = health.data_path.ledger().sums();
    let watched = metrics::Watched {
        view: view.as_ref(),
        stats: &stats,
        running_workers: health.data_path.running_workers(),
        sums: &sums,
        uplink: health.data_path.uplink(),
        log_book: &health.log_book,
    };
    match metrics::encode(&watched) {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            error.to_string(),
        ),
    }
}
