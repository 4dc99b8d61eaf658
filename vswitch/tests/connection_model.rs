//! The connection table under a model checker: every interleaving of two workers, within a bound on
//! preemptions, with weak memory. The table's own sources are compiled here over the checker's primitives.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
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

#[path = "."]
mod connection {
    #[path = "../src/connection/table.rs"]
    pub(crate) mod table;
    #[path = "../src/connection/turn.rs"]
    pub(crate) mod turn;

    pub(crate) const IDLE_EVICTION_MS: u64 = 5_000;
}

use std::hash::{Hash, Hasher};

use loom::sync::atomic::{AtomicU32, Ordering};

use connection::table::{ConnectionTable, Key};
use connection::turn::{Fresh, Member};

const KEY: Key = [7; 8];

fn fresh<A>(action: A) -> Fresh<A> {
    Fresh {
        action,
        generation: 1,
        snapshot: 1,
        ttl_min: 0,
        length_max: u32::MAX,
        references: [0; 6],
    }
}

fn model() -> loom::model::Builder {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.max_branches = 10_000;
    model
}

/// In all interleavings: after `before`, two workers at once, and then `after`.
fn check(
    before: fn(&mut Member<Box<u64>>),
    first: fn(&mut Member<Box<u64>>),
    second: fn(&mut Member<Box<u64>>),
    after: fn(&ConnectionTable<Box<u64>>, &mut Member<Box<u64>>),
) {
    model().check(move || {
        let (table, mut members) = ConnectionTable::new(4, 2);
        let mut other = members.pop().expect("two members");
        let mut member = members.pop().expect("two members");
        before(&mut member);
        let thread = loom::thread::spawn(move || second(&mut other));
        first(&mut member);
        thread.join().expect("the second worker");
        after(&table, &mut member);
    });
}

fn insert(member: &mut Member<Box<u64>>) {
    let mut turn = member.begin();
    turn.insert(&KEY, fresh(Box::new(1)), 0)
        .expect("there is room");
}

fn remove(member: &mut Member<Box<u64>>) {
    member.begin().remove(&KEY).expect("room to wait");
}

fn is_empty(table: &ConnectionTable<Box<u64>>, member: &mut Member<Box<u64>>) {
    drop(member.begin());
    assert_eq!(table.counts().connections, 0);
}

#[test]
fn two_workers_that_insert_one_key_leave_one_entry() {
    check(
        |_| {},
        insert,
        insert,
        |table, member| {
            assert_eq!(table.counts().connections, 1);
            let turn = member.begin();
            let found = turn.find(&KEY).expect("one of the two");
            assert_eq!(**found.action(), 1);
        },
    );
}

/// An action that says when it has been freed.
struct Watched(loom::sync::Arc<AtomicU32>);

impl PartialEq for Watched {
    fn eq(&self, _: &Watched) -> bool {
        true
    }
}

impl Eq for Watched {}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.store(1, Ordering::SeqCst);
    }
}

#[test]
fn an_action_is_not_freed_while_a_reader_that_found_it_is_in_its_turn() {
    model().check(|| {
        let (_table, mut members) = ConnectionTable::new(4, 2);
        let mut other = members.pop().expect("two members");
        let mut member = members.pop().expect("two members");
        let freed = loom::sync::Arc::new(AtomicU32::new(0));
        let action = Watched(freed.clone());
        member
            .begin()
            .insert(&KEY, fresh(action), 0)
            .expect("there is room");
        let thread = loom::thread::spawn(move || {
            other.begin().remove(&KEY).expect("room to wait");
            drop(other.begin());
        });
        let turn = member.begin();
        if let Some(found) = turn.find(&KEY) {
            assert_eq!(freed.load(Ordering::SeqCst), 0);
            let _ = found.action();
        }
        drop(turn);
        thread.join().expect("the second worker");
    });
}

#[test]
fn an_entry_that_two_workers_remove_is_freed_once() {
    check(insert, remove, remove, |table, member| {
        is_empty(table, member);
        // Freed twice, the entry would be handed out twice, and the second insertion would undo the first.
        let mut turn = member.begin();
        for number in 0..2 {
            turn.insert(&[number; 8], fresh(Box::new(number)), 0)
                .expect("there is room");
        }
        assert_eq!(table.counts().connections, 2);
    });
}
