//! Who decided: rules are credited with what they decide about, remembered or not, and log what they are told to.

mod common;

use std::collections::BTreeMap;

use common::*;
use expr::Predicate;
use pipeline::DropReason;
use pipeline::object::{
    Acl, AclAction, AclLog, AclStage, DatapathKey, Meter, MeterBand, MeterUnit, Object,
    PolicyOwner, Severity,
};
use uuid::Uuid;
use vswitch::credit::{Credit, Rule};

fn acl(number: u128, stage: AclStage, action: AclAction) -> Acl {
    Acl {
        owner: PolicyOwner::Switch(DatapathKey::new(1).expect("a key")),
        uuid: Uuid::from_u128(number),
        name: format!("acl{number}"),
        stage,
        tier: 0,
        priority: 1000,
        matches: Predicate::Constant(true),
        action,
        label: 0,
        log: None,
    }
}

fn logged(acl: Acl, meter: Option<&str>) -> Acl {
    Acl {
        log: Some(AclLog {
            severity: Severity::Info,
            meter: meter.map(Into::into),
            related: false,
        }),
        ..acl
    }
}

fn node(acls: impl IntoIterator<Item = Acl>) -> Node {
    let mut objects = network();
    objects.extend(acls.into_iter().map(Object::Acl));
    Node::new("one", objects)
}

/// Packets, bytes, connections and time of each rule.
fn sums(node: &Node) -> BTreeMap<Rule, (u64, u64, u64, u64)> {
    let in_short = |(rule, credit): (Rule, Credit)| {
        let Credit {
            packets,
            bytes,
            connections,
            last_ms,
        } = credit;
        (rule, (packets, bytes, connections, last_ms))
    };
    node.ledger.sums().into_iter().map(in_short).collect()
}

fn rule(number: u128) -> Rule {
    Rule::Acl(Uuid::from_u128(number))
}

#[test]
fn remembered_packets_count_for_their_rules_as_the_first_one_does() {
    let mut node = node([
        acl(1, AclStage::FromLport, AclAction::AllowRelated),
        acl(2, AclStage::ToLport, AclAction::AllowRelated),
    ]);
    let frame = udp4(a(), c(), Shape::default());
    let length = frame.len() as u64;
    for _ in 0..5 {
        node.send(a(), &frame);
        node.now_ms += 10;
    }
    let last_ms = node.now_ms - 10;
    let expected = (5, 5 * length, 1, last_ms);
    assert_eq!(
        sums(&node),
        [Rule::Allowed, rule(1), rule(2)]
            .map(|rule| (rule, expected))
            .into()
    );
    assert!(node.totals().hits >= 3, "{:?}", node.totals());
}

#[test]
fn what_a_rule_has_come_to_outlives_the_flows_and_a_change_of_the_rules() {
    let mut node = node([acl(1, AclStage::ToLport, AclAction::Drop)]);
    let frame = udp4(a(), c(), Shape::default());
    let packets = |node: &Node, number| sums(node).get(&rule(number)).map(|sum| sum.0);
    node.send_together(a(), &vec![frame.clone(); 3]);
    assert_eq!(packets(&node, 1), Some(3));
    let key = Object::Acl(acl(1, AclStage::ToLport, AclAction::Drop)).key();
    let next = acl(2, AclStage::ToLport, AclAction::Drop);
    node.apply(vec![Object::Acl(next)], vec![key]);
    node.send_together(a(), &vec![frame; 4]);
    for _ in 0..2 {
        assert_eq!((packets(&node, 1), packets(&node, 2)), (Some(3), Some(4)));
    }
}

#[test]
fn a_drop_names_the_rule_and_counts_for_it() {
    for (action, reason) in [
        (AclAction::Drop, DropReason::AclDrop),
        (AclAction::Reject, DropReason::AclReject),
    ] {
        let mut node = node([acl(7, AclStage::FromLport, action)]);
        let frame = udp4(a(), c(), Shape::default());
        node.send_together(a(), &vec![frame; 3]);
        let last = node.counters.last_drop(reason).expect("a dropped packet");
        assert_eq!(last.rule, Some(Uuid::from_u128(7)));
        let dropped = sums(&node)[&Rule::Drop(reason, Uuid::from_u128(7))];
        assert_eq!(dropped.0, 3, "{reason}");
        node.check_sum();
    }
}

#[test]
fn every_packet_of_a_logged_flow_is_logged_as_the_meter_allows() {
    let meter = Object::Meter(Meter {
        name: "slow".into(),
        unit: MeterUnit::Packets,
        fair: false,
        bands: vec![MeterBand { rate: 2, burst: 3 }],
    });
    let frame = udp4(a(), c(), Shape::default());
    for (limit, at_once, a_second_later) in [(None, 10, 10), (Some("slow"), 3, 2)] {
        let drop = acl(1, AclStage::ToLport, AclAction::Drop);
        let mut node = node([logged(drop, limit)]);
        node.apply(vec![meter.clone()], vec![]);
        for expected in [at_once, a_second_later] {
            node.send_together(a(), &vec![frame.clone(); 10]);
            let records: Vec<_> = node.logs.try_iter().collect();
            assert_eq!(records.len(), expected, "{limit:?}");
            for record in records {
                assert_eq!(record.logged.name, "acl1");
                assert_eq!(record.place.port(), Some(a()));
                let (flow, _) = packet::parse(&frame).expect("a frame");
                assert_eq!(record.flow, flow);
            }
            node.now_ms += 1_000;
        }
        let limited = node.totals().logs_limited;
        assert_eq!(limited, 20 - (at_once + a_second_later) as u64);
    }
}

#[test]
fn a_control_side_that_is_slow_loses_records_which_are_counted() {
    let mut node = node([logged(acl(1, AclStage::ToLport, AclAction::Drop), None)]);
    let frame = udp4(a(), c(), Shape::default());
    node.send_together(a(), &vec![frame; LOGS + 5]);
    assert_eq!(node.logs.len(), LOGS);
    assert_eq!(node.totals().logs_lost, 5);
}
