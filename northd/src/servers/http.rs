//! Health and metrics over HTTP: `/healthz`, `/readyz`, `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::{Fault, Parts};

/// The content type of Prometheus' text form.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves the pages until it is cancelled.
pub(super) async fn serve(listener: TcpListener, parts: Parts) -> Result<(), Fault> {
    let cancel = parts.cancel.clone();
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(parts);
    let server = axum::serve(listener, router);
    server
        .with_graceful_shutdown(cancel.cancelled_owned())
        .await?;
    Ok(())
}

async fn readyz(State(parts): State<Parts>) -> Response {
    let report = parts.readiness.report();
    match report.is_empty() {
        true => "ready\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, report.join("\n") + "\n").into_response(),
    }
}

async fn metrics(State(parts): State<Parts>) -> Response {
    match parts.metrics.encode(&parts.northbound.snapshot()) {
        Ok(text) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
