//! The southbound gRPC service: it only carries messages.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use southbound_proto::southbound as wire;
use southbound_proto::southbound::southbound_server;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{BATCHES_MAX, Batch, Event, Southbound};
use crate::control::{NODES_MAX, StreamId};

/// The most streams at a time: every node may be about to replace its own.
const STREAMS_MAX: usize = 2 * NODES_MAX;

/// The most messages of a stream that wait for the network.
const MESSAGES_MAX: usize = 4;

type ToNode = Result<wire::ToNode, Status>;

/// Carries messages between nodes and Control.
#[derive(Debug)]
pub struct SouthboundService {
    southbound: Southbound,
    last_stream: AtomicU64,
    streams: Arc<Semaphore>,
    cancel: CancellationToken,
}

impl SouthboundService {
    /// The service in front of this Control. Its streams end when it is cancelled.
    pub fn new(southbound: Southbound, cancel: CancellationToken) -> Self {
        Self {
            southbound,
            last_stream: AtomicU64::new(0),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            cancel,
        }
    }
}

#[tonic::async_trait]
impl southbound_server::Southbound for SouthboundService {
    type SessionStream = Pin<Box<dyn Stream<Item = ToNode> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<wire::FromNode>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let permit = Arc::clone(&self.streams).try_acquire_owned();
        let permit = permit.map_err(|_| {
            Status::resource_exhausted(format!("there are {STREAMS_MAX} streams already"))
        })?;
        let stream = self.last_stream.fetch_add(1, Ordering::Relaxed) + 1;
        let (batches, queue) = mpsc::channel(BATCHES_MAX);
        let events = self.southbound.events.clone();
        let opened = events.send(Event::Opened(stream, batches)).await;
        opened.map_err(|_| Status::unavailable("northd is stopping"))?;
        let (replies, receiver) = mpsc::channel(MESSAGES_MAX);
        let ended = CancellationToken::new();
        tokio::spawn(send(queue, replies, ended.clone(), permit));
        let receive = receive(stream, request.into_inner(), events, ended);
        tokio::spawn(self.cancel.clone().run_until_cancelled_owned(receive));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// Brings the node's messages to Control until either side ends the stream.
async fn receive(
    stream: StreamId,
    mut messages: Streaming<wire::FromNode>,
    events: mpsc::Sender<Event>,
    ended: CancellationToken,
) {
    loop {
        let message = tokio::select! {
            message = messages.message() => message,
            () = ended.cancelled() => break,
        };
        let message = match message {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(status) => {
                tracing::debug!(stream, %status, "a southbound stream broke");
                break;
            }
        };
        if events.send(Event::Received(stream, message)).await.is_err() {
            return;
        }
    }
    // Control may have stopped, and knows then.
    let _ = events.send(Event::Closed(stream)).await;
}

/// Sends what Control queues until the queue ends or the node is gone.
async fn send(
    mut queue: mpsc::Receiver<Batch>,
    replies: mpsc::Sender<ToNode>,
    ended: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    let _ended = ended.drop_guard();
    loop {
        let batch = tokio::select! {
            batch = queue.recv() => batch,
            () = replies.closed() => return,
        };
        let Some(batch) = batch else { return };
        for message in batch.messages {
            if replies.send(Ok(message)).await.is_err() {
                return;
            }
        }
        if let Some(reason) = batch.ending {
            // The node may be gone already.
            let _ = replies.send(Err(Status::aborted(reason))).await;
            return;
        }
    }
}
