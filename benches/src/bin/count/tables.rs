//! The two memories of a worker: verdicts and connections.

use std::hint::black_box;

use benches::traffic::{To, ends};
use packet::{Flow, FlowKey, Segment};
use pipeline::conntrack::{Commit, Conntrack, Settings, Zone, ZoneKind};
use uuid::Uuid;
use vswitch::connection::{ConnectionTable, Fresh};
use vswitch::conntrack::{ConntrackTable, Tracker};

use super::count;

/// How many there are of either.
const ENTRIES: u32 = 4_096;
/// Entries of connections that are looked at in one turn for what has expired.
const EXPIRY: u32 = 4_096;

pub(super) fn count_all() {
    verdicts();
    connections();
}

fn flow(number: u32) -> (Flow, Segment) {
    let frame = ends(To::Servers, number).data();
    let (flow, layout) = packet::parse(&frame).expect("a frame that can be read");
    let segment = Segment::of(&frame, &flow, &layout, flow.length as usize);
    (flow, segment)
}

fn verdicts() {
    let key = |number| {
        let key = FlowKey::of(1, &flow(number).0).expect("TCP has a key");
        *key.words()
    };
    let (_, mut members) = ConnectionTable::new(ENTRIES * 2, 1);
    let fresh = Fresh {
        action: 7_u32,
        generation: 0,
        snapshot: 0,
        ttl_min: 0,
        length_max: u32::MAX,
        references: [u64::MAX; 6],
    };
    let keys: Vec<_> = (0..ENTRIES).map(key).collect();
    let others: Vec<_> = (ENTRIES..2 * ENTRIES).map(key).collect();
    let mut turn = members[0].begin();
    for key in &keys {
        turn.insert(key, fresh, 0).expect("there is room");
    }
    count("verdict found", keys.len(), || {
        for key in &keys {
            black_box(turn.find(black_box(key)).is_some());
        }
    });
    count("verdict not found", others.len(), || {
        for key in &others {
            black_box(turn.find(black_box(key)).is_some());
        }
    });
    count("verdict remembered anew", 256, || {
        for key in &keys[..256] {
            let _ = black_box(turn.insert(black_box(key), fresh, 0));
        }
    });
}

fn connections() {
    let zone = Zone::new(
        ZoneKind::Dnat(benches::network::at((1, 1)).datapath),
        Uuid::nil(),
    );
    let (_, mut members) = ConntrackTable::new(ENTRIES * 2, 1, Settings::default());
    let flows: Vec<_> = (0..ENTRIES).map(flow).collect();
    let mut turn = members[0].begin();
    count("connection begun", flows.len() / 2, {
        let mut halves = flows.chunks(flows.len() / 2);
        let turn = &mut turn;
        move || {
            let mut tracker = Tracker::new(turn, 0);
            for (flow, segment) in halves.next().unwrap_or_default() {
                tracker.begin();
                let _ = tracker.track(zone, flow, segment);
                let _ = black_box(tracker.commit(zone, flow, segment, Commit::default()));
            }
        }
    });
    count("connection found and followed", flows.len(), || {
        let mut tracker = Tracker::new(&mut turn, 1);
        for (flow, segment) in &flows {
            tracker.begin();
            let _ = black_box(tracker.track(zone, flow, segment));
        }
    });
    count("expiry, nothing to do", EXPIRY as usize, || {
        turn.sweep(EXPIRY, 1)
    });
}
