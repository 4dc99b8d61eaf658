//! What the vswitch counts, in OpenMetrics' text form: read from where it is counted, at each scrape.

mod rules;
mod workers;

use std::fmt;
use std::sync::atomic::AtomicU64;

use pipeline::Tables;
use pipeline::object::PortRef;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::acl_log::LogBook;
use crate::agent::driver::View;
use crate::agent::session::Status;
use crate::conntrack::TrackingCounts;
use crate::credit::{Credit, Map, Rule};
use crate::stats::{Stats, Traffic};

type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;

/// What is read at a scrape.
pub(crate) struct Watched<'a> {
    /// `None` when the agent has stopped.
    pub(crate) view: Option<&'a View>,
    pub(crate) stats: &'a Stats,
    pub(crate) running_workers: usize,
    /// What rules have come to.
    pub(crate) sums: &'a Map<Rule, Credit>,
    pub(crate) log_book: &'a LogBook,
    /// What the uplink carries and what of that is promised, in kilobits a second.
    pub(crate) uplink: (u32, u64),
}

/// All metrics, as one text.
pub(crate) fn encode(watched: &Watched<'_>) -> Result<String, fmt::Error> {
    let Watched {
        view,
        stats,
        running_workers,
        ..
    } = *watched;
    let mut registry = Registry::with_prefix("weft_vswitch");
    packets(&mut registry, stats);
    drops(&mut registry, stats);
    let tables = view.map(|view| &view.tables);
    let name = |at: &PortRef| vec![("port", port_name(tables, *at))];
    traffic(
        &mut registry,
        "port",
        stats.ports.iter().map(|(at, traffic)| (name(at), traffic)),
    );
    waits(
        &mut registry,
        stats.ports.iter().map(|(at, traffic)| (name(at), traffic)),
    );
    let remote = |ip: &std::net::IpAddr| vec![("remote", ip.to_string())];
    let tunnels = stats
        .tunnels
        .iter()
        .map(|(ip, traffic)| (remote(ip), traffic));
    traffic(&mut registry, "tunnel", tunnels);
    gauge(
        &mut registry,
        "connections",
        "Flows remembered",
        stats.connections.connections.into(),
    );
    gauge(
        &mut registry,
        "connections_limit",
        "Flows that can be remembered",
        stats.connections.capacity.into(),
    );
    tracked(&mut registry, &stats.tracked);
    uplink(&mut registry, watched.uplink);
    rules::rules(&mut registry, watched.sums);
    rules::limits(&mut registry, watched.sums);
    rules::logs(&mut registry, &stats.totals, watched.log_book);
    gauge(
        &mut registry,
        "workers_running",
        "Workers that do their work: fewer than were started means that one is dead",
        running_workers as u64,
    );
    workers::times(&mut registry, &stats.workers);
    if let Some(view) = view {
        agent(&mut registry, view);
    }
    let mut encoded = String::new();
    text::encode(&mut encoded, &registry)?;
    Ok(encoded)
}

fn packets(registry: &mut Registry, stats: &Stats) {
    let totals = &stats.totals;
    for (name, help, value) in [
        (
            "received",
            "Frames that came in by a port or the tunnel",
            totals.received,
        ),
        (
            "copied",
            "Further instances of packets that went several ways",
            totals.copied,
        ),
        (
            "originated",
            "Packets that the network made itself",
            totals.originated,
        ),
        (
            "transmitted",
            "Frames that a device took",
            totals.transmitted,
        ),
        (
            "answered",
            "Packets that were used up by their answers",
            totals.answered,
        ),
        (
            "monitored",
            "Packets that answered probes of the node",
            totals.monitored,
        ),
        ("dropped", "Packets that were dropped", totals.dropped),
        ("hits", "Packets whose verdict was remembered", totals.hits),
        (
            "misses",
            "Packets that ran through the pipeline",
            totals.misses,
        ),
        (
            "stale",
            "Remembered verdicts that were void when met",
            totals.stale,
        ),
        (
            "rests",
            "Times that a port had to wait because its packets led nowhere, or exceeded its rate or the uplink's",
            totals.rests,
        ),
        (
            "events_lost",
            "Events that the agent did not take in time",
            totals.events_lost,
        ),
    ] {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    gauge(
        registry,
        "holding",
        "Packets that wait for a neighbour or for the first fragment of their datagram",
        totals.holding,
    );
}

/// The tracked connections: what `vsctl ct-stats` counts.
fn tracked(registry: &mut Registry, counts: &TrackingCounts) {
    for (name, help, value) in counts.gauges() {
        gauge(registry, &format!("tracked_{name}"), sentence(help), value);
    }
    for (name, help, value) in counts.totals() {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        registry.register(format!("tracked_{name}"), sentence(help), counter);
    }
}

/// Without the full stop, which the registry sets.
fn sentence(text: &str) -> &str {
    text.trim().trim_end_matches('.')
}

fn drops(registry: &mut Registry, stats: &Stats) {
    let family = Counters::default();
    for drops in &stats.drops {
        let labels = vec![("reason", drops.reason.name().to_owned())];
        family.get_or_create(&labels).inc_by(drops.count);
    }
    registry.register("drops", "Packets that were dropped, by reason", family);
}

fn traffic<'a>(
    registry: &mut Registry,
    what: &str,
    entries: impl Iterator<Item = (Labels, &'a Traffic)>,
) {
    type Read = fn(&Traffic) -> u64;
    let counted: [(&str, &str, Read); 6] = [
        ("rx_packets", "Frames that came in", |traffic| {
            traffic.rx_packets
        }),
        ("rx_bytes", "Bytes that came in", |traffic| traffic.rx_bytes),
        ("tx_packets", "Frames that went out", |traffic| {
            traffic.tx_packets
        }),
        ("tx_bytes", "Bytes that went out", |traffic| {
            traffic.tx_bytes
        }),
        (
            "rx_dropped",
            "Frames that came in and were dropped",
            |traffic| traffic.rx_dropped,
        ),
        (
            "tx_dropped",
            "Frames that the device did not take",
            |traffic| traffic.tx_dropped,
        ),
    ];
    let families: Vec<Counters> = counted.iter().map(|_| Counters::default()).collect();
    for (labels, traffic) in entries {
        for (family, (_, _, read)) in families.iter().zip(counted) {
            family.get_or_create(&labels).inc_by(read(traffic));
        }
    }
    for (family, (name, help, _)) in families.into_iter().zip(counted) {
        registry.register(format!("{what}_{name}"), help, family);
    }
}

/// How often ports had to wait for what they may send.
fn waits<'a>(registry: &mut Registry, entries: impl Iterator<Item = (Labels, &'a Traffic)>) {
    let [rate, uplink] = [(); 2].map(|()| Counters::default());
    for (labels, traffic) in entries {
        rate.get_or_create(&labels).inc_by(traffic.rate_waits);
        uplink.get_or_create(&labels).inc_by(traffic.uplink_waits);
    }
    registry.register(
        "port_rate_waits",
        "Times that a port had to wait because it had sent more than its rate",
        rate,
    );
    registry.register(
        "port_uplink_waits",
        "Times that a port had to wait because the uplink was full",
        uplink,
    );
}

fn uplink(registry: &mut Registry, (kilobits, promised_kilobits): (u32, u64)) {
    gauge(
        registry,
        "uplink_kilobits",
        "What the node can send to others in a second; 0 if that is not known",
        kilobits.into(),
    );
    gauge(
        registry,
        "uplink_promised_kilobits",
        "What is promised of that to ports",
        promised_kilobits,
    );
}

fn agent(registry: &mut Registry, view: &View) {
    let is_connected = u64::from(view.status == Status::Connected);
    gauge(
        registry,
        "southbound_connected",
        "1 while northd is there",
        is_connected,
    );
    gauge(registry, "revision", "The revision in force", view.revision);
    gauge(
        registry,
        "objects",
        "Objects that northd gave",
        view.objects as u64,
    );
    gauge(
        registry,
        "ports_attached",
        "Ports that are attached",
        view.ports.len() as u64,
    );
    let up = view.ports.iter().filter(|port| port.state == "up").count();
    gauge(
        registry,
        "ports_up",
        "Attached ports whose whole configuration is in force",
        up as u64,
    );
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge: Gauge<u64, AtomicU64> = Gauge::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn port_name(tables: Option<&Tables>, at: PortRef) -> String {
    let port = tables.and_then(|tables| tables.port(at));
    port.map_or_else(
        || format!("{}/{}", at.datapath, at.port),
        |port| port.name.clone(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::stats::{Drops, WorkerStats};
    use pipeline::DropReason;

    #[test]
    fn reasons_and_ports_have_lines_of_their_own_and_rules_are_summed_up() {
        let at = PortRef {
            datapath: pipeline::object::DatapathKey::new(3).unwrap(),
            port: pipeline::object::PortKey::new(4).unwrap(),
        };
        let mut stats = Stats::default();
        stats.totals.received = 7;
        stats.drops.push(Drops {
            reason: DropReason::TooLong,
            count: 5,
            last: None,
        });
        stats.ports.entry(at).or_default().rx_packets = 9;
        stats.ports.entry(at).or_default().uplink_waits = 3;
        let credit = |packets, connections| Credit {
            packets,
            connections,
            ..Credit::default()
        };
        let [acl, other] = [1, 2].map(uuid::Uuid::from_u128);
        let sums = [
            (Rule::Allowed, credit(20, 2)),
            (Rule::Acl(acl), credit(24, 2)),
            (Rule::Nat(acl), credit(6, 1)),
            (Rule::Nat(other), credit(5, 1)),
            (Rule::Drop(DropReason::AclDrop, acl), credit(4, 0)),
            (Rule::Drop(DropReason::AclDrop, other), credit(3, 0)),
            (Rule::Drop(DropReason::QosLimit, acl), credit(2, 0)),
            (Rule::Drop(DropReason::QosLimit, other), credit(9, 0)),
        ];
        stats.totals.logs_limited = 8;
        stats.workers.push(WorkerStats {
            longest_pause: Duration::from_micros(250),
            ..WorkerStats::default()
        });
        let text = encode(&Watched {
            view: None,
            stats: &stats,
            running_workers: 2,
            sums: &sums.into_iter().collect(),
            log_book: &LogBook::default(),
            uplink: (10_000, 300),
        })
        .unwrap();
        for line in [
            "weft_vswitch_worker_longest_pause_seconds{worker=\"0\"} 0.00025",
            "weft_vswitch_rule_packets_total{kind=\"acl\"} 20",
            "weft_vswitch_rule_packets_total{kind=\"nat\"} 11",
            "weft_vswitch_rule_connections_total{kind=\"nat\"} 2",
            "weft_vswitch_rule_connections_total{kind=\"load-balancer\"} 0",
            "weft_vswitch_acl_verdicts_total{verdict=\"allow\"} 20",
            "weft_vswitch_acl_verdicts_total{verdict=\"drop\"} 7",
            "weft_vswitch_acl_verdicts_total{verdict=\"reject\"} 0",
            "weft_vswitch_acl_log_records_total{fate=\"metered\"} 8",
            "weft_vswitch_received_total 7",
            "weft_vswitch_workers_running 2",
            "weft_vswitch_drops_total{reason=\"too-long\"} 5",
            "weft_vswitch_port_rx_packets_total{port=\"3/4\"} 9",
            "weft_vswitch_port_uplink_waits_total{port=\"3/4\"} 3",
            "weft_vswitch_port_rate_waits_total{port=\"3/4\"} 0",
            "weft_vswitch_uplink_kilobits 10000",
            "weft_vswitch_uplink_promised_kilobits 300",
            "weft_vswitch_qos_dropped_packets_total 11",
            "# EOF",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
    }
}
