//! Remembered verdicts: for which packets one holds, and what voids it.

use packet::flow::{Transport, ip_protocol};
use pipeline::object::{Chassis, Global, Object, ObjectKey, RoutePolicy};
use pipeline::{Limits, Tables};

use crate::support::flows::*;
use crate::support::service::uuid;
use crate::support::{Net, sent};

const A: &str = "0a:00:00:00:01:01";
const R1: &str = "0a:00:00:00:01:fe";
const R2: &str = "0a:00:00:00:02:fe";
const TO_R: (&str, &str) = (A, R1);

fn routed() -> Net {
    Net::new()
        .chassis("n1", "192.0.2.1")
        .chassis("n2", "192.0.2.2")
        .switch("one")
        .vif("one", "a", "0a:00:00:00:01:01 10.0.1.1")
        .bound("a", "n1")
        .switch("two")
        .vif("two", "b", "0a:00:00:00:02:01 10.0.2.1")
        .bound("b", "n1")
        .vif("two", "far", "0a:00:00:00:02:02 10.0.2.2")
        .bound("far", "n2")
        .vif("two", "u", "unknown")
        .bound("u", "n1")
        .router("r")
        .join("r", "one", R1, "10.0.1.254/24")
        .join("r", "two", R2, "10.0.2.254/24")
}

#[test]
fn a_verdict_says_for_which_packets_of_its_flow_it_holds() {
    let limited = routed().edit_router_port("r-two", |port| port.gateway_mtu = Some(600));
    let routed = routed();
    let limits = |ttl_min, length_max| {
        Some(Limits {
            ttl_min,
            length_max,
        })
    };
    let tcp_to_router = tcp(TO_R, "10.0.1.1", "10.0.1.254", 4);
    for (net, flow, expected) in [
        (&routed, frame(A, "0a:00:00:00:01:02"), Some(Limits::NONE)),
        (
            &routed,
            udp(TO_R, "10.0.1.1", "10.0.2.1"),
            limits(2, u32::MAX),
        ),
        (&limited, udp(TO_R, "10.0.1.1", "10.0.2.1"), limits(2, 600)),
        (
            &routed,
            udp(TO_R, "10.0.1.1", "192.0.2.1"),
            limits(2, u32::MAX),
        ),
        // Answers, waits, lessons and what depends on more than the flow are for one packet alone.
        (
            &routed,
            with_ttl(1, udp(TO_R, "10.0.1.1", "10.0.2.1")),
            None,
        ),
        (
            &limited,
            with_length(601, udp(TO_R, "10.0.1.1", "10.0.2.1")),
            None,
        ),
        (&routed, udp(TO_R, "10.0.1.1", "10.0.2.99"), None),
        (&routed, echo(TO_R, "10.0.1.1", "10.0.1.254"), None),
        (&routed, tcp_to_router, None),
        (&routed, who_has(A, "10.0.1.1", "10.0.1.99"), None),
    ] {
        let verdict = sent(&net.tables(Some("n1")), "a", &flow);
        assert_eq!(verdict.reusable, expected, "{}", in_words(&flow));
    }
}

#[test]
fn limits_admit_what_they_say() {
    let limits = Limits {
        ttl_min: 3,
        length_max: 600,
    };
    for (ttl, length, expected) in [
        (3, 600, true),
        (2, 600, false),
        (3, 601, false),
        (255, 0, true),
    ] {
        assert_eq!(limits.admit(ttl, length), expected);
    }
    assert!(Limits::NONE.admit(0, u32::MAX));
}

/// Whether a change voids the verdict on a packet from `a` on n1.
fn is_voided(flow: &packet::Flow, change: impl Fn(&Tables) -> Tables) -> bool {
    let before = routed().tables(Some("n1"));
    let verdict = sent(&before, "a", flow);
    assert!(before.uphold(&verdict, flow));
    !change(&before).uphold(&verdict, flow)
}

#[test]
fn a_change_voids_the_verdicts_that_looked_at_what_it_changes() {
    let net = routed();
    let local = udp(TO_R, "10.0.1.1", "10.0.2.1");
    let remote = udp(TO_R, "10.0.1.1", "10.0.2.2");
    let switched = frame(A, "0a:00:00:00:01:99");
    let chassis = || {
        Object::Chassis(Chassis {
            name: "n2".into(),
            encap_ip: "192.0.2.9".parse().unwrap(),
            encap_port: 6081,
            zone: String::new(),
            takes_partial: false,
        })
    };
    let moved = net.clone().bound("b", "n2");
    let port_b = ObjectKey::Port(net.at("b"));
    let learned_station = net.clone().station("u", "0a:00:00:00:02:77");
    let learned_neighbor = net.clone().neighbor("r-two", "10.0.2.50", Some(A), None);
    let last = |net: &Net, key: &ObjectKey| net.objects[key].clone();
    let station = learned_station
        .objects
        .keys()
        .find(|key| matches!(key, ObjectKey::Fdb(..)))
        .unwrap();
    let neighbor = learned_neighbor
        .objects
        .keys()
        .find(|key| matches!(key, ObjectKey::Neighbor(..)))
        .unwrap();
    let cases: [(&str, Object, [bool; 3]); 5] = [
        (
            "a receiver moves",
            last(&moved, &port_b),
            [true, true, false],
        ),
        ("a node's address changes", chassis(), [false, true, false]),
        (
            "a neighbour nobody asked for",
            last(&learned_neighbor, neighbor),
            [false, false, false],
        ),
        (
            "a station nobody asked for",
            last(&learned_station, station),
            [false, false, false],
        ),
        (
            "the network's settings",
            Object::Global(Global {
                nb_cfg: 7,
                ..Global::default()
            }),
            [false; 3],
        ),
    ];
    for (what, object, expected) in cases {
        let change = |tables: &Tables| tables.apply([object.clone()], []).unwrap();
        let found = [&local, &remote, &switched].map(|flow| is_voided(flow, change));
        assert_eq!(found, expected, "{what}");
    }
    let gone = |tables: &Tables| tables.apply([], [port_b.clone()]).unwrap();
    assert!(is_voided(&local, gone));
}

#[test]
fn what_was_missing_voids_the_verdict_when_it_comes() {
    let net = routed();
    let key = ObjectKey::Datapath(net.key("two"));
    let mut without = net.clone();
    without
        .objects
        .retain(|object, _| object.datapath() != key.datapath());
    let before = without.tables(Some("n1"));
    let flow = udp(TO_R, "10.0.1.1", "10.0.2.1");
    let verdict = sent(&before, "a", &flow);
    let all: Vec<_> = net.objects.values().cloned().collect();
    let after = before.apply(all, []).unwrap();
    assert!(!after.uphold(&verdict, &flow));
}

#[test]
fn a_nested_ports_verdict_depends_on_names() {
    let nested = pipeline::object::Attachment::Nested {
        parent: "a".to_owned(),
        tag: 4,
    };
    let net = routed();
    let before = net.tables(Some("n1"));
    let flow = tagged(4, frame("0a:00:00:00:01:04", A));
    let verdict = sent(&before, "a", &flow);
    let with = net.switch_port("one", "n", nested, "0a:00:00:00:01:04");
    let after = before
        .apply([with.objects[&ObjectKey::Port(with.at("n"))].clone()], [])
        .unwrap();
    assert!(!after.uphold(&verdict, &flow));
    assert_ne!(sent(&after, "a", &flow).branches, verdict.branches);
}

#[test]
fn packets_of_one_key_within_its_limits_get_the_remembered_verdict() {
    let tables = routed().tables(Some("n1"));
    let flow = ip(
        TO_R,
        "10.0.1.1",
        "10.0.2.1",
        Transport::Tcp {
            src: 1,
            dst: 2,
            flags: 2,
        },
    );
    let other = with_length(1400, with_ttl(9, flow.clone()));
    let first = sent(&tables, "a", &flow);
    assert!(first.reusable.unwrap().admit(9, 1400));
    assert_eq!(sent(&tables, "a", &other).branches, first.branches);
}

#[test]
fn a_route_voids_the_verdicts_on_addresses_for_which_it_could_be_chosen() {
    use RoutePolicy::{Destination, Source};
    let net = routed()
        .route("r", "10.9.0.0/16", &["10.0.2.1 via r-two"])
        .route("r", "0.0.0.0/0", &["10.0.2.2 via r-two"]);
    let by_source = net
        .clone()
        .route_in("r", "", Source, "192.0.2.0/24", &["discard"]);
    let elsewhere = [false; 4];
    for (net, policy, prefix, expected) in [
        (&net, Destination, "0.0.0.0/0", [false, false, false, true]),
        (&net, Destination, "10.0.0.0/8", [false, false, false, true]),
        (&net, Destination, "10.9.0.0/16", [false, true, true, false]),
        (
            &net,
            Destination,
            "10.9.1.0/24",
            [false, false, true, false],
        ),
        (
            &net,
            Destination,
            "10.9.0.1/32",
            [false, true, false, false],
        ),
        (&net, Destination, "10.9.0.2/32", elsewhere),
        (
            &net,
            Destination,
            "10.0.2.0/31",
            [true, false, false, false],
        ),
        (&net, Destination, "11.0.0.0/8", elsewhere),
        (&net, Destination, "::/0", elsewhere),
        // The first of these makes sources count at all.
        (&net, Source, "192.0.2.0/24", [true; 4]),
        (&by_source, Source, "10.0.1.0/24", [true; 4]),
        (
            &by_source,
            Source,
            "10.0.0.0/15",
            [false, false, false, true],
        ),
        (&by_source, Source, "10.0.1.2/32", elsewhere),
        (&by_source, Destination, "10.0.1.1/32", elsewhere),
    ] {
        let before = net.tables(Some("n1"));
        let changed = net.clone().route_in("r", "", policy, prefix, &["discard"]);
        let is_new = |object: &&Object| net.objects.get(&object.key()) != Some(object);
        let change: Vec<_> = changed.objects.values().filter(is_new).cloned().collect();
        let after = before.apply(change.clone(), []).unwrap();
        let voided = ["10.0.2.1", "10.9.0.1", "10.9.1.1", "10.8.0.1"].map(|dst| {
            let flow = udp(TO_R, "10.0.1.1", dst);
            !after.uphold(&sent(&before, "a", &flow), &flow)
        });
        assert_eq!(voided, expected, "{policy:?} {prefix}");
        let same = after.apply(change, []).unwrap();
        let flow = udp(TO_R, "10.0.1.1", "10.8.0.1");
        assert!(same.uphold(&sent(&after, "a", &flow), &flow));
    }
}

#[test]
fn many_routes_at_once_void_the_routers_verdicts() {
    let before = routed().tables(Some("n1"));
    let flow = udp(TO_R, "10.0.1.1", "10.0.2.1");
    let verdict = sent(&before, "a", &flow);
    let many = (0..=255).fold(routed(), |net, number| {
        let net = net.route("r", &format!("11.0.{number}.0/24"), &["discard"]);
        net.route("r", &format!("11.1.{number}.0/24"), &["discard"])
    });
    let after = before.apply(many.objects.into_values(), []).unwrap();
    assert!(!after.uphold(&verdict, &flow));
}

#[test]
fn what_was_learned_voids_the_verdicts_that_used_it_when_it_changes() {
    let net = routed().neighbor("r-two", "10.0.2.77", Some("0a:00:00:00:02:77"), None);
    let net = net.station("u", "0a:00:00:00:02:77");
    let before = net.tables(Some("n1"));
    let flow = udp(TO_R, "10.0.1.1", "10.0.2.77");
    let verdict = sent(&before, "a", &flow);
    assert!(verdict.reusable.is_some());
    assert_eq!(
        verdict.used.len(),
        2,
        "the neighbour and its station stay alive: {verdict:?}"
    );
    for key in net.objects.keys() {
        if matches!(key, ObjectKey::Neighbor(..) | ObjectKey::Fdb(..)) {
            let after = before.apply([], [key.clone()]).unwrap();
            assert!(!after.uphold(&verdict, &flow), "{key:?}");
        }
    }
}

#[test]
fn what_serves_a_packet_voids_its_verdict_when_it_goes() {
    let net = routed()
        .vip("lb", ip_protocol::UDP, "10.0.3.1:2 => 10.0.2.1:2")
        .vip("other", ip_protocol::UDP, "10.0.3.7:2 => 10.0.2.1:2")
        .balanced("one", &["lb", "other"])
        .edit_router("r", |router| router.chassis = Some("n1".into()))
        .nat("r", "snat 10.0.2.9 10.0.1.1");
    let before = net.tables(Some("n1"));
    let served = udp(TO_R, "10.0.1.1", "10.0.3.1");
    let translated = udp(TO_R, "10.0.1.1", "10.0.2.1");
    let switched = frame(A, "0a:00:00:00:01:99");
    let verdicts = [served, translated, switched].map(|flow| (sent(&before, "a", &flow), flow));
    for key in net.objects.keys() {
        let expected = match key {
            ObjectKey::Vip(vip) => [vip.balancer == uuid("lb"), false, false],
            ObjectKey::Balancer(balancer) => [*balancer == uuid("lb"), false, false],
            // The switches next to the router have to know its addresses.
            ObjectKey::Nat(..) => [true; 3],
            _ => continue,
        };
        let after = before.apply([], [key.clone()]).unwrap();
        let voided = [0, 1, 2].map(|at| !after.uphold(&verdicts[at].0, &verdicts[at].1));
        assert_eq!(voided, expected, "{key:?}");
    }
}
