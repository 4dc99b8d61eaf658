//! Packets of a batch on their way to being looked up.
//!
//! What is remembered of a flow lies in four places, each of which tells where the next one is, and none of which is in a
//! cache nearby if there are many flows. So a packet is taken from one to the next only as others come behind it: by the time
//! that it is first in the lane, the memory has answered for all of them.

use super::express::Met;
use super::{Place, Turns};
use crate::buffer::Packet;

/// Packets that come between two steps of one: enough that the memory has answered, and so few that the nearest cache still
/// holds what it has answered for all of them.
const STRIDE: usize = 5;

/// Packets in the order of their arrival.
#[derive(Default)]
pub(super) struct Lane {
    packets: Vec<Option<Packet>>,
    /// What is known of each, and of earlier packets beyond that.
    met: Vec<Met>,
    /// How many have left it.
    left: usize,
}

impl Lane {
    /// Puts a packet at the end, and takes those before it further.
    #[inline]
    pub(super) fn push(&mut self, packet: Packet, place: Place, turns: &Turns<'_>) {
        let newest = self.packets.len();
        if newest == self.met.len() {
            self.met.push(Met::default());
        }
        turns.meet(&mut self.met[newest], &packet, place);
        self.packets.push(Some(packet));
        if let Some(at) = newest.checked_sub(STRIDE) {
            turns.approach_entry(&mut self.met[at]);
        }
        if let Some(at) = newest.checked_sub(2 * STRIDE) {
            turns.approach_references(&mut self.met[at]);
        }
        if let Some(at) = newest.checked_sub(3 * STRIDE) {
            turns.approach_action(&self.met[at]);
        }
    }

    /// The first packet, if it has come far enough.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(Packet, &Met)> {
        match self.packets.len() - self.left > 4 * STRIDE {
            true => self.pop(),
            false => None,
        }
    }

    /// Takes all as far as they have to come: no more will be behind them.
    pub(super) fn close(&mut self, turns: &Turns<'_>) {
        let met = &mut self.met[..self.packets.len()];
        let length = met.len();
        for met in &mut met[length.saturating_sub(STRIDE)..] {
            turns.approach_entry(met);
        }
        for met in &mut met[length.saturating_sub(2 * STRIDE)..] {
            turns.approach_references(met);
        }
        for met in &met[length.saturating_sub(3 * STRIDE)..] {
            turns.approach_action(met);
        }
    }

    /// The first packet.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<(Packet, &Met)> {
        let packet = self.packets.get_mut(self.left)?.take()?;
        let met = &self.met[self.left];
        self.left += 1;
        Some((packet, met))
    }

    /// Forgets those that have left.
    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.left = 0;
    }
}
