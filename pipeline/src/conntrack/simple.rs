//! Connections in maps, with a clock that is set by hand: for tests, traces and as the twin of faster tables.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use packet::{Flow, Segment};

use super::{
    Commit, CommitError, Conntrack, Direction, MadeBy, Mark, NatRequest, Outcome, Progress,
    Settings, State, Tracked, Tuple, Zone, choices, translate,
};
use crate::object::VipKey;

/// All connections, in maps.
#[derive(Clone, Debug, Default)]
pub struct Simple {
    settings: Settings,
    now_ms: u64,
    next: u64,
    connections: BTreeMap<u64, Kept>,
    /// Connections by the tuples of their packets as they come in.
    index: HashMap<(Zone, Tuple), (u64, Direction)>,
    /// The connections that this walk's packet was found to belong to, by what it became.
    recent: Vec<(Zone, Tuple, u64)>,
    /// Connections that were committed since the last attribution.
    committed: Vec<u64>,
    affinities: HashMap<(VipKey, IpAddr), Affinity>,
}

/// A connection that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The zone that it is in.
    pub zone: Zone,
    /// The tuple of its first packet.
    pub original: Tuple,
    /// The tuple of the answers to it, as they come in: if the connection is not translated, that of the first
    /// packet reversed.
    pub reply: Tuple,
    /// How far it has come.
    pub progress: Progress,
    /// What is noted of it.
    pub mark: Mark,
    /// The ACL label; 0 for none.
    pub label: u32,
    /// What made it.
    pub made_by: Arc<MadeBy>,
    /// [`State::SNAT`] or [`State::DNAT`] if that was asked for.
    pub nat: State,
    /// The interface that the zone is of has begun it.
    pub is_own: bool,
    /// When a packet of it was last seen.
    pub last_seen_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Affinity {
    backend: (IpAddr, u16),
    timeout_ms: u64,
    last_used_ms: u64,
}

impl Kept {
    /// What a packet that goes in this direction becomes.
    fn translated(&self, direction: Direction) -> Tuple {
        match direction {
            Direction::Forward => self.reply.reversed(),
            Direction::Reply => self.original.reversed(),
        }
    }

    /// When it is forgotten if no packet comes.
    pub fn expires_ms(&self, settings: &Settings) -> u64 {
        let timeout_s = self
            .progress
            .timeout_s(self.original.protocol, &settings.timeouts);
        self.last_seen_ms + u64::from(timeout_s) * 1_000
    }
}

impl Simple {
    /// No connections yet, at time 0.
    pub fn new(settings: Settings) -> Simple {
        Simple {
            settings,
            ..Simple::default()
        }
    }

    /// Sets the clock.
    pub fn set_now_ms(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// The connections that are kept now, oldest first.
    pub fn connections(&self) -> impl Iterator<Item = &Kept> {
        self.connections.values().filter(|kept| self.is_alive(kept))
    }

    fn is_alive(&self, kept: &Kept) -> bool {
        self.now_ms < kept.expires_ms(&self.settings)
    }

    fn find(&mut self, zone: Zone, tuple: Tuple) -> Option<(u64, Direction)> {
        let &(id, direction) = self.index.get(&(zone, tuple))?;
        let is_alive = self
            .connections
            .get(&id)
            .is_some_and(|kept| self.is_alive(kept));
        if !is_alive {
            self.remove(id);
            return None;
        }
        Some((id, direction))
    }

    fn remove(&mut self, id: u64) {
        if let Some(kept) = self.connections.remove(&id) {
            self.index.remove(&(kept.zone, kept.original));
            self.index.remove(&(kept.zone, kept.reply));
        }
        self.recent.retain(|(_, _, recent)| *recent != id);
    }

    /// Remembers what a packet of the connection became.
    fn remember(&mut self, zone: Zone, became: Tuple, id: Option<u64>) {
        self.recent
            .retain(|(at, tuple, _)| (*at, *tuple) != (zone, became));
        let Some(id) = id else {
            return;
        };
        self.recent.push((zone, became, id));
    }

    fn recent(&self, zone: Zone, tuple: Tuple) -> Option<u64> {
        let is_it = |recent: &&(Zone, Tuple, u64)| (recent.0, recent.1) == (zone, tuple);
        self.recent.iter().find(is_it).map(|recent| recent.2)
    }

    fn track_related(&mut self, zone: Zone, flow: &Flow, tuple: Tuple) -> Tracked {
        let Some((id, direction)) = self.find(zone, tuple) else {
            return invalid();
        };
        let kept = &self.connections[&id];
        let mut tracked = answer(kept, State::RELATED, direction);
        tracked.translated = translate(flow, &tuple, &kept.translated(direction));
        tracked
    }

    fn track_known(
        &mut self,
        (id, direction): (u64, Direction),
        flow: &Flow,
        segment: &Segment,
    ) -> Option<Tracked> {
        let settings = self.settings;
        let kept = self.connections.get_mut(&id)?;
        let state = match kept.progress.advance(direction, segment, &settings) {
            Outcome::Valid => State::ESTABLISHED,
            Outcome::Unanswered => State::NEW,
            Outcome::Invalid => return Some(invalid()),
            Outcome::Reopens => {
                self.remove(id);
                return None;
            }
        };
        kept.last_seen_ms = self.now_ms;
        // What has not been answered counts as forward, even two ends that open at once.
        let told = match state {
            State::NEW => Direction::Forward,
            _ => direction,
        };
        let mut tracked = answer(kept, state, told);
        let became = kept.translated(direction);
        let (zone, tuple) = (kept.zone, incoming(kept, direction));
        tracked.translated = translate(flow, &tuple, &became);
        self.remember(zone, became, Some(id));
        Some(tracked)
    }

    fn begin_connection(
        &mut self,
        zone: Zone,
        tuple: Tuple,
        segment: &Segment,
        commit: &Commit,
    ) -> Result<Option<u64>, CommitError> {
        let progress = match Progress::begin(tuple.protocol, segment) {
            Some(progress) if tuple.may_begin() => progress,
            _ => return Ok(None),
        };
        let half_open = self
            .connections()
            .filter(|kept| kept.zone == zone && kept.progress.is_half_open())
            .filter(|kept| match commit.is_own {
                true => kept.is_own,
                false => !kept.is_own && kept.original.src == tuple.src,
            })
            .count();
        if half_open >= self.settings.half_open_quota as usize {
            return Err(CommitError::HalfOpenQuota);
        }
        let became = choices(&tuple, commit.nat.as_ref())
            .find(|became| self.find(zone, became.reversed()).is_none())
            .ok_or(CommitError::PortsExhausted)?;
        let id = self.next;
        self.next += 1;
        let reply = became.reversed();
        self.index.insert((zone, reply), (id, Direction::Reply));
        self.index.insert((zone, tuple), (id, Direction::Forward));
        let nat = match commit.nat {
            None => State::empty(),
            Some(NatRequest::Source(..)) => State::SNAT,
            Some(NatRequest::Destination(..)) => State::DNAT,
        };
        self.connections.insert(
            id,
            Kept {
                zone,
                original: tuple,
                reply,
                progress,
                mark: Mark::default(),
                label: 0,
                made_by: Arc::default(),
                nat,
                is_own: commit.is_own,
                last_seen_ms: self.now_ms,
            },
        );
        Ok(Some(id))
    }

    fn note(&mut self, id: u64, commit: &Commit) {
        if let Some(kept) = self.connections.get_mut(&id) {
            kept.mark = commit.mark;
            kept.label = commit.label;
        }
        if !self.committed.contains(&id) {
            self.committed.push(id);
        }
    }
}

impl Conntrack for Simple {
    fn begin(&mut self) {
        self.recent.clear();
        self.committed.clear();
    }

    fn track(&mut self, zone: Zone, flow: &Flow, segment: &Segment) -> Tracked {
        if let Some(tuple) = Tuple::of_related(flow) {
            return self.track_related(zone, flow, tuple);
        }
        let Some(tuple) = Tuple::of(flow) else {
            return invalid();
        };
        self.remember(zone, tuple, None);
        if let Some(found) = self.find(zone, tuple)
            && let Some(tracked) = self.track_known(found, flow, segment)
        {
            return tracked;
        }
        if tuple.may_begin() && Progress::begin(tuple.protocol, segment).is_some() {
            return Tracked {
                state: State::TRACKED | State::NEW,
                ..Tracked::default()
            };
        }
        invalid()
    }

    fn commit(
        &mut self,
        zone: Zone,
        flow: &Flow,
        segment: &Segment,
        commit: Commit,
    ) -> Result<Option<Box<Flow>>, CommitError> {
        let Some(tuple) = Tuple::of(flow) else {
            return Ok(None);
        };
        if let Some(id) = self.recent(zone, tuple) {
            self.note(id, &commit);
            return Ok(None);
        }
        let known = self.find(zone, tuple);
        let tracked = known.and_then(|known| self.track_known(known, flow, segment));
        if let (Some((id, _)), Some(tracked)) = (known, tracked) {
            if !tracked.state.contains(State::INVALID) {
                self.note(id, &commit);
            }
            return Ok(tracked.translated);
        }
        let Some(id) = self.begin_connection(zone, tuple, segment, &commit)? else {
            return Ok(None);
        };
        self.note(id, &commit);
        let became = self.connections[&id].translated(Direction::Forward);
        self.remember(zone, became, Some(id));
        Ok(translate(flow, &tuple, &became))
    }

    fn forget(&mut self, zone: Zone, flow: &Flow) {
        let Some(tuple) = Tuple::of(flow) else {
            return;
        };
        let found = self.recent(zone, tuple);
        if let Some(id) = found.or_else(|| self.find(zone, tuple).map(|(id, _)| id)) {
            self.remove(id);
        }
    }

    fn attribute(&mut self, made_by: &MadeBy) {
        for id in std::mem::take(&mut self.committed) {
            if let Some(kept) = self.connections.get_mut(&id) {
                Arc::make_mut(&mut kept.made_by).update(made_by);
            }
        }
    }

    fn affinity(&mut self, vip: &VipKey, client: IpAddr) -> Option<(IpAddr, u16)> {
        let affinity = self.affinities.get_mut(&(vip.clone(), client))?;
        if self.now_ms >= affinity.last_used_ms + affinity.timeout_ms {
            return None;
        }
        affinity.last_used_ms = self.now_ms;
        Some(affinity.backend)
    }

    fn set_affinity(
        &mut self,
        vip: &VipKey,
        client: IpAddr,
        backend: (IpAddr, u16),
        timeout_s: u16,
    ) {
        let affinity = Affinity {
            backend,
            timeout_ms: u64::from(timeout_s) * 1_000,
            last_used_ms: self.now_ms,
        };
        self.affinities.insert((vip.clone(), client), affinity);
    }
}

fn invalid() -> Tracked {
    Tracked {
        state: State::TRACKED | State::INVALID,
        ..Tracked::default()
    }
}

/// The tuple of a packet of this direction as it comes in.
fn incoming(kept: &Kept, direction: Direction) -> Tuple {
    match direction {
        Direction::Forward => kept.original,
        Direction::Reply => kept.reply,
    }
}

fn answer(kept: &Kept, state: State, direction: Direction) -> Tracked {
    let reply = match direction {
        Direction::Forward => State::empty(),
        Direction::Reply => State::REPLY,
    };
    Tracked {
        state: State::TRACKED | state | reply | kept.nat,
        mark: kept.mark,
        label: kept.label,
        translated: None,
        made_by: Some(kept.made_by.clone()),
    }
}
