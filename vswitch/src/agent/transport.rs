//! The southbound stream over gRPC: one task for each stream, told what to send, telling what came.

use std::time::Duration;

use southbound_proto::southbound as wire;
use southbound_proto::southbound::southbound_client::SouthboundClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;

use super::Event;
use super::session::{self, CONNECT_TIMEOUT};

/// The largest message that is taken, in bytes. northd cuts its steps into far smaller chunks.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Messages that wait to be sent, at most; a stream that is slower is given up.
pub(super) const OUTBOUND_MAX: usize = 8_192;
/// How long a connection may be without life, in the transport's own judgement.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Opens stream number `stream` to `address` and serves it until it ends, which is told too.
pub(super) async fn run(
    stream: u64,
    address: String,
    outbound: mpsc::Receiver<wire::FromNode>,
    events: mpsc::Sender<Event>,
) {
    let teller = Teller { stream, events };
    let reason = match serve(&address, outbound, &teller).await {
        Ok(()) => "northd ended the session".to_owned(),
        Err(reason) => reason,
    };
    teller.tell(session::Event::Closed(reason)).await;
}

struct Teller {
    stream: u64,
    events: mpsc::Sender<Event>,
}

impl Teller {
    /// Tells the agent; false when it has stopped.
    async fn tell(&self, event: session::Event) -> bool {
        let stream = self.stream;
        self.events
            .send(Event::Stream { stream, event })
            .await
            .is_ok()
    }
}

async fn serve(
    address: &str,
    outbound: mpsc::Receiver<wire::FromNode>,
    teller: &Teller,
) -> Result<(), String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| error.to_string())?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| with_causes(&error))?;
    let mut client = SouthboundClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    // The first message goes with the call: northd may read it before it answers.
    if !teller.tell(session::Event::Opened).await {
        return Ok(());
    }
    let call = client.session(ReceiverStream::new(outbound)).await;
    let mut inbound = call
        .map_err(|status| status.message().to_owned())?
        .into_inner();
    while let Some(message) = inbound
        .message()
        .await
        .map_err(|status| status.to_string())?
    {
        if !teller.tell(session::Event::Received(message)).await {
            return Ok(());
        }
    }
    Ok(())
}

/// An error in one line with what caused it: the transport's own says no more than "transport error".
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut causes = std::iter::successors(error.source(), |cause| cause.source());
    causes
        .by_ref()
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}
