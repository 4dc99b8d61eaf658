//! What rules have come to, by what they do: as many lines with one rule as with a hundred thousand. `vsctl node
//! rules` has them one by one.

use pipeline::DropReason;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::Counters;
use crate::acl_log::LogBook;
use crate::counter::Totals;
use crate::credit::{Credit, Map, Rule};

type IsOfKind = fn(&Rule) -> bool;

/// The kinds of rules whose packets, bytes and connections are summed up.
const KINDS: [(&str, IsOfKind); 4] = [
    ("acl", |rule| matches!(rule, Rule::Allowed)),
    ("load-balancer", |rule| matches!(rule, Rule::Vip(_))),
    ("nat", |rule| matches!(rule, Rule::Nat(_))),
    ("qos", |rule| matches!(rule, Rule::Qos(_))),
];

/// Adds what the packets come to that rules let go on or translated, and those that they ended.
pub(super) fn rules(registry: &mut Registry, sums: &Map<Rule, Credit>) {
    let families = [(); 3].map(|()| Counters::default());
    for (kind, is_of_kind) in KINDS {
        let mut whole = Credit::default();
        let of_kind = sums.iter().filter(|(rule, _)| is_of_kind(rule));
        of_kind.for_each(|(_, credit)| whole.join(credit));
        let numbers = [whole.packets, whole.bytes, whole.connections];
        for (family, number) in families.iter().zip(numbers) {
            let labels = vec![("kind", kind.to_owned())];
            family.get_or_create(&labels).inc_by(number);
        }
    }
    let [packets, bytes, connections] = families;
    registry.register(
        "rule_packets",
        "Packets that rules let go on or translated",
        packets,
    );
    registry.register("rule_bytes", "Their bytes", bytes);
    registry.register(
        "rule_connections",
        "Connections that began with one of them",
        connections,
    );
    registry.register(
        "acl_verdicts",
        "Packets that ACLs decided about",
        verdicts(sums),
    );
}

/// Adds what exceeded the limits of QoS rules.
pub(super) fn limits(registry: &mut Registry, sums: &Map<Rule, Credit>) {
    let mut exceeding = Credit::default();
    for (rule, credit) in sums {
        if matches!(rule, Rule::Drop(DropReason::QosLimit, _)) {
            exceeding.join(credit);
        }
    }
    for (name, help, number) in [
        (
            "qos_dropped_packets",
            "Packets that were dropped because they exceeded the limits of QoS rules",
            exceeding.packets,
        ),
        ("qos_dropped_bytes", "Their bytes", exceeding.bytes),
    ] {
        let counter: Counter = Counter::default();
        counter.inc_by(number);
        registry.register(name, help, counter);
    }
}

fn verdicts(sums: &Map<Rule, Credit>) -> Counters {
    let counters = Counters::default();
    let count = |verdict: &str, packets| {
        let labels = vec![("verdict", verdict.to_owned())];
        counters.get_or_create(&labels).inc_by(packets);
    };
    // Each is there before its first packet.
    for verdict in ["allow", "drop", "reject"] {
        count(verdict, 0);
    }
    for (rule, credit) in sums {
        match rule {
            Rule::Allowed => count("allow", credit.packets),
            Rule::Drop(DropReason::AclDrop, _) => count("drop", credit.packets),
            Rule::Drop(DropReason::AclReject, _) => count("reject", credit.packets),
            _ => {}
        }
    }
    counters
}

/// Adds what became of the packets that ACLs were to log.
pub(super) fn logs(registry: &mut Registry, totals: &Totals, book: &LogBook) {
    let counters = Counters::default();
    for (fate, records) in [
        ("written", book.written()),
        ("metered", totals.logs_limited + book.limited()),
        ("lost", totals.logs_lost),
    ] {
        let labels = vec![("fate", fate.to_owned())];
        counters.get_or_create(&labels).inc_by(records);
    }
    registry.register(
        "acl_log_records",
        "Packets that ACLs were to log: written, left out by a meter, or lost because too many came at once",
        counters,
    );
}
