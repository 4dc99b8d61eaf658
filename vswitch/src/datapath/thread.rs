//! The threads that workers run in.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use super::config::DataPathError;
use super::millis_since;
use crate::snapshot::Adoption;
use crate::sys::processor::pin_to;
use crate::worker::{Status, Worker};

/// Runs a worker in a thread of its own until it is told to stop.
///
/// One that fails takes nobody with it: its queues and its socket close, so that the kernel gives their traffic
/// to the other workers, and nobody waits for what it would adopt.
pub(super) fn spawn(
    number: usize,
    processor: Option<usize>,
    mut worker: Worker,
    started: Instant,
    adoption: Arc<Adoption>,
) -> Result<JoinHandle<()>, DataPathError> {
    let work = move || {
        if let Some(processor) = processor
            && let Err(error) = pin_to(processor)
        {
            tracing::warn!(worker = number, processor, %error, "a worker runs where the kernel puts it");
        }
        loop {
            match worker.step(None, || millis_since(started)) {
                Ok(Status::Running) => {}
                Ok(Status::Stopped) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    };
    let run = move || {
        // The worker is dropped with all its devices, and nothing of it is looked at again.
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                tracing::error!(worker = number, %error, "a worker cannot wait for packets and is dead");
            }
            Err(_) => tracing::error!(worker = number, "a worker panicked and is dead"),
        }
        adoption.leave(number);
    };
    let thread = std::thread::Builder::new().name(format!("worker-{number}"));
    thread.spawn(run).map_err(DataPathError::Worker)
}
