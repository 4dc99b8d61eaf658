//! The numbers that messages of a session stream carry, so that loss, duplication and reordering are noticed.
//!
//! The transport promises order, but a proxy, a bug or a simulation may not keep the promise. Both ends
//! number what they send and check what they receive; whatever is wrong ends in a new stream, which starts
//! from what the node really holds. So there is one way to recover, and it is the one that every connect
//! exercises.

/// Numbers the messages that are sent on one stream.
#[derive(Clone, Debug, Default)]
pub struct Numbering {
    last: u64,
}

impl Numbering {
    /// The number of the next message; the first is 1.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

/// What the number of a received message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It follows the one before, or the peer does not number: handle it.
    InOrder,
    /// It was received before: skip it.
    Duplicate,
    /// At least one message before it is missing: end the stream.
    Gap,
}

/// Checks the numbers of the messages that are received on one stream.
#[derive(Clone, Debug, Default)]
pub struct Order {
    last: u64,
}

impl Order {
    /// Says how a message numbered `sequence` stands to those before it, and remembers it when in order.
    pub fn check(&mut self, sequence: u64) -> Arrival {
        if sequence == 0 && self.last == 0 {
            Arrival::InOrder
        } else if sequence <= self.last {
            Arrival::Duplicate
        } else if sequence == self.last + 1 {
            self.last = sequence;
            Arrival::InOrder
        } else {
            Arrival::Gap
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sequences: &[u64], expected: &[Arrival]) {
        let mut order = Order::default();
        let arrivals: Vec<_> = sequences.iter().map(|n| order.check(*n)).collect();
        assert_eq!(arrivals, expected, "{sequences:?}");
    }

    #[test]
    fn duplicates_are_skipped_and_gaps_are_seen() {
        use Arrival::{Duplicate, Gap, InOrder};
        check(&[1, 2, 3], &[InOrder, InOrder, InOrder]);
        check(&[1, 1, 2, 1], &[InOrder, Duplicate, InOrder, Duplicate]);
        check(&[1, 3, 2], &[InOrder, Gap, InOrder]);
        check(&[2], &[Gap]);
        check(&[0, 0, 0], &[InOrder, InOrder, InOrder]);
        check(&[1, 0], &[InOrder, Duplicate]);
    }

    #[test]
    fn what_is_numbered_arrives_in_order() {
        let (mut numbering, mut order) = (Numbering::default(), Order::default());
        for _ in 0..3 {
            assert_eq!(order.check(numbering.number()), Arrival::InOrder);
        }
    }
}
