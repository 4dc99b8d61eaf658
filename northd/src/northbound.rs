//! The logical network as users write it: one writer, many readers of immutable revisions.
//!
//! A transaction's way: a caller's [`Northbound::commit`] puts it into the writer's queue; the [`writer`]
//! applies all that wait there one after the other, stores what they changed together in one durable step,
//! publishes the new revision and only then answers. Nobody ever sees a revision that is not stored.

mod insight;
mod meaning;
mod service;
mod writer;

use std::sync::Arc;

use model::{Author, Changes, Database, Operation, TransactionError};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::store::{Store, StoreError};

pub use insight::Insight;
pub use service::NorthboundService;
pub use writer::Writer;

/// The most transactions that wait for the writer; more callers wait for a place.
const QUEUE_TRANSACTIONS: usize = 1024;

/// The door to the database, for the API and for northd's own parts. Clones are the same door.
#[derive(Clone, Debug)]
pub struct Northbound {
    queue: mpsc::Sender<writer::Message>,
    revisions: watch::Receiver<Arc<Database>>,
    epoch: Uuid,
}

/// A transaction that is stored.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The revision that holds it: the one it made, or the one it changed nothing in.
    pub revision: u64,
    /// What it changed.
    pub changes: Changes,
}

/// A transaction that is not stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// The database's rules refused it.
    #[error(transparent)]
    Refused(TransactionError),
    /// It could not be stored.
    #[error("the transaction could not be stored")]
    Store(#[source] Arc<StoreError>),
    /// northd is stopping.
    #[error("northd is stopping")]
    Stopping,
}

impl Northbound {
    /// Loads the database, with the time that takes, and starts its writer.
    pub fn open(
        store: impl Store,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
    ) -> Result<(Self, Writer), StoreError> {
        let (queue, messages) = mpsc::channel(QUEUE_TRANSACTIONS);
        let channel = (queue.clone(), messages);
        let (writer, revisions, epoch) = Writer::start(store, channel, metrics, readiness)?;
        let northbound = Self {
            queue,
            revisions,
            epoch,
        };
        Ok((northbound, writer))
    }

    /// Applies the operations together, or none of them. Durable when this returns `Ok`.
    pub async fn commit(
        &self,
        author: Author,
        operations: Vec<Operation>,
    ) -> Result<Committed, CommitError> {
        let (answer, answered) = oneshot::channel();
        let request = writer::Request {
            author,
            operations,
            answer,
        };
        let queued = self.queue.send(writer::Message::Commit(request)).await;
        queued.map_err(|_| CommitError::Stopping)?;
        answered.await.unwrap_or(Err(CommitError::Stopping))
    }

    /// The newest stored revision.
    pub fn snapshot(&self) -> Arc<Database> {
        Arc::clone(&self.revisions.borrow())
    }

    /// The newest stored revision, now and whenever there is one. Revisions that come faster than they are
    /// looked at are skipped; [`Database::changes_since`] says what two of them differ in.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Database>> {
        self.revisions.clone()
    }

    /// Tells this database from every other.
    pub fn epoch(&self) -> Uuid {
        self.epoch
    }
}
