//! The connections for people: to list them, and to flush some.

use std::net::IpAddr;

use ipnet::IpNet;
use pipeline::Ended;
use pipeline::conntrack::{Kept, MadeBy, Zone};
use pipeline::object::DatapathKey;
use uuid::Uuid;

use super::turn::{Member, Turn};
use crate::table::sync::Ordering;

/// Entries that are looked at in one turn.
const PORTION: u32 = 512;
/// How often a flush waits for the workers' batches to end before it gives a portion up.
const PATIENCE: usize = 1_000;

/// Which connections are meant: those that agree with everything that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In a zone.
    pub within: Option<Within>,
    /// Of this IP protocol.
    pub protocol: Option<u8>,
    /// With such an end, on either side.
    pub either: End,
    /// Begun by such an end.
    pub src: End,
    /// Begun to such an end.
    pub dst: End,
    /// In the state with this name.
    pub state: Option<String>,
    /// Decided by any of these rules: ACLs, load balancers, NATs.
    pub rules: Option<Vec<Uuid>>,
    /// To this address of a load balancer, and port if it is said.
    pub vip: End,
    /// Served by such a backend.
    pub backend: End,
}

/// Which zones are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// This one.
    Zone(Zone),
    /// Those of a switch or router, and of its ports.
    Datapath(DatapathKey),
}

/// Which ends of a connection are meant, as they are before or after translation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// With such an address.
    pub network: Option<IpNet>,
    /// With this port; for ICMP, the identifier.
    pub port: Option<u16>,
}

/// A connection, and for how long it will stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The connection.
    pub kept: Kept,
    /// Milliseconds until it expires if no packet comes.
    pub left_ms: u64,
    /// Milliseconds since it was begun.
    pub age_ms: u64,
}

impl Filter {
    /// True if the connection is meant.
    pub fn admits(&self, kept: &Kept) -> bool {
        let (original, reply) = (&kept.original, &kept.reply);
        let begins = [
            (original.src, original.src_port),
            (reply.dst, reply.dst_port),
        ];
        let ends = [
            (original.dst, original.dst_port),
            (reply.src, reply.src_port),
        ];
        self.within.is_none_or(|within| within.holds(kept.zone))
            && self
                .protocol
                .is_none_or(|wanted| original.protocol == wanted)
            && (self.either.is_any_of(&begins) || self.either.is_any_of(&ends))
            && self.src.is_any_of(&begins)
            && self.dst.is_any_of(&ends)
            && self
                .state
                .as_ref()
                .is_none_or(|name| kept.progress.name().eq_ignore_ascii_case(name))
            && self.admits_deciders(&kept.made_by)
    }

    fn admits_deciders(&self, made_by: &MadeBy) -> bool {
        let service = made_by.service.as_ref();
        let balancer = service.map(|(vip, _)| vip.balancer);
        let decided = |rule: &Uuid| {
            balancer == Some(*rule) || made_by.acls.contains(rule) || made_by.nats.contains(rule)
        };
        let is_end = |wanted: &End, end: Option<(IpAddr, u16)>| match end {
            Some(end) => wanted.is_any_of(&[end]),
            None => *wanted == End::default(),
        };
        self.rules
            .as_ref()
            .is_none_or(|rules| rules.iter().any(decided))
            && is_end(&self.vip, service.map(|(vip, _)| (vip.ip, vip.port)))
            && is_end(&self.backend, service.map(|(_, backend)| *backend))
    }
}

impl Within {
    fn holds(self, zone: Zone) -> bool {
        match self {
            Self::Zone(wanted) => zone == wanted,
            Self::Datapath(key) => zone.kind().is_some_and(|kind| kind.datapath() == key),
        }
    }
}

impl End {
    fn is_any_of(&self, ends: &[(IpAddr, u16)]) -> bool {
        ends.iter().any(|(ip, port)| {
            self.network.is_none_or(|network| network.contains(ip))
                && self.port.is_none_or(|wanted| wanted == *port)
        })
    }
}

impl Turn<'_> {
    /// The connection in an entry, if it is one.
    pub(super) fn listed(&self, index: u32, now_ms: u64) -> Option<Listed> {
        let entry = self.entry(index);
        let settings = &self.table().settings;
        if !entry.is_live() || entry.is_expired(settings, now_ms) {
            return None;
        }
        let original = entry.original();
        let visible = entry.visible();
        let kept = Kept {
            zone: Zone::of_number(original.zone_number())?,
            original: original.tuple(),
            reply: entry.became().reversed().tuple(),
            progress: entry.progress(),
            mark: visible.mark,
            label: entry.label(),
            made_by: self.made_by(index).unwrap_or_default(),
            nat: visible.nat,
            is_own: entry.is_own(),
            last_seen_ms: entry.last_seen_ms.load(Ordering::Relaxed),
        };
        Some(Listed {
            left_ms: kept.expires_ms(settings).saturating_sub(now_ms),
            age_ms: now_ms.saturating_sub(entry.begun_ms.load(Ordering::Relaxed)),
            kept,
        })
    }
}

impl Member {
    /// The connections that a filter admits, at most `limit`, in no order. Portions of the table are looked at in turns
    /// of their own.
    pub fn list(&mut self, filter: &Filter, limit: usize, now_ms: u64) -> Vec<Listed> {
        let mut found = Vec::new();
        self.each_portion(|turn, range| {
            let listed = range.filter_map(|index| turn.listed(index, now_ms));
            let admitted = listed.filter(|listed| filter.admits(&listed.kept));
            found.extend(admitted.take(limit - found.len()));
            match found.len() < limit {
                true => Portion::Done,
                false => Portion::Last,
            }
        });
        found
    }

    /// Ends the connections that a filter admits; returns how many. It may have to wait for the workers' batches.
    pub fn flush(&mut self, filter: &Filter, now_ms: u64) -> u64 {
        self.end(|kept| filter.admits(kept), now_ms)
    }

    /// Ends the connections that services made which are gone; returns how many.
    pub fn end_services(&mut self, ended: &[Ended], now_ms: u64) -> u64 {
        let is_over = |kept: &Kept| {
            kept.made_by.service.as_ref().is_some_and(|(vip, by)| {
                let is_meant = |ended: &Ended| {
                    ended.vip == *vip && ended.backend.is_none_or(|backend| backend == *by)
                };
                ended.iter().any(is_meant)
            })
        };
        self.end(is_over, now_ms)
    }

    fn end(&mut self, is_meant: impl Fn(&Kept) -> bool, now_ms: u64) -> u64 {
        let mut count = 0;
        let mut patience = PATIENCE;
        self.each_portion(|turn, range| {
            for index in range {
                let listed = turn.listed(index, now_ms);
                if listed.is_some_and(|listed| is_meant(&listed.kept)) {
                    match turn.remove(index, |table| &table.counters.flushed) {
                        Some(is_mine) => count += u64::from(is_mine),
                        None if patience > 0 => {
                            patience -= 1;
                            return Portion::Again;
                        }
                        None => {}
                    }
                }
            }
            Portion::Done
        });
        count
    }

    /// Calls `work` for all entries, in turns of [`PORTION`].
    pub(super) fn each_portion(
        &mut self,
        mut work: impl FnMut(&mut Turn<'_>, std::ops::Range<u32>) -> Portion,
    ) {
        let capacity = self.table().entries.capacity();
        let mut from = 0;
        while from < capacity {
            let to = capacity.min(from + PORTION);
            match work(&mut self.begin(), from..to) {
                Portion::Done => from = to,
                Portion::Again => std::thread::sleep(std::time::Duration::from_millis(1)),
                Portion::Last => return,
            }
        }
    }
}

/// What becomes of the work after a portion.
pub(super) enum Portion {
    /// It goes on.
    Done,
    /// The portion is to be done again, when the workers have gone on.
    Again,
    /// There is no more to do.
    Last,
}
