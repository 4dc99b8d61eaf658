//! The gRPC servers, each with health checking and reflection.

use std::sync::Arc;
use std::time::Duration;

use northbound_proto::northbound::northbound_server::NorthboundServer;
use southbound_proto::southbound::southbound_server::SouthboundServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
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
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_serving::<NorthboundServer<NorthboundService<I>>>()
        .await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(northbound_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_service(health)
        .add_service(reflection)
        .add_service(NorthboundServer::new(service))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            parts.cancel.cancelled_owned(),
        )
        .await?;
    Ok(())
}

/// Serves the nodes' sessions until it is cancelled.
pub(super) async fn serve_southbound(
    listener: TcpListener,
    service: SouthboundService,
    cancel: CancellationToken,
) -> Result<(), Fault> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_serving::<SouthboundServer<SouthboundService>>()
        .await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(southbound_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_service(health)
        .add_service(reflection)
        .add_service(SouthboundServer::new(service))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            cancel.cancelled_owned(),
        )
        .await?;
    Ok(())
}
