//! Stories of localports: which nodes get their switches. No I/O.

mod harness;

use harness::story::Story;
use model::{Datum, Operation};
use northd::control::NODE_TIMEOUT;
use southbound_proto::southbound as wire;
use wire::from_node::Message as Up;

#[test]
fn a_localport_brings_its_switch_to_every_node_that_has_an_interface_for_it() {
    let mut story = Story::begin(&["n1", "n2"]);
    story.add_a_localport();
    assert_eq!(story.held_by("n1"), 1, "the network's settings alone");
    for (node, fresh) in [("n1", true), ("n2", false)] {
        assert_eq!(story.claim(node, "local", fresh), "");
        assert!(story.held_by(node) > 1);
        story.check_node(node);
    }
    assert_eq!(story.world.chassis_of("local"), None);
    assert_eq!(story.claim("n2", "c", true), "");
    story.check_node("n1");
    let release = wire::Release {
        port: "local".into(),
        request: 2,
    };
    story.say("n1", Up::Release(release));
    assert_eq!(story.held_by("n1"), 1);
}

#[test]
fn a_localport_follows_its_row() {
    let mut story = Story::begin(&["n1"]);
    story.add_a_localport();
    story.claim("n1", "local", true);
    let id = story.world.switch_port("local").id;
    let with_type = |text: &str| [Operation::update(id, [("type", Datum::scalar(text))])];
    story.world.commit(&with_type("localnet"));
    story.exchange();
    assert_eq!(story.held_by("n1"), 1);
    story.world.commit(&with_type("localport"));
    story.exchange();
    assert!(story.held_by("n1") > 1, "the interface is still there");
    story.check_node("n1");
}

#[test]
fn a_node_that_comes_back_keeps_its_localports_if_it_still_claims_them() {
    let mut story = Story::begin(&["n1"]);
    story.add_a_localport();
    story.claim("n1", "local", true);
    story.disconnect("n1");
    story.connect("n1");
    story.pass_the_claims("n1");
    assert_eq!(story.nodes["n1"].removals_received, 0);
    story.check_node("n1");
    story.disconnect("n1");
    let node = story.nodes.get_mut("n1").expect("it is there");
    node.attached.clear();
    story.connect("n1");
    story.pass_the_claims("n1");
    assert_eq!(story.held_by("n1"), 1);
    story.claim("n1", "local", true);
    story.disconnect("n1");
    story.pass(NODE_TIMEOUT);
    let node = story.nodes.get_mut("n1").expect("it is there");
    node.attached.clear();
    story.connect("n1");
    assert_eq!(story.held_by("n1"), 1, "a lost node has lost its interest");
}

/// With a pod's port of another switch or without: then northd remembers the node, but not its localports.
#[test]
fn a_restarted_northd_takes_no_switch_from_a_node_before_it_could_claim_its_localport() {
    for has_a_pod in [false, true] {
        let mut story = Story::begin(&["n1"]);
        story.add_a_localport();
        story.claim("n1", "local", true);
        if has_a_pod {
            story.claim("n1", "a", true);
        }
        story.world.restart();
        story.connect("n1");
        story.pass_the_claims("n1");
        assert_eq!(story.nodes["n1"].removals_received, 0, "{has_a_pod}");
        story.check_node("n1");

        story.world.restart();
        let node = story.nodes.get_mut("n1").expect("it is there");
        node.attached.remove("local");
        story.connect("n1");
        let before = story.held_by("n1");
        story.pass_the_claims("n1");
        assert!(story.held_by("n1") < before, "what it does not claim goes");
        story.check_node("n1");
    }
}
