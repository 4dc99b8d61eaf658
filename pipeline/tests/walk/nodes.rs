//! Several nodes: what stays on one, what crosses, and what is done where. Input: a network with bound
//! ports, a node and a packet; output: the verdict's branches.

use packet::Segment;
use pipeline::conntrack::Untracked;
use pipeline::object::{Attachment, PortKind};
use pipeline::{DropReason, Ingress, Silent, Tables, process};

use crate::support::flows::*;
use crate::support::{Net, check, in_words, sent};

const A: &str = "0a:00:00:00:00:01";
const B: &str = "0a:00:00:00:00:02";
const C: &str = "0a:00:00:00:00:03";
const L: &str = "0a:00:00:00:00:0f";
const ALL: &str = "ff:ff:ff:ff:ff:ff";
const ROUTER: &str = "0a:00:00:00:00:fe";

/// One switch (datapath 1) over three nodes: a (port 1) on n1, b (2) and c (3) on n2, d (4) on n3, and a
/// router port (5); another switch (3) with e (1) on n2.
fn spread() -> Net {
    Net::new()
        .chassis("n1", "192.0.2.1")
        .chassis("n2", "192.0.2.2")
        .chassis("n3", "192.0.2.3")
        .switch("ls")
        .vif("ls", "a", "0a:00:00:00:00:01 10.0.0.1")
        .bound("a", "n1")
        .vif("ls", "b", "0a:00:00:00:00:02 10.0.0.2")
        .bound("b", "n2")
        .vif("ls", "c", "0a:00:00:00:00:03 10.0.0.3")
        .bound("c", "n2")
        .vif("ls", "d", "0a:00:00:00:00:04 10.0.0.4 unknown")
        .bound("d", "n3")
        .router("r")
        .join("r", "ls", ROUTER, "10.0.0.254/24")
        .switch("far")
        .vif("far", "e", "0a:00:00:00:05:01 10.0.5.1")
        .bound("e", "n2")
        .join("r", "far", "0a:00:00:00:05:fe", "10.0.5.254/24")
}

fn arrived(tables: &Tables, vni: u32, inport: u16, outport: u16, flow: &packet::Flow) -> String {
    let ingress = Ingress::Tunnel {
        vni,
        inport,
        outport,
    };
    in_words(
        tables,
        &process(
            tables,
            &mut Untracked,
            ingress,
            (flow, &Segment::Unknown),
            &mut Silent,
        ),
    )
}

#[test]
fn unicast_to_another_node_crosses_once_with_its_ports() {
    let routed = udp((A, ROUTER), "10.0.0.1", "10.0.5.1");
    check(
        &spread(),
        Some("n1"),
        &[
            ("a", frame(A, B), "-> n2 1/1/2"),
            ("a", frame(A, "0a:00:00:00:00:99"), "-> n3 1/1/32769"),
            // Routing is done on the sender's node.
            (
                "a",
                routed,
                "src=0a:00:00:00:05:fe dst=0a:00:00:00:05:01 ttl-1 -> n2 3/2/1",
            ),
            ("b", frame(B, A), "drop port-not-here"),
        ],
    );
    let verdict = sent(&spread().tables(Some("n1")), "a", &frame(A, B));
    let pipeline::Destination::Tunnel(tunnel) = &verdict.branches[0].to else {
        panic!("{verdict:?}");
    };
    assert_eq!(
        (tunnel.encap_ip.to_string().as_str(), tunnel.encap_port),
        ("192.0.2.2", 6081)
    );
}

#[test]
fn groups_cross_once_to_each_node_with_a_member() {
    check(
        &spread(),
        Some("n1"),
        &[(
            "a",
            frame(A, ALL),
            "drop broadcast-not-routed | -> n2 1/1/32768 | -> n3 1/1/32768",
        )],
    );
}

#[test]
fn what_comes_from_a_tunnel_goes_to_ports_of_this_node_only() {
    let net = spread().switch_port("ls", "l", Attachment::Localport, L);
    let tables = net.tables(Some("n2"));
    for (vni, inport, outport, expected) in [
        (1, 1, 2, "-> b"),
        (1, 1, 1, "drop tunnelled-again"),
        (1, 1, 4, "drop tunnelled-again"),
        (1, 1, 32768, "-> b\n-> c"),
        (1, 2, 32768, "-> c"),
        (1, 1, 32772, "-> b\n-> c"),
        (1, 1, 32769, "drop no-receiver"),
        (1, 1, 32800, "drop unknown-group"),
        (1, 1, 0, "drop unknown-port"),
        (1, 0, 2, "-> b"),
        (1, 900, 2, "-> b"),
        (1, 2, 2, "drop to-itself"),
        (1, 1, 77, "drop unknown-port"),
        (2, 1, 1, "drop port-not-here"),
        (99, 1, 1, "drop unknown-datapath"),
        (0, 1, 1, "drop unknown-datapath"),
        (0x0100_0000, 1, 1, "drop unknown-datapath"),
    ] {
        let found = arrived(&tables, vni, inport, outport, &frame(A, ALL));
        assert_eq!(found, expected, "{vni}/{inport}/{outport}");
    }
}

#[test]
fn the_receivers_node_checks_the_receivers_port_security() {
    let net = spread().secured("b", "0a:00:00:00:00:02 10.0.0.2");
    check(
        &net,
        Some("n1"),
        &[("a", udp((A, B), "10.0.0.1", "10.0.0.9"), "-> n2 1/1/2")],
    );
    let found = arrived(
        &net.tables(Some("n2")),
        1,
        1,
        2,
        &udp((A, B), "10.0.0.1", "10.0.0.9"),
    );
    assert_eq!(found, "drop port-security-receiver-ip");
}

#[test]
fn localports_are_on_every_node_and_reach_no_other() {
    let net = spread()
        .switch_port(
            "ls",
            "l",
            Attachment::Localport,
            "0a:00:00:00:00:0f 10.0.0.15",
        )
        .vif("ls", "a2", "0a:00:00:00:00:07")
        .bound("a2", "n1");
    check(
        &net,
        Some("n1"),
        &[
            ("a", frame(A, L), "-> l"),
            ("l", frame(L, A), "-> a"),
            ("l", frame(L, B), "drop localport-remote"),
            (
                "l",
                frame(L, ALL),
                "-> a | drop broadcast-not-routed | -> a2",
            ),
            // Not even through a router.
            (
                "l",
                udp((L, ROUTER), "10.0.0.15", "10.0.5.1"),
                "drop localport-remote",
            ),
            (
                "a",
                who_has(A, "10.0.0.1", "10.0.0.15"),
                "10.0.0.15 is-at 0a:00:00:00:00:0f -> a",
            ),
        ],
    );
}

#[test]
fn a_port_is_where_it_is_bound_if_it_may_be_there() {
    let requested = |node: &str| {
        let node = node.into();
        spread().edit_switch_port("b", |port| port.requested_chassis = Some(node))
    };
    let unbound = spread().edit_switch_port("b", |port| port.chassis = None);
    let lost = spread().bound("b", "n9");
    for (net, node, inport, expected) in [
        (requested("n2"), "n1", "a", "-> n2 1/1/2"),
        (requested("n1"), "n1", "a", "drop port-unbound"),
        (requested("n1"), "n2", "b", "drop port-not-here"),
        (unbound.clone(), "n1", "a", "drop port-unbound"),
        (unbound, "n2", "b", "drop port-not-here"),
        (lost, "n1", "a", "drop chassis-unknown"),
        (spread().bound("b", "n1"), "n1", "a", "-> b"),
    ] {
        let flow = frame(if inport == "a" { A } else { B }, B);
        check(&net, Some(node), &[(inport, flow, expected)]);
    }
}

#[test]
fn a_nested_port_is_on_its_parents_node() {
    let nested = Attachment::Nested {
        parent: "b".to_owned(),
        tag: 9,
    };
    let net = spread().switch_port("ls", "n", nested, "0a:00:00:00:00:09");
    let own = net.clone().bound("n", "n2");
    let to_nested = frame(A, "0a:00:00:00:00:09");
    for net in [net, own] {
        check(&net, Some("n1"), &[("a", to_nested.clone(), "-> n2 1/1/6")]);
        check(
            &net,
            Some("n2"),
            &[
                (
                    "b",
                    tagged(9, frame("0a:00:00:00:00:09", A)),
                    "untagged -> n1 1/6/1",
                ),
                ("c", frame(C, "0a:00:00:00:00:09"), "vlan=9 -> n on b"),
            ],
        );
        assert_eq!(
            arrived(&net.tables(Some("n2")), 1, 1, 6, &to_nested),
            "vlan=9 -> n on b"
        );
        let tables = net.tables(Some("n2"));
        assert_eq!(tables.interface(net.at("n")), Some(net.at("b")));
        assert_eq!(tables.interface(net.at("a")), None);
    }
    // The parent's switch need not concern this node.
    let orphan = Attachment::Nested {
        parent: "gone".to_owned(),
        tag: 9,
    };
    let net = spread()
        .switch_port("ls", "n", orphan, "0a:00:00:00:00:09")
        .bound("n", "n2");
    check(&net, Some("n1"), &[("a", to_nested, "-> n2 1/1/6")]);
}

#[test]
fn an_answer_to_a_held_question_is_learned_where_it_arrives() {
    let net = spread();
    let reply = arp(
        2,
        ("0a:00:00:00:00:77", ROUTER),
        "0a:00:00:00:00:77",
        "10.0.0.77",
        "10.0.0.254",
    );
    let tables = net.tables(Some("n3"));
    let verdict = sent(&tables, "d", &reply);
    assert_eq!(
        verdict.learned.len(),
        2,
        "the station's place and its address: {verdict:?}"
    );
}

#[test]
fn tables_without_a_node_see_everything_and_tell_where_tunnels_are_crossed() {
    let net = spread();
    let trace = pipeline::trace(&net.tables(None), &mut Untracked, "a", &frame(A, B)).unwrap();
    assert_eq!(trace.outputs(), ["b"]);
    assert!(
        trace.detailed().contains("/* tunnel to chassis n2 */"),
        "{}",
        trace.detailed()
    );
    assert!(!trace.drops().contains(&DropReason::PortNotHere));
    let error =
        pipeline::trace(&net.tables(None), &mut Untracked, "nobody", &frame(A, B)).unwrap_err();
    assert_eq!(error.to_string(), "no logical port is named \"nobody\"");
}

#[test]
fn router_ports_have_no_interface() {
    let net = spread();
    let tables = net.tables(Some("n1"));
    for name in ["ls-r", "r-ls"] {
        assert_eq!(tables.interface(net.at(name)), None, "{name}");
    }
    let port = tables.port_named("r-ls").unwrap();
    assert!(matches!(port.kind, PortKind::Router(_)));
}

#[test]
fn what_the_receiver_rejects_is_answered_through_the_tunnel() {
    use crate::support::policy::World;
    let net = spread().acl("ls", "to 1000 outport == \"b\" && udp => reject");
    let net = net.acl("ls", "to 1 sctp => allow-related");
    let request = udp((A, B), "10.0.0.1", "10.0.0.2");
    let mut sender = World::at(&net, Some("n1"));
    let mut receiver = World::at(&net, Some("n2"));
    sender.check(&[("a", request.clone(), "-> n2 1/1/2")]);
    let tunnel = |inport, outport| Ingress::Tunnel {
        vni: 1,
        inport,
        outport,
    };
    let verdict = receiver.enter(tunnel(1, 2), &request);
    let words = in_words(&receiver.tables, &verdict);
    assert_eq!(
        words,
        "drop acl-reject\nicmp3/3 10.0.0.2>10.0.0.1 ttl 255 -> n1 1/2/1"
    );
    // The sender's node takes it for what it is: an error about its own connection.
    let pipeline::Source::Answer(answer) = &verdict.branches[1].packet else {
        panic!("expected an answer");
    };
    let verdict = sender.enter(tunnel(2, 1), &answer.flow().unwrap());
    assert_eq!(in_words(&sender.tables, &verdict), "-> a");
}
