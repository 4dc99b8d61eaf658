//! Control's thread: it waits for events, commits what Control wants stored, and sends what it wants sent.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use model::{Author, Database};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{BATCHES_MAX, Batch, EVENTS_MAX, Event, Question, Southbound, State};
use crate::control::{Control, Now, Output, StreamId};
use crate::metrics::Metrics;
use crate::northbound::{CommitError, Northbound};
use crate::readiness::Readiness;
use crate::session::Identity;

/// The most events that are taken up before their outcome is committed.
const TURN_EVENTS_MAX: usize = 256;

/// The most rounds of committing and settling in one turn. What is left waits for the next one.
const TURN_ROUNDS_MAX: usize = 16;

/// The most questions that wait for a revision to be compiled; further ones are answered with what is there.
const WAITING_MAX: usize = 1_024;

/// The compiler's name among the parts that can be missing.
const COMPILER: &str = "compiler";

/// Control's thread.
#[derive(Debug)]
pub struct Driver {
    thread: JoinHandle<()>,
    compiled: oneshot::Receiver<()>,
}

impl Driver {
    /// Starts Control on the database of `northbound`, until it is cancelled.
    pub fn start(
        northbound: Northbound,
        identity: Identity,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
        cancel: CancellationToken,
    ) -> io::Result<(Self, Southbound)> {
        readiness.missing(COMPILER, "the network is not yet compiled");
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let (is_compiled, compiled) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("control".into())
            .spawn(move || {
                let desk = Desk::new(northbound, identity, metrics, readiness);
                runtime.block_on(desk.run(events, is_compiled, cancel));
            })?;
        Ok((Self { thread, compiled }, Southbound { events: sender }))
    }

    /// Waits until the network is compiled for the first time, or the thread has ended.
    pub async fn compiled(&mut self) {
        // A thread that ended compiles nothing any more, which `stop` and the readiness tell.
        let _ = (&mut self.compiled).await;
    }

    /// Waits for the end of the thread, after it was cancelled.
    pub async fn stop(self) {
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the control thread panicked");
        }
    }
}

/// What the thread works with.
struct Desk {
    northbound: Northbound,
    revisions: watch::Receiver<Arc<Database>>,
    control: Control,
    streams: HashMap<StreamId, mpsc::Sender<Batch>>,
    waiting: Vec<Question>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
}

impl Desk {
    fn new(
        northbound: Northbound,
        identity: Identity,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
    ) -> Self {
        let revisions = northbound.subscribe();
        let database = Database::clone(&northbound.snapshot());
        Self {
            control: Control::new(database, identity, now()),
            northbound,
            revisions,
            streams: HashMap::new(),
            waiting: Vec::new(),
            metrics,
            readiness,
        }
    }

    async fn run(
        mut self,
        mut events: mpsc::Receiver<Event>,
        is_compiled: oneshot::Sender<()>,
        cancel: CancellationToken,
    ) {
        self.settle().await;
        // Whoever started this may have given up.
        let _ = is_compiled.send(());
        loop {
            self.settle().await;
            self.deliver();
            let deadline = self.control.deadline().map(tokio::time::Instant::from_std);
            let alarm = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                event = events.recv() => match event {
                    Some(event) => self.take(event, &mut events),
                    None => return,
                },
                changed = self.revisions.changed() => if changed.is_err() { return },
                () = alarm => {}
            }
            self.control.tick(now());
        }
    }

    /// Takes an event and those that wait behind it.
    fn take(&mut self, first: Event, events: &mut mpsc::Receiver<Event>) {
        self.handle(first);
        for _ in 1..TURN_EVENTS_MAX {
            match events.try_recv() {
                Ok(event) => self.handle(event),
                Err(_) => break,
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Opened(stream, batches) => {
                self.streams.insert(stream, batches);
                self.control.open(stream, now());
            }
            Event::Received(stream, message) => self.control.receive(stream, message, now()),
            Event::Closed(stream) => {
                self.streams.remove(&stream);
                self.control.closed(stream, now());
            }
            Event::Asked(question) => self.waiting.push(question),
        }
    }

    /// Follows the database, and commits what that makes necessary, until nothing more does.
    async fn settle(&mut self) {
        for _ in 0..TURN_ROUNDS_MAX {
            let database = Database::clone(&self.revisions.borrow_and_update());
            self.control.absorb(database);
            self.control.settle(now());
            self.answer_waiting();
            let operations = self.control.take_operations();
            if operations.is_empty() {
                self.readiness.ready(COMPILER);
                return;
            }
            match self.northbound.commit(Author::System, operations).await {
                Ok(_) => {}
                Err(CommitError::Stopping) => return,
                Err(error) => {
                    tracing::error!(%error, "northd could not write its state");
                    self.readiness.missing(COMPILER, error.to_string());
                    self.control.commit_failed();
                    return;
                }
            }
        }
    }

    /// Hands over what is to be sent. A stream that does not take it has a node that is stuck, and ends.
    fn deliver(&mut self) {
        let mut batches = HashMap::<StreamId, Batch>::new();
        for output in self.control.take_outputs() {
            match output {
                Output::Send(stream, message) => {
                    batches.entry(stream).or_default().messages.push(message);
                }
                Output::Close(stream, reason) => {
                    tracing::info!(stream, %reason, "a southbound stream ends");
                    batches.entry(stream).or_default().ending = Some(reason);
                }
            }
        }
        for (stream, batch) in batches {
            let is_ending = batch.ending.is_some();
            let queue = self.streams.get(&stream);
            let is_taken = queue.is_some_and(|queue| queue.try_send(batch).is_ok());
            if is_ending || !is_taken {
                self.streams.remove(&stream);
                self.control.closed(stream, now());
            }
        }
        let connected = i64::try_from(self.streams.len()).unwrap_or(i64::MAX);
        self.metrics.connected_nodes.set(connected);
    }

    fn answer_waiting(&mut self) {
        let compiled = self.control.revision();
        let is_full = self.waiting.len() > WAITING_MAX;
        let waiting = std::mem::take(&mut self.waiting);
        for question in waiting {
            match question {
                Question::State { revision, answer } if revision <= compiled || is_full => {
                    // Whoever asked may have gone.
                    let _ = answer.send(self.state());
                }
                question => self.waiting.push(question),
            }
        }
    }

    fn state(&self) -> State {
        State {
            revision: self.control.revision(),
            objects: self.control.objects().clone(),
            warnings: self.control.warnings(),
            nodes: self.control.node_statuses(),
            tallies: self.control.tallies().clone(),
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        for queue in self.streams.values() {
            // A full queue belongs to a node that notices anyway.
            let _ = queue.try_send(Batch {
                messages: Vec::new(),
                ending: Some("northd is stopping".into()),
            });
        }
    }
}

fn now() -> Now {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Now {
        instant: Instant::now(),
        unix_ms: i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX),
    }
}

const _: () = assert!(BATCHES_MAX > TURN_ROUNDS_MAX);
