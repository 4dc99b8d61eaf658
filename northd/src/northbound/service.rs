//! The northbound gRPC service.

use std::pin::Pin;
use std::sync::Arc;

use model::{Author, Changes, Database, Support, TableSchema};
use northbound_proto::convert::{
    chunk_changes, chunk_rows, operations_from_wire, transaction_error_to_wire,
};
use northbound_proto::northbound::northbound_server;
use northbound_proto::northbound::{
    CommitReply, CommitRequest, FlowListReply, FlowListRequest, ReadReply, ReadRequest,
    RuleStatsReply, RuleStatsRequest, StatusReply, StatusRequest, TraceReply, TraceRequest,
    WatchReply, WatchRequest,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{CommitError, Insight, Northbound};

/// The most watches at a time.
const MAX_WATCHES: usize = 1024;

/// The most messages of a watch that wait for its client.
const WATCH_QUEUE_MESSAGES: usize = 4;

type Replies<R> = Pin<Box<dyn Stream<Item = Result<R, Status>> + Send>>;

/// Answers the calls of the northbound API.
#[derive(Debug)]
pub struct NorthboundService<I> {
    northbound: Northbound,
    insight: Arc<I>,
    watches: Arc<Semaphore>,
    cancel: CancellationToken,
}

impl<I: Insight> NorthboundService<I> {
    /// The service on this database. Its watches end when it is cancelled.
    pub fn new(northbound: Northbound, insight: Arc<I>, cancel: CancellationToken) -> Self {
        Self {
            northbound,
            insight,
            watches: Arc::new(Semaphore::new(MAX_WATCHES)),
            cancel,
        }
    }
}

#[tonic::async_trait]
impl<I: Insight> northbound_server::Northbound for NorthboundService<I> {
    type ReadStream = Replies<ReadReply>;
    type WatchStream = Replies<WatchReply>;
    type RuleStatsStream = Replies<RuleStatsReply>;

    async fn commit(
        &self,
        request: Request<CommitRequest>,
    ) -> Result<Response<CommitReply>, Status> {
        let operations = operations_from_wire(request.into_inner().operations);
        let operations = operations.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let reply = match self.northbound.commit(Author::Client, operations).await {
            Ok(committed) => CommitReply {
                revision: committed.revision,
                error: None,
                warnings: self
                    .insight
                    .warnings(&self.northbound.snapshot(), &committed.changes),
            },
            Err(CommitError::Refused(error)) => CommitReply {
                revision: self.northbound.snapshot().revision(),
                error: Some(transaction_error_to_wire(&error)),
                warnings: Vec::new(),
            },
            Err(error @ (CommitError::Store(_) | CommitError::Stopping)) => {
                return Err(Status::unavailable(error.to_string()));
            }
        };
        Ok(Response::new(reply))
    }

    async fn read(
        &self,
        request: Request<ReadRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let database = self.northbound.snapshot();
        let schemas = named_tables(&database, &request.into_inner().tables)?;
        let replies = chunk_rows(&schemas, &database);
        let replies = tokio_stream::iter(replies).map(Ok);
        Ok(Response::new(Box::pin(replies)))
    }

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let tables = request.into_inner().tables;
        let schemas = named_tables(&self.northbound.snapshot(), &tables)?;
        let permit = Arc::clone(&self.watches).try_acquire_owned();
        let permit = permit.map_err(|_| {
            Status::resource_exhausted(format!("there are {MAX_WATCHES} watches already"))
        })?;
        let (replies, receiver) = mpsc::channel(WATCH_QUEUE_MESSAGES);
        let revisions = self.northbound.subscribe();
        let follow = follow(revisions, schemas, replies, permit);
        let cancel = self.cancel.clone();
        tokio::spawn(cancel.run_until_cancelled_owned(follow));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn trace(&self, request: Request<TraceRequest>) -> Result<Response<TraceReply>, Status> {
        let reply = self.insight.trace(request.into_inner()).await?;
        Ok(Response::new(reply))
    }

    async fn flow_list(
        &self,
        request: Request<FlowListRequest>,
    ) -> Result<Response<FlowListReply>, Status> {
        let reply = self.insight.flow_list(request.into_inner()).await?;
        Ok(Response::new(reply))
    }

    async fn rule_stats(
        &self,
        _: Request<RuleStatsRequest>,
    ) -> Result<Response<Self::RuleStatsStream>, Status> {
        let replies = self.insight.rule_stats().await?;
        let replies = tokio_stream::iter(replies).map(Ok);
        Ok(Response::new(Box::pin(replies)))
    }

    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusReply>, Status> {
        let reply = self.insight.status(request.into_inner()).await?;
        Ok(Response::new(reply))
    }
}

/// The tables of these names, or all that clients see.
fn named_tables(
    database: &Database,
    names: &[String],
) -> Result<Vec<&'static TableSchema>, Status> {
    let is_visible = |schema: &&TableSchema| schema.support != Support::Internal;
    if names.is_empty() {
        return Ok(database.schemas().filter(is_visible).collect());
    }
    let find = |name: &String| {
        let schema = database.schema(name).filter(is_visible);
        schema.ok_or_else(|| Status::invalid_argument(format!("No table named {name}.")))
    };
    names.iter().map(find).collect()
}

/// Sends the tables as they are, then what changed since the last message, until either side goes away. A
/// client that is slow finds several revisions in one step; what waits for it never grows beyond that.
async fn follow(
    mut revisions: watch::Receiver<Arc<Database>>,
    schemas: Vec<&'static TableSchema>,
    replies: mpsc::Sender<Result<WatchReply, Status>>,
    _permit: OwnedSemaphorePermit,
) {
    let mut sent: Option<Arc<Database>> = None;
    loop {
        let next = Arc::clone(&revisions.borrow_and_update());
        let changes = match &sent {
            Some(sent) => next.changes_since(sent),
            None => next.changes_since(&Database::northd()),
        };
        if sent.is_none() || concerns(&schemas, &changes) {
            for reply in chunk_changes(&schemas, &changes) {
                if replies.send(Ok(reply)).await.is_err() {
                    return;
                }
            }
        }
        sent = Some(next);
        tokio::select! {
            changed = revisions.changed() => if changed.is_err() { return },
            () = replies.closed() => return,
        }
    }
}

fn concerns(schemas: &[&'static TableSchema], changes: &Changes) -> bool {
    schemas
        .iter()
        .any(|schema| !changes.of(schema.name).is_empty())
}
