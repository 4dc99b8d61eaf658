//! The gRPC servers, each with health checking and reflection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse;
use northbound_proto::northbound::northbound_server::NorthboundServer;
use southbound_proto::southbound::southbound_server::SouthboundServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::{Fault, Parts};
use crate::northbound::{Insight, NorthboundService};
use crate::southbound::SouthboundService;

/// A silent peer is asked for a sign of life this often, and given as long for it.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Serves the northbound API until it is cancelled.
pub(super) async fn serve_northbound<I: Insight>(
    listener: TcpListener,
    parts: Parts,
    insight: Arc<I>,
) -> Result<(), Fault> {
    let service = NorthboundService::new(parts.northbound, insight, parts.cancel.clone());
    let service = NorthboundServer::new(service);
    let schema = northbound_proto::FILE_DESCRIPTOR_SET;
    serve(listener, service, schema, parts.cancel).await
}

/// Serves the nodes' sessions until it is cancelled.
pub(super) async fn serve_southbound(
    listener: TcpListener,
    service: SouthboundService,
    cancel: CancellationToken,
) -> Result<(), Fault> {
    let service = SouthboundServer::new(service);
    let schema = southbound_proto::FILE_DESCRIPTOR_SET;
    serve(listener, service, schema, cancel).await
}

/// Serves one service with what every server has besides. `schema` describes the service to who asks.
async fn serve<S>(
    listener: TcpListener,
    service: S,
    schema: &[u8],
    cancel: CancellationToken,
) -> Result<(), Fault>
where
    S: Service<http::Request<Body>, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
{
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<S>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(schema)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_service(health)
        .add_service(reflection)
        .add_service(service)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            cancel.cancelled_owned(),
        )
        .await?;
    Ok(())
}
