//! The counters of all workers, added up.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pipeline::DropReason;
use pipeline::object::PortRef;
use uuid::Uuid;

use crate::connection::TableCounts;
use crate::conntrack::TrackingCounts;
use crate::counter::{LastDrop, Totals, TrafficCounters, WorkerCounters};
use crate::worker::Place;

/// The counters of a data path at one time. The numbers are read one by one while workers count on, so that
/// sums agree exactly only when no packet is under way.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Sums over all packets.
    pub totals: Totals,
    /// The part of each worker in them.
    pub workers: Vec<WorkerStats>,
    /// Traffic by port on this node.
    pub ports: BTreeMap<PortRef, Traffic>,
    /// Tunnel traffic by the other node's underlay address.
    pub tunnels: BTreeMap<IpAddr, Traffic>,
    /// Every drop reason that has occurred, in the order of a packet's way.
    pub drops: Vec<Drops>,
    /// How full the connection table is.
    pub connections: TableCounts,
    /// How full the table of tracked connections is, and what it has come to.
    pub tracked: TrackingCounts,
}

/// What one worker has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct WorkerStats {
    /// What it has counted.
    pub totals: Totals,
    /// The longest time that it was away from its packets while there may have been some.
    pub longest_pause: Duration,
    /// The longest time that the packets of one turn took.
    pub longest_turn: Duration,
}

/// Traffic of a port or tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Traffic {
    /// Frames that came in.
    pub rx_packets: u64,
    /// Bytes that came in.
    pub rx_bytes: u64,
    /// Frames that went out.
    pub tx_packets: u64,
    /// Bytes that went out.
    pub tx_bytes: u64,
    /// Frames that came in here and were dropped.
    pub rx_dropped: u64,
    /// Frames that were to go out here and that the device did not take.
    pub tx_dropped: u64,
    /// Times that what came in here had to wait because its port had sent more than its rate.
    pub rate_waits: u64,
    /// Times that it had to wait because the uplink was full.
    pub uplink_waits: u64,
}

/// One drop reason.
#[derive(Clone, Debug)]
pub struct Drops {
    /// The reason.
    pub reason: DropReason,
    /// How many packets.
    pub count: u64,
    /// The last of them, if it could be read.
    pub last: Option<LastPacket>,
}

/// The last packet that was dropped for a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastPacket {
    /// How long ago, in milliseconds.
    pub age_ms: u64,
    /// Where it had come in.
    pub place: Option<Place>,
    /// The rule that asked for it.
    pub rule: Option<Uuid>,
    /// Its first bytes, at most [`crate::counter::SAMPLE`].
    pub bytes: Vec<u8>,
}

/// Where the numbers are.
pub(crate) struct Sources {
    pub(crate) workers: Vec<Arc<WorkerCounters>>,
    pub(crate) ports: BTreeMap<PortRef, Vec<Arc<TrafficCounters>>>,
    pub(crate) tunnels: Vec<(IpAddr, Arc<TrafficCounters>)>,
    pub(crate) connections: TableCounts,
    pub(crate) tracked: TrackingCounts,
    pub(crate) now_ms: u64,
}

impl Stats {
    pub(crate) fn read(sources: &Sources) -> Stats {
        let mut stats = Stats {
            connections: sources.connections,
            tracked: sources.tracked,
            ..Stats::default()
        };
        for worker in &sources.workers {
            worker.totals.add_to(&mut stats.totals);
            let mut totals = Totals::default();
            worker.totals.add_to(&mut totals);
            stats.workers.push(WorkerStats {
                totals,
                longest_pause: worker.pause.get(),
                longest_turn: worker.turn.get(),
            });
        }
        for (at, queues) in &sources.ports {
            let traffic = stats.ports.entry(*at).or_default();
            queues.iter().for_each(|queue| traffic.add(queue));
        }
        for (remote, counters) in &sources.tunnels {
            stats.tunnels.entry(*remote).or_default().add(counters);
        }
        let drops = DropReason::ALL.iter().map(|reason| sources.drops(*reason));
        stats.drops = drops.filter(|drops| drops.count > 0).collect();
        stats
    }

    /// How many packets were dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        let found = self.drops.iter().find(|drops| drops.reason == reason);
        found.map_or(0, |drops| drops.count)
    }

    /// True if every packet has one beginning and one end, see [`crate::counter`].
    pub fn adds_up(&self) -> bool {
        let totals = &self.totals;
        let begun = totals.received + totals.copied + totals.originated;
        let dropped: u64 = self.drops.iter().map(|drops| drops.count).sum();
        let used_up = totals.answered + totals.monitored + totals.dropped;
        let ended = totals.transmitted + used_up + totals.holding;
        begun == ended && dropped == totals.dropped
    }
}

impl Sources {
    fn drops(&self, reason: DropReason) -> Drops {
        let samples = self
            .workers
            .iter()
            .filter_map(|worker| worker.last_drop(reason));
        let last = samples.max_by_key(|sample| sample.time_ms);
        Drops {
            reason,
            count: self
                .workers
                .iter()
                .map(|worker| worker.dropped(reason))
                .sum(),
            last: last.map(
                |LastDrop {
                     time_ms,
                     place,
                     rule,
                     bytes,
                 }| LastPacket {
                    age_ms: self.now_ms.saturating_sub(time_ms),
                    place: Place::of_number(place),
                    rule,
                    bytes,
                },
            ),
        }
    }
}

impl Traffic {
    fn add(&mut self, counters: &TrafficCounters) {
        self.rx_packets += counters.rx_packets.get();
        self.rx_bytes += counters.rx_bytes.get();
        self.tx_packets += counters.tx_packets.get();
        self.tx_bytes += counters.tx_bytes.get();
        self.rx_dropped += counters.rx_dropped.get();
        self.tx_dropped += counters.tx_dropped.get();
        self.rate_waits += counters.rate_waits.get();
        self.uplink_waits += counters.uplink_waits.get();
    }
}
