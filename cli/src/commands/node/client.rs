//! The connection to the admin socket of this node's vswitch.

use std::io;
use std::path::Path;

use hyper_util::rt::TokioIo;
use southbound_proto::node::node_client::NodeClient;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

use crate::failure::Failure;
use crate::options::Settings;
use crate::program::block_on;

/// Asks the vswitch one thing.
pub(super) fn ask<T>(
    settings: &Settings,
    call: impl AsyncFnOnce(NodeClient<Channel>) -> Result<Response<T>, Status>,
) -> Result<T, Failure> {
    converse(settings, async |node| {
        call(node).await.map(Response::into_inner)
    })
}

/// Speaks with the vswitch.
pub(super) fn converse<T>(
    settings: &Settings,
    talk: impl AsyncFnOnce(NodeClient<Channel>) -> Result<T, Status>,
) -> Result<T, Failure> {
    let path = &settings.node;
    block_on(async {
        let channel = connect(path).await?;
        let said = talk(NodeClient::new(channel)).await;
        said.map_err(|status| refused(path, &status))
    })?
}

async fn connect(path: &Path) -> Result<Channel, Failure> {
    // The first connection is made here, so that what is wrong with it can be told.
    let probe = UnixStream::connect(path).await;
    probe.map_err(|error| unreachable(path, &error))?;
    let path = path.to_owned();
    let connector = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    // The address is never looked up: the connector knows where to go.
    let endpoint = Endpoint::from_static("http://vswitch");
    let channel = endpoint.connect_with_connector(connector).await;
    channel.map_err(|error| Failure::new(format!("the vswitch does not answer: {error}")))
}

fn unreachable(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(format!(
        "{}: connection to the vswitch failed ({error})",
        path.display()
    ));
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => failure
            .hint("is vswitch running here? --node PATH (or WEFT_NODE) names its admin socket"),
        io::ErrorKind::PermissionDenied => {
            failure.hint("the admin socket is open to the vswitch's own user only")
        }
        _ => failure,
    }
}

fn refused(path: &Path, status: &Status) -> Failure {
    match (status.code(), status.message()) {
        (Code::Unimplemented, _) => Failure::new(format!(
            "{}: this vswitch is of a version that cannot do that",
            path.display()
        )),
        (_, "") => Failure::new(format!("{}: {status}", path.display())),
        (_, message) => Failure::new(message),
    }
}
