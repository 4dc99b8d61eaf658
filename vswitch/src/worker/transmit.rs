//! Step 10: everything that the batch made goes to its devices.

use std::net::IpAddr;

use super::ports::Door;
use super::uplink::wire_bytes;
use super::{Forwarder, Moment, Place};

impl Forwarder {
    /// Empties all staged frames into their devices.
    pub(super) fn transmit(&mut self, moment: Moment<'_>) {
        let mut doors = std::mem::take(&mut self.ports.staged);
        for door in doors.drain(..) {
            self.transmit_to(door, moment);
        }
        self.ports.staged = doors;
    }

    fn transmit_to(&mut self, door: Door, moment: Moment<'_>) {
        let place = match door {
            Door::Tunnel => Place::Underlay,
            Door::Port(id) => match self.ports.plugged(id) {
                Some(plugged) => Place::Port(plugged.at),
                None => return,
            },
        };
        let Some(device) = self.ports.device(door) else {
            return;
        };
        let mut frames = std::mem::take(&mut device.staged);
        let port = &mut device.port;
        let counters = device.counters.clone();
        let sent = &mut self.sent;
        let is_shared = self.meters.uplink().terms().is_some();
        let on_wire = &mut self.share.sent_bytes;
        let (pool, totals) = (&mut self.pool, &self.counters);
        let (mut packets, mut total_bytes) = (0, 0);
        port.transmit(&mut frames, &mut |frame, fate| {
            let bytes = frame.packet.len() as u64;
            match fate {
                Ok(()) => {
                    packets += 1;
                    total_bytes += bytes;
                    if let Some(outer) = frame.outer {
                        let remote = outer.remote.ip();
                        note_sent(sent, remote, bytes);
                        if is_shared {
                            *on_wire += wire_bytes(&frame.packet, remote);
                        }
                    }
                }
                Err(reason) => {
                    counters.tx_dropped.add(1);
                    totals.count_drop(reason, moment.now_ms, place.number(), frame.packet.bytes());
                }
            }
            pool.give(frame.packet);
        });
        totals.totals.transmitted.add(packets);
        counters.tx_packets.add(packets);
        counters.tx_bytes.add(total_bytes);
        device.staged = frames;
        for (remote, packets, bytes) in self.sent.drain(..) {
            if let Some(counters) = self.ports.remote(remote) {
                counters.tx_packets.add(packets);
                counters.tx_bytes.add(bytes);
            }
        }
    }
}

/// Adds a packet to what was sent to a node. What goes to one node in succession is added up.
fn note_sent(sent: &mut Vec<(IpAddr, u64, u64)>, remote: IpAddr, bytes: u64) {
    match sent.last_mut() {
        Some((last, packets, total_bytes)) if *last == remote => {
            *packets += 1;
            *total_bytes += bytes;
        }
        _ => sent.push((remote, 1, bytes)),
    }
}
