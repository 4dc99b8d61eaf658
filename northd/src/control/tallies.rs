//! What rules have come to on all nodes.
//!
//! It is kept in memory only. Nodes count from their start and repeat everything when they connect; what an earlier life
//! of a node came to stays in the sums for as long as northd runs.

use std::collections::{BTreeMap, HashMap};

use pipeline::object::ChassisName;
use southbound_proto::convert::{Count, RuleCount, RuleKey};

/// Rules that are counted a node, and of earlier lives of all nodes, at most. Further ones are left out.
pub const TALLIES_MAX: usize = 1 << 18;

/// The counts of all nodes.
#[derive(Clone, Debug, Default)]
pub struct Tallies {
    nodes: BTreeMap<ChassisName, Life>,
    past: HashMap<RuleKey, Count>,
}

/// What a node has said since it was started.
#[derive(Clone, Debug, Default)]
struct Life {
    instance: String,
    counts: HashMap<RuleKey, Count>,
}

impl Tallies {
    /// A node introduced itself, in this life of its.
    pub(super) fn greet(&mut self, node: &ChassisName, instance: &str) {
        let life = self.nodes.entry(node.clone()).or_default();
        if life.instance != instance {
            life.instance = instance.to_owned();
            for (rule, count) in std::mem::take(&mut life.counts) {
                add(&mut self.past, rule, count);
            }
        }
    }

    /// A node said what rules have come to there.
    pub(super) fn take(&mut self, node: &ChassisName, counts: Vec<RuleCount>) {
        let known = &mut self.nodes.entry(node.clone()).or_default().counts;
        for RuleCount { rule, count } in counts {
            if known.len() < TALLIES_MAX || known.contains_key(&rule) {
                known.insert(rule, count);
            }
        }
    }

    /// What each rule has come to, on all nodes together.
    pub fn sums(&self) -> BTreeMap<RuleKey, Count> {
        let nodes = self.nodes.values().flat_map(|life| &life.counts);
        let mut sums = BTreeMap::<RuleKey, Count>::new();
        for (rule, count) in nodes.chain(&self.past) {
            join(sums.entry(rule.clone()).or_default(), count);
        }
        sums
    }
}

fn add(sums: &mut HashMap<RuleKey, Count>, rule: RuleKey, count: Count) {
    if sums.len() < TALLIES_MAX || sums.contains_key(&rule) {
        join(sums.entry(rule).or_default(), &count);
    }
}

/// Nodes may say anything: what is beyond the numbers' range stays at its end.
fn join(sum: &mut Count, count: &Count) {
    sum.packets = sum.packets.saturating_add(count.packets);
    sum.bytes = sum.bytes.saturating_add(count.bytes);
    sum.connections = sum.connections.saturating_add(count.connections);
    sum.dropped_packets = sum.dropped_packets.saturating_add(count.dropped_packets);
    sum.dropped_bytes = sum.dropped_bytes.saturating_add(count.dropped_bytes);
    sum.last_unix_ms = sum.last_unix_ms.max(count.last_unix_ms);
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn counted(packets: u64) -> Vec<RuleCount> {
        let count = Count {
            packets,
            bytes: packets * 100,
            connections: 1,
            last_unix_ms: packets,
            ..Count::default()
        };
        vec![RuleCount {
            rule: RuleKey::Acl(Uuid::nil()),
            count,
        }]
    }

    #[test]
    fn a_node_that_repeats_itself_counts_once_and_one_that_restarts_counts_on() {
        let mut tallies = Tallies::default();
        let nodes: [ChassisName; 2] = ["one".into(), "two".into()];
        let mut check = |node: usize, instance: &str, packets: u64, expected: u64| {
            tallies.greet(&nodes[node], instance);
            tallies.take(&nodes[node], counted(packets));
            let sums = tallies.sums();
            assert_eq!(sums[&RuleKey::Acl(Uuid::nil())].packets, expected);
        };
        check(0, "first", 5, 5);
        check(0, "first", 5, 5);
        check(0, "first", 7, 7);
        check(1, "first", 2, 9);
        check(0, "second", 1, 10);
        check(1, "first", 3, 11);
    }

    #[test]
    fn what_a_node_says_is_bounded() {
        let mut tallies = Tallies::default();
        let counts = |from: usize| {
            let numbers = from..from + TALLIES_MAX / 2 + 1;
            let counts = numbers.map(|number| RuleCount {
                rule: RuleKey::Acl(Uuid::from_u128(number as u128)),
                count: Count {
                    packets: u64::MAX,
                    ..Count::default()
                },
            });
            counts.collect()
        };
        let node: ChassisName = "one".into();
        tallies.take(&node, counts(0));
        tallies.take(&node, counts(TALLIES_MAX));
        tallies.greet(&node, "next");
        tallies.take(&node, counts(0));
        assert_eq!(tallies.sums().len(), TALLIES_MAX);
    }
}
