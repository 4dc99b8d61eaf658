//! The table of tracked connections under a model checker: every interleaving of two workers, within a bound on
//! preemptions, with weak memory. The table's own sources are compiled here over the checker's primitives.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    unused_imports,
    reason = "sources of the crate, compiled apart"
)]

#[path = "."]
mod table {
    #[path = "../src/table/arena.rs"]
    pub(crate) mod arena;
    #[path = "../src/table/buckets.rs"]
    pub(crate) mod buckets;
    #[path = "../src/table/interner.rs"]
    pub(crate) mod interner;
    #[path = "../src/table/quiescence.rs"]
    pub(crate) mod quiescence;
    #[path = "../src/table/waiting.rs"]
    pub(crate) mod waiting;

    pub(crate) mod memory {
        pub(crate) fn boxed<T>(count: u32, make: impl FnMut(u32) -> T) -> Box<[T]> {
            (0..count).map(make).collect()
        }

        pub(crate) fn prefetch<T>(_what: &T) {}

        pub(crate) fn prefetch_at<T>(_at: *const T) {}
    }

    pub(crate) mod sync {
        pub(crate) use loom::sync::Mutex;
        pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
        /// The checker replays runs, so that a hash must be the same in each.
        pub(crate) type HasherSeed = foldhash::quality::FixedState;
    }
}

#[path = "../src/conntrack"]
mod conntrack {
    pub(crate) mod affinity;
    pub(crate) mod entry;
    pub(crate) mod insert;
    pub(crate) mod key;
    pub(crate) mod reference;
    pub(crate) mod table;
    pub(crate) mod tracker;
    pub(crate) mod turn;
}

use std::net::IpAddr;

use packet::flow::{Flow, Fragment, Ip, Network, Transport, ether_type, ip_protocol};
use packet::{Mac, Segment};
use pipeline::conntrack::{Commit, Conntrack, NatRequest, Settings, State, Tuple, Zone, ZoneKind};
use pipeline::object::DatapathKey;
use uuid::Uuid;

use conntrack::table::ConntrackTable;
use conntrack::tracker::Tracker;
use conntrack::turn::Member;

/// What has not been checked by then is left, so that the interleavings that differ most come first.
const MODEL_LIMIT: std::time::Duration = std::time::Duration::from_secs(15);

fn zone() -> Zone {
    let key = DatapathKey::new(1).expect("a key");
    Zone::new(ZoneKind::Snat(key), Uuid::nil())
}

fn udp(src: (u8, u16), dst: (u8, u16)) -> Flow {
    let ip = |number| IpAddr::from([10, 0, 0, number]);
    Flow {
        eth_src: Mac([2; 6]),
        eth_dst: Mac([4; 6]),
        vlan: None,
        eth_type: ether_type::IPV4,
        network: Network::Ip(Ip {
            src: ip(src.0),
            dst: ip(dst.0),
            protocol: ip_protocol::UDP,
            ttl: 64,
            dscp: 0,
            ecn: 0,
            label: 0,
            fragment: Fragment::Whole,
            dont_fragment: false,
            transport: Transport::Udp {
                src: src.1,
                dst: dst.1,
            },
        }),
        length: 60,
    }
}

/// In all interleavings, in a table with this capacity: after `before`, two workers at once, and then `after`.
fn check<A: Send + 'static, B: 'static>(
    capacity: u32,
    before: fn(&mut Member) -> bool,
    first: fn(&mut Member) -> B,
    second: fn(&mut Member) -> A,
    after: fn(&ConntrackTable, &mut Member, B, A),
) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.max_duration = Some(MODEL_LIMIT);
    // How often the checker looks at its clock.
    model.checkpoint_interval = 100;
    model.max_branches = 50_000;
    model.check(move || {
        let settings = Settings::default();
        let (table, mut members) = ConntrackTable::with_counters(capacity, 2, settings, 1);
        let mut other = members.pop().expect("two members");
        let mut member = members.pop().expect("two members");
        assert!(before(&mut member));
        let thread = loom::thread::spawn(move || second(&mut other));
        let one = first(&mut member);
        let two = thread.join().expect("the second worker");
        after(&table, &mut member, one, two);
    });
}

/// The port that the client's source becomes, which is one of two.
fn translate(member: &mut Member, client: u8) -> Option<u16> {
    let mut turn = member.begin();
    let mut tracker = Tracker::new(&mut turn, 0);
    let commit = Commit {
        nat: Some(NatRequest::Source([10, 0, 0, 9].into(), 1..=2)),
        ..Commit::default()
    };
    let packet = udp((client, 1), (8, 53));
    let became = tracker.commit(zone(), &packet, &Segment::Unknown, commit);
    let became = became.expect("a port is free").expect("translated");
    Tuple::of(&became).map(|tuple| tuple.src_port)
}

/// Begins a connection; a worker that is in another's way may give up.
fn begin(member: &mut Member) -> bool {
    let mut turn = member.begin();
    let mut tracker = Tracker::new(&mut turn, 0);
    let packet = udp((1, 1), (8, 53));
    let kept = tracker.commit(zone(), &packet, &Segment::Unknown, Commit::default());
    kept.is_ok()
}

fn state(member: &mut Member, packet: &Flow) -> State {
    let mut turn = member.begin();
    let mut tracker = Tracker::new(&mut turn, 0);
    tracker.track(zone(), packet, &Segment::Unknown).state - State::TRACKED
}

fn answer(member: &mut Member) -> State {
    state(member, &udp((8, 53), (1, 1)))
}

fn forget(member: &mut Member) {
    let mut turn = member.begin();
    let mut tracker = Tracker::new(&mut turn, 0);
    tracker.forget(zone(), &udp((1, 1), (8, 53)));
}

#[test]
fn two_workers_never_give_one_port_to_two_clients() {
    check(
        4,
        |_| true,
        |member| translate(member, 1),
        |member| translate(member, 2),
        |table, _, one, two| {
            assert_ne!(one, two);
            let counts = table.counts();
            assert_eq!((counts.connections, counts.half_open), (2, 2));
        },
    );
}

#[test]
fn one_connection_that_two_workers_begin_is_kept_once() {
    check(
        4,
        |_| true,
        begin,
        begin,
        |table, member, one, two| {
            assert!(one || two);
            let counts = table.counts();
            assert_eq!((counts.connections, counts.half_open), (1, 1));
            assert!(answer(member).contains(State::ESTABLISHED));
            assert_eq!(table.counts().half_open, 0);
        },
    );
}

#[test]
fn an_answer_and_an_end_at_once_leave_no_count_behind() {
    check(4, begin, answer, forget, |table, member, seen, ()| {
        let expected = [State::ESTABLISHED | State::REPLY, State::NEW];
        assert!(expected.contains(&seen), "{seen:?}");
        let counts = table.counts();
        assert_eq!((counts.connections, counts.half_open), (0, 0));
        drop(member.begin());
    });
}

/// When every connection that was begun at the start has expired.
const LATER_MS: u64 = 1_000_000;

#[test]
fn a_connection_that_expires_while_it_is_begun_anew_is_kept_once() {
    check(
        4,
        begin,
        |member| {
            let mut turn = member.begin();
            let mut tracker = Tracker::new(&mut turn, LATER_MS);
            let packet = udp((1, 1), (8, 53));
            let kept = tracker.commit(zone(), &packet, &Segment::Unknown, Commit::default());
            assert_eq!(kept, Ok(None));
        },
        |member| member.begin().sweep(4, LATER_MS),
        |table, member, (), ()| {
            let counts = table.counts();
            assert_eq!((counts.connections, counts.half_open), (1, 1));
            assert_eq!((counts.begun, counts.expired), (2, 1));
            drop(member.begin());
        },
    );
}

/// Begins another connection than [`begin`] does.
fn begin_other(member: &mut Member) -> bool {
    let mut turn = member.begin();
    let mut tracker = Tracker::new(&mut turn, 0);
    let packet = udp((2, 2), (8, 53));
    let kept = tracker.commit(zone(), &packet, &Segment::Unknown, Commit::default());
    kept.is_ok()
}

#[test]
fn an_answer_never_goes_to_the_connection_that_takes_the_place_of_its_own() {
    check(
        1,
        begin,
        answer,
        |member| {
            forget(member);
            begin_other(member)
        },
        |table, member, seen, is_begun| {
            let expected = [State::ESTABLISHED | State::REPLY, State::NEW];
            assert!(expected.contains(&seen), "{seen:?}");
            let counts = table.counts();
            let other = u32::from(is_begun);
            assert_eq!(
                (counts.connections, counts.half_open),
                (other, other.into())
            );
            assert_eq!(state(member, &udp((2, 2), (8, 53))), State::NEW);
        },
    );
}
