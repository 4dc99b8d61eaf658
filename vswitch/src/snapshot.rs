//! What every worker sees of the control side: one immutable snapshot for each batch.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;
use pipeline::Tables;

/// Names a published snapshot; later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub(crate) u64);

/// The tables, and what is derived from them for the doors of the data path.
#[derive(Debug)]
pub struct Snapshot {
    /// Which publication this is.
    pub revision: Revision,
    /// Numbers the tables: two snapshots with one number have the same tables.
    pub tables_number: u64,
    /// The compiled tables.
    pub tables: Arc<Tables>,
    /// The underlay addresses of the known chassis: who may send us tunnel packets.
    pub peers: Arc<HashSet<IpAddr, foldhash::fast::RandomState>>,
}

impl Snapshot {
    /// The first snapshot, of empty tables.
    pub fn first() -> Snapshot {
        Snapshot {
            revision: Revision(0),
            tables_number: 0,
            tables: Arc::new(Tables::new(None)),
            peers: Arc::default(),
        }
    }

    /// The next snapshot, with other tables.
    pub fn with_tables(&self, tables: Arc<Tables>) -> Snapshot {
        let peers = tables
            .all_chassis()
            .map(|chassis| chassis.encap_ip)
            .collect();
        Snapshot {
            revision: Revision(self.revision.0 + 1),
            tables_number: self.tables_number + 1,
            tables,
            peers: Arc::new(peers),
        }
    }

    /// The next snapshot, with the same tables: workers that adopt it have also seen all commands so far.
    pub fn renewed(&self) -> Snapshot {
        Snapshot {
            revision: Revision(self.revision.0 + 1),
            tables_number: self.tables_number,
            tables: self.tables.clone(),
            peers: self.peers.clone(),
        }
    }
}

/// A worker still used an older snapshot when the time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("worker {worker} has not adopted the snapshot in time")]
pub struct NotAdopted {
    /// The first such worker.
    pub worker: usize,
}

/// Which snapshot each worker uses.
#[derive(Debug)]
pub struct Adoption {
    workers: Box<[CachePadded<AtomicU64>]>,
    /// Held for the instant of a change only, so that a waiting thread cannot miss it.
    lock: Mutex<()>,
    changed: Condvar,
}

impl Adoption {
    /// No worker has adopted anything yet.
    pub fn new(workers: usize) -> Adoption {
        Adoption {
            workers: (0..workers)
                .map(|_| CachePadded::new(AtomicU64::new(0)))
                .collect(),
            lock: Mutex::new(()),
            changed: Condvar::new(),
        }
    }

    /// The worker uses `revision`, and none before it, from now on.
    pub fn adopt(&self, worker: usize, revision: Revision) {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.workers[worker].store(revision.0, Ordering::Release);
        self.changed.notify_all();
    }

    /// The worker uses no snapshot any more, and nobody waits for it.
    pub fn leave(&self, worker: usize) {
        self.adopt(worker, Revision(u64::MAX));
    }

    /// Waits until every worker uses `revision` or a later one.
    pub fn wait(&self, revision: Revision, timeout: Duration) -> Result<(), NotAdopted> {
        let end = Instant::now() + timeout;
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let is_behind =
                |worker: &CachePadded<AtomicU64>| worker.load(Ordering::Acquire) < revision.0;
            let Some(worker) = self.workers.iter().position(is_behind) else {
                return Ok(());
            };
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Err(NotAdopted { worker });
            }
            let woken = self.changed.wait_timeout(guard, rest);
            guard = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_when_the_last_worker_has_adopted_and_names_the_one_that_has_not() {
        let adoption = Adoption::new(2);
        adoption.adopt(0, Revision(2));
        let nobody = adoption.wait(Revision(1), Duration::ZERO);
        assert_eq!(nobody, Err(NotAdopted { worker: 1 }));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| adoption.wait(Revision(1), Duration::from_secs(60)));
            adoption.adopt(1, Revision(1));
            assert_eq!(waiter.join().expect("no panic"), Ok(()));
        });
        assert_eq!(
            adoption.wait(Revision(2), Duration::ZERO),
            Err(NotAdopted { worker: 1 })
        );
    }
}
