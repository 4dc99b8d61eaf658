//! `node stats`: what the workers and tunnels have done.

use southbound_proto::node::{StatsRequest, TunnelStats, WorkerStats};

use super::client::ask;
use super::{counters, print, table};
use crate::failure::Failure;
use crate::options::Settings;
use crate::output::Table;

pub(super) fn stats(settings: &Settings) -> Result<String, Failure> {
    let reply = ask(settings, async |mut node| node.stats(StatsRequest {}).await)?;
    Ok(print(
        settings,
        &[workers(&reply.workers), tunnels(&reply.tunnels)],
    ))
}

fn workers(workers: &[WorkerStats]) -> Table {
    let headings = [
        "worker",
        "received",
        "copied",
        "originated",
        "sent",
        "answered",
        "monitored",
        "dropped",
        "held",
        "hits",
        "misses",
        "stale",
        "batches",
    ];
    let row = |worker: &WorkerStats| {
        [
            worker.worker.into(),
            worker.received,
            worker.copied,
            worker.originated,
            worker.output,
            worker.answered,
            worker.monitored,
            worker.dropped,
            worker.held,
            worker.hits,
            worker.misses,
            worker.stale,
            worker.batches,
        ]
        .map(|number: u64| number.to_string())
    };
    table(headings, workers.iter().map(row))
}

fn tunnels(tunnels: &[TunnelStats]) -> Table {
    let headings = [
        "tunnel to",
        "remote ip",
        "rx packets",
        "rx bytes",
        "tx packets",
        "tx bytes",
    ];
    let row = |tunnel: &TunnelStats| {
        let [received_packets, received_bytes] = counters(tunnel.received.as_ref());
        let [sent_packets, sent_bytes] = counters(tunnel.sent.as_ref());
        [
            tunnel.chassis.clone(),
            tunnel.remote_ip.clone(),
            received_packets,
            received_bytes,
            sent_packets,
            sent_bytes,
        ]
    };
    table(headings, tunnels.iter().map(row))
}
