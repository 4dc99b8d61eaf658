//! Two threads between the agent and the workers: one waits until snapshots are adopted, one collects what
//! packets taught.

use std::sync::mpsc as threads;
use std::sync::{Arc, Weak};
use std::time::Duration;

use pipeline::{Ended, Tables};
use tokio::sync::mpsc;

use super::Event;
use crate::datapath::{self, DataPath, PortFrame, Revision};

/// How long the workers may take for a batch before it is worth a word in the log.
const ADOPTION_TIMEOUT: Duration = Duration::from_secs(2);
/// The most things taught that the agent is told at once.
const LEARNED_BATCH: usize = 1_000;

/// Publishes snapshots and tells when they are adopted.
pub(super) struct Watch {
    data_path: Arc<DataPath>,
    published: threads::Sender<Published>,
}

/// A snapshot that was published, and what is to be done once it is adopted.
struct Published {
    epoch: u64,
    revision: Revision,
    ended: Vec<Ended>,
}

impl Watch {
    /// Starts both threads. They end when the watch is dropped and the data path has stopped.
    pub(super) fn start(data_path: Arc<DataPath>, events: mpsc::Sender<Event>) -> Self {
        let (published, receiver) = threads::channel::<Published>();
        let adopter = (Arc::downgrade(&data_path), events.clone());
        std::thread::spawn(move || {
            let (data_path, events) = adopter;
            while let Ok(mut youngest) = receiver.recv() {
                for mut younger in receiver.try_iter() {
                    younger.ended.append(&mut youngest.ended);
                    youngest = younger;
                }
                let Published {
                    epoch,
                    revision,
                    ended,
                } = youngest;
                loop {
                    let Some(data_path) = data_path.upgrade() else {
                        return;
                    };
                    match data_path.wait_adopted(revision, ADOPTION_TIMEOUT) {
                        Ok(()) => {
                            data_path.end_services(&ended);
                            break;
                        }
                        Err(error) => {
                            tracing::warn!(%error, "a worker is slow to adopt the tables")
                        }
                    }
                }
                if events.blocking_send(Event::Adopted { epoch }).is_err() {
                    return;
                }
            }
        });
        let taught = data_path.events();
        let weak = Arc::downgrade(&data_path);
        std::thread::spawn(move || collect(&taught, &weak, &events));
        Self {
            data_path,
            published,
        }
    }

    /// Puts a probe out by its port.
    pub(super) fn probe(&self, frame: PortFrame) {
        self.data_path.probe(frame);
    }

    /// Gives the workers these tables, and ends the connections of these services once they use them.
    pub(super) fn publish(&self, epoch: u64, tables: Tables, ended: Vec<Ended>) {
        let revision = self.data_path.publish(Arc::new(tables));
        // The thread ends only with the agent.
        let _ = self.published.send(Published {
            epoch,
            revision,
            ended,
        });
    }
}

fn collect(
    taught: &crossbeam::channel::Receiver<datapath::Event>,
    data_path: &Weak<DataPath>,
    events: &mpsc::Sender<Event>,
) {
    let is_last = |at, plug| {
        let data_path = data_path.upgrade();
        data_path.is_some_and(|data_path| data_path.is_plugged(at, plug))
    };
    while let Ok(first) = taught.recv() {
        let batch = std::iter::once(first).chain(taught.try_iter().take(LEARNED_BATCH - 1));
        let (mut learned, mut used, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        let mut unserved = Vec::new();
        for event in batch {
            match event {
                datapath::Event::Learned(learn) => learned.push(learn),
                datapath::Event::Used(key) => used.push(key),
                datapath::Event::Unserved { vip, bytes } => unserved.push((vip, bytes as u64)),
                datapath::Event::Lost { at, plug } if is_last(at, plug) => {
                    lost.push(Event::DeviceLost { at });
                }
                datapath::Event::Lost { .. } => {}
            }
        }
        let mut lost = lost.into_iter();
        let is_heard = (used.is_empty() || events.blocking_send(Event::Used(used)).is_ok())
            && (learned.is_empty() || events.blocking_send(Event::Learned(learned)).is_ok())
            && (unserved.is_empty() || events.blocking_send(Event::Unserved(unserved)).is_ok())
            && lost.all(|event| events.blocking_send(event).is_ok());
        if !is_heard {
            return;
        }
    }
}
