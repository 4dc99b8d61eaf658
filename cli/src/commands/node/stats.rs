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
        "longest pause us",
        "longest turn us",
    ];
    let row = |worker: &WorkerStats| {
        let number = |number: u64| number.to_string();
        let microseconds = |nanos: u64| number(nanos.div_ceil(1_000));
        [
            number(worker.worker.into()),
            number(worker.received),
            number(worker.copied),
            number(worker.originated),
            number(worker.output),
            number(worker.answered),
            number(worker.monitored),
            number(worker.dropped),
            number(worker.held),
            number(worker.hits),
            number(worker.misses),
            number(worker.stale),
            number(worker.batches),
            microseconds(worker.longest_pause_ns),
            microseconds(worker.longest_turn_ns),
        ]
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
