//! The southbound server: nodes' streams and commits, brought to [`Control`](crate::control::Control) one after the other.
//!
//! Control runs on a thread of its own, since compiling takes the processor for a while. Everything reaches
//! it through one bounded queue; what it sends waits in a bounded queue a stream, and a node that does not
//! take it loses its stream.

mod driver;
mod service;

use std::collections::BTreeMap;
use std::sync::Arc;

use pipeline::object::{Object, ObjectKey};
use southbound_proto::southbound as wire;
use tokio::sync::{mpsc, oneshot};

use crate::compile::RowWarning;
use crate::control::{NodeStatus, StreamId, Tallies};

pub use driver::Driver;
pub use service::SouthboundService;

/// The most events that wait for Control; who has more waits for a place.
const EVENTS_MAX: usize = 1_024;

/// The most batches of messages that wait to be sent on a stream. A batch holds at most one step.
const BATCHES_MAX: usize = 256;

/// The door to Control. Clones are the same door.
#[derive(Clone, Debug)]
pub struct Southbound {
    events: mpsc::Sender<Event>,
}

/// What happens to Control.
#[derive(Debug)]
pub(crate) enum Event {
    Opened(StreamId, mpsc::Sender<Batch>),
    Received(StreamId, wire::FromNode),
    Closed(StreamId),
    Asked(Question),
}

/// What is sent on a stream in one go, and whether the stream ends with it.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) messages: Vec<wire::ToNode>,
    pub(crate) ending: Option<String>,
}

/// What is asked of Control. Whoever asked may have gone before the answer.
#[derive(Debug)]
pub(crate) enum Question {
    /// What there is to know once this revision is compiled.
    State {
        revision: u64,
        answer: oneshot::Sender<State>,
    },
}

/// Everything that others may want to know of Control.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) revision: u64,
    pub(crate) objects: BTreeMap<ObjectKey, Arc<Object>>,
    pub(crate) warnings: Vec<RowWarning>,
    pub(crate) nodes: Vec<NodeStatus>,
    pub(crate) tallies: Arc<Tallies>,
}

/// Control is gone: northd is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("northd is stopping")]
pub struct Stopping;

impl Southbound {
    /// What there is to know once this revision is compiled.
    pub(crate) async fn state(&self, revision: u64) -> Result<State, Stopping> {
        let (answer, answered) = oneshot::channel();
        let question = Question::State { revision, answer };
        let asked = self.events.send(Event::Asked(question)).await;
        asked.map_err(|_| Stopping)?;
        answered.await.map_err(|_| Stopping)
    }
}
