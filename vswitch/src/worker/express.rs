//! Steps 3 to 6 in one, for most packets: usual ones of a flow whose verdict is remembered, and sends them on by one way.
//!
//! Such a packet is never read into a flow. Its key is [glimpsed](Glimpse), and what the verdict changes in it is a
//! [`Stamp`] that was made with the verdict. Whatever is unusual about the packet, the verdict or the connections is found out
//! before anything has happened, and the packet takes the steps one by one.

use std::net::SocketAddr;

use packet::offload::{Offload, TransportSum};
use packet::rewrite::Stamp;
use packet::{Glimpse, geneve};
use pipeline::object::PortRef;
use pipeline::{Branch, Destination, DropReason, Source};

use super::encapsulate::header;
use super::ports::Door;
use super::recall::Memory;
use super::{Action, Forwarder, Moment, Place, Turns};
use crate::buffer::Packet;
use crate::connection::Approach;
use crate::conntrack::Followed;
use crate::port::{Frame, Outer};
use crate::sys::udp::flow_number;

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

/// What goes round a packet in the tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outside {
    header: [u8; geneve::HEADER_LENGTH],
    remote: SocketAddr,
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
            Destination::Tunnel(tunnel) => Exit::Tunnel(Box::new(Outside {
                header: header(tunnel).encode(TransportSum::Complete),
                remote: SocketAddr::new(tunnel.encap_ip, tunnel.encap_port),
            })),
            _ => return None,
        };
        Some(Quick {
            stamp: rewrite.stamp()?,
            exit,
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
        let key = glimpse.key.words();
        let limits = (glimpse.ttl, glimpse.length.into());
        let Memory::Valid(connection) = turns.find((&key, approach), limits, moment) else {
            return Some(packet);
        };
        let action = connection.action();
        let Some(quick) = &action.quick else {
            return Some(packet);
        };
        let is_in_tunnel = matches!(quick.exit, Exit::Tunnel(_));
        if is_in_tunnel && glimpse.length > self.mtu_for(false) {
            return Some(packet);
        }
        let segment = || glimpse.segment(packet.bytes());
        if turns.follow(&connection, segment, moment.now_ms) == Followed::Not {
            return Some(packet);
        }
        connection.touch(moment.now_ms);
        self.count_express(action, packet.len(), moment);
        let bytes = packet.bytes_mut();
        quick.stamp.put(bytes, glimpse, TransportSum::Complete);
        let sent = match &quick.exit {
            Exit::Interface(interface) => self.send_out(packet, *interface),
            Exit::Tunnel(outside) => self.send_over(packet, outside, glimpse),
        };
        if let Err((packet, reason)) = sent {
            self.end(packet, reason, (door, met.place), moment);
        }
        None
    }

    #[inline]
    fn count_express(&mut self, action: &Action, length: usize, moment: Moment<'_>) {
        self.counters.totals.hits.add(1);
        if let Some(account) = &action.account {
            account.add(self.credits.worker, (1, length as u64), moment.now_ms);
        }
        self.events.used(&action.used, moment.now_ms);
    }

    #[inline]
    fn send_out(&mut self, packet: Packet, interface: PortRef) -> Result<(), (Packet, DropReason)> {
        let Some(door) = self.ports.door(interface) else {
            return Err((packet, DropReason::PortNotHere));
        };
        self.stage(door, packet, None)
    }

    #[inline]
    fn send_over(
        &mut self,
        mut packet: Packet,
        Outside { header, remote }: &Outside,
        glimpse: &Glimpse,
    ) -> Result<(), (Packet, DropReason)> {
        let entropy = flow_number(packet.bytes());
        if packet.push_front(header).is_err() {
            return Err((packet, DropReason::NoHeadroom));
        }
        let outer = Outer {
            remote: *remote,
            ecn: glimpse.ecn(),
            entropy,
            sum: TransportSum::Complete,
        };
        self.stage(Door::Tunnel, packet, Some(outer))
    }

    #[inline]
    fn stage(
        &mut self,
        door: Door,
        packet: Packet,
        outer: Option<Outer>,
    ) -> Result<(), (Packet, DropReason)> {
        let staged = self.ports.stage(door, Frame { packet, outer });
        staged.map_err(|frame| (frame.packet, DropReason::PortNotHere))
    }
}
