//! The southbound session in memory: what a node says to what it is told, and when.
//!
//! Input: messages of northd and time. Output: what the agent sends and does.

mod story;

use std::time::Duration;

use packet::Mac;
use pipeline::LearnedKey;
use pipeline::object::{
    Attachment as Plug, DatapathKey, FdbEntry, Global, Object, PortKey, PortKind, Probe, ProbeKey,
    ProbeKind,
};
use southbound_proto::southbound as wire;
use vswitch::agent::session::{
    BACK_OFF_MAX, BACK_OFF_MIN, CONNECT_TIMEOUT, Event as Happening, REFUSED_PAUSE, Status,
    WELCOME_TIMEOUT,
};
use vswitch::agent::{Event, Refusal, RefusalKind};
use wire::to_node::Message as Down;

use story::*;

#[test]
fn a_stream_begins_with_hello_and_what_the_node_holds() {
    let mut story = Story::begin();
    story.open();
    assert_eq!(story.said(), "hello inventory@0 ports-up health[]");
    assert_eq!(story.status(), Status::Connecting);
    story.told(welcome(1));
    assert_eq!(story.status(), Status::Connected);
}

#[test]
fn a_revision_is_acknowledged_once_the_workers_have_adopted_it() {
    let mut story = Story::welcomed();
    story.told(delta(0, 5));
    assert_eq!(story.said(), "");
    assert_eq!(story.agent.revision_in_force(), 0);
    story.adopted();
    assert_eq!(story.said(), "ack@5");
    assert_eq!(story.agent.revision_in_force(), 5);
}

#[test]
fn a_step_that_comes_again_is_acknowledged_again_and_not_applied() {
    let mut story = Story::welcomed();
    story.told(delta(0, 5));
    story.told(delta(0, 5));
    assert_eq!(story.said(), "", "it is not in force yet");
    story.adopted();
    assert_eq!(story.said(), "ack@5");
    let epoch = story.epoch;
    story.told(delta(0, 5));
    assert_eq!(story.said(), "ack@5");
    assert_eq!(story.epoch, epoch, "nothing was published");
}

#[test]
fn a_step_from_elsewhere_makes_the_node_say_anew_what_it_holds() {
    let mut story = Story::welcomed();
    story.told(delta(0, 5));
    story.adopted();
    story.said();
    story.told(delta(7, 8));
    assert_eq!(story.said(), "resync@5 inventory@5 ports-up health[]");
    assert_eq!(story.status(), Status::Connected);
}

#[test]
fn a_step_that_makes_no_tables_is_refused_whole() {
    let mut story = Story::welcomed();
    let Down::Delta(mut bad) = delta(0, 5) else {
        unreachable!()
    };
    bad.upserts.push(wire::Object {
        version: 1,
        object: Some(wire::object::Object::Fdb(wire::Fdb::default())),
    });
    story.told(Down::Delta(bad));
    story.adopted();
    assert_eq!(story.said(), "nack@5");
    assert_eq!(story.agent.objects().count(), 0);
}

#[test]
fn a_repeated_message_is_skipped_and_a_lost_one_ends_the_stream() {
    let mut story = Story::welcomed();
    story.told(delta(0, 5));
    story.told_as(2, delta(5, 6));
    assert_eq!(story.agent.objects().revision(), 5);
    let stream = story.stream;
    story.told_as(4, delta(5, 6));
    assert_eq!(story.status(), Status::Connecting);
    story.passes(2 * BACK_OFF_MIN);
    assert_eq!(story.stream, stream + 1);
}

#[test]
fn northd_is_lost_when_it_is_silent_for_the_timeout_and_not_before() {
    let mut story = Story::welcomed();
    for _ in 0..10 {
        story.passes(TIMEOUT - Duration::from_millis(1));
        story.told(Down::Heartbeat(wire::Heartbeat::default()));
    }
    assert_eq!(story.status(), Status::Connected);
    assert!(story.said().starts_with("heartbeat"));
    story.passes(TIMEOUT);
    assert_eq!(story.status(), Status::Connecting);
    assert!(story.agent.session().last_error().contains("silent for 3s"));
}

#[test]
fn addresses_are_tried_in_turn_with_growing_pauses() {
    let mut story = Story::begin();
    let mut tried = Vec::new();
    let mut pause = BACK_OFF_MIN;
    for _ in 0..10 {
        story.passes(pause + pause / 4);
        tried.push(story.address.clone());
        story.on_stream(Happening::Closed("connection refused".to_owned()));
        pause = story.agent.session().deadline() - story.now;
        assert!(pause <= BACK_OFF_MAX + BACK_OFF_MAX / 4, "{pause:?}");
    }
    assert!(pause >= BACK_OFF_MAX);
    assert_eq!(tried[..4], ["first:1", "second:2", "first:1", "second:2"]);
}

#[test]
fn an_attempt_that_leads_nowhere_is_given_up() {
    let mut story = Story::begin();
    story.passes(Duration::ZERO);
    let stream = story.stream;
    story.passes(CONNECT_TIMEOUT);
    story.passes(2 * BACK_OFF_MIN);
    assert_eq!(story.stream, stream + 1);
    story.on_stream(Happening::Opened);
    story.passes(WELCOME_TIMEOUT);
    assert!(
        story
            .agent
            .session()
            .last_error()
            .contains("did not answer Hello")
    );
}

#[test]
fn who_is_refused_asks_again_after_a_long_pause() {
    let mut story = Story::begin();
    story.open();
    let reason = "another node has that name".to_owned();
    story.told(Down::Refused(wire::Refused {
        reason: reason.clone(),
    }));
    assert_eq!(story.status(), Status::Refused(reason));
    let stream = story.stream;
    story.passes(REFUSED_PAUSE - Duration::from_millis(1));
    assert_eq!(story.stream, stream);
    story.passes(Duration::from_millis(1));
    assert_eq!(story.stream, stream + 1);
}

#[test]
fn a_version_that_the_node_does_not_speak_is_refused_by_name() {
    for version in [0, 2, u32::MAX] {
        let mut story = Story::begin();
        story.open();
        story.told(welcome(version));
        let Status::Refused(reason) = story.status() else {
            panic!("version {version} was taken");
        };
        assert!(reason.contains(&format!("version {version}")), "{reason}");
    }
}

#[test]
fn what_a_newer_northd_says_is_skipped() {
    let mut story = Story::welcomed();
    story.numbered += 1;
    let unknown = wire::ToNode {
        sequence: story.numbered,
        message: None,
    };
    story.on_stream(Happening::Received(unknown));
    let Down::Delta(mut newer) = delta(0, 5) else {
        unreachable!()
    };
    newer.upserts.push(wire::Object {
        version: 9,
        object: None,
    });
    story.told(Down::Delta(newer));
    story.adopted();
    assert_eq!(story.said(), "ack@5");
    assert_eq!(story.agent.objects().count(), 1);
}

#[test]
fn events_of_an_earlier_stream_are_ignored() {
    let mut story = Story::welcomed();
    let earlier = story.stream - 1;
    let event = Happening::Closed("too late".to_owned());
    story.happens(Event::Stream {
        stream: earlier,
        event,
    });
    assert_eq!(story.status(), Status::Connected);
}

#[test]
fn a_localport_is_up_at_once_where_its_tables_are_in_force() {
    let mut story = Story::welcomed();
    story.told(delta_of(0, 5, &switch_with("health", Plug::Localport)));
    story.adopted();
    story.said();
    story.attaches("health");
    assert_eq!(story.answered, [Ok(Some(1442))]);
    assert_eq!(story.agent.port_statuses()[0].state, "up");
}

#[test]
fn interfaces_follow_the_mtu_of_the_tunnel_without_being_down_meanwhile() {
    for bare in [false, true] {
        let mut story = Story::welcomed();
        story.told(delta_of(0, 5, &switch_with("health", Plug::Localport)));
        story.adopted();
        story.happens(Event::TunnelMtu(1342));
        story.attaches_as("health", bare);
        assert_eq!(story.answered, [Ok(Some(1342))], "attached afterwards");
        story.said();
        for mtu in [1342, 8942, 1242] {
            story.happens(Event::TunnelMtu(mtu));
            story.catches_up();
        }
        assert_eq!(story.mtus, [1342, 8942, 1242], "bare: {bare}");
        assert_eq!(story.said(), "", "the port is up all the time");
    }
}

#[test]
fn an_interface_that_cannot_be_configured_anew_is_not_up() {
    let mut story = Story::welcomed();
    story.told(delta_of(0, 5, &switch_with("health", Plug::Localport)));
    story.adopted();
    story.attaches("health");
    story.said();
    story.happens(Event::TunnelMtu(8942));
    let Some(Event::Installed { port, serial, .. }) = story.done.pop() else {
        panic!("it is configured anew");
    };
    story.happens(Event::Installed {
        port,
        serial,
        result: Err(Refusal::new(RefusalKind::Refused, "no such length")),
    });
    assert_eq!(story.said(), "ports-up");
    assert_eq!(story.agent.port_statuses()[0].state, "no such length");
    story.passes(Duration::from_secs(2));
    story.catches_up();
    assert_eq!(story.agent.port_statuses()[0].state, "up");
}

#[test]
fn a_lost_interface_is_released_and_told_of_and_the_port_can_be_attached_again() {
    let mut story = Story::welcomed();
    let objects = switch_with("health", Plug::Localport);
    let Object::Port(port) = &objects[1] else {
        unreachable!()
    };
    story.told(delta_of(0, 5, &objects));
    story.adopted();
    story.attaches("health");
    story.said();
    story.loses(port.at);
    let said = story.said();
    assert!(
        said.contains("Release") && said.contains("ports-up"),
        "{said}"
    );
    let state = &story.agent.port_statuses()[0].state;
    assert_eq!(state, "interface eth0 is gone from /run/netns/pod");
    story.loses(port.at);
    assert_eq!(story.said(), "", "each queue of the device may say so");
    story.attaches("health");
    assert_eq!(story.agent.port_statuses()[0].state, "up");
    assert_eq!(story.answered, [Ok(Some(1442)), Ok(Some(1442))]);
}

#[test]
fn an_entry_in_use_is_told_again_whoever_learned_it() {
    const AGE: Duration = Duration::from_secs(60);
    let mut objects = switch_with("health", Plug::Localport);
    let switch = DatapathKey::new(1).expect("a key");
    let port = PortKey::new(1).expect("a key");
    let mac = Mac([2, 0, 0, 0, 0, 1]);
    objects.push(Object::Fdb(FdbEntry { switch, mac, port }));
    objects.push(Object::Global(Global {
        fdb_age_s: AGE.as_secs() as u32,
        ..Global::default()
    }));
    let mut story = Story::welcomed();
    story.told(delta_of(0, 5, &objects));
    story.adopted();
    let told = |story: &mut Story| {
        story.passes(Duration::from_millis(1));
        story.said().matches("LearnedStation").count()
    };
    let used = || Event::Used(vec![LearnedKey::Station(switch, mac)]);
    assert_eq!(told(&mut story), 0, "nothing was used");
    for (pause, expected) in [
        (Duration::ZERO, 1),
        (AGE / 5, 0),
        (AGE / 5, 1),
        (2 * AGE, 1),
    ] {
        for _ in 0..pause.as_secs() {
            story.passes(Duration::from_secs(1));
            story.told(Down::Heartbeat(wire::Heartbeat::default()));
        }
        assert_eq!(told(&mut story), 0, "age is northd's to judge");
        story.happens(used());
        assert_eq!(told(&mut story), expected, "after {pause:?}");
    }
}

/// A switch whose only port is bound to `chassis`, and a probe of a backend behind it.
fn probed_on(chassis: &str) -> Vec<Object> {
    let mut objects = switch_with("backend", Plug::Vif);
    let Some(Object::Port(port)) = objects.last_mut() else {
        unreachable!()
    };
    let at = port.at;
    if let PortKind::Switch(row) = &mut port.kind {
        row.chassis = Some(chassis.into());
    }
    objects.push(Object::Probe(Probe {
        key: ProbeKey {
            port: at,
            ip: [10, 0, 0, 1].into(),
            protocol: 6,
            transport_port: 80,
        },
        source_mac: Mac([2, 0, 0, 0, 0, 1]),
        source_ip: [10, 0, 0, 9].into(),
        mac: Mac([2, 0, 0, 0, 0, 2]),
        kind: ProbeKind::Tcp,
        interval_s: 5,
        timeout_s: 1,
        success_count: 1,
        failure_count: 1,
    }));
    objects
}

#[test]
fn the_health_of_the_backends_on_this_node_is_told_when_it_changes_and_on_every_stream() {
    let mut story = Story::welcomed();
    story.told(delta_of(0, 5, &probed_on("node1")));
    story.adopted();
    assert_eq!(story.probed.len(), 1);
    story.said();
    // Nobody answers within the timeout.
    story.passes(Duration::from_millis(1_000));
    assert_eq!(story.said(), "heartbeat");
    story.passes(story.agent.deadline() - story.now);
    assert_eq!(story.said(), "health[Offline]");
    story.on_stream(Happening::Closed("gone".to_owned()));
    story.passes(BACK_OFF_MAX);
    story.open();
    assert!(story.said().ends_with("health[Offline]"));
}

#[test]
fn backends_on_other_nodes_are_not_probed_here() {
    let mut story = Story::welcomed();
    story.told(delta_of(0, 5, &probed_on("node2")));
    story.adopted();
    story.passes(Duration::from_millis(1_000));
    assert!(story.probed.is_empty());
    assert!(story.agent.probe_reports().is_empty());
}
