//! Stories of nodes and northd: claims, loss, return, and what `--wait=hv` may believe. No I/O.

mod harness;

use std::collections::BTreeMap;
use std::time::Duration;

use harness::story::Story;
use harness::{Node, bump, port, switch};
use model::{Datum, Operation};
use northd::control::{NODE_TIMEOUT, Output, START_GRACE};
use pipeline::object::ObjectKey;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use prost::Message;
use southbound_proto::southbound as wire;
use wire::from_node::Message as Up;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_node_gets_what_its_ports_need_and_reports_them_up() {
    let mut story = Story::begin(&["n1", "n2"]);
    assert_eq!(
        story.nodes["n1"].objects.len(),
        1,
        "the network's settings alone"
    );
    assert_eq!(story.claim("n1", "a", true), "");
    story.check_node("n1");
    story.check_node("n2");
    assert_eq!(story.world.switch_port("a").up, Some(false));
    story.up("n1", &["a", "b"]);
    assert_eq!(story.world.switch_port("a").up, Some(true));
    assert_eq!(
        story.world.switch_port("b").up,
        Some(false),
        "n1 does not have it"
    );
    story.up("n1", &[]);
    assert_eq!(story.world.switch_port("a").up, Some(false));
}

#[test]
fn a_fresh_claim_takes_a_port_over_and_a_repeated_one_does_not() {
    let mut story = Story::begin(&["n1", "n2"]);
    assert_eq!(story.claim("n1", "a", false), "");
    story.up("n1", &["a"]);
    assert_eq!(
        story.claim("n2", "a", false),
        "logical switch port \"a\" is bound on chassis \"n1\""
    );
    assert_eq!(story.claim("n2", "a", true), "");
    assert_eq!(story.world.chassis_of("a").as_deref(), Some("n2"));
    assert_eq!(
        story.world.switch_port("a").up,
        Some(false),
        "until n2 says so"
    );
    story.check_node("n1");
    story.check_node("n2");
}

#[test]
fn a_port_that_is_made_again_goes_to_the_node_that_waits_for_it_without_being_asked() {
    let mut story = Story::begin(&["n1", "n2"]);
    story.claim("n1", "x", false);
    story.claim("n2", "y", true);
    story.claim("n2", "z", false);
    story.say("n2", release("z"));
    let ports = ["x", "y", "z"].map(port);
    story.world.commit(&switch("t", &ports));
    let holders = ["x", "y", "z"].map(|port| story.world.chassis_of(port));
    assert_eq!(
        holders,
        [Some("n1".to_owned()), None, None],
        "y was refused for good, and z is given up"
    );
    story.exchange();
    story.check_node("n1");
}

fn release(port: &str) -> Up {
    Up::Release(wire::Release {
        port: port.to_owned(),
        request: 1,
    })
}

#[test]
fn claims_of_what_no_node_can_have_are_refused() {
    let mut story = Story::begin(&["n1"]);
    let mut nested = port("nested");
    nested.parent_name = Some("a".into());
    nested.tag_request = Some(0);
    let mut router = port("router");
    router.r#type = "router".into();
    let mut elsewhere = port("elsewhere");
    elsewhere
        .options
        .insert("requested-chassis".into(), "n2".into());
    story
        .world
        .commit(&switch("t", &[nested, router, elsewhere]));
    for (name, expected) in [
        ("x", "there is no logical switch port \"x\""),
        (
            "nested",
            "logical switch port \"nested\" is nested in \"a\" and is bound with it",
        ),
        (
            "router",
            "logical switch port \"router\" is of type \"router\" and takes no interface",
        ),
        (
            "elsewhere",
            "logical switch port \"elsewhere\" is to be bound on chassis \"n2\" \
             (options:requested-chassis)",
        ),
    ] {
        assert_eq!(story.claim("n1", name, true), expected);
    }
}

#[test]
fn a_nested_port_is_where_its_parent_is() {
    let mut story = Story::begin(&["n1"]);
    let mut nested = port("nested");
    nested.parent_name = Some("a".into());
    nested.tag_request = Some(0);
    story.world.commit(&switch("t", &[nested]));
    story.claim("n1", "a", true);
    story.check_node("n1");
    story.up("n1", &["a", "nested"]);
    assert_eq!(story.world.switch_port("nested").tag, Some(1));
    assert_eq!(story.world.switch_port("nested").up, Some(true));
    story.up("n1", &["a"]);
    assert_eq!(story.world.switch_port("nested").up, Some(false));
}

/// The rows are those that OVN 23.03 leaves: of a tag that is asked for by number, a parent is not demanded.
#[test]
fn a_tag_is_given_as_requested_and_chosen_among_the_parents_own() {
    let mut story = Story::begin(&[]);
    let rows = [
        ("fixed", Some("a"), 7, Some(7)),
        ("chosen", Some("a"), 0, Some(1)),
        ("second", Some("a"), 0, Some(2)),
        ("others", Some("b"), 0, Some(1)),
        ("alone", None, 5, Some(5)),
        ("nothing", None, 0, None),
    ];
    let ports = rows.map(|(name, parent, request, _)| {
        let mut port = port(name);
        port.parent_name = parent.map(str::to_owned);
        port.tag_request = Some(request);
        port
    });
    for port in ports {
        let name = port.name.clone();
        story
            .world
            .commit(&switch(&format!("switch of {name}"), &[port]));
    }
    for (name, _, _, expected) in rows {
        assert_eq!(story.world.switch_port(name).tag, expected, "{name}");
    }
}

#[test]
fn a_node_that_comes_back_without_its_ports_loses_them() {
    let mut story = Story::begin(&["n1"]);
    story.claim("n1", "a", true);
    story.claim("n1", "b", true);
    story.up("n1", &["a", "b"]);
    story.disconnect("n1");
    story.nodes = BTreeMap::from([("n1", Node::new("n1"))]);
    story.connect("n1");
    assert_eq!(story.claim("n1", "b", false), "");
    story.up("n1", &["a", "b"]);
    assert_eq!(story.world.chassis_of("a").as_deref(), Some("n1"));
    story.pass_the_claims("n1");
    assert_eq!(story.world.chassis_of("a"), None);
    assert_eq!(story.world.switch_port("a").up, Some(false));
    assert_eq!(story.world.chassis_of("b").as_deref(), Some("n1"));
    assert_eq!(story.world.switch_port("b").up, Some(true));
    story.check_node("n1");
}

#[test]
fn a_changed_requested_chassis_takes_the_port_away() {
    let mut story = Story::begin(&["n1", "n2"]);
    story.claim("n1", "a", true);
    let id = story.world.switch_port("a").id;
    let options = Datum::map([("requested-chassis", "n2")]);
    story
        .world
        .commit(&[Operation::update(id, [("options", options)])]);
    story.exchange();
    assert_eq!(story.world.chassis_of("a"), None);
    assert_eq!(story.claim("n2", "a", false), "");
}

#[test]
fn a_lost_node_keeps_its_ports_for_a_while() {
    let mut story = Story::begin(&["n1"]);
    story.claim("n1", "a", true);
    story.up("n1", &["a"]);
    story.disconnect("n1");
    story.pass(NODE_TIMEOUT - SECOND);
    assert_eq!(story.world.switch_port("a").up, Some(true));
    story.pass(SECOND);
    assert_eq!(story.world.switch_port("a").up, Some(false));
    assert_eq!(story.world.chassis_of("a"), None);
}

#[test]
fn a_silent_node_is_lost() {
    let mut story = Story::begin(&["n1"]);
    story.claim("n1", "a", true);
    for _ in 0..5 {
        story.pass(NODE_TIMEOUT / 2);
    }
    story.pass(NODE_TIMEOUT);
    assert_eq!(story.world.chassis_of("a"), None);
}

#[test]
fn a_node_that_comes_back_gets_only_what_changed() {
    let mut story = Story::begin(&["n1"]);
    story.claim("n1", "a", true);
    story.disconnect("n1");
    story.world.commit(&switch("t", &[port("c")]));
    let before = story.nodes["n1"].objects.clone();
    story.connect("n1");
    assert_eq!(story.nodes["n1"].objects, before);
    let id = story.world.switch_port("b").id;
    let addresses = Datum::set(["02:00:00:00:00:02 10.0.0.2"]);
    story
        .world
        .commit(&[Operation::update(id, [("addresses", addresses)])]);
    story.exchange();
    story.check_node("n1");
}

#[test]
fn a_restarted_northd_waits_for_the_nodes_and_changes_nothing_for_them() {
    let mut story = Story::begin(&["n1"]);
    story.claim("n1", "a", true);
    story.up("n1", &["a"]);
    let before = story.nodes["n1"].objects.clone();
    story.world.restart();
    story.pass(START_GRACE - SECOND);
    assert_eq!(story.world.switch_port("a").up, Some(true));
    story.connect("n1");
    story.pass(NODE_TIMEOUT / 2);
    assert_eq!(story.nodes["n1"].objects, before);
    assert_eq!(story.world.chassis_of("a").as_deref(), Some("n1"));
}

#[test]
fn a_node_that_never_comes_back_after_a_restart_is_given_up() {
    let mut story = Story::begin(&["n1"]);
    story.claim("n1", "a", true);
    story.world.restart();
    story.pass(START_GRACE);
    assert_eq!(story.world.chassis_of("a"), None);
}

#[test]
fn a_second_stream_of_a_node_replaces_the_first() {
    let mut story = Story::begin(&["n1"]);
    let first = story.nodes["n1"].stream;
    story.claim("n1", "a", true);
    story.connect("n1");
    assert_ne!(story.nodes["n1"].stream, first);
    story.pass(NODE_TIMEOUT / 2);
    assert_eq!(story.world.chassis_of("a").as_deref(), Some("n1"));
    let statuses = story.world.control.node_statuses();
    assert!(statuses.iter().all(|status| status.is_connected));
    story.check_node("n1");
}

#[test]
fn hv_cfg_follows_the_slowest_node_and_forgets_lost_ones() {
    let mut story = Story::begin(&[]);
    let operation = bump(&story.world);
    story.world.commit(&[operation]);
    assert_eq!(
        story.world.global().hv_cfg,
        1,
        "there is no node to wait for"
    );
    story.nodes = BTreeMap::from([("n1", Node::new("n1")), ("n2", Node::new("n2"))]);
    story.connect("n1");
    story.connect("n2");
    let operation = bump(&story.world);
    story.world.commit(&[operation]);
    assert_eq!(
        (story.world.global().sb_cfg, story.world.global().hv_cfg),
        (2, 1)
    );
    story.disconnect("n2");
    story.exchange();
    assert_eq!(story.world.global().hv_cfg, 1, "n2 may still be forwarding");
    story.pass(NODE_TIMEOUT / 2);
    story.say("n1", Up::Heartbeat(wire::Heartbeat { sequence: 1 }));
    story.pass(NODE_TIMEOUT / 2);
    assert_eq!(story.world.global().hv_cfg, 2);
}

#[test]
fn while_a_step_is_on_its_way_changes_gather_for_the_next() {
    let mut story = Story::begin(&["n1"]);
    story.claim("n1", "a", true);
    let before = story.nodes["n1"].deltas_received;
    for name in ["c", "d", "e"] {
        let id = story.world.switch_port("b").id;
        let addresses = Datum::set([format!("02:00:00:00:00:02 fd00::{name}")]);
        story
            .world
            .commit(&[Operation::update(id, [("addresses", addresses)])]);
    }
    story.exchange();
    assert_eq!(story.nodes["n1"].deltas_received, before + 2);
    story.check_node("n1");
}

#[test]
fn a_refused_step_is_tried_again_with_the_next_change() {
    let mut story = Story::begin(&["n1"]);
    story.claim("n1", "a", true);
    let id = story.world.switch_port("b").id;
    let enabled = |value: bool| [("enabled", Datum::set([value]))];
    story.world.commit(&[Operation::update(id, enabled(false))]);
    let revision = story.nodes["n1"].revision;
    let sent = std::mem::take(&mut story.world.outputs);
    assert!(!sent.is_empty());
    let refused = story.world.database.revision();
    let reason = "no room".to_owned();
    story.say(
        "n1",
        Up::Nack(wire::Nack {
            revision: refused,
            reason,
        }),
    );
    assert_eq!(
        story.nodes["n1"].revision, revision,
        "nothing was sent again by itself"
    );
    assert_eq!(story.world.control.node_statuses()[0].last_nack, "no room");
    story.world.commit(&switch("t", &[port("c")]));
    story.exchange();
    assert_eq!(
        story.nodes["n1"].revision, revision,
        "what changed is not the node's"
    );
    let name = Datum::set(["02:00:00:00:00:03"]);
    let id = story.world.switch_port("a").id;
    story
        .world
        .commit(&[Operation::update(id, [("addresses", name)])]);
    story.exchange();
    story.check_node("n1");
}

#[test]
fn what_is_learned_is_shared_until_it_expires() {
    let mut story = Story::begin(&["n1", "n2"]);
    story.claim("n1", "a", true);
    story.claim("n2", "b", true);
    let place = story.world.place_of("a");
    let learned = |mac: u8, expired: bool| {
        let station = wire::LearnedStation {
            datapath: place.datapath.get(),
            port: place.port.get().into(),
            mac: vec![2, 0, 0, 0, 0, mac].into(),
            expired,
        };
        Up::Learned(wire::Learned {
            stations: vec![station],
            neighbors: Vec::new(),
        })
    };
    let objects = story.nodes["n2"].objects.len();
    story.say("n1", learned(1, false));
    story.say("n2", learned(1, false));
    assert_eq!(story.nodes["n2"].objects.len(), objects + 1);
    story.check_node("n2");
    story.say("n1", learned(1, true));
    assert_eq!(story.nodes["n2"].objects.len(), objects);
    story.say("n1", learned(2, false));
    assert_eq!(story.claim("n2", "a", true), "");
    let mut held = story.nodes["n2"].objects.keys();
    let is_station = |key: &ObjectKey| matches!(key, ObjectKey::Fdb(..));
    assert!(!held.any(is_station), "the port moved");
}

#[test]
fn what_any_node_uses_is_kept_and_what_none_uses_grows_old() {
    const AGE_S: u32 = 60;
    let mut story = Story::begin(&["n1", "n2"]);
    let options = Datum::map([("fdb_age_threshold", AGE_S.to_string())]);
    let global = story.world.global().id;
    story
        .world
        .commit(&[Operation::update(global, [("options", options)])]);
    story.claim("n1", "a", true);
    let place = story.world.place_of("a");
    let station = wire::LearnedStation {
        datapath: place.datapath.get(),
        port: place.port.get().into(),
        mac: vec![2, 0, 0, 0, 0, 1].into(),
        expired: false,
    };
    let learned = Up::Learned(wire::Learned {
        stations: vec![station],
        neighbors: Vec::new(),
    });
    // One node learns it, the other uses it.
    story.say("n1", learned.clone());
    let is_known = |story: &Story| {
        let mut held = story.world.control.objects().keys();
        held.any(|key| matches!(key, ObjectKey::Fdb(..)))
    };
    for second in 1..=4 * AGE_S {
        story.pass_lively(SECOND);
        if second % (AGE_S / 4) == 0 {
            story.say("n2", learned.clone());
        }
        assert!(is_known(&story), "after {second} s");
    }
    for _ in 1..AGE_S {
        story.pass_lively(SECOND);
        assert!(is_known(&story));
    }
    story.pass_lively(2 * SECOND);
    assert!(!is_known(&story));
    story.check_node("n1");
    story.check_node("n2");
}

#[test]
fn a_node_that_speaks_out_of_turn_or_loses_messages_loses_its_stream() {
    let mut story = Story::begin(&["n1"]);
    let stream = story.nodes["n1"].stream.expect("connected");
    let heartbeat = |sequence| wire::FromNode {
        sequence,
        message: Some(Up::Heartbeat(wire::Heartbeat { sequence: 0 })),
    };
    story.world.receive(stream, heartbeat(1));
    assert!(story.world.outputs.is_empty(), "a duplicate is skipped");
    story.world.receive(stream, heartbeat(9));
    assert!(matches!(&story.world.outputs[..], [Output::Close(closed, _)] if *closed == stream));
    let stream = story.world.open();
    story.world.outputs.clear();
    story.world.receive(stream, heartbeat(1));
    let expected = Output::Close(stream, "the node spoke before Hello".into());
    assert_eq!(story.world.outputs, [expected]);
}

/// Input: the bytes of all kinds of messages, some of them changed. Output: no panic, and whatever a broken
/// node says, northd still serves the others.
#[test]
fn ten_thousand_mutated_messages_do_no_harm() {
    let mutation = (any::<prop::sample::Index>(), any::<u8>());
    let mutations = prop::collection::vec((0..8usize, prop::collection::vec(mutation, 0..4)), 20);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: MUTATED_MESSAGES / 20,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&mutations, |mutations| {
        let mut story = Story::begin(&["good"]);
        let mut bad = Node::new("bad");
        let mut stream = story.world.open();
        let mut opening = bad.opening().into_iter();
        opening
            .by_ref()
            .for_each(|message| story.world.receive(stream, message));
        for (kind, mutations) in mutations {
            let message = bad.message(any_message(kind));
            let mut bytes = message.encode_to_vec();
            for (at, value) in mutations {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Ok(message) = wire::FromNode::decode(bytes.as_slice()) {
                story.world.receive(stream, message);
            }
            let closed = Output::Close(stream, String::new());
            let is_end =
                |output: &Output| std::mem::discriminant(output) == std::mem::discriminant(&closed);
            if story.world.outputs.iter().any(is_end) {
                story.world.closed(stream);
                stream = story.world.open();
                bad.opening()
                    .into_iter()
                    .for_each(|hello| story.world.receive(stream, hello));
            }
            story.world.outputs.retain(|output| !is_end(output));
        }
        story.exchange();
        prop_assert_eq!(story.claim("good", "b", true), "");
        story.check_node("good");
        Ok(())
    });
    outcome.expect("northd goes on");
}

/// How many damaged messages northd is sent.
const MUTATED_MESSAGES: u32 = 10_000;

/// A message of each kind that a node may send after Hello.
fn any_message(kind: usize) -> Up {
    let port = "a".to_owned();
    match kind {
        0 => Up::Claim(wire::Claim {
            port,
            fresh: true,
            request: 1,
        }),
        1 => Up::Release(wire::Release { port, request: 2 }),
        2 => Up::PortsUp(wire::PortsUp { ports: vec![port] }),
        3 => Up::Ack(wire::Ack { revision: 4 }),
        4 => Up::Nack(wire::Nack {
            revision: 4,
            reason: port,
        }),
        5 => Up::Resync(wire::Resync { have_revision: 4 }),
        6 => Up::Inventory(wire::Inventory {
            objects: vec![wire::ObjectVersion {
                key: Some(wire::ObjectKey {
                    key: Some(wire::object_key::Key::Datapath(1)),
                }),
                version: 7,
            }],
            complete: true,
            revision: 4,
        }),
        _ => Up::Learned(wire::Learned {
            neighbors: vec![wire::LearnedNeighbor {
                datapath: 1,
                port: 1,
                ip: vec![10, 0, 0, 1].into(),
                mac: vec![2, 0, 0, 0, 0, 1].into(),
                expired: false,
            }],
            stations: vec![wire::LearnedStation {
                datapath: 1,
                port: 1,
                mac: vec![2, 0, 0, 0, 0, 1].into(),
                expired: false,
            }],
        }),
    }
}
