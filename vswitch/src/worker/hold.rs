//! Step 8: for a neighbour that is not known yet.
//!
//! The packet is kept and the neighbour asked for. When a snapshot knows the neighbour, the packet goes on
//! where it stood. A neighbour that does not answer in time takes its packets with it.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use packet::Flow;
use packet::flow::{Fragment, Network, Transport};
use pipeline::object::PortRef;
use pipeline::{Branch, DropReason, Hold, Ingress, Resume, Rewrite};
use uuid::Uuid;

use super::parse::{About, Link, Subject};
use super::ports::Door;
use super::{Forwarder, Moment, Place, Turns};
use crate::buffer::Packet;
use crate::snapshot::Revision;

/// Packets that wait for one neighbour, at most.
const PACKETS_PER_NEIGHBOR: usize = 8;
/// Packets that wait at one worker, at most: a quarter of its small buffers.
const PACKETS: usize = 256;
/// Packets from one port that wait, at most: whoever scans unused addresses leaves room for others.
const PACKETS_PER_PORT: usize = 64;
/// How often a neighbour is asked for (RFC 4861 section 10: MAX_UNICAST_SOLICIT and MAX_MULTICAST_SOLICIT).
const SOLICITATIONS: u32 = 3;
/// Time between two solicitations, and from the last one to giving up (RFC 4861 section 10: RETRANS_TIMER).
const SOLICITATION_INTERVAL_MS: u64 = 1_000;

/// Packets that wait for neighbours.
#[derive(Default)]
pub(super) struct HoldQueue {
    waits: HashMap<(PortRef, IpAddr), Wait, foldhash::fast::RandomState>,
    packets: usize,
    /// The snapshot in which no neighbour that is waited for was known.
    looked_at: Revision,
}

/// What waits for one neighbour.
struct Wait {
    /// The row of the router's port, which may give way to another in the same place.
    port: Option<Uuid>,
    packets: VecDeque<Held>,
    solicitation: Vec<Branch>,
    solicited: u32,
    /// When to ask again, or to give up.
    next_ms: u64,
}

/// A packet that waits.
struct Held {
    packet: Packet,
    resume: Resume,
    door: Door,
    place: Place,
    link: Link,
    /// What is said of a later fragment, which its bytes do not say.
    transport: Option<Transport>,
}

impl HoldQueue {
    /// True if a packet that came in at `place` may wait too.
    fn has_room(&self, place: Place) -> bool {
        let packets = self.waits.values().flat_map(|wait| &wait.packets);
        let of_place = packets.filter(|held| held.place == place).count();
        self.packets < PACKETS && of_place < PACKETS_PER_PORT
    }

    /// When there is something to do again.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.waits.values().map(|wait| wait.next_ms).min()
    }
}

impl Forwarder {
    /// Keeps a packet, and asks for the neighbour if nobody has yet.
    pub(super) fn hold(
        &mut self,
        packet: Packet,
        (hold, rewrite): (&Hold, &Rewrite),
        about: &About,
        moment: Moment<'_>,
    ) {
        let key = (hold.port, hold.next_hop);
        let waiting = self
            .holds
            .waits
            .get(&key)
            .map_or(0, |wait| wait.packets.len());
        if waiting >= PACKETS_PER_NEIGHBOR || !self.holds.has_room(about.place) {
            return self.discard(packet, DropReason::HoldQueueFull, about, moment);
        }
        let is_new = waiting == 0;
        let wait = self.holds.waits.entry(key).or_insert_with(|| Wait {
            port: row_at(hold.port, moment),
            packets: VecDeque::new(),
            solicitation: hold.solicitation.clone(),
            solicited: 1,
            next_ms: moment.now_ms + SOLICITATION_INTERVAL_MS,
        });
        let About {
            door, place, link, ..
        } = *about;
        let resume = hold.resume.clone();
        wait.packets.push_back(Held {
            packet,
            resume,
            door,
            place,
            link,
            transport: transport_of_later(&rewrite.of(&about.flow)),
        });
        self.holds.packets += 1;
        self.counters.totals.holding.add(1);
        if is_new {
            self.solicit(&hold.solicitation, about, moment);
        }
    }

    /// Lets packets go on whose neighbour is known now, asks again for the others, and gives up on some.
    pub(super) fn release_held(&mut self, turns: &mut Turns<'_>, moment: Moment<'_>) {
        if self.holds.waits.is_empty() {
            return;
        }
        if self.holds.looked_at != moment.snapshot.revision {
            self.holds.looked_at = moment.snapshot.revision;
            self.abandon_moved(moment);
            let tables = &moment.snapshot.tables;
            let is_known = |(port, ip): &(PortRef, IpAddr)| {
                tables
                    .neighbor(*port, *ip)
                    .is_some_and(|neighbor| neighbor.mac().is_some())
            };
            let known: Vec<_> = self.holds.waits.keys().copied().filter(is_known).collect();
            for key in known {
                self.resume(key, turns, moment);
            }
        }
        let is_due = |wait: &Wait| wait.next_ms <= moment.now_ms;
        let waits = self.holds.waits.iter();
        let due: Vec<_> = waits
            .filter(|(_, wait)| is_due(wait))
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            self.ask_again(key, moment);
        }
    }

    /// The packets go on where they stood. The verdict on the rest of their way is not that of their
    /// flow, so it is not remembered.
    fn resume(&mut self, key: (PortRef, IpAddr), turns: &mut Turns<'_>, moment: Moment<'_>) {
        for held in self.take_wait(key) {
            let parsed = self.parse(held.packet, held.door, held.place, moment);
            if let Some((packet, mut about)) = parsed {
                about.link = held.link;
                if let (Network::Ip(ip), Some(transport)) =
                    (&mut about.flow.network, held.transport)
                {
                    ip.transport = transport;
                }
                let about = &mut about;
                let subject = Subject { packet, about };
                let ingress = Ingress::Resume(held.resume);
                let (verdict, _) = self.decide(&subject, ingress, turns, moment);
                self.credit_fresh(&verdict, &subject, moment);
                let meters = self.meters.of(&verdict);
                self.execute_within(&meters, subject, &verdict.branches, moment);
            }
        }
    }

    fn ask_again(&mut self, key: (PortRef, IpAddr), moment: Moment<'_>) {
        let Some(wait) = self.holds.waits.get_mut(&key) else {
            return;
        };
        if wait.solicited < SOLICITATIONS {
            wait.solicited += 1;
            wait.next_ms = moment.now_ms + SOLICITATION_INTERVAL_MS;
            let Some(first) = wait.packets.front() else {
                return;
            };
            let (door, place, link) = (first.door, first.place, first.link);
            let solicitation = wait.solicitation.clone();
            if let Ok((flow, layout)) = packet::parse(first.packet.bytes()) {
                let about = About {
                    flow,
                    layout,
                    door,
                    place,
                    link,
                };
                self.solicit(&solicitation, &about, moment);
            }
            return;
        }
        self.abandon(key, moment);
    }

    /// Drops what waits at ports that are gone, or have given way to others.
    fn abandon_moved(&mut self, moment: Moment<'_>) {
        let is_moved = |port: PortRef, wait: &Wait| wait.port != row_at(port, moment);
        let waits = self.holds.waits.iter();
        let moved: Vec<_> = waits
            .filter(|((port, _), wait)| is_moved(*port, wait))
            .map(|(key, _)| *key)
            .collect();
        for key in moved {
            self.abandon(key, moment);
        }
    }

    /// Drops what waits for a neighbour.
    fn abandon(&mut self, key: (PortRef, IpAddr), moment: Moment<'_>) {
        for held in self.take_wait(key) {
            self.ports.count_drop(held.door);
            let reason = DropReason::NeighborUnresolved;
            let number = held.place.number();
            self.counters
                .count_drop(reason, moment.now_ms, number, held.packet.bytes());
            self.pool.give(held.packet);
        }
    }

    fn take_wait(&mut self, key: (PortRef, IpAddr)) -> VecDeque<Held> {
        let packets = self
            .holds
            .waits
            .remove(&key)
            .map(|wait| wait.packets)
            .unwrap_or_default();
        self.holds.packets -= packets.len();
        self.counters.totals.holding.subtract(packets.len() as u64);
        packets
    }

    /// Sends the solicitation. `about` is a packet that waits for it.
    fn solicit(&mut self, branches: &[Branch], about: &About, moment: Moment<'_>) {
        for branch in branches {
            self.counters.totals.originated.add(1);
            if let Some(piece) = self.answer(branch, &[], about, moment) {
                self.finish(piece, branch, about, moment);
            }
        }
    }
}

/// The row of the port at a place.
fn row_at(at: PortRef, moment: Moment<'_>) -> Option<Uuid> {
    moment.snapshot.tables.port(at).map(|port| port.uuid)
}

fn transport_of_later(flow: &Flow) -> Option<Transport> {
    match &flow.network {
        Network::Ip(ip) if ip.fragment == Fragment::Later => Some(ip.transport.clone()),
        _ => None,
    }
}
