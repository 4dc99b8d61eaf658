//! The only thread that changes the database.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use model::{Author, Changes, Database, ErrorKind, Id, Operation, Table, TransactionError, nb};
use northbound_proto::MAX_ROW_BYTES;
use northbound_proto::convert::row_size_bound;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::{CommitError, Committed, meaning};
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::store::{Store, StoreError};

/// The most transactions that are stored in one step.
const GROUP_TRANSACTIONS: usize = 256;

/// The store's name among the parts that can be missing.
const STORE: &str = "store";

/// What stands in the queue.
#[derive(Debug)]
pub(super) enum Message {
    /// A transaction to apply.
    Commit(Request),
    /// Whatever comes after this is not taken up.
    Stop,
}

/// A transaction in the queue.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) author: Author,
    pub(super) operations: Vec<Operation>,
    pub(super) answer: oneshot::Sender<Result<Committed, CommitError>>,
}

/// The writer's thread.
#[derive(Debug)]
pub struct Writer {
    thread: JoinHandle<()>,
    queue: mpsc::Sender<Message>,
}

/// What the writer's thread works with.
struct Desk<S> {
    store: S,
    current: Arc<Database>,
    revisions: watch::Sender<Arc<Database>>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
}

/// An answer that waits until the group is stored.
type Pending = (
    oneshot::Sender<Result<Committed, CommitError>>,
    Result<Committed, TransactionError>,
);

impl Writer {
    /// Loads the database, makes the rows that every database has, and starts the thread.
    pub(super) fn start<S: Store>(
        mut store: S,
        (queue, messages): (mpsc::Sender<Message>, mpsc::Receiver<Message>),
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
    ) -> Result<(Self, watch::Receiver<Arc<Database>>, Uuid), StoreError> {
        let stored = store.load()?;
        let current = Arc::new(with_global_row(stored.database, &mut store)?);
        let (revisions, receiver) = watch::channel(Arc::clone(&current));
        let desk = Desk {
            store,
            current,
            revisions,
            metrics,
            readiness,
        };
        let thread = std::thread::Builder::new().name("northbound-writer".into());
        let thread =
            thread
                .spawn(move || desk.run(messages))
                .map_err(|source| StoreError::File {
                    path: "northbound-writer".into(),
                    source,
                })?;
        Ok((Self { thread, queue }, receiver, stored.epoch))
    }

    /// Lets the thread finish what stands in the queue before this, and waits for its end. The store is
    /// closed then.
    pub async fn stop(self) {
        // The thread ends by itself only when nobody is left who could send.
        let _ = self.queue.send(Message::Stop).await;
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the northbound writer panicked");
        }
    }
}

/// NB_Global has its one row from the start.
fn with_global_row(database: Database, store: &mut impl Store) -> Result<Database, StoreError> {
    if database.row_count(nb::NbGlobal::NAME) > 0 {
        return Ok(database);
    }
    let global = nb::NbGlobal {
        id: Id::random(),
        ..nb::NbGlobal::default()
    };
    let made = database.transact(&[global.insert()], Author::System);
    let (database, changes) = made.map_err(StoreError::Rows)?;
    store.append(&changes)?;
    Ok(database)
}

impl<S: Store> Desk<S> {
    fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(Message::Commit(first)) = messages.blocking_recv() {
            let mut group = vec![first];
            let mut is_stopping = false;
            while group.len() < GROUP_TRANSACTIONS && !is_stopping {
                match messages.try_recv() {
                    Ok(Message::Commit(next)) => group.push(next),
                    Ok(Message::Stop) => is_stopping = true,
                    Err(_) => break,
                }
            }
            self.commit(group);
            if is_stopping {
                return;
            }
        }
    }

    fn commit(&mut self, group: Vec<Request>) {
        let started = Instant::now();
        let (next, answers) = self.apply(group);
        let changes = next.changes_since(&self.current);
        let stored = match changes.is_empty() {
            true => Ok(()),
            false => self.store.append(&changes).map_err(Arc::new),
        };
        match stored {
            Ok(()) => self.publish(next, &changes),
            Err(ref error) => self.report(error),
        }
        for (answer, result) in answers {
            let result = match (&stored, result) {
                (_, Err(refusal)) => Err(CommitError::Refused(refusal)),
                (Err(error), Ok(_)) => Err(CommitError::Store(Arc::clone(error))),
                (Ok(()), Ok(committed)) => Ok(committed),
            };
            self.metrics.transaction(result.is_ok(), started.elapsed());
            // Whoever asked may have gone; the transaction stands all the same.
            let _ = answer.send(result);
        }
    }

    /// Applies each transaction to what the ones before it made.
    fn apply(&self, group: Vec<Request>) -> (Database, Vec<Pending>) {
        let mut next = Database::clone(&self.current);
        let mut answers = Vec::with_capacity(group.len());
        for request in group {
            let done = next.transact(&request.operations, request.author);
            let done = done.and_then(|(database, changes)| {
                check_row_sizes(&changes)?;
                if request.author == Author::Client {
                    meaning::check(&changes)?;
                }
                Ok((database, changes))
            });
            let result = done.map(|(database, changes)| {
                next = database;
                Committed {
                    revision: next.revision(),
                    changes,
                }
            });
            log(&request.operations, request.author, &result);
            answers.push((request.answer, result));
        }
        (next, answers)
    }

    fn publish(&mut self, next: Database, changes: &Changes) {
        if !changes.is_empty() {
            self.current = Arc::new(next);
            self.revisions.send_replace(Arc::clone(&self.current));
            self.readiness.ready(STORE);
        }
    }

    fn report(&self, error: &Arc<StoreError>) {
        let error: &dyn std::error::Error = error;
        tracing::error!(error, "transactions could not be stored");
        self.readiness.missing(STORE, error.to_string());
    }
}

/// Refuses rows that no message could carry.
fn check_row_sizes(changes: &Changes) -> Result<(), TransactionError> {
    for (table, changes) in &changes.tables {
        for row in changes.iter().filter_map(|change| change.new.as_deref()) {
            let size_bytes = row_size_bound(row);
            if size_bytes > MAX_ROW_BYTES {
                return Err(TransactionError::new(
                    ErrorKind::ConstraintViolation,
                    format!(
                        "{table} row {} would have {size_bytes} bytes, more than the maximum of {MAX_ROW_BYTES}",
                        row.uuid
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn log(operations: &[Operation], author: Author, result: &Result<Committed, TransactionError>) {
    let comments = operations.iter().filter_map(|operation| match operation {
        Operation::Comment(text) => Some(text.as_str()),
        _ => None,
    });
    let comment = comments.collect::<Vec<_>>().join("; ");
    match result {
        Ok(committed) => {
            tracing::debug!(
                revision = committed.revision,
                ?author,
                comment,
                "transaction"
            );
        }
        Err(error) => tracing::debug!(%error, ?author, comment, "transaction refused"),
    }
}
