//! What northd is told of how much the rules have decided: only what changed, a bounded number at a time.

use std::time::Duration;

use pipeline::DropReason;
use southbound_proto::convert::{Count, RuleCount, RuleKey};
use southbound_proto::southbound as wire;

use crate::credit::{Credit, Map, Rule};

/// How often northd is told what changed.
pub(super) const COUNT_INTERVAL: Duration = Duration::from_secs(2);
/// Rules in one message; what is left waits for the next one.
const RULES_MAX: usize = 8_192;

/// What northd knows.
#[derive(Debug, Default)]
pub(super) struct Counting {
    told: Map<Rule, Credit>,
}

impl Counting {
    /// northd knows nothing: a new stream begins.
    pub(super) fn forget(&mut self) {
        self.told.clear();
    }

    /// What is to be told next, if anything. `unix_ms` makes a time of a node's data path one of the world.
    pub(super) fn next(
        &mut self,
        sums: &Map<Rule, Credit>,
        unix_ms: impl Fn(u64) -> u64,
    ) -> Option<wire::Counts> {
        // What the node has forgotten may come again with less.
        self.told.retain(|rule, _| sums.contains_key(rule));
        let mut counts = Vec::new();
        for (rule, credit) in sums {
            if counts.len() == RULES_MAX {
                break;
            }
            let Some(key) = key(rule) else { continue };
            // What exceeds a limit counts for its rule too.
            if self.told.get(rule) == Some(credit) {
                continue;
            }
            let dropped = exceeding(rule, sums);
            self.told.insert(rule.clone(), *credit);
            let count = Count {
                packets: credit.packets,
                bytes: credit.bytes,
                connections: credit.connections,
                last_unix_ms: unix_ms(credit.last_ms),
                dropped_packets: dropped.packets,
                dropped_bytes: dropped.bytes,
            };
            counts.push((&RuleCount { rule: key, count }).into());
        }
        (!counts.is_empty()).then_some(wire::Counts { counts })
    }
}

/// How northd calls a rule. Drops and sums are the node's own affair.
fn key(rule: &Rule) -> Option<RuleKey> {
    Some(match rule {
        Rule::Acl(row) => RuleKey::Acl(*row),
        Rule::Nat(row) => RuleKey::Nat(*row),
        Rule::Qos(row) => RuleKey::Qos(*row),
        Rule::Vip(vip) => RuleKey::Vip(vip.clone()),
        Rule::Backend(vip, backend) => RuleKey::Backend(vip.clone(), *backend),
        Rule::Drop(..) | Rule::Allowed => return None,
    })
}

/// What exceeded the limit of a rule.
fn exceeding(rule: &Rule, sums: &Map<Rule, Credit>) -> Credit {
    let Rule::Qos(row) = rule else {
        return Credit::default();
    };
    let dropped = sums.get(&Rule::Drop(DropReason::QosLimit, *row));
    dropped.copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn sums(packets: &[u64]) -> Map<Rule, Credit> {
        let sum = |(number, packets): (usize, &u64)| {
            let credit = Credit {
                packets: *packets,
                ..Credit::default()
            };
            (Rule::Acl(Uuid::from_u128(number as u128)), credit)
        };
        packets.iter().enumerate().map(sum).collect()
    }

    #[test]
    fn what_changed_is_told_once_and_all_of_it_after_a_reconnect() {
        let mut counting = Counting::default();
        let mut told = |packets: &[u64]| {
            let counts = counting.next(&sums(packets), |ms| ms);
            counts.map_or(0, |counts| counts.counts.len())
        };
        assert_eq!(
            [
                told(&[1, 1]),
                told(&[1, 1]),
                told(&[1, 2]),
                told(&[1, 2, 1])
            ],
            [2, 0, 1, 1]
        );
        counting.forget();
        let all = counting.next(&sums(&[1, 2, 1]), |ms| ms);
        assert_eq!(all.map(|counts| counts.counts.len()), Some(3));
    }

    #[test]
    fn a_limit_is_told_with_what_exceeded_it() {
        let row = Uuid::from_u128(1);
        let credit = |packets, bytes| Credit {
            packets,
            bytes,
            ..Credit::default()
        };
        let sums = [
            (Rule::Qos(row), credit(9, 900)),
            (Rule::Drop(DropReason::QosLimit, row), credit(4, 400)),
            (Rule::Drop(DropReason::AclDrop, row), credit(1, 1)),
        ];
        let counts = Counting::default().next(&sums.into_iter().collect(), |ms| ms);
        let counts = counts.expect("something to tell").counts;
        let [count] = &counts[..] else {
            panic!("one rule: {counts:?}");
        };
        let told = (count.packets, count.dropped_packets, count.dropped_bytes);
        assert_eq!(told, (9, 4, 400));
    }

    #[test]
    fn many_rules_are_told_a_bounded_number_at_a_time() {
        let mut counting = Counting::default();
        let sums = sums(&vec![1; RULES_MAX + 5]);
        let lengths = [(); 3].map(|()| {
            let counts = counting.next(&sums, |ms| ms);
            counts.map_or(0, |counts| counts.counts.len())
        });
        assert_eq!(lengths, [RULES_MAX, 5, 0]);
    }
}
