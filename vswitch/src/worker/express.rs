//! Steps 3 to 6 in one, for most packets: usual ones of a flow whose verdict is remembered, and sends them on by one way.
//!
//! Such a packet is never read into a flow. Its key is [glimpsed](Glimpse), and what the verdict changes in it is a
//! [`Stamp`] that was made with the verdict. Whatever is unusual about the packet, the verdict or the connections is found out
//! before anything has happened, and the packet takes the steps one by one.

use packet::Glimpse;
use packet::offload::Offload;
use packet::rewrite::Stamp;
use pipeline::object::PortRef;
use pipeline::{Branch, Destination, DropReason, Source};

use super::encapsulate::Outside;
use super::ports::Door;
use super::recall::Memory;
use super::senders::Sender;
use super::{Action, Forwarder, Moment, Place, Turns};
use crate::buffer::Packet;
use crate::connection::Approach;
use crate::conntrack::Followed;
use crate::port::Frame;

/// How a verdict is carried out that says one thing: the packet itself, changed, by one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quick {
    stamp: Stamp,
    exit: Exit,
}

/// Where a verdict's only branch ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exit {
    /// At this interface.
    Interface(PortRef),
    /// In the tunnel.
    Tunnel(Box<Outside>),
}

impl Quick {
    /// How the branches of a verdict are carried out without looking at them; `None` if they have to be.
    pub(super) fn of(branches: &[Branch]) -> Option<Quick> {
        let [
            Branch {
                packet: Source::Received,
                rewrite,
                meters,
                to,
            },
        ] = branches
        else {
            return None;
        };
        let exit = match to {
            _ if !meters.is_empty() => return None,
            Destination::Output { interface, .. } => Exit::Interface(*interface),
            Destination::Tunnel(tunnel) => Exit::Tunnel(Box::new(Outside::of(tunnel))),
            _ => return None,
        };
        Some(Quick {
            stamp: rewrite.stamp()?,
            exit,
        })
    }
}

/// A packet's place, and what was glimpsed of it, with how far the search for its flow has come.
#[derive(Default)]
pub(super) struct Met {
    pub(super) place: Place,
    /// What was glimpsed means something: it is a usual packet.
    is_usual: bool,
    glimpse: Glimpse,
    approach: Approach,
}

impl Met {
    /// What was glimpsed of a usual packet, and how far the search has come.
    #[inline]
    pub(super) fn usual(&self) -> Option<(&Glimpse, &Approach)> {
        self.is_usual.then_some((&self.glimpse, &self.approach))
    }

    /// Who has sent it, by `door`, if it is a usual packet.
    fn sender(&self, door: Door) -> Sender {
        Sender {
            door,
            place: self.place,
            address: self.glimpse.key.ends().map(|(src, _)| src),
        }
    }

    /// How far the search has come, if it is a usual packet.
    #[inline]
    pub(super) fn approach_mut(&mut self) -> Option<&mut Approach> {
        self.is_usual.then_some(&mut self.approach)
    }
}

impl Turns<'_> {
    /// Looks at a packet, and begins to look for what is remembered of its flow.
    #[inline]
    pub(super) fn meet(&self, met: &mut Met, packet: &Packet, place: Place) {
        met.place = place;
        let glimpse = Glimpse::of(packet.bytes(), place.number());
        met.is_usual = glimpse.is_some();
        if let Some(glimpse) = glimpse {
            met.approach = self.flows.approach(glimpse.key.words());
            met.glimpse = glimpse;
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
        let Some((glimpse, approach)) = met.usual() else {
            return Some(packet);
        };
        let Some(offload) = glimpse.admit(packet.bytes(), packet.offload) else {
            return Some(packet);
        };
        let longest = glimpse.longest(&offload);
        let sought = (glimpse.key.words(), approach);
        let Memory::Valid(connection) = turns.find(sought, (glimpse.ttl, longest), moment) else {
            return Some(packet);
        };
        let action = connection.action();
        let Some((quick, out)) = self.way(action, &offload, longest) else {
            return Some(packet);
        };
        let segment = || glimpse.segment(packet.bytes());
        match turns.follow(&connection, segment, moment.now_ms) {
            Followed::Not => return Some(packet),
            Followed::On => {}
            Followed::Opened => self.refund(&action.branches, met.sender(door)),
        }
        connection.touch(moment.now_ms);
        packet.offload = offload;
        self.count_express(action, &packet, moment);
        let sum = offload.transport_sum();
        quick.stamp.put(packet.bytes_mut(), glimpse, sum);
        let outer = match &quick.exit {
            Exit::Interface(_) => None,
            Exit::Tunnel(outside) => {
                let Some(outer) = outside.wrap(&mut packet, glimpse.ecn()) else {
                    self.end(packet, DropReason::NoHeadroom, (door, met.place), moment);
                    return None;
                };
                Some(outer)
            }
        };
        if let Err(frame) = self.ports.stage(out, Frame { packet, outer }) {
            let reason = DropReason::PortNotHere;
            self.end(frame.packet, reason, (door, met.place), moment);
        }
        None
    }

    /// How a verdict is carried out, and by which door the packet leaves as it is: with this work left to do, and packets of
    /// this L3 length in it.
    #[inline]
    fn way<'a>(
        &mut self,
        action: &'a Action,
        offload: &Offload,
        longest: u32,
    ) -> Option<(&'a Quick, Door)> {
        let quick = action.quick.as_ref()?;
        let door = match &quick.exit {
            Exit::Interface(interface) => self.ports.door(*interface)?,
            Exit::Tunnel(_) if longest > u32::from(self.mtu_for(false)) => return None,
            Exit::Tunnel(_) => Door::Tunnel,
        };
        let is_taken =
            *offload == Offload::NONE || self.ports.device(door)?.offloads.include(offload);
        is_taken.then_some((quick, door))
    }

    #[inline]
    fn count_express(&mut self, action: &Action, packet: &Packet, moment: Moment<'_>) {
        self.counters.totals.hits.add(1);
        if let Some(account) = &action.account {
            let sum = packet.offload.stands_for(packet.len());
            account.add(self.credits.worker, sum, moment.now_ms);
        }
        self.events.used(&action.used, moment.now_ms);
    }
}
