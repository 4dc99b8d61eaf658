//! Step 1: a batch from a port or the tunnel.

use pipeline::DropReason;

use super::ports::Door;
use super::{Forwarder, Moment, Place};
use crate::buffer::Packet;

impl Forwarder {
    /// Fills the batch from a door; false if the device is gone.
    pub(super) fn receive(&mut self, door: Door, moment: Moment<'_>) -> bool {
        let place = match door {
            Door::Tunnel => Place::Underlay,
            Door::Port(id) => match self.ports.plugged(id) {
                Some(plugged) => Place::Port(plugged.at),
                None => return true,
            },
        };
        self.batch.limit = self.ports.portion(door);
        let Some(device) = self.ports.device(door) else {
            return true;
        };
        let result = device.port.receive(&mut self.pool, &mut self.batch);

        let frames = &self.batch.frames;
        let bytes: usize = frames.iter().map(|frame| frame.packet.len()).sum();
        let count = frames.len() + self.batch.refused.len();
        device.counters.rx_packets.add(count as u64);
        device.counters.rx_bytes.add(bytes as u64);
        device
            .counters
            .rx_dropped
            .add(self.batch.refused.len() as u64);
        self.counters.totals.received.add(count as u64);
        self.counters.totals.batches.add(u64::from(count > 0));
        for reason in self.batch.refused.drain(..) {
            self.counters
                .count_drop(reason, moment.now_ms, place.number(), &[]);
        }
        result.is_ok()
    }

    /// A frame from a port on this node enters the network by that port.
    pub(super) fn enter_port(
        &mut self,
        id: usize,
        packet: Packet,
        moment: Moment<'_>,
    ) -> Option<(Packet, Place)> {
        let Some(at) = self.ports.plugged(id).map(|plugged| plugged.at) else {
            let place = Place::Underlay.number();
            self.counters.count_drop(
                DropReason::PortNotHere,
                moment.now_ms,
                place,
                packet.bytes(),
            );
            self.pool.give(packet);
            return None;
        };
        Some((packet, Place::Port(at)))
    }
}
