//! What the packets of a port may cost that lead nowhere.
//!
//! A packet whose flow is known costs little; one that runs through the pipeline costs many times as much. A station that
//! works begins few flows for what it carries, and its flows are answered. One that scans or floods makes the
//! worker decide on packet after packet for nothing, in the time of the others. So each port has an allowance of
//! packets that lead nowhere. To begin a connection is in vain until the other end wants it too; when it does, more is given
//! back than the packets of a handshake cost.
//!
//! When the allowance is used up, the port has to wait: its packets stay in its own queue, and what that
//! does not hold is lost in the sender's own time. A port on the way there is read in small portions, so that nobody waits for
//! long behind what it sends. What comes from another node cannot wait by itself: [`super::senders`].
//!
//! No packet of others is held up or dropped for it, and no packet is judged differently.

use pipeline::{Branch, Destination, Source, Verdict};

use crate::conntrack::Looked;
use crate::port::BATCH;

/// Packets a second of one port that may lead nowhere, on each worker, unless another number is set.
pub const FRUITLESS_PER_S: u32 = 8_000;

/// What a fruitless packet costs that the pipeline decided on. The allowance counts in thousandths of such packets.
const FRUITLESS: i64 = 1_000;
/// What others cost: those that run through the pipeline and get somewhere, and those that are dropped without.
const CHEAP: i64 = FRUITLESS / 4;
/// What is given back for a connection that both ends want: what it cost to begin it, and the packets that open and close it.
const REFUND: i64 = 3 * FRUITLESS;
/// For how long a port may save its allowance up.
const SAVED_MS: i64 = 128;
/// A port that has to wait does so for as long at least: waking up costs too.
const REST_MIN_MS: u64 = 4;
/// A batch with as many packets in vain is followed by a small one.
const DEAR: u32 = 8;
/// Frames of a small batch.
const PORTION: usize = 16;

/// How a packet ended, as far as its port has to answer for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The pipeline decided on it, and it got somewhere.
    Decided,
    /// The pipeline decided on it for nothing.
    Fruitless,
    /// The pipeline decided on it, and it began a connection.
    Begun,
    /// It was dropped without asking the pipeline.
    Known,
    /// It was the packet that showed that both ends want their connection.
    Opened,
}

impl End {
    /// How a packet ended that the pipeline decided on.
    pub(super) fn of(verdict: &Verdict, looked: &Looked) -> End {
        let is_in_vain = looked.is_crowded || looked.lacks_ports;
        if is_in_vain || !lead_somewhere(&verdict.branches) {
            End::Fruitless
        } else if verdict.begins {
            End::Begun
        } else {
            End::Decided
        }
    }
}

/// A port's allowance at one worker.
#[derive(Debug)]
pub(super) struct Allowance {
    /// Thousandths of packets that it gains each millisecond: packets that it gains each second.
    gain: i64,
    left: i64,
    /// What the packets since then have cost.
    spent: i64,
    /// Packets since then that were in vain.
    in_vain: u32,
    counted_at_ms: u64,
    /// Many of the packets that were counted last were in vain.
    is_dear: bool,
    /// What it has sent beyond its rate, or the uplink's, is made up for then.
    held_back_until_ms: u64,
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
            in_vain: 0,
            counted_at_ms: 0,
            is_dear: false,
            held_back_until_ms: 0,
            rests_until_ms: None,
        }
    }

    /// Takes off what a packet cost, or gives back.
    pub(super) fn charge(&mut self, end: End) {
        let (cost, is_in_vain) = match end {
            End::Fruitless | End::Begun => (FRUITLESS, true),
            End::Decided | End::Known => (CHEAP, false),
            End::Opened => (-REFUND, false),
        };
        self.spent += cost;
        self.in_vain += u32::from(is_in_vain);
    }

    /// How many frames of the port to take at once.
    pub(super) fn portion(&self) -> usize {
        match self.is_dear {
            true => PORTION,
            false => BATCH,
        }
    }

    /// Lets the port wait at least until then, for the sake of its rate or the uplink's.
    pub(super) fn hold_back(&mut self, until_ms: u64) {
        self.held_back_until_ms = self.held_back_until_ms.max(until_ms);
    }

    /// Until when the port has to wait, if it has used more than it had.
    pub(super) fn settle(&mut self, now_ms: u64) -> Option<u64> {
        let passed = now_ms.saturating_sub(self.counted_at_ms);
        let passed = i64::try_from(passed).unwrap_or(SAVED_MS).min(SAVED_MS);
        self.is_dear = std::mem::take(&mut self.in_vain) >= DEAR;
        let most = self.gain * SAVED_MS;
        let saved = (self.left + passed * self.gain).min(most);
        self.left = (saved - std::mem::take(&mut self.spent)).min(most);
        self.counted_at_ms = now_ms;
        let owed = self.left.min(0).unsigned_abs();
        let rest_ms = match owed.div_ceil(self.gain.unsigned_abs()) {
            0 => 0,
            rest_ms => rest_ms.max(REST_MIN_MS),
        };
        let until_ms = self.held_back_until_ms.max(now_ms + rest_ms);
        if until_ms <= now_ms {
            return None;
        }
        self.rests_until_ms = Some(until_ms);
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
    fn a_port_waits_for_as_long_as_it_has_used_too_much_and_a_moment_at_least() {
        for end in [End::Fruitless, End::Begun] {
            let mut allowance = Allowance::new(1_000);
            check(&mut allowance, (128, end), 0, None);
            check(&mut allowance, (1, end), 0, Some(4));
            check(&mut allowance, (63, end), 0, Some(64));
            // What it has waited for is not saved up.
            check(&mut allowance, (1, end), 64, Some(68));
            check(&mut allowance, (0, end), 65, None);
        }
    }

    #[test]
    fn packets_that_get_somewhere_and_those_dropped_at_once_cost_a_quarter() {
        for end in [End::Decided, End::Known] {
            let mut allowance = Allowance::new(1_000);
            check(&mut allowance, (128 * 4, end), 0, None);
            check(&mut allowance, (4, end), 0, Some(4));
        }
    }

    #[test]
    fn connections_that_both_ends_want_cost_nothing_with_all_their_packets() {
        let mut allowance = Allowance::new(1_000);
        for _ in 0..10_000 {
            allowance.charge(End::Begun);
            allowance.charge(End::Opened);
            check(&mut allowance, (6, End::Decided), 0, None);
        }
        check(&mut allowance, (128, End::Begun), 0, None);
        check(&mut allowance, (1, End::Begun), 0, Some(4));
    }

    #[test]
    fn a_port_waits_for_its_rate_too() {
        let mut allowance = Allowance::new(1_000);
        allowance.hold_back(7);
        check(&mut allowance, (1, End::Decided), 0, Some(7));
        check(&mut allowance, (129, End::Fruitless), 7, Some(11));
        allowance.hold_back(11);
        check(&mut allowance, (0, End::Fruitless), 11, None);
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
            Some(1_000_004),
        );
    }

    #[test]
    fn a_port_is_read_in_small_portions_while_what_it_sends_is_in_vain() {
        let mut allowance = Allowance::new(1_000);
        for (count, end, portion) in [
            (64, End::Decided, 64),
            (7, End::Fruitless, 64),
            (8, End::Fruitless, 16),
            (8, End::Begun, 16),
            (64, End::Known, 64),
        ] {
            check(&mut allowance, (count, end), 0, None);
            assert_eq!(allowance.portion(), portion, "{count} {end:?}");
        }
    }
}
