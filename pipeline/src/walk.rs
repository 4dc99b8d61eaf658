//! A packet's walk through the logical network.
//!
//! [`process`] puts the packet where it enters; [`crate::switch`] and [`crate::router`] each show the walk
//! through one datapath on one page; this file holds what they share: the packet in flight, the verdict
//! that grows, and the ways from one datapath to the next.

mod connections;
mod ends;

use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use packet::flow::Network;
use packet::{Flow, Segment};
use smallvec::{SmallVec, smallvec};

use crate::answer::{Answer, AnswerKind};
use crate::conntrack::{Conntrack, MadeBy, Zone};
use crate::drop::DropReason;
use crate::ingress::{Ingress, Passage, Resume};
use crate::object::{
    Attachment, ChassisName, DatapathKey, DatapathKind, Global, Port, PortKind, PortRef, SwitchPort,
};
use crate::record::{Entry, Event, Recorder, Scope};
use crate::rewrite::ttl;
use crate::stage::Stage;
use crate::switch::OfSender;
use crate::tables::{Compiled, DatapathTables, Deps, Place, Slot, Table, Tables};
use crate::verdict::{Branch, Destination, Learn, LearnedKey, Limits, Source, Verdict};
use crate::{router, switch, view};

/// How many datapaths one packet passes at most, answers included.
pub const MAX_HOPS: u8 = 64;
/// With how many branches a verdict enters no further datapath.
pub const MAX_BRANCHES: usize = 16_384;

/// Decides about one packet. The same tables, connections, ingress and packet always give the same verdict.
/// What the packet is to its connections, and which it begins, is told to `conntrack` on the way.
pub fn process<R: Recorder>(
    tables: &Tables,
    conntrack: &mut dyn Conntrack,
    ingress: Ingress,
    (flow, segment): (&Flow, &Segment),
    recorder: &mut R,
) -> Verdict {
    conntrack.begin();
    let mut walk = Walk {
        tables,
        conntrack,
        received: flow,
        segment,
        recorder,
        verdict: Verdict {
            branches: smallvec![],
            learned: smallvec![],
            used: smallvec![],
            unserved: None,
            logs: vec![],
            qos: vec![],
            meters: vec![],
            made_by: MadeBy::default(),
            begins: false,
            holds_once_answered: false,
            deps: Deps::default(),
            generation: 0,
            reusable: None,
        },
        limits: Limits::NONE,
        is_reusable: true,
        may_outlast_beginning: true,
        has_committed: false,
        new_in: smallvec![],
    };
    let packet = Packet(Box::new(InFlight {
        flow: flow.clone(),
        origin: Origin::Received,
        passage: Passage::default(),
        loopback: false,
        node: tables.home().cloned(),
        sender: None,
        meters: smallvec![],
    }));
    match ingress {
        Ingress::Interface(at) => walk.enter_interface(packet, at),
        Ingress::Tunnel {
            vni,
            inport,
            outport,
        } => {
            switch::from_tunnel(&mut walk, packet, vni, inport, outport);
        }
        Ingress::Resume(resume) => walk.resume(packet, resume),
    }
    walk.finish()
}

/// A walk under way.
pub(crate) struct Walk<'t, R> {
    pub(crate) tables: &'t Tables,
    conntrack: &'t mut dyn Conntrack,
    received: &'t Flow,
    segment: &'t Segment,
    recorder: &'t mut R,
    verdict: Verdict,
    limits: Limits,
    is_reusable: bool,
    /// Nothing was asked of which the answer may be another once the packet's connections are answered.
    may_outlast_beginning: bool,
    has_committed: bool,
    /// The zones where the packet's connection is not kept yet.
    new_in: SmallVec<[Zone; 2]>,
}

/// A packet in flight. It goes from hand to hand, and is too large to be moved each time.
#[derive(Clone)]
pub(crate) struct Packet(Box<InFlight>);

impl Deref for Packet {
    type Target = InFlight;

    fn deref(&self) -> &InFlight {
        &self.0
    }
}

impl DerefMut for Packet {
    fn deref_mut(&mut self) -> &mut InFlight {
        &mut self.0
    }
}

/// What is known of a packet in flight.
#[derive(Clone)]
pub(crate) struct InFlight {
    /// Its headers as they stand.
    pub(crate) flow: Flow,
    pub(crate) origin: Origin,
    pub(crate) passage: Passage,
    /// It may leave by the port it came in by.
    pub(crate) loopback: bool,
    /// The node it is on, as far as that is known.
    pub(crate) node: Option<ChassisName>,
    /// What its sender's connections say of it, while it is in the sender's switch.
    pub(crate) sender: Option<OfSender>,
    /// The limits that it came under, as places in [`Verdict::meters`].
    pub(crate) meters: SmallVec<[u32; 2]>,
}

/// What a packet in flight began as.
#[derive(Clone)]
pub(crate) enum Origin {
    Received,
    Answer(Rc<Answer>),
}

impl Origin {
    /// True for the packet that came in, and for one and the same answer.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Received, Self::Received) => true,
            (Self::Answer(one), Self::Answer(other)) => Rc::ptr_eq(one, other),
            _ => false,
        }
    }
}

/// A datapath that a packet is in.
pub(crate) struct In<'t, T> {
    pub(crate) key: DatapathKey,
    pub(crate) name: &'t str,
    pub(crate) datapath: &'t DatapathTables,
    pub(crate) tables: &'t T,
}

impl<T> Clone for In<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for In<'_, T> {}

impl<'t, R: Recorder> Walk<'t, R> {
    // === where a packet enters ===

    fn enter_interface(&mut self, mut packet: Packet, at: PortRef) {
        let Some(port) = self.port(at) else {
            return self.drop(DropReason::UnknownPort, Some(at.datapath));
        };
        let port = match &packet.flow.vlan {
            Some(tag) if tag.id != 0 => {
                self.depend(Slot::NAMES);
                match self.tables.nested_port(&port.name, tag.id) {
                    Some(nested) => {
                        packet.flow.vlan = None;
                        nested
                    }
                    None => at,
                }
            }
            _ => at,
        };
        self.enter(packet, port);
    }

    /// A packet enters a datapath by a port.
    pub(crate) fn enter(&mut self, mut packet: Packet, at: PortRef) {
        if packet.passage.hops >= MAX_HOPS {
            return self.drop(DropReason::RecirculationLimit, Some(at.datapath));
        }
        if self.verdict.branches.len() >= MAX_BRANCHES {
            return self.drop(DropReason::ReplicationLimit, Some(at.datapath));
        }
        packet.passage.hops += 1;
        packet.loopback = false;
        let Some(port) = self.port(at) else {
            return self.drop(DropReason::PeerMissing, Some(at.datapath));
        };
        let Some(datapath) = self.datapath(at.datapath) else {
            return self.drop(DropReason::UnknownDatapath, Some(at.datapath));
        };
        let name = datapath.row.as_ref().map_or("", |row| row.name.as_str());
        self.recorder.enter(|| Scope::Ingress {
            datapath: name.to_owned(),
            inport: port.name.clone(),
        });
        match (&datapath.compiled, &port.kind) {
            (Compiled::Switch(tables), PortKind::Switch(kind)) => {
                let switch = In {
                    key: at.datapath,
                    name,
                    datapath,
                    tables: &**tables,
                };
                switch::ingress(self, packet, switch, port, kind);
            }
            (Compiled::Router(tables), PortKind::Router(kind)) => {
                let router = In {
                    key: at.datapath,
                    name,
                    datapath,
                    tables: &**tables,
                };
                router::ingress(self, packet, router, port, kind);
            }
            _ => self.drop(DropReason::UnknownPort, Some(at.datapath)),
        }
        self.recorder.leave();
    }

    fn resume(&mut self, mut packet: Packet, resume: Resume) {
        packet.passage = resume.passage;
        packet.loopback = true;
        let key = resume.outport.datapath;
        let Some(datapath) = self.datapath(key) else {
            return self.drop(DropReason::UnknownDatapath, Some(key));
        };
        let Compiled::Router(tables) = &datapath.compiled else {
            return self.drop(DropReason::UnknownPort, Some(key));
        };
        let name = datapath.row.as_ref().map_or("", |row| row.name.as_str());
        let router = In {
            key,
            name,
            datapath,
            tables: &**tables,
        };
        router::resume(self, packet, router, &resume);
    }

    // === what the stages ask and say ===

    /// A datapath, looked at: the verdict depends on it.
    pub(crate) fn datapath(&mut self, key: DatapathKey) -> Option<&'t DatapathTables> {
        let tables: &'t Tables = self.tables;
        let datapath = tables.datapath_tables(key);
        match datapath {
            Some(datapath) => self.depend(datapath.slots.configured),
            None => self.depend(Slot::DATAPATHS),
        }
        datapath.map(|datapath| &**datapath)
    }

    /// A port, looked at.
    pub(crate) fn port(&mut self, at: PortRef) -> Option<&'t Port> {
        self.datapath(at.datapath)?
            .port(at.port)
            .map(|port| &**port)
    }

    /// Where a port's frames come out, looked at.
    pub(crate) fn place(&mut self, port: &'t Port, kind: &'t SwitchPort) -> Place {
        match &kind.attachment {
            Attachment::Nested { parent, .. } => {
                self.depend(Slot::NAMES);
                if let Some(parent) = self.tables.port_named(parent) {
                    self.datapath(parent.at.datapath);
                }
            }
            Attachment::Router(Some(peer)) => drop(self.datapath(peer.datapath)),
            Attachment::Vif | Attachment::Localport | Attachment::Router(None) => {}
        }
        self.tables.place(port, kind)
    }

    pub(crate) fn depend(&mut self, slot: Slot) {
        self.verdict.deps.add(slot);
    }

    /// An address, looked up in a table that may have changed what it says for prefixes of at least a length.
    pub(crate) fn depend_on_prefixes(&mut self, table: Table, ip: IpAddr, least: u8) {
        let ends = view::ends(self.received);
        self.is_reusable &= self.verdict.deps.add_lookup(table, ip, least, ends);
    }

    pub(crate) fn used(&mut self, key: LearnedKey) {
        if !self.verdict.used.contains(&key) {
            self.verdict.used.push(key);
        }
    }

    /// Settings of the whole network, looked at.
    pub(crate) fn global(&mut self) -> &'t Global {
        self.depend(Slot::GLOBAL);
        self.tables.global()
    }

    pub(crate) fn learn(&mut self, learn: Learn) {
        self.is_reusable = false;
        self.verdict.learned.push(learn);
    }

    /// The verdict holds for this packet alone.
    pub(crate) fn is_for_this_packet_alone(&mut self) {
        self.is_reusable = false;
    }

    /// The verdict on packets of the same connections may be another once these are answered.
    pub(crate) fn is_for_the_beginning_alone(&mut self) {
        self.may_outlast_beginning = false;
    }

    /// The verdict holds for packets of at most this length.
    pub(crate) fn limit_length(&mut self, packet: &Packet, length_max: u32) {
        if matches!(packet.origin, Origin::Received) {
            self.limits.length_max = self.limits.length_max.min(length_max);
        }
    }

    /// The verdict holds for packets whose TTL is at least `least` here.
    pub(crate) fn limit_ttl(&mut self, packet: &Packet, least: u8) {
        if matches!(packet.origin, Origin::Received) {
            let spent = ttl(self.received).saturating_sub(ttl(&packet.flow));
            self.limits.ttl_min = self.limits.ttl_min.max(least.saturating_add(spent));
        }
    }

    pub(crate) fn hit(&mut self, stage: Stage, entry: impl FnOnce() -> Entry) {
        self.recorder.hit(stage, entry);
    }

    pub(crate) fn event(&mut self, event: impl FnOnce() -> Event) {
        self.recorder.event(event);
    }

    pub(crate) fn modify(&mut self, text: impl FnOnce() -> String) {
        self.recorder.event(|| Event::Modify(vec![text()]));
    }

    pub(crate) fn enter_scope(&mut self, scope: impl FnOnce() -> Scope) {
        self.recorder.enter(scope);
    }

    pub(crate) fn leave_scope(&mut self) {
        self.recorder.leave();
    }

    /// The answer to a packet that is rejected, as far as it may be answered.
    pub(crate) fn reject(&mut self, packet: &Packet) -> Option<Packet> {
        self.answer(packet, AnswerKind::rejection(&packet.flow)?)
    }

    /// The answer to `packet`, as a packet on the way; `None` where the standards forbid it.
    pub(crate) fn answer(&mut self, packet: &Packet, kind: AnswerKind) -> Option<Packet> {
        self.is_reusable = false;
        if matches!(packet.origin, Origin::Answer(_)) && !kind.needs_no_bytes() {
            return None;
        }
        let answer = Answer {
            about: packet.flow.clone(),
            kind,
        };
        let flow = answer.flow()?;
        answer.tell(self.recorder);
        Some(Packet(Box::new(InFlight {
            flow,
            origin: Origin::Answer(Rc::new(answer)),
            passage: packet.passage,
            loopback: true,
            node: packet.node.clone(),
            sender: None,
            meters: packet.meters.clone(),
        })))
    }

    /// What `inner` sends, kept apart from what the walk sends.
    pub(crate) fn apart(&mut self, inner: impl FnOnce(&mut Self)) -> Vec<Branch> {
        let mine = std::mem::take(&mut self.verdict.branches);
        inner(self);
        std::mem::replace(&mut self.verdict.branches, mine).into_vec()
    }

    fn finish(mut self) -> Verdict {
        if self.verdict.branches.is_empty() {
            self.drop(DropReason::NoReceiver, None);
        }
        if self.has_committed {
            self.conntrack.attribute(&self.verdict.made_by);
        }
        let is_discovery = matches!(self.received.network, Network::Arp(_));
        self.verdict.generation = self
            .tables
            .generation_sum(&self.verdict.deps, view::ends(self.received));
        self.verdict.reusable = (self.is_reusable && !is_discovery).then_some(self.limits);
        self.verdict.holds_once_answered = self.outlasts_beginning();
        self.verdict
    }

    /// The packet has begun all connections that it met, and goes its way as their later packets will.
    fn outlasts_beginning(&self) -> bool {
        let Verdict {
            branches,
            begins,
            reusable,
            ..
        } = &self.verdict;
        let is_sent = |branch: &Branch| {
            branch.packet == Source::Received
                && matches!(
                    branch.to,
                    Destination::Output { .. } | Destination::Tunnel(_)
                )
        };
        *begins
            && reusable.is_some()
            && self.may_outlast_beginning
            && self.new_in.is_empty()
            && matches!(&branches[..], [branch] if is_sent(branch))
    }
}

/// The settings of a router.
pub(crate) fn router_settings(datapath: &DatapathTables) -> (bool, bool) {
    match datapath.row.as_ref().map(|row| &row.kind) {
        Some(DatapathKind::Router(router)) => {
            (router.enabled, router.always_learn_from_arp_request)
        }
        _ => (false, false),
    }
}
