//! What each worker does, as metrics.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::stats::WorkerStats;

type Gauges = Family<Vec<(&'static str, String)>, Gauge<f64, AtomicU64>>;

/// How long workers were away from their packets, and at them.
pub(super) fn times(registry: &mut Registry, workers: &[WorkerStats]) {
    type Read = fn(&WorkerStats) -> Duration;
    let times: [(&str, &str, Read); 2] = [
        (
            "worker_longest_pause_seconds",
            "The longest time that a worker was away from its packets while there may have been some",
            |worker| worker.longest_pause,
        ),
        (
            "worker_longest_turn_seconds",
            "The longest time that the packets of one of a worker's turns took",
            |worker| worker.longest_turn,
        ),
    ];
    for (name, help, read) in times {
        let family = Gauges::default();
        for (number, worker) in workers.iter().enumerate() {
            let label = vec![("worker", number.to_string())];
            family.get_or_create(&label).set(read(worker).as_secs_f64());
        }
        registry.register(name, help, family);
    }
}
