//! What the pipeline asks of connection tracking.
//!
//! Connections are tracked in zones: each interface has one, each router two, each switch one for hairpins.
//! The pipeline asks in a zone what a packet is to the connections there ([`Conntrack::track`]) and has
//! connections kept ([`Conntrack::commit`]); where they are kept, and for how long, is not its affair. A zone's
//! answer about a packet holds for later packets of the flow until [`Conntrack`]'s owner sees it change.

mod choice;
mod datagram;
mod progress;
mod scripted;
mod sctp;
mod settings;
mod simple;
mod tcp;
mod tuple;
mod zone;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use bitflags::bitflags;
use packet::{Flow, Segment};
use uuid::Uuid;

pub use choice::{MAX_PROBES, choices};
pub use datagram::Datagram;
pub use progress::{Direction, Outcome, Progress};
pub use scripted::Scripted;
pub use sctp::Sctp;
pub use settings::{Settings, Timeouts};
pub use simple::{Kept, Simple};
pub use tcp::Tcp;
pub use tuple::{Tuple, translate};
pub use zone::{Zone, ZoneKind};

use crate::object::{RouteKey, VipKey};

bitflags! {
    /// What a packet is to the connections of a zone, with the bits of OVN's `ct_state`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct State: u8 {
        /// It would begin a connection, or belongs to one that has not been answered.
        const NEW = 1 << 0;
        /// It belongs to a connection that has been answered.
        const ESTABLISHED = 1 << 1;
        /// It is an ICMP error about a connection.
        const RELATED = 1 << 2;
        /// It goes against the direction of the connection's first packet.
        const REPLY = 1 << 3;
        /// It cannot belong to any connection.
        const INVALID = 1 << 4;
        /// It was looked up.
        const TRACKED = 1 << 5;
        /// The connection's source is translated.
        const SNAT = 1 << 6;
        /// The connection's destination is translated.
        const DNAT = 1 << 7;
    }
}

bitflags! {
    /// What is noted of a connection, with the bits of OVN's `ct_mark`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Mark: u8 {
        /// An ACL denies it since it was established.
        const BLOCKED = 1 << 0;
        /// A load balancer made it.
        const NATTED = 1 << 1;
        /// Routers are not to translate its source.
        const SKIP_SNAT = 1 << 2;
        /// Routers are to translate its source.
        const FORCE_SNAT = 1 << 3;
    }
}

impl State {
    const WORDS: [(State, &str); 8] = [
        (State::NEW, "new"),
        (State::ESTABLISHED, "est"),
        (State::RELATED, "rel"),
        (State::REPLY, "rpl"),
        (State::INVALID, "inv"),
        (State::TRACKED, "trk"),
        (State::SNAT, "snat"),
        (State::DNAT, "dnat"),
    ];

    /// The bit that OVN's word stands for.
    pub fn from_word(word: &str) -> Option<State> {
        let found = Self::WORDS.into_iter().find(|(_, known)| *known == word);
        found.map(|(bit, _)| bit)
    }

    /// The bits in OVN's words, as in `ct_state=new|trk`.
    pub fn words(self) -> String {
        let set = Self::WORDS
            .into_iter()
            .filter(|(bit, _)| self.contains(*bit));
        set.map(|(_, word)| word).collect::<Vec<_>>().join("|")
    }
}

/// A zone's answer about a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracked {
    /// What the packet is.
    pub state: State,
    /// What is noted of its connection.
    pub mark: Mark,
    /// The ACL label of its connection; 0 for none.
    pub label: u32,
    /// What the connection's translation makes of the packet; `None` if that changes nothing.
    pub translated: Option<Box<Flow>>,
    /// What made the connection.
    pub made_by: Option<Arc<MadeBy>>,
}

/// A connection to keep, or to note something of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// What is noted of it from now on.
    pub mark: Mark,
    /// The ACL label; 0 for none.
    pub label: u32,
    /// The translation of a new connection. One that is kept already keeps its own.
    pub nat: Option<NatRequest>,
    /// The interface that the zone is of begins the connection. Half-open connections are counted together that an
    /// interface begins, and apart from these those that a source begins in the zone.
    pub is_own: bool,
}

/// How a new connection is to be translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatRequest {
    /// The destination becomes this one; port 0 keeps the packet's.
    Destination(IpAddr, u16),
    /// The source becomes this address, with its own port if that is in the range and free, else with a
    /// free one of the range.
    Source(IpAddr, RangeInclusive<u16>),
}

/// Why a connection is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Every port of the range is taken for this peer.
    #[error("no port is free for the translation")]
    PortsExhausted,
    /// The table is full.
    #[error("the connection table is full")]
    TableFull,
    /// The zone's interface or the source has too many connections there that were never answered.
    #[error("there are too many half-open connections")]
    HalfOpenQuota,
}

/// The objects that decided about a connection or packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MadeBy {
    /// The ACLs that were obeyed, in the order in which they were met.
    pub acls: Vec<Uuid>,
    /// The VIP that was asked for, and the backend that was chosen.
    pub service: Option<(VipKey, (IpAddr, u16))>,
    /// The NATs that were applied.
    pub nats: Vec<Uuid>,
    /// The last router's route.
    pub route: Option<RouteKey>,
}

impl MadeBy {
    /// True if what a later decision says is known already.
    pub fn knows(&self, later: &MadeBy) -> bool {
        (later.acls.is_empty() || self.acls == later.acls)
            && (later.service.is_none() || self.service == later.service)
            && (later.nats.is_empty() || self.nats == later.nats)
            && (later.route.is_none() || self.route == later.route)
    }

    /// Takes over what a later decision about the same connection says. A packet that meets a connection is not
    /// balanced or translated anew, so that what it does not name still stands.
    pub fn update(&mut self, later: &MadeBy) {
        if !later.acls.is_empty() {
            self.acls.clone_from(&later.acls);
        }
        if later.service.is_some() {
            self.service.clone_from(&later.service);
        }
        if !later.nats.is_empty() {
            self.nats.clone_from(&later.nats);
        }
        if later.route.is_some() {
            self.route.clone_from(&later.route);
        }
    }
}

/// The connections of all zones.
pub trait Conntrack {
    /// The walk of another packet begins.
    fn begin(&mut self) {}

    /// What the packet is in the zone. `segment` is what its transport header says of the connection's progress;
    /// [`Segment::Unknown`] for a packet that the network itself made.
    fn track(&mut self, zone: Zone, flow: &Flow, segment: &Segment) -> Tracked;

    /// Keeps the packet's connection, or notes something of the one that is kept. Gives what the connection's
    /// translation makes of the packet, `None` if that changes nothing. A packet that was not asked about in this zone
    /// is tracked by the way, and `segment` is as for [`Conntrack::track`]. One that `track` or `commit` has translated
    /// in this zone still belongs to its connection until its walk is over.
    fn commit(
        &mut self,
        zone: Zone,
        flow: &Flow,
        segment: &Segment,
        commit: Commit,
    ) -> Result<Option<Box<Flow>>, CommitError>;

    /// Forgets the packet's connection.
    fn forget(&mut self, zone: Zone, flow: &Flow);

    /// Says what made the connections that were committed for this packet. Asked once, at the end of its walk.
    fn attribute(&mut self, made_by: &MadeBy);

    /// The backend that a client of the VIP stays with.
    fn affinity(&mut self, vip: &VipKey, client: IpAddr) -> Option<(IpAddr, u16)>;

    /// The client stays with the backend, until it has not asked for it for so long.
    fn set_affinity(
        &mut self,
        vip: &VipKey,
        client: IpAddr,
        backend: (IpAddr, u16),
        timeout_s: u16,
    );
}

/// Keeps nothing: every packet that could begin a connection is new.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untracked;

impl Conntrack for Untracked {
    fn track(&mut self, _zone: Zone, flow: &Flow, _segment: &Segment) -> Tracked {
        let state = match Tuple::of(flow) {
            Some(_) => State::TRACKED | State::NEW,
            None => State::TRACKED | State::INVALID,
        };
        Tracked {
            state,
            ..Tracked::default()
        }
    }

    fn commit(
        &mut self,
        _zone: Zone,
        flow: &Flow,
        _segment: &Segment,
        commit: Commit,
    ) -> Result<Option<Box<Flow>>, CommitError> {
        let tuple = Tuple::of(flow);
        Ok(tuple.zip(commit.nat).and_then(|(tuple, request)| {
            let to = tuple.after(&request);
            translate(flow, &tuple, &to)
        }))
    }

    fn forget(&mut self, _zone: Zone, _flow: &Flow) {}

    fn attribute(&mut self, _made_by: &MadeBy) {}

    fn affinity(&mut self, _vip: &VipKey, _client: IpAddr) -> Option<(IpAddr, u16)> {
        None
    }

    fn set_affinity(
        &mut self,
        _vip: &VipKey,
        _client: IpAddr,
        _backend: (IpAddr, u16),
        _timeout_s: u16,
    ) {
    }
}
