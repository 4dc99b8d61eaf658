//! The connection table under a model checker: every interleaving of two workers, within a bound on
//! preemptions, with weak memory. The table's own sources are compiled here over the checker's primitives.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "sources of the crate, compiled apart"
)]

#[path = "."]
mod connection {
    #[path = "../src/connection/actions.rs"]
    pub(crate) mod actions;
    #[path = "../src/connection/quiescence.rs"]
    pub(crate) mod quiescence;
    #[path = "../src/connection/table.rs"]
    pub(crate) mod table;

    pub(crate) const IDLE_EVICTION_MS: u64 = 5_000;

    pub(crate) mod sync {
        pub(crate) use loom::sync::Mutex;
        pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
        /// The checker replays runs, so that a hash must be the same in each.
        pub(crate) type HasherSeed = foldhash::quality::FixedState;
    }
}

use connection::table::{ConnectionTable, Fresh, Key, Member};

const KEY: Key = [7; 8];

fn fresh(action: Box<u64>) -> Fresh<Box<u64>> {
    Fresh {
        action,
        generation: 1,
        snapshot: 1,
        ttl_min: 0,
        length_max: u32::MAX,
    }
}

/// In all interleavings: after `before`, two workers at once, and then `after`.
fn check(
    before: fn(&mut Member<Box<u64>>),
    first: fn(&mut Member<Box<u64>>),
    second: fn(&mut Member<Box<u64>>),
    after: fn(&ConnectionTable<Box<u64>>, &mut Member<Box<u64>>),
) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.max_branches = 10_000;
    model.check(move || {
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

#[test]
fn a_reader_uses_an_action_while_another_worker_forgets_and_frees_it() {
    fn read(member: &mut Member<Box<u64>>) {
        let turn = member.begin();
        if let Some(found) = turn.find(&KEY) {
            assert_eq!(**found.action(), 1);
        }
    }
    fn remove_and_free(member: &mut Member<Box<u64>>) {
        remove(member);
        drop(member.begin());
    }
    check(insert, read, remove_and_free, is_empty);
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
