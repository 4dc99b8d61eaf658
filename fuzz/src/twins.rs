//! The table of tracked connections and its slow, obvious twin, asked by the pipeline in turn.

use packet::Segment;
use pipeline::conntrack::{Kept, Settings, Simple};
use pipeline::object::PortRef;
use pipeline::{Ingress, Silent, Tables, process};
use vswitch::conntrack::{ConntrackTable, Filter, Member, Tracker};

/// Connections that the table has room for.
const CAPACITY: u32 = 512;

pub(super) struct Twins {
    fast: Member,
    slow: Simple,
}

impl Twins {
    pub(super) fn new() -> Twins {
        let (_, mut members) = ConntrackTable::new(CAPACITY, 1, Settings::default());
        Twins {
            fast: members.remove(0),
            slow: Simple::new(Settings::default()),
        }
    }

    /// Panics unless both say the same of a frame from this port, and keep the same of it.
    pub(super) fn meet(&mut self, tables: &Tables, at: PortRef, frame: &[u8], now_ms: u64) {
        let Ok((flow, layout)) = packet::parse(frame) else {
            return;
        };
        let segment = Segment::of(frame, &flow, &layout, flow.length as usize);
        let ingress = Ingress::Interface(at);
        self.slow.set_now_ms(now_ms);
        let mut turn = self.fast.begin();
        let mut tracker = Tracker::new(&mut turn, now_ms);
        let met = (&flow, &segment);
        let fast = process(tables, &mut tracker, ingress.clone(), met, &mut Silent);
        let slow = process(tables, &mut self.slow, ingress, met, &mut Silent);
        assert_eq!(fast, slow);
        drop(turn);
        let kept = self.fast.list(&Filter::default(), usize::MAX, now_ms);
        let kept = sorted(kept.into_iter().map(|listed| listed.kept));
        assert_eq!(kept, sorted(self.slow.connections().cloned()));
    }
}

/// Connections, in an order that depends on nothing else.
pub(super) fn sorted(kept: impl Iterator<Item = Kept>) -> Vec<Kept> {
    let mut kept: Vec<Kept> = kept.collect();
    kept.sort_by_key(|kept| (kept.zone, kept.original));
    kept
}
