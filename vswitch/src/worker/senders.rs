//! What the packets of senders on other nodes may cost that lead nowhere.
//!
//! The senders share one socket, so that none of them can be made to wait in a queue of its own, as [a
//! port](super::allowance) is. Instead each sender has an allowance here, and while it is used up, packets of its are dropped that no
//! remembered verdict is for, before the pipeline is asked. What it has under way goes on.
//!
//! A sender is an address at a logical port, as the tunnel tells it. Their number is bounded: senders share allowances by
//! chance, and who floods from many addresses still floods from the port of its node, which has one too.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::Place;
use super::allowance::{Allowance, End};
use super::ports::Door;

/// Allowances for all senders together.
const ALLOWANCES: usize = 1_024;

/// Who has sent a packet, as far as that is known.
#[derive(Clone, Copy)]
pub(super) struct Sender {
    /// By which device it came in.
    pub(super) door: Door,
    /// Where it entered the network.
    pub(super) place: Place,
    /// What it says it is from, if it is IP.
    pub(super) address: Option<IpAddr>,
}

/// The senders on other nodes.
pub(super) struct Senders {
    allowances: Box<[Allowance]>,
    hasher: RandomState,
}

impl Senders {
    /// Nobody has sent anything, and each may send so many fruitless packets a second.
    pub(super) fn new(per_second: u32) -> Senders {
        let allowance = |_| Allowance::new(per_second);
        Senders {
            allowances: (0..ALLOWANCES).map(allowance).collect(),
            hasher: RandomState::default(),
        }
    }

    fn of(&mut self, sender: Sender) -> &mut Allowance {
        let who = (sender.place.sender(), sender.address);
        let number = self.hasher.hash_one(who);
        &mut self.allowances[number as usize % ALLOWANCES]
    }

    /// A packet of a sender has ended.
    pub(super) fn charge(&mut self, sender: Sender, end: End) {
        // Its own node has charged it for what it begins, and hears whether that was answered.
        let end = match end {
            End::Begun => End::Decided,
            other => other,
        };
        self.of(sender).charge(end);
    }

    /// Whether the pipeline may be asked about a packet.
    pub(super) fn admit(&mut self, sender: Sender, now_ms: u64) -> bool {
        self.of(sender).settle(now_ms).is_none()
    }
}
