//! Properties over random networks, changes and packets.

mod answered;
mod policy;
mod prefixes;
mod random;
mod scan;
mod service;

use packet::{FlowKey, Segment};
use pipeline::conntrack::Untracked;
use std::collections::BTreeMap;

use pipeline::object::{Object, ObjectKey};
use pipeline::{Destination, Ingress, Silent, Tables, flow_list, process, trace};
use proptest::prelude::*;
use proptest::test_runner::Config;

use random::Change;

fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}

fn apply(tables: &Tables, change: &[Change]) -> Tables {
    let upserts = change.iter().filter_map(|change| match change {
        Change::Put(object) => Some(object.clone()),
        Change::Remove(_) => None,
    });
    let removals = change.iter().filter_map(|change| match change {
        Change::Remove(key) => Some(key.clone()),
        Change::Put(_) => None,
    });
    tables.apply(upserts, removals).unwrap()
}

/// What [`apply`] must come to.
fn replay(objects: &mut BTreeMap<ObjectKey, Object>, change: &[Change]) {
    for change in change {
        if let Change::Remove(key) = change {
            objects.remove(key);
        }
    }
    for change in change {
        if let Change::Put(object) = change {
            objects.insert(object.key(), object.clone());
        }
    }
}

fn listings(tables: &Tables) -> Vec<String> {
    let rows = tables.all_datapaths();
    rows.iter()
        .map(|row| flow_list(tables, row.key).unwrap().to_string())
        .collect()
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn tables_changed_step_by_step_are_those_built_from_nothing(
        changes in prop::collection::vec(prop::collection::vec(random::change(), 1..12), 1..8),
        packets in prop::collection::vec((random::ingress(), random::flow()), 1..20),
        home in random::home(),
    ) {
        let mut tables = Tables::new(home.clone());
        let mut objects = BTreeMap::new();
        for change in &changes {
            tables = apply(&tables, change);
            replay(&mut objects, change);
        }
        let built = Tables::new(home).apply(objects.into_values(), []).unwrap();
        prop_assert_eq!(listings(&tables), listings(&built));
        for (ingress, flow) in packets {
            let found = process(&tables, &mut Untracked, ingress.clone(), (&flow, &Segment::Unknown), &mut Silent);
            let expected = process(&built, &mut Untracked, ingress, (&flow, &Segment::Unknown), &mut Silent);
            prop_assert_eq!(found.branches, expected.branches);
            prop_assert_eq!(found.learned, expected.learned);
            prop_assert_eq!(found.reusable, expected.reusable);
        }
    }

    #[test]
    fn a_verdict_that_is_not_voided_is_the_verdict(
        extra in prop::collection::vec(random::object(), 0..4),
        change in prop::collection::vec(random::change(), 1..4),
        packets in prop::collection::vec((random::ingress(), random::flow()), 40..80),
        home in random::home(),
    ) {
        let before = Tables::new(home).apply(random::working().into_iter().chain(extra), []).unwrap();
        let after = apply(&before, &change);
        for (ingress, flow) in packets {
            let old = process(&before, &mut Untracked, ingress.clone(), (&flow, &Segment::Unknown), &mut Silent);
            if after.uphold(&old, &flow) {
                let new = process(&after, &mut Untracked, ingress, (&flow, &Segment::Unknown), &mut Silent);
                prop_assert_eq!(old, new);
            }
        }
    }

    #[test]
    fn a_verdict_that_survives_changes_of_routes_and_members_is_the_verdict(
        network in prefixes::network(),
        changes in prop::collection::vec(prefixes::change(), 1..6),
        packets in prop::collection::vec(prefixes::packet(), 10..25),
    ) {
        prefixes::check(network, changes, packets)?;
    }

    #[test]
    fn every_packet_ends_and_a_trace_tells_the_same(
        objects in prop::collection::vec(random::object(), 10..60),
        packets in prop::collection::vec((random::ingress(), random::flow()), 1..20),
    ) {
        let tables = Tables::new(None).apply(objects, []).unwrap();
        for (ingress, flow) in packets {
            let verdict = process(&tables, &mut Untracked, ingress.clone(), (&flow, &Segment::Unknown), &mut Silent);
            prop_assert!(!verdict.branches.is_empty());
            prop_assert!(tables.uphold(&verdict, &flow));
            let Ingress::Interface(at) = ingress else { continue };
            let Some(port) = tables.port(at) else { continue };
            let trace = trace(&tables, &mut Untracked, &port.name, &flow).unwrap();
            prop_assert_eq!(&trace.verdict, &verdict);
            let outputs = |branch: &pipeline::Branch| matches!(branch.to, Destination::Output { .. });
            let sent = verdict.branches.iter().filter(|branch| outputs(branch)).count();
            prop_assert!(trace.outputs().len() >= sent);
            for text in [trace.detailed(), trace.summary(), trace.minimal()] {
                prop_assert!(text.starts_with("# "));
            }
            prop_assert!(serde_json::to_string(&trace).is_ok());
        }
    }

    #[test]
    fn a_verdict_that_holds_once_answered_is_the_verdict_then(
        rules in prop::collection::vec(answered::rules(), 0..12),
        extra in prop::collection::vec(random::object(), 0..3),
        packets in prop::collection::vec(answered::question(), 40..80),
        home in random::home(),
    ) {
        let tables = Tables::new(home).apply(answered::keeping().chain(rules).chain(extra), []).unwrap();
        for (ingress, flow) in packets {
            answered::check(&tables, &ingress, &flow)?;
        }
    }

    #[test]
    fn packets_within_a_verdicts_limits_share_it(
        extra in prop::collection::vec(random::object(), 0..6),
        ingress in random::ingress(),
        flow in random::flow(),
        ttl: u8,
        length in 0_u32..2000,
    ) {
        // Nothing is remembered of packets without a key.
        prop_assume!(FlowKey::of(0, &flow).is_some());
        let tables = Tables::new(None).apply(random::working().into_iter().chain(extra), []).unwrap();
        let verdict = process(&tables, &mut Untracked, ingress.clone(), (&flow, &Segment::Unknown), &mut Silent);
        let Some(limits) = verdict.reusable else { return Ok(()) };
        let mut other = flow;
        other.length = length;
        let mut other_ttl = 0;
        if let packet::flow::Network::Ip(ip) = &mut other.network {
            (ip.ttl, other_ttl) = (ttl, ttl);
        }
        if limits.admit(other_ttl, length) {
            let shared = process(&tables, &mut Untracked, ingress, (&other, &Segment::Unknown), &mut Silent);
            prop_assert_eq!(shared.branches, verdict.branches);
        }
    }

    #[test]
    fn routes_are_found_as_a_scan_over_all_of_them_finds_them(
        routes in prop::collection::vec(random::route(), 0..40),
        src in random::ip(),
        dst in random::ip(),
        table in random::table(),
    ) {
        scan::check_route(&routes, &table, src, dst)?;
    }

    #[test]
    fn a_switch_finds_ports_as_a_scan_over_all_of_them_finds_them(
        ports in prop::collection::vec(random::port(), 1..8),
        stations in prop::collection::vec((random::mac(), random::port_key()), 0..3),
        flow in random::flow(),
    ) {
        scan::check_switch(ports, stations, flow)?;
    }

    #[test]
    fn acls_decide_as_a_scan_over_all_of_them_does(
        objects in prop::collection::vec(policy::object(), 0..40),
        flow in random::flow(),
    ) {
        policy::check_acls(objects, flow)?;
    }
}
