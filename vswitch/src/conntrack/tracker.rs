//! The table as the pipeline sees it while one packet walks through it.

use std::net::IpAddr;

use arrayvec::ArrayVec;
use packet::flow::{Fragment, Network};
use packet::{Flow, Segment};
use pipeline::conntrack::{
    Commit, CommitError, Conntrack, Direction, MadeBy, Outcome, State, Tracked, Tuple, Zone,
    translate,
};
use pipeline::object::VipKey;

use super::entry::Step;
use super::insert::Inserted;
use super::key::Key;
use super::reference::{Looked, Reference};
use super::table::ConntrackTable;
use super::turn::Turn;
use crate::table::buckets::Place;
use crate::table::sync::Ordering;

/// Connections that one packet may belong to on its walk; those of further zones are followed too, but who made
/// them is not noted, and a packet that they translated may look like another's to them.
const MOST_MET: usize = 32;
/// How often a packet looks whether another worker has begun its connection.
const TRIES: usize = 4;

/// The table during one packet's walk.
pub struct Tracker<'t, 'm> {
    turn: &'t mut Turn<'m>,
    now_ms: u64,
    met: ArrayVec<Met, MOST_MET>,
    /// Connections of which something was noted.
    committed: ArrayVec<u32, MOST_MET>,
    /// What was looked up last and not found, and where it would stand.
    missed: Option<(Key, Place)>,
    /// How often something was looked up in vain, and no connection has come of it.
    fruitless: u32,
    /// A later packet of the flow may meet other connections than this one did.
    is_singular: bool,
    /// The packet is a later fragment without ports.
    lacks_ports: bool,
    is_crowded: bool,
    is_opened: bool,
}

/// A connection that the packet belongs to.
struct Met {
    index: u32,
    direction: Direction,
    is_answered: bool,
    /// The packet as it is after this zone.
    key: Key,
}

impl<'t, 'm> Tracker<'t, 'm> {
    /// The table for a walk that begins now.
    pub fn new(turn: &'t mut Turn<'m>, now_ms: u64) -> Tracker<'t, 'm> {
        Tracker {
            turn,
            now_ms,
            met: ArrayVec::new(),
            committed: ArrayVec::new(),
            missed: None,
            fruitless: 0,
            is_singular: false,
            lacks_ports: false,
            is_crowded: false,
            is_opened: false,
        }
    }

    /// What the walk has looked at. If it has begun all the connections that it met, and its verdict holds once they are
    /// answered, they are referred to as they will be then.
    pub fn looked(&self, holds_once_answered: bool) -> Looked {
        let has_begun_all = holds_once_answered && self.fruitless == 0;
        let is_common = has_begun_all || !self.is_singular;
        let references = (is_common && self.met.len() <= Reference::MOST).then(|| {
            let refer = |met: &Met| {
                let is_answered = has_begun_all || met.is_answered;
                self.turn.refer(met.index, met.direction, is_answered)
            };
            self.met.iter().map(refer).collect()
        });
        Looked {
            lacks_ports: self.lacks_ports && references.is_none(),
            references,
            is_crowded: self.is_crowded,
            is_opened: self.is_opened,
        }
    }

    fn invalid(&mut self) -> Tracked {
        self.is_singular = true;
        ConntrackTable::count(&self.turn.table().counters.invalid);
        Tracked {
            state: State::TRACKED | State::INVALID,
            ..Tracked::default()
        }
    }

    /// The connection that the packet was found to belong to in this zone.
    fn met(&mut self, key: &Key) -> Option<&mut Met> {
        self.met.iter_mut().find(|met| met.key == *key)
    }

    fn meet(&mut self, (index, direction): (u32, Direction), is_answered: bool) {
        let key = self.turn.entry(index).translated(direction);
        let met = Met {
            index,
            direction,
            is_answered,
            key,
        };
        self.is_singular |= self.met.try_push(met).is_err();
    }

    fn track_related(&mut self, zone: Zone, flow: &Flow, tuple: &Tuple) -> Tracked {
        let Some((index, direction)) = self.turn.find(&Key::new(zone, tuple), self.now_ms) else {
            return self.invalid();
        };
        self.is_singular = true;
        let became = self.turn.entry(index).translated(direction).tuple();
        Tracked {
            translated: translate(flow, tuple, &became),
            ..self.answer(index, State::RELATED, direction)
        }
    }

    /// Takes a connection further; `None` if the packet ends it and may begin another.
    fn track_known(
        &mut self,
        (index, direction): (u32, Direction),
        (flow, tuple, segment): (&Flow, &Tuple, &Segment),
    ) -> Option<Tracked> {
        let step = self.turn.advance(index, direction, segment, self.now_ms);
        self.is_opened |= step.is_discounted();
        let (state, told) = match step.outcome {
            Outcome::Valid => (State::ESTABLISHED, direction),
            // What has not been answered counts as forward, even two ends that open at once.
            Outcome::Unanswered => (State::NEW, Direction::Forward),
            Outcome::Invalid => return Some(self.invalid()),
            Outcome::Reopens => {
                self.turn.remove(index, |table| &table.counters.expired);
                return None;
            }
        };
        self.meet((index, direction), state == State::ESTABLISHED);
        let became = self.turn.entry(index).translated(direction).tuple();
        Some(Tracked {
            translated: translate(flow, tuple, &became),
            ..self.answer(index, state, told)
        })
    }

    fn answer(&self, index: u32, state: State, direction: Direction) -> Tracked {
        let entry = self.turn.entry(index);
        let visible = entry.visible();
        let reply = match direction {
            Direction::Forward => State::empty(),
            Direction::Reply => State::REPLY,
        };
        Tracked {
            state: State::TRACKED | state | reply | visible.nat,
            mark: visible.mark,
            label: entry.label(),
            translated: None,
            made_by: Some(self.turn.made_by(index).unwrap_or_default()),
        }
    }

    fn note(&mut self, index: u32, commit: &Commit) {
        self.turn.entry(index).note(commit.mark, commit.label);
        self.note_committed(index);
    }

    fn note_committed(&mut self, index: u32) {
        if !self.committed.contains(&index) {
            self.is_singular |= self.committed.try_push(index).is_err();
        }
    }
}

impl Turn<'_> {
    /// Takes a connection further by a packet.
    pub(super) fn advance(
        &self,
        index: u32,
        direction: Direction,
        segment: &Segment,
        now_ms: u64,
    ) -> Step {
        let settings = &self.table().settings;
        let step = self
            .entry(index)
            .advance(direction, segment, settings, now_ms);
        self.discount(index, &step);
        step
    }

    /// Counts a connection no longer as half-open, if a step says so.
    #[inline]
    pub(super) fn discount(&self, index: u32, step: &Step) {
        if step.is_discounted() {
            let half_open = self.table().half_open(self.entry(index).debtor());
            half_open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Conntrack for Tracker<'_, '_> {
    fn begin(&mut self) {
        self.met.clear();
        self.committed.clear();
        self.missed = None;
        self.fruitless = 0;
        self.is_singular = false;
        self.lacks_ports = false;
        self.is_crowded = false;
        self.is_opened = false;
    }

    fn track(&mut self, zone: Zone, flow: &Flow, segment: &Segment) -> Tracked {
        if let Some(tuple) = Tuple::of_related(flow) {
            return self.track_related(zone, flow, &tuple);
        }
        let Some(tuple) = Tuple::of(flow) else {
            self.lacks_ports |= is_later(flow);
            return self.invalid();
        };
        let key = Key::new(zone, &tuple);
        self.met.retain(|met| met.key != key);
        let place = self.turn.table().place(&key);
        if let Some(found) = self.turn.find_at(place, &key, self.now_ms)
            && let Some(tracked) = self.track_known(found, (flow, &tuple, segment))
        {
            return tracked;
        }
        self.missed = Some((key, place));
        self.fruitless += 1;
        // Another packet may find a connection that is not there now.
        self.is_singular = true;
        if tuple.may_begin()
            && pipeline::conntrack::Progress::begin(tuple.protocol, segment).is_some()
        {
            return Tracked {
                state: State::TRACKED | State::NEW,
                ..Tracked::default()
            };
        }
        self.invalid()
    }

    fn commit(
        &mut self,
        zone: Zone,
        flow: &Flow,
        segment: &Segment,
        commit: Commit,
    ) -> Result<Option<Box<Flow>>, CommitError> {
        let Some(tuple) = Tuple::of(flow) else {
            self.lacks_ports |= is_later(flow);
            return Ok(None);
        };
        let key = Key::new(zone, &tuple);
        if let Some(index) = self.met(&key).map(|met| met.index) {
            self.note(index, &commit);
            return Ok(None);
        }
        // What has just been missed is not looked for again: whoever has begun it meanwhile is found out by inserting.
        let missed = self.missed.take().filter(|(missed, _)| *missed == key);
        let place = match missed {
            Some((_, place)) => place,
            None => self.turn.table().place(&key),
        };
        for attempt in 0..TRIES {
            if (attempt > 0 || missed.is_none())
                && let Some(found) = self.turn.find_at(place, &key, self.now_ms)
                && let Some(tracked) = self.track_known(found, (flow, &tuple, segment))
            {
                if !tracked.state.contains(State::INVALID) {
                    self.note(found.0, &commit);
                }
                return Ok(tracked.translated);
            }
            self.is_singular = true;
            let begun =
                self.turn
                    .insert((zone, &tuple), (key, place), segment, &commit, self.now_ms)?;
            match begun {
                Inserted::Nothing => return Ok(None),
                Inserted::Raced => std::hint::spin_loop(),
                Inserted::New(index) => {
                    let debtor = self.turn.entry(index).debtor();
                    self.is_crowded |= self.turn.table().is_crowded(debtor);
                    self.meet((index, Direction::Forward), false);
                    self.note_committed(index);
                    self.fruitless -= u32::from(missed.is_some());
                    let became = self.turn.entry(index).translated(Direction::Forward);
                    return Ok(translate(flow, &tuple, &became.tuple()));
                }
            }
        }
        // Better lost than not translated.
        ConntrackTable::count(&self.turn.table().counters.refused_full);
        Err(CommitError::TableFull)
    }

    fn forget(&mut self, zone: Zone, flow: &Flow) {
        let Some(tuple) = Tuple::of(flow) else {
            return;
        };
        let key = Key::new(zone, &tuple);
        let met = self.met(&key).map(|met| met.index);
        let found = met.or_else(|| self.turn.find(&key, self.now_ms).map(|(index, _)| index));
        self.is_singular = true;
        if let Some(index) = found {
            self.met.retain(|met| met.index != index);
            self.turn.remove(index, |table| &table.counters.flushed);
        }
    }

    fn attribute(&mut self, made_by: &MadeBy) {
        let mut maker = None;
        for index in self.committed.drain(..) {
            // One that another worker or a later packet has ended has no maker any more.
            if self.turn.entry(index).is_live() {
                maker = self.turn.attribute(index, made_by, maker);
            }
        }
    }

    fn affinity(&mut self, vip: &VipKey, client: IpAddr) -> Option<(IpAddr, u16)> {
        self.turn.table().affinities.find(vip, client, self.now_ms)
    }

    fn set_affinity(
        &mut self,
        vip: &VipKey,
        client: IpAddr,
        backend: (IpAddr, u16),
        timeout_s: u16,
    ) {
        let affinities = &self.turn.table().affinities;
        affinities.set(vip, client, backend, timeout_s, self.now_ms);
    }
}

fn is_later(flow: &Flow) -> bool {
    matches!(&flow.network, Network::Ip(ip) if ip.fragment == Fragment::Later)
}
