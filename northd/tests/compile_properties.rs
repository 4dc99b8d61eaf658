//! What holds for every sequence of transactions: the compiler is a function of the database.

mod harness;

use std::collections::BTreeMap;

use harness::World;
use harness::actions::{act, actions, transact};
use model::{Changes, Database, nb, sb};
use northd::compile::{Compiler, warnings};
use pipeline::Tables;
use pipeline::object::Object;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// How many actions a sequence has at most.
const ACTIONS_MAX: usize = 60;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Input: any transactions. Output: after each, northd's objects and warnings are those that compiling
    /// the database from scratch gives.
    #[test]
    fn incremental_equals_from_scratch(actions in actions(ACTIONS_MAX)) {
        let mut world = World::new();
        for action in actions {
            act(&mut world, action);
            let (scratch, _) = Compiler::from_scratch(&world.database);
            prop_assert_eq!(world.control.objects(), scratch.objects());
            let warnings: Vec<_> = scratch.warnings().collect();
            prop_assert_eq!(world.control.warnings(), warnings);
        }
    }

    /// Input: any transactions. Output: what a transaction is answered with is what the compiler says of its
    /// rows afterwards.
    #[test]
    fn commits_are_answered_with_the_compilers_warnings(actions in actions(ACTIONS_MAX)) {
        let mut world = World::new();
        for action in actions {
            let before = world.database.clone();
            let committed = transact(&before, action);
            let changes = committed.changes_since(&before);
            let answered = warnings(&committed, &changes);
            world.database = committed;
            world.settle();
            let rows: Vec<_> = changes.tables.values().flatten().map(|row| row.uuid).collect();
            let compiled = world.control.warnings().into_iter();
            let mut compiled: Vec<_> = compiled.filter(|one| rows.contains(&one.row)).collect();
            let mut answered = answered;
            compiled.sort();
            answered.sort();
            prop_assert_eq!(answered, compiled);
        }
    }

    /// Input: a database, and an order. Output: the same objects, in whatever order its rows are taken in.
    #[test]
    fn the_order_of_rows_does_not_matter(actions in actions(ACTIONS_MAX), order: u64) {
        let mut world = World::new();
        for action in actions {
            act(&mut world, action);
        }
        let all = world.database.changes_since(&Database::northd());
        let rows = all.tables.iter().flat_map(|(table, rows)| {
            rows.iter().map(move |row| (*table, row.clone()))
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|(_, row)| row.uuid.as_u64_pair().0.wrapping_mul(order | 1));
        let mut shuffled = Compiler::default();
        for (table, row) in rows {
            let tables = BTreeMap::from([(table, vec![row])]);
            shuffled.apply(&world.database, &Changes { revision: 0, tables });
        }
        let (scratch, _) = Compiler::from_scratch(&world.database);
        prop_assert_eq!(shuffled.objects(), scratch.objects());
    }

    /// Input: any transactions. Output: every object that comes of them is one that nodes take, and ports
    /// have keys of their own.
    #[test]
    fn whatever_is_stored_compiles_to_what_nodes_take(actions in actions(ACTIONS_MAX)) {
        let mut world = World::new();
        for action in actions {
            act(&mut world, action);
        }
        let objects = world.control.objects().values();
        let tables = Tables::new(None).apply(objects.map(|object| Object::clone(object)), []);
        prop_assert!(tables.is_ok(), "{:?}", tables.err());
        let database = &world.database;
        let switch_ports: usize =
            database.table::<nb::LogicalSwitch>().iter().map(|row| row.ports.len()).sum();
        let router_ports: usize =
            database.table::<nb::LogicalRouter>().iter().map(|row| row.ports.len()).sum();
        let bindings = database.table::<sb::PortBinding>().iter().count();
        prop_assert_eq!(bindings, switch_ports + router_ports);
        for port in database.table::<nb::LogicalSwitchPort>().iter() {
            prop_assert_eq!(port.up, Some(port.r#type == "router"));
        }
    }
}

/// Input: the actions of many sequences. Output: the world that the properties speak of is not an empty one.
#[test]
fn random_actions_make_every_kind_of_row() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::<&str, usize>::new();
    for _ in 0..200 {
        let mut world = World::new();
        let sequence = actions(ACTIONS_MAX)
            .new_tree(&mut runner)
            .expect("a sequence");
        for action in proptest::strategy::ValueTree::current(&sequence) {
            act(&mut world, action);
        }
        for object in world.control.objects().values() {
            let kind = match &**object {
                Object::Port(_) => "port",
                Object::Route(_) => "route",
                Object::Neighbor(_) => "neighbor",
                Object::Datapath(_) => "datapath",
                Object::AddressSet(_) => "address set",
                Object::PortGroup(_) => "port group",
                Object::Acl(_) => "acl",
                Object::Meter(_) => "meter",
                Object::Balancer(_) => "balancer",
                Object::BalancerGroup(_) => "balancer group",
                Object::Vip(vip) if vip.key.chassis.is_some() => "vip of a node",
                Object::Vip(_) => "vip",
                Object::Probe(_) => "probe",
                Object::Nat(_) => "nat",
                Object::Qos(_) => "qos",
                _ => continue,
            };
            *seen.entry(kind).or_default() += 1;
        }
    }
    assert_eq!(seen.len(), 15, "{seen:?}");
}
