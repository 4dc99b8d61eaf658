//! The interfaces of attached ports, between the agent's wishes, the kernel and the data path.
//!
//! What is wanted of one port is done in order; different ports do not wait for one another. The work blocks
//! for milliseconds at most, on threads that may.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use pipeline::object::PortRef;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Attachment, Event, OpenMode, Refusal, RefusalKind, WaiterId};
use crate::attach::{self, InterfacePlan};
use crate::datapath::DataPath;
use crate::port::{Port, Taps};

/// For how long to wait until workers have closed a device.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(5);

/// The interfaces of one node.
pub(super) struct Interfaces {
    shared: Arc<Shared>,
    /// The last piece of work of each port.
    last: HashMap<String, JoinHandle<()>>,
}

struct Shared {
    data_path: Arc<DataPath>,
    taps: Taps,
    events: mpsc::Sender<Event>,
    /// By port. Each port has one piece of work at a time, which holds no entry while it waits for the kernel.
    places: DashMap<String, Place>,
}

/// Where the workers' ends of an interface are.
enum Place {
    /// Opened, not in the data path yet.
    Held(Vec<Box<dyn Port>>),
    /// In the data path, at this port.
    Plugged(PortRef),
}

impl Interfaces {
    pub(super) fn new(data_path: Arc<DataPath>, taps: Taps, events: mpsc::Sender<Event>) -> Self {
        let shared = Shared {
            data_path,
            taps,
            events,
            places: DashMap::new(),
        };
        Self {
            shared: Arc::new(shared),
            last: HashMap::new(),
        }
    }

    pub(super) fn open(&mut self, serial: u64, attachment: Attachment, mode: OpenMode) {
        self.after_last(attachment.port.clone(), move |shared| {
            let opened = shared.open(&attachment, mode);
            let result = opened.map(|ends| shared.hold(&attachment.port, ends));
            Some(Event::InterfaceOpened {
                port: attachment.port,
                serial,
                result,
            })
        });
    }

    pub(super) fn install(
        &mut self,
        serial: u64,
        attachment: Attachment,
        at: PortRef,
        plan: InterfacePlan,
    ) {
        self.after_last(attachment.port.clone(), move |shared| {
            let result = shared.install(&attachment, at, &plan);
            Some(Event::Installed {
                port: attachment.port,
                serial,
                result,
            })
        });
    }

    pub(super) fn unplug(&mut self, port: String, at: PortRef) {
        self.after_last(port.clone(), move |shared| {
            let place = shared.places.remove(&port);
            if matches!(place, Some((_, Place::Plugged(there))) if there == at) {
                shared.remove(at);
            }
            None
        });
    }

    pub(super) fn delete(&mut self, attachment: Attachment, waiter: Option<WaiterId>) {
        self.after_last(attachment.port.clone(), move |shared| {
            shared.places.remove(&attachment.port);
            if let Err(error) = attach::delete(&attachment) {
                let interface = attachment.interface;
                tracing::warn!(interface, %error, "an interface could not be deleted");
            }
            waiter.map(|waiter| Event::InterfaceDeleted { waiter })
        });
    }

    /// Waits until all that was begun is done.
    pub(super) async fn finish(&mut self) {
        for (port, work) in self.last.drain() {
            if let Err(error) = work.await {
                tracing::error!(port, %error, "work on an interface broke off");
            }
        }
    }

    /// Does a piece of work for a port once the one before is done, and tells what came of it.
    fn after_last(
        &mut self,
        port: String,
        work: impl FnOnce(&Shared) -> Option<Event> + Send + 'static,
    ) {
        self.last.retain(|_, work| !work.is_finished());
        let before = self.last.remove(&port);
        let shared = self.shared.clone();
        let after = tokio::spawn(async move {
            if let Some(before) = before {
                // Work that panicked has been told of on standard error.
                let _ = before.await;
            }
            let events = shared.events.clone();
            let event = tokio::task::spawn_blocking(move || work(&shared)).await;
            if let Ok(Some(event)) = event {
                // Nobody listens any more when the agent has stopped.
                let _ = events.send(event).await;
            }
        });
        self.last.insert(port, after);
    }
}

impl Shared {
    fn open(&self, attachment: &Attachment, mode: OpenMode) -> Result<Vec<Box<dyn Port>>, Refusal> {
        attach::open(attachment, mode, self.taps, self.data_path.workers())
    }

    fn hold(&self, port: &str, ends: Vec<Box<dyn Port>>) {
        self.places.insert(port.to_owned(), Place::Held(ends));
    }

    fn install(
        &self,
        attachment: &Attachment,
        at: PortRef,
        plan: &InterfacePlan,
    ) -> Result<(), Refusal> {
        self.plug(attachment, at)?;
        if attachment.configured.as_ref() != Some(plan) {
            attach::configure(attachment, plan)?;
        }
        Ok(())
    }

    /// Takes a device away from the workers, and waits until its queues are free for others.
    fn remove(&self, at: PortRef) {
        let revision = self.data_path.remove_port(at);
        if let Err(error) = self.data_path.wait_adopted(revision, REMOVAL_TIMEOUT) {
            tracing::warn!(port = ?at, %error, "a worker is slow to close a device");
        }
    }

    fn plug(&self, attachment: &Attachment, at: PortRef) -> Result<(), Refusal> {
        let port = &attachment.port;
        let ends = match self.places.remove(port).map(|(_, place)| place) {
            Some(Place::Plugged(there)) if there == at => None,
            Some(Place::Plugged(there)) => {
                self.remove(there);
                Some(None)
            }
            Some(Place::Held(ends)) => Some(Some(ends)),
            None => Some(None),
        };
        if let Some(held) = ends {
            let open = || self.open(attachment, OpenMode::Adopt);
            let ends = held.map_or_else(open, Ok)?;
            self.data_path
                .add_port(at, ends)
                .map_err(|error| Refusal::new(RefusalKind::Refused, error.to_string()))?;
        }
        self.places.insert(port.clone(), Place::Plugged(at));
        Ok(())
    }
}
