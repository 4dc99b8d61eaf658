//! What the packets of senders on other nodes may cost that lead nowhere.
//!
//! The senders share one socket, so that none of them can be made to wait in a queue of its own, as [a
//! port](super::allowance) is. Instead each sender has an allowance here, and while it is used up, packets of its are dropped that no
//! remembered verdict is for, before the pipeline is asked. What it has under way goes on.
//!
//! A sender is an address at a logical port, as the tunnel tells it. Their number is bounded: senders share allowances by
//! chance, and who floods from many addresses still floods from the port of its node, which has one too.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use packet::flow::Network;

use super::allowance::{Allowance, End};
use super::parse::About;

/// Allowances for all senders together.
const ALLOWANCES: usize = 1_024;

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

    fn of(&mut self, about: &About) -> &mut Allowance {
        let address = match &about.flow.network {
            Network::Ip(ip) => Some(ip.src),
            _ => None,
        };
        let number = self.hasher.hash_one((about.place.sender(), address));
        &mut self.allowances[number as usize % ALLOWANCES]
    }

    /// A packet of a sender has ended.
    pub(super) fn charge(&mut self, about: &About, end: End) {
        // Its own node has charged it for what it begins, and hears whether that was answered.
        let end = match end {
            End::Begun => End::Decided,
            other => other,
        };
        self.of(about).charge(end);
    }

    /// Whether the pipeline may be asked about a packet.
    pub(super) fn admit(&mut self, about: &About, now_ms: u64) -> bool {
        self.of(about).settle(now_ms).is_none()
    }
}
