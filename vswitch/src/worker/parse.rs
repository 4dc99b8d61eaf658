//! Step 3: the packet's headers, as a flow.

use packet::{Flow, Layout};

use super::ports::Door;
use super::{Forwarder, Moment, Place};
use crate::buffer::Packet;

/// A packet whose headers are known.
pub(super) struct Subject {
    pub(super) packet: Packet,
    pub(super) about: About,
}

/// What is known of a packet that came in, and stays true of it while its bytes are changed.
pub(super) struct About {
    /// Its headers as it came in.
    pub(super) flow: Flow,
    /// Where they stand.
    pub(super) layout: Layout,
    /// By which device it came in.
    pub(super) door: Door,
    /// Where it entered the network.
    pub(super) place: Place,
}

impl Forwarder {
    /// Reads the headers; a packet that cannot be read is dropped.
    pub(super) fn parse(
        &mut self,
        packet: Packet,
        door: Door,
        place: Place,
        moment: Moment<'_>,
    ) -> Option<Subject> {
        match packet::parse(packet.bytes()) {
            Ok((flow, layout)) => {
                let about = About {
                    flow,
                    layout,
                    door,
                    place,
                };
                Some(Subject { packet, about })
            }
            Err(error) => {
                self.ports.count_drop(door);
                let number = place.number();
                self.counters
                    .count_drop(error.into(), moment.now_ms, number, packet.bytes());
                self.pool.give(packet);
                None
            }
        }
    }
}
