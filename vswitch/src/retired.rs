//! What workers are done with, taken apart by a thread of its own.
//!
//! To free large tables takes the allocator milliseconds, and to close a queue of a device may take the kernel as long. No
//! packet would be carried meanwhile, so that a worker hands both over.

use std::sync::Arc;
use std::{io, thread};

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};

use crate::port::Port;
use crate::snapshot::Snapshot;

/// Something that a worker is done with.
pub enum Retired {
    /// Tables that another snapshot has replaced.
    Snapshot(Arc<Snapshot>),
    /// A device that is to be closed.
    Device(Box<dyn Port>),
    /// All that was handed over before is to be gone, and whoever sent this told.
    Mark(Sender<()>),
}

/// Where to hand over. The thread ends when nobody can hand over any more.
#[derive(Clone, Debug)]
pub struct Retirement(Sender<Retired>);

impl Retirement {
    /// Starts the thread.
    pub fn start() -> io::Result<Retirement> {
        let (sender, receiver) = unbounded();
        let thread = thread::Builder::new().name("retirement".to_owned());
        thread.spawn(move || take_apart(&receiver))?;
        Ok(Retirement(sender))
    }

    /// What is handed over is taken apart at once by whoever hands it over.
    pub fn without_thread() -> Retirement {
        Retirement(unbounded().0)
    }

    /// Hands over. Returns at once.
    pub fn take(&self, retired: Retired) {
        // Without the thread it comes back, and is taken apart here.
        drop(self.0.send(retired));
    }

    /// Waits until all that was handed over is gone.
    pub fn settle(&self) {
        let (done, wait) = bounded(1);
        self.take(Retired::Mark(done));
        // The other end is gone if there is no thread: then nothing is left either.
        let _ = wait.recv();
    }
}

fn take_apart(receiver: &Receiver<Retired>) {
    for retired in receiver {
        match retired {
            Retired::Snapshot(snapshot) => drop(snapshot),
            Retired::Device(device) => drop(device),
            Retired::Mark(done) => {
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_handed_over_is_gone_once_it_has_settled() {
        for retirement in [
            Retirement::start().expect("a thread"),
            Retirement::without_thread(),
        ] {
            let snapshot = Arc::new(Snapshot::first());
            let weak = Arc::downgrade(&snapshot);
            retirement.take(Retired::Snapshot(snapshot));
            retirement.settle();
            assert!(weak.upgrade().is_none());
        }
    }
}
