//! What was measured: a value a round, for each system, lane, load and metric.

use std::collections::BTreeMap;

use crate::load::{Load, Metric};
use crate::peer::Lane;

/// What a row of values is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) load: Load,
    pub(crate) metric: Metric,
    pub(crate) lane: Lane,
    /// The system's name.
    pub(crate) peer: &'static str,
}

/// The middle of some values, and how far they go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

/// A system that was compared.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) version: String,
}

/// Everything that one run found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    pub(crate) systems: Vec<About>,
    /// What went wrong, in words.
    pub(crate) troubles: Vec<String>,
    rounds: BTreeMap<Key, Vec<Option<f64>>>,
}

impl Results {
    /// Notes the value of a round.
    pub(crate) fn note(&mut self, key: Key, round: usize, value: f64) {
        let values = self.rounds.entry(key).or_default();
        values.resize(values.len().max(round + 1), None);
        values[round] = Some(value);
    }

    /// What was measured, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.rounds.keys().copied()
    }

    /// The values of all rounds; `None` if there are none.
    pub(crate) fn spread(&self, key: Key) -> Option<Spread> {
        Spread::of(self.values(key).iter().flatten().copied().collect())
    }

    /// The ratio of the medians of two rows, and how far the ratios of single rounds go.
    pub(crate) fn ratio(&self, ours: Key, theirs: Key) -> Option<Spread> {
        let pairs = self.values(ours).iter().zip(self.values(theirs));
        let ratios = pairs.filter_map(|(ours, theirs)| Some((*ours)? / (*theirs)?));
        let rounds = Spread::of(ratios.collect())?;
        let median = self.spread(ours)?.median / self.spread(theirs)?.median;
        Some(Spread { median, ..rounds })
    }

    fn values(&self, key: Key) -> &[Option<f64>] {
        self.rounds.get(&key).map_or(&[], Vec::as_slice)
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let (least, greatest) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        };
        Some(Spread {
            median,
            least,
            greatest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(peer: &'static str) -> Key {
        Key {
            load: Load::UdpEcho,
            metric: Metric::MedianRoundTrip,
            lane: Lane::Switched,
            peer,
        }
    }

    #[test]
    fn the_ratio_is_of_medians_and_its_spread_of_rounds_that_both_have() {
        let mut results = Results::default();
        for (round, value) in [(0, 10.0), (1, 30.0), (2, 20.0), (3, 40.0)] {
            results.note(key("ours"), round, value);
        }
        for (round, value) in [(0, 10.0), (2, 5.0), (3, 20.0)] {
            results.note(key("theirs"), round, value);
        }
        let expected = Spread {
            median: 2.5,
            least: 1.0,
            greatest: 4.0,
        };
        assert_eq!(results.ratio(key("ours"), key("theirs")), Some(expected));
        assert_eq!(results.ratio(key("ours"), key("nobody")), None);
    }
}
