//! Frames of the node's own health checks: probes, put out by the backends' ports, and what answers them, handed
//! to the control side.
//!
//! A probe passes the egress pipeline of the port's switch, as what comes from another node does. Answers wait in
//! a bounded channel, and no port may fill it alone: a pod that floods the probes' station hides no other's health.

use std::collections::HashMap;

use packet::{geneve, offload};
use pipeline::DropReason;
use pipeline::object::PortRef;
use tokio::sync::mpsc::Sender;

use super::parse::{About, Subject};
use super::ports::Door;
use super::{Forwarder, Moment, Place, Turns};
use crate::buffer::Packet;

/// Answers of one port that a worker takes in a second, at most.
const ANSWERS_PER_SECOND: u32 = 1_000;
/// The longest answer that is taken, in bytes: more than fits the window of a probe.
const ANSWER_LENGTH_MAX: usize = 4_096;

/// A frame that leaves or came by a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortFrame {
    /// The logical port.
    pub at: PortRef,
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
}

/// Where answers to probes go.
pub(super) struct Monitor {
    answers: Sender<PortFrame>,
    second: u64,
    taken: HashMap<PortRef, u32, foldhash::fast::RandomState>,
}

impl Monitor {
    pub(super) fn new(answers: Sender<PortFrame>) -> Monitor {
        Monitor {
            answers,
            second: 0,
            taken: HashMap::default(),
        }
    }

    /// Hands an answer over; false if there is no room for it.
    fn take(&mut self, at: PortRef, bytes: &[u8], now_ms: u64) -> bool {
        let second = now_ms / 1_000;
        if second != self.second {
            self.second = second;
            self.taken.clear();
        }
        let taken = self.taken.entry(at).or_default();
        *taken += 1;
        let is_fit = *taken <= ANSWERS_PER_SECOND && bytes.len() <= ANSWER_LENGTH_MAX;
        let Some(place) = is_fit.then(|| self.answers.try_reserve().ok()).flatten() else {
            return false;
        };
        let bytes = bytes.to_vec();
        place.send(PortFrame { at, bytes });
        true
    }
}

impl Forwarder {
    /// A packet that answers a probe ends here.
    pub(super) fn monitor(
        &mut self,
        mut packet: Packet,
        at: PortRef,
        about: &About,
        moment: Moment<'_>,
    ) {
        // Whoever it is for reads packets of any length.
        if let Some(checksum) = packet.offload.checksum {
            offload::complete(packet.bytes_mut(), checksum);
        }
        if !self.monitor.take(at, packet.bytes(), moment.now_ms) {
            return self.discard(packet, DropReason::ProbeQueueFull, about, moment);
        }
        self.counters.totals.monitored.add(1);
        self.pool.give(packet);
    }

    /// Sends a probe on its way.
    pub(super) fn probe(&mut self, frame: PortFrame, turns: &mut Turns<'_>, moment: Moment<'_>) {
        self.counters.totals.originated.add(1);
        let (vni, egress) = (frame.at.datapath.get(), frame.at.port.get());
        let place = Place::Tunnel(geneve::Header {
            vni,
            ingress: 0,
            egress,
        });
        let Some(packet) = self.pool.copy(&frame.bytes) else {
            let number = place.number();
            let reason = DropReason::NoBuffer;
            return self
                .counters
                .count_drop(reason, moment.now_ms, number, &frame.bytes);
        };
        if let Some((packet, mut about)) = self.parse(packet, Door::Tunnel, place, moment) {
            let about = &mut about;
            self.look_up(Subject { packet, about }, turns, moment);
        }
    }
}

#[cfg(test)]
mod tests {
    use pipeline::object::{DatapathKey, PortKey};
    use tokio::sync::mpsc::channel;

    use super::*;

    fn port(number: u32) -> PortRef {
        PortRef {
            datapath: DatapathKey::new(1).expect("a key"),
            port: PortKey::new(number).expect("a key"),
        }
    }

    #[test]
    fn a_flood_by_one_port_leaves_room_for_the_answers_of_others() {
        let (sender, mut receiver) = channel(ANSWERS_PER_SECOND as usize + 1);
        let mut monitor = Monitor::new(sender);
        for number in 0..2 * ANSWERS_PER_SECOND {
            let is_taken = monitor.take(port(1), &[0; 60], 999);
            assert_eq!(is_taken, number < ANSWERS_PER_SECOND);
        }
        assert!(monitor.take(port(2), &[0; 60], 999));
        assert!(!monitor.take(port(3), &[0; 60], 999), "the channel is full");
        receiver.try_recv().expect("an answer");
        assert!(monitor.take(port(1), &[0; 60], 1_000), "another second");
    }

    #[test]
    fn what_is_too_long_for_an_answer_is_not_taken() {
        let (sender, _receiver) = channel(2);
        let mut monitor = Monitor::new(sender);
        for (length, is_taken) in [(ANSWER_LENGTH_MAX, true), (ANSWER_LENGTH_MAX + 1, false)] {
            assert_eq!(monitor.take(port(1), &vec![0; length], 0), is_taken);
        }
    }
}
