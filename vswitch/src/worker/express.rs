//! Steps 3 to 6 in one, for most packets: usual ones of a flow whose verdict is remembered, and sends them on by one way.
//!
//! Such a packet is never read into a flow. Its key is [glimpsed](Glimpse), and what the verdict changes in it is a
//! [`Stamp`] that was made with the verdict. Whatever is unusual about the packet, the verdict or the connections is found out
//! before anything has happened, and the packet takes the steps one by one.

use packet::offload::{Offload, TransportSum};
use packet::rewrite::Stamp;
use packet::{FlowKey, Glimpse};
use pipeline::object::PortRef;
use pipeline::{Branch, Destination, DropReason, Source};

use super::ports::Door;
use super::recall::Memory;
use super::{Forwarder, Moment, Place, Turns};
use crate::buffer::Packet;
use crate::connection::Approach;
use crate::port::Frame;

/// How a verdict is carried out that says one thing: the packet itself, changed, by one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quick {
    stamp: Stamp,
    interface: PortRef,
}

impl Quick {
    /// How the branches of a verdict are carried out without looking at them; `None` if they have to be.
    pub(super) fn of(branches: &[Branch]) -> Option<Quick> {
        let [
            Branch {
                packet: Source::Received,
                rewrite,
                meters,
                to: Destination::Output { interface, .. },
            },
        ] = branches
        else {
            return None;
        };
        if !meters.is_empty() {
            return None;
        }
        Some(Quick {
            stamp: rewrite.stamp()?,
            interface: *interface,
        })
    }
}

/// A packet's place, and what was glimpsed of it, with how far the search for its flow has come.
pub(super) struct Met {
    pub(super) place: Place,
    pub(super) usual: Option<(Glimpse, Approach)>,
}

impl Turns<'_> {
    /// Looks at a packet, and begins to look for what is remembered of its flow.
    #[inline]
    pub(super) fn meet(&self, packet: &Packet, place: Place) -> Met {
        let glimpse = Glimpse::of(packet.bytes(), place.number());
        let approach = |glimpse: Glimpse| (glimpse, self.flows.approach(&glimpse.key.words()));
        Met {
            place,
            usual: glimpse.map(approach),
        }
    }
}

impl Forwarder {
    /// Carries a packet that came in by `door` to its way out, or gives it back as it was.
    #[inline]
    pub(super) fn express(
        &mut self,
        mut packet: Packet,
        met: &Met,
        door: Door,
        turns: &Turns<'_>,
        moment: Moment<'_>,
    ) -> Option<Packet> {
        let Some((glimpse, approach)) = &met.usual else {
            return Some(packet);
        };
        if packet.offload != Offload::NONE {
            return Some(packet);
        }
        let key = FlowKey::words(&glimpse.key);
        let limits = (glimpse.ttl, glimpse.length.into());
        let Memory::Valid(connection) = turns.find((&key, approach), limits, moment) else {
            return Some(packet);
        };
        let action = connection.action();
        let Some(quick) = &action.quick else {
            return Some(packet);
        };
        let segment = || glimpse.segment(packet.bytes());
        if !turns.follow(&connection, segment, moment.now_ms) {
            return Some(packet);
        }
        self.counters.totals.hits.add(1);
        connection.touch(moment.now_ms);
        if let Some(account) = &action.account {
            let size = (1, packet.len() as u64);
            account.add(self.credits.worker, size, moment.now_ms);
        }
        self.events.used(&action.used, moment.now_ms);
        let bytes = packet.bytes_mut();
        quick.stamp.put(bytes, glimpse, TransportSum::Complete);
        let frame = Frame {
            packet,
            outer: None,
        };
        let staged = match self.ports.door(quick.interface) {
            Some(out) => self.ports.stage(out, frame),
            None => Err(frame),
        };
        if let Err(frame) = staged {
            let reason = DropReason::PortNotHere;
            self.end(frame.packet, reason, (door, met.place), moment);
        }
        None
    }
}
