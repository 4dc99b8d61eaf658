//! Between steps 3 and 4, for fragments: the later ones of a datagram are judged by what their first says.
//!
//! Only the first fragment has ports, so that only it can be told to belong to a connection. What it says is kept, and
//! said of the later ones too: they are judged as it was, and translated as it was. A later one that comes before
//! its first goes on without ports, unless the verdict would need them; then it waits for its first.

mod datagrams;

use packet::Piece;
use packet::flow::{Fragment, Ip, Network, Transport};
use pipeline::DropReason;
use pipeline::conntrack::Tuple;

use super::allowance::End;
use super::parse::Subject;
use super::ports::Door;
use super::{Forwarder, Moment, Place, Turns};
use crate::buffer::Packet;

use datagrams::{Admitted, Datagrams, First, Id, Lost};

/// Fragments that came, and those that wait.
#[derive(Default)]
pub(super) struct Fragments {
    datagrams: Datagrams<Held>,
}

/// A fragment that waits for the first of its datagram.
struct Held {
    packet: Packet,
    door: Door,
    place: Place,
}

impl Fragments {
    /// When there is something to do again.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.datagrams.next_ms()
    }
}

impl Subject<'_> {
    /// Where a fragment stands in its datagram.
    pub(super) fn piece(&self) -> Option<Piece> {
        match &self.about.flow.network {
            Network::Ip(ip) if ip.fragment != Fragment::Whole => {
                Piece::of(self.packet.bytes(), &self.about.flow, &self.about.layout)
            }
            _ => None,
        }
    }

    /// The sender and the datagram of a fragment.
    fn datagram(&self, piece: &Piece) -> Option<(u64, Id)> {
        let about = &*self.about;
        let Network::Ip(ip) = &about.flow.network else {
            return None;
        };
        let id = Id {
            place: about.place.number(),
            vlan: about.flow.vlan.map(|tag| tag.id),
            src: ip.src,
            dst: ip.dst,
            protocol: match ip.src.is_ipv6() {
                true => 0,
                false => ip.protocol,
            },
            identification: piece.identification,
        };
        Some((about.place.sender(), id))
    }

    /// Lets a later fragment say what its first has said.
    fn follow(&mut self, first: &First) {
        if let Network::Ip(ip) = &mut self.about.flow.network
            && ip.fragment == Fragment::Later
        {
            ip.protocol = first.protocol;
            ip.transport = first.transport.clone();
        }
    }
}

impl Forwarder {
    /// As [`Forwarder::forward`], for a fragment.
    pub(super) fn forward_fragment(
        &mut self,
        mut subject: Subject<'_>,
        piece: Piece,
        turns: &mut Turns<'_>,
        moment: Moment<'_>,
    ) {
        let mut lost = Lost::new();
        let admitted = self.admit(&subject, piece, moment, &mut lost);
        self.give_up(lost, moment);
        match admitted {
            Err(reason) => {
                self.ports.charge(subject.about.sender(), End::Known);
                self.discard(subject.packet, reason, subject.about, moment);
            }
            Ok(Admitted { first, waiting }) => {
                if let Some(first) = &first {
                    subject.follow(first);
                }
                self.look_up(subject, turns, moment);
                for held in waiting {
                    self.counters.totals.holding.subtract(1);
                    let parsed = self.parse(held.packet, held.door, held.place, moment);
                    if let (Some((packet, mut about)), Some(first)) = (parsed, &first) {
                        let about = &mut about;
                        let mut subject = Subject { packet, about };
                        subject.follow(first);
                        self.look_up(subject, turns, moment);
                    }
                }
            }
        }
    }

    fn admit(
        &mut self,
        subject: &Subject<'_>,
        piece: Piece,
        moment: Moment<'_>,
        lost: &mut Lost<Held>,
    ) -> Result<Admitted<Held>, DropReason> {
        let Network::Ip(ip) = &subject.about.flow.network else {
            return Err(DropReason::FragmentMalformed);
        };
        let first = match ip.fragment {
            Fragment::First => Some(said_by(ip).ok_or(DropReason::FragmentMalformed)?),
            _ => None,
        };
        let datagram = subject.datagram(&piece);
        let datagram = datagram.ok_or(DropReason::FragmentMalformed)?;
        self.fragments
            .datagrams
            .admit(datagram, piece, first, moment.now_ms, lost)
    }

    /// True if a packet is a fragment whose first has not come.
    pub(super) fn lacks_first(&self, subject: &Subject<'_>) -> bool {
        let datagram = subject.piece().and_then(|piece| subject.datagram(&piece));
        datagram.is_some_and(|datagram| self.fragments.datagrams.lacks_first(datagram))
    }

    /// Keeps a fragment until the first of its datagram comes.
    pub(super) fn wait_for_first(&mut self, subject: Subject<'_>, moment: Moment<'_>) {
        let datagram = subject.piece().and_then(|piece| subject.datagram(&piece));
        let Subject { packet, about } = subject;
        let held = Held {
            packet,
            door: about.door,
            place: about.place,
        };
        let refused = match datagram {
            Some(datagram) => self.fragments.datagrams.wait(datagram, held).err(),
            None => Some(held),
        };
        match refused {
            None => self.counters.totals.holding.add(1),
            Some(held) => {
                self.discard(held.packet, DropReason::FragmentRoom, about, moment);
            }
        }
    }

    /// Forgets datagrams whose first fragment did not come in time.
    pub(super) fn expire_fragments(&mut self, moment: Moment<'_>) {
        let mut lost = Lost::new();
        self.fragments.datagrams.expire(moment.now_ms, &mut lost);
        self.give_up(lost, moment);
    }

    fn give_up(&mut self, lost: Lost<Held>, moment: Moment<'_>) {
        for (held, reason) in lost {
            self.counters.totals.holding.subtract(1);
            self.ports.count_drop(held.door);
            let number = held.place.number();
            let bytes = held.packet.bytes();
            self.counters
                .count_drop(reason, moment.now_ms, number, bytes);
            self.pool.give(held.packet);
        }
    }
}

/// What a first fragment says of its datagram; `None` if it ends before its transport header does (RFC 1858 section
/// 3.1, RFC 7112 section 5).
fn said_by(ip: &Ip) -> Option<First> {
    if ip.transport == Transport::Other && Tuple::needs_ports(ip) {
        return None;
    }
    Some(First {
        protocol: ip.protocol,
        transport: ip.transport.clone(),
    })
}
