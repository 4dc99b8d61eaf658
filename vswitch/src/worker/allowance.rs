//! What the packets of a port may cost that lead nowhere.
//!
//! A packet whose flow is known costs little; one that runs through the pipeline costs many times as much. A station that
//! works begins few flows for what it carries, and its flows are answered. One that scans or floods makes the
//! worker decide on packet after packet for nothing, in the time of the others. So each port has an allowance of
//! packets that lead nowhere. When it is used up, the port has to wait: its packets stay in its own queue, and what that
//! does not hold is lost in the sender's own time.
//!
//! Nobody else's packets are ever held up or dropped for it, and no packet is judged differently.

use pipeline::{Branch, Destination, Source};

/// Packets a second of one port that may lead nowhere, on each worker, unless another number is set.
pub const FRUITLESS_PER_S: u32 = 8_000;

/// What a fruitless packet costs that the pipeline decided on. The allowance counts in thousandths of such packets.
const FRUITLESS: i64 = 1_000;
/// What others cost: those that run through the pipeline and get somewhere, and those that are dropped without.
const CHEAP: i64 = FRUITLESS / 8;
/// For how long a port may save its allowance up.
const SAVED_MS: i64 = 128;

/// How a packet ended, as far as its port has to answer for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The pipeline decided on it, and it got somewhere.
    Decided,
    /// The pipeline decided on it for nothing.
    Fruitless,
    /// It was known to lead nowhere.
    Known,
}

/// A port's allowance at one worker.
#[derive(Debug)]
pub(super) struct Allowance {
    /// Thousandths of packets that it gains each millisecond: packets that it gains each second.
    gain: i64,
    left: i64,
    /// What the packets since then have cost.
    spent: i64,
    counted_at_ms: u64,
    /// The port has to wait until then.
    pub(super) rests_until_ms: Option<u64>,
}

impl Allowance {
    /// All that may be saved up, of so many packets a second.
    pub(super) fn new(per_second: u32) -> Allowance {
        let gain = i64::from(per_second);
        Allowance {
            gain,
            left: gain * SAVED_MS,
            spent: 0,
            counted_at_ms: 0,
            rests_until_ms: None,
        }
    }

    /// Takes off what a packet cost.
    pub(super) fn charge(&mut self, end: End) {
        self.spent += match end {
            End::Fruitless => FRUITLESS,
            End::Decided | End::Known => CHEAP,
        };
    }

    /// Until when the port has to wait, if it has used more than it had.
    pub(super) fn settle(&mut self, now_ms: u64) -> Option<u64> {
        let passed = now_ms.saturating_sub(self.counted_at_ms);
        let passed = i64::try_from(passed).unwrap_or(SAVED_MS).min(SAVED_MS);
        let saved = (self.left + passed * self.gain).min(self.gain * SAVED_MS);
        self.left = saved - std::mem::take(&mut self.spent);
        self.counted_at_ms = now_ms;
        if self.left >= 0 {
            return None;
        }
        let rest_ms = (-self.left)
            .unsigned_abs()
            .div_ceil(self.gain.unsigned_abs());
        self.rests_until_ms = Some(now_ms + rest_ms);
        self.rests_until_ms
    }
}

/// Whether any of these is the packet itself on its way to somebody.
pub(super) fn lead_somewhere(branches: &[Branch]) -> bool {
    branches.iter().any(|branch| {
        let is_sent = match branch.to {
            Destination::Output { .. } | Destination::Tunnel(_) | Destination::Monitor { .. } => {
                true
            }
            Destination::Hold(_) | Destination::Drop { .. } => false,
        };
        is_sent && matches!(branch.packet, Source::Received)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Charges so many packets; until when the port then has to wait.
    fn check(
        allowance: &mut Allowance,
        (count, end): (u32, End),
        now_ms: u64,
        expected: Option<u64>,
    ) {
        (0..count).for_each(|_| allowance.charge(end));
        assert_eq!(
            allowance.settle(now_ms),
            expected,
            "{count} {end:?} at {now_ms}"
        );
    }

    #[test]
    fn a_port_waits_for_as_long_as_it_has_used_too_much() {
        let mut allowance = Allowance::new(1_000);
        check(&mut allowance, (128, End::Fruitless), 0, None);
        check(&mut allowance, (1, End::Fruitless), 0, Some(1));
        check(&mut allowance, (63, End::Fruitless), 0, Some(64));
        // What it has waited for is not saved up.
        check(&mut allowance, (1, End::Fruitless), 64, Some(65));
        check(&mut allowance, (0, End::Fruitless), 65, None);
    }

    #[test]
    fn packets_that_get_somewhere_and_those_known_to_get_nowhere_cost_an_eighth() {
        for end in [End::Decided, End::Known] {
            let mut allowance = Allowance::new(1_000);
            check(&mut allowance, (128 * 8, end), 0, None);
            check(&mut allowance, (8, end), 0, Some(1));
        }
    }

    #[test]
    fn what_is_not_used_is_saved_up_for_a_while_only() {
        let mut allowance = Allowance::new(1_000);
        check(&mut allowance, (100, End::Fruitless), 0, None);
        check(&mut allowance, (128, End::Fruitless), 1_000_000, None);
        check(
            &mut allowance,
            (1, End::Fruitless),
            1_000_000,
            Some(1_000_001),
        );
    }
}
