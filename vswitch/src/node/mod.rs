//! The node's own `vsctl` is served here: on a unix socket that only the vswitch's user may open.

mod acl_log;
mod connections;
mod drops;
mod rules;
mod service;
mod socket;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use southbound_proto::node::node_server::NodeServer;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;

use crate::acl_log::LogBook;
use crate::agent::driver::Control;
use crate::config::Config;
use crate::datapath::DataPath;

pub use socket::{Socket, SocketError};

/// What the answers are taken from.
#[derive(Clone)]
pub struct Source {
    /// The agent.
    pub control: Control,
    /// The data path.
    pub data_path: Arc<DataPath>,
    /// What ACLs have logged.
    pub log_book: Arc<LogBook>,
    /// What the vswitch was told at its start.
    pub config: Arc<Config>,
    /// When it was started.
    pub started: Instant,
}

/// Serves the node's interface until told to stop.
pub async fn serve(
    listener: UnixListener,
    source: Source,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let service = NodeServer::new(service::Service::new(source));
    tonic::transport::Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop.cancelled_owned())
        .await
}

/// The wall-clock time, in milliseconds since 1970, of something that was `age_ms` ago.
pub(crate) fn unix_ms_ago(age_ms: u64) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now_ms = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    now_ms.saturating_sub(age_ms)
}
