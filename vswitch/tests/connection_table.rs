//! The connection table against its obvious twin, a hash map; its bounds, and what it costs.

use std::collections::HashMap;

use proptest::prelude::*;
use vswitch::connection::{ConnectionTable, Fresh, IDLE_EVICTION_MS, Key, NotRemembered};

fn key(number: u64) -> Key {
    [number, 0, 0, 0, 0, 0, 0, number << 8]
}

fn fresh(action: u64) -> Fresh<u64> {
    Fresh {
        action,
        generation: action,
        snapshot: 1,
        ttl_min: 2,
        length_max: 1500,
        references: [0; 6],
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64, u64),
    Remove(u64),
    Find(u64),
    NextTurn,
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0..24_u64;
    prop_oneof![
        4 => (number.clone(), 0..6_u64).prop_map(|(key, action)| Step::Insert(key, action)),
        2 => number.clone().prop_map(Step::Remove),
        4 => number.prop_map(Step::Find),
        2 => Just(Step::NextTurn),
    ]
}

proptest! {
    #[test]
    fn the_table_agrees_with_a_hash_map(steps in proptest::collection::vec(step(), 1..200)) {
        let (table, mut members) = ConnectionTable::new(512, 1);
        let mut twin = HashMap::new();
        let mut steps = steps.into_iter().peekable();
        while steps.peek().is_some() {
            let mut turn = members[0].begin();
            for step in steps.by_ref() {
                match step {
                    Step::Insert(number, action) => {
                        prop_assert_eq!(turn.insert(&key(number), fresh(action), 0), Ok(()));
                        twin.insert(number, action);
                    }
                    Step::Remove(number) => {
                        prop_assert_eq!(turn.remove(&key(number)), Ok(()));
                        twin.remove(&number);
                    }
                    Step::Find(number) => {
                        let found = turn.find(&key(number)).map(|found| *found.action());
                        prop_assert_eq!(found, twin.get(&number).copied());
                    }
                    Step::NextTurn => break,
                }
            }
            prop_assert_eq!(table.counts().connections as usize, twin.len());
        }
    }
}

#[test]
fn a_full_table_refuses_new_flows_until_old_ones_have_been_idle() {
    const CAPACITY: u32 = 64;
    let (table, mut members) = ConnectionTable::new(CAPACITY, 1);
    let mut refused = 0;
    for number in 0..u64::from(CAPACITY) * 2 {
        refused += u32::from(
            members[0]
                .begin()
                .insert(&key(number), fresh(0), 0)
                .is_err(),
        );
    }
    assert_eq!(table.counts().connections, CAPACITY * 2 - refused);
    assert_eq!(table.counts().actions, 1);
    let busy = u64::from(CAPACITY) * 2;
    let early = members[0]
        .begin()
        .insert(&key(busy), fresh(0), IDLE_EVICTION_MS - 1);
    assert_eq!(early, Err(NotRemembered::Full));
    // The first try evicts, a later one finds the room.
    let mut late = || {
        members[0]
            .begin()
            .insert(&key(busy), fresh(0), IDLE_EVICTION_MS)
    };
    let outcomes: Vec<_> = (0..8).map(|_| late()).collect();
    assert!(outcomes.contains(&Ok(())), "{outcomes:?}");
}

#[test]
fn a_sweep_forgets_what_is_idle_or_doomed_and_nothing_else() {
    let (table, mut members) = ConnectionTable::new(128, 1);
    let mut turn = members[0].begin();
    for number in 0..30 {
        turn.insert(&key(number), fresh(number), number)
            .expect("there is room");
    }
    turn.sweep(5, 128, (30, 21), |key| key[0] == 25)
        .expect("room to wait");
    let left: Vec<u64> = (0..30)
        .filter(|number| turn.find(&key(*number)).is_some())
        .collect();
    let expected: Vec<u64> = (10..30).filter(|number| *number != 25).collect();
    assert_eq!(left, expected);
    drop(turn);
    drop(members[0].begin());
    assert_eq!(
        (table.counts().connections, table.counts().actions),
        (19, 19)
    );
}

#[test]
fn a_connection_keeps_what_it_was_made_of() {
    let (_table, mut members) = ConnectionTable::new(8, 1);
    let mut turn = members[0].begin();
    turn.insert(&key(1), fresh(9), 0).expect("there is room");
    let found = turn.find(&key(1)).expect("inserted");
    assert_eq!((*found.action(), found.generation()), (9, 9));
    let admitted = [(2, 1500), (1, 1500), (2, 1501)].map(|(ttl, length)| found.admits(ttl, length));
    assert_eq!(admitted, [true, false, false]);
    assert!(found.is_valid_for(1) && !found.is_valid_for(2));
    found.validate(2);
    assert!(found.is_valid_for(2));
}

#[test]
fn a_flow_costs_no_more_than_166_bytes() {
    const CAPACITY: u32 = 1 << 16;
    let (table, _members) = ConnectionTable::<u64>::new(CAPACITY, 1);
    let each = table.size_bytes() as f64 / f64::from(CAPACITY);
    assert!((156.0..=166.0).contains(&each), "{each}");
}

#[test]
fn three_quarters_and_more_of_the_slots_can_be_used() {
    const CAPACITY: u32 = 1 << 14;
    let (table, mut members) = ConnectionTable::new(CAPACITY, 1);
    let mut turn = members[0].begin();
    let refused = (0..u64::from(CAPACITY))
        .filter(|number| turn.insert(&key(*number), fresh(0), 0).is_err())
        .count();
    assert_eq!(
        table.counts().connections as usize + refused,
        CAPACITY as usize
    );
    assert!(
        refused < CAPACITY as usize / 100,
        "{refused} of {CAPACITY} found no slot"
    );
}
