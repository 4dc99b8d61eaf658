//! Golden files: a network in, its compiled tables and the traces of packets out.

use insta::assert_snapshot;
use packet::flow::ip_protocol::TCP;
use pipeline::conntrack::{Scripted, State, Untracked};
use pipeline::object::{AclLog, Attachment, RoutePolicy, Severity, WhenEmpty};
use pipeline::{flow_list, trace};

use crate::support::Net;
use crate::support::flows::*;
use crate::support::service::between;

const A: &str = "0a:00:00:00:01:01";
const R1: &str = "0a:00:00:00:01:fe";
const TO_R: (&str, &str) = (A, R1);

/// A bit of everything.
fn network() -> Net {
    let nested = Attachment::Nested {
        parent: "a".to_owned(),
        tag: 7,
    };
    Net::new()
        .chassis("n1", "192.0.2.1")
        .chassis("n2", "192.0.2.2")
        .switch("one")
        .vif("one", "a", "0a:00:00:00:01:01 10.0.1.1 fd01::1")
        .bound("a", "n1")
        .secured("a", "0a:00:00:00:01:01 10.0.1.1 10.9.0.0/16 fd01::1")
        .vif("one", "off", "0a:00:00:00:01:02 10.0.1.2")
        .disabled("off")
        .switch_port("one", "n", nested, "0a:00:00:00:01:03 10.0.1.3")
        .switch("two")
        .vif("two", "b", "0a:00:00:00:02:01 10.0.2.1 fd02::1")
        .bound("b", "n2")
        .vif("two", "u", "unknown")
        .bound("u", "n2")
        .station("u", "0a:00:00:00:02:77")
        .router("r")
        .join("r", "one", R1, "10.0.1.254/24 fd01::fe/64")
        .join("r", "two", "0a:00:00:00:02:fe", "10.0.2.254/24 fd02::fe/64")
        .edit_router_port("r-two", |port| port.gateway_mtu = Some(1400))
        .route("r", "0.0.0.0/0", &["10.0.2.77 via r-two"])
        .route(
            "r",
            "192.0.2.0/24",
            &["10.0.2.1 via r-two", "10.0.2.77 via r-two"],
        )
        .route("r", "198.51.100.0/24", &["discard"])
        .route(
            "r",
            "198.51.101.0/24",
            &["10.0.2.1 via r-two", "discard", "discard"],
        )
        .route_in(
            "r",
            "",
            RoutePolicy::Source,
            "10.0.1.3/32",
            &["10.0.2.1 via r-two"],
        )
        .route_in(
            "r",
            "blue",
            RoutePolicy::Destination,
            "203.0.113.0/24",
            &["10.0.2.1 via r-two"],
        )
        .neighbor("r-two", "10.0.2.77", Some("0a:00:00:00:02:77"), None)
}

#[test]
fn a_switchs_tables_are_listed() {
    let net = network();
    let tables = net.tables(None);
    assert_snapshot!(flow_list(&tables, net.key("one")).unwrap().to_string());
}

#[test]
fn a_routers_tables_are_listed() {
    let net = network();
    let tables = net.tables(None);
    assert_snapshot!(flow_list(&tables, net.key("r")).unwrap().to_string());
}

#[test]
fn a_routed_packet_is_traced_in_detail() {
    let tables = network().tables(None);
    let flow = udp(TO_R, "10.0.1.1", "10.0.2.1");
    assert_snapshot!(
        trace(&tables, &mut Untracked, "a", &flow)
            .unwrap()
            .detailed()
    );
}

#[test]
fn a_broadcast_is_traced_in_summary() {
    let tables = network().tables(None);
    let flow = arp(2, (A, "ff:ff:ff:ff:ff:ff"), A, "10.0.1.1", "10.0.1.1");
    assert_snapshot!(
        trace(&tables, &mut Untracked, "a", &flow)
            .unwrap()
            .summary()
    );
}

#[test]
fn each_action_of_a_trace_has_a_line_of_its_own() {
    let balanced = |backends: &str| {
        network()
            .vip("web", TCP, &format!("10.96.0.1:80 => {backends}"))
            .balancer("web", |balancer| balancer.when_empty = WhenEmpty::Reject)
    };
    let check = |net: &Net, expected: [&str; 2]| {
        let flow = between(TO_R, TCP, "10.0.1.1:1000", "10.96.0.1:80");
        let trace = trace(&net.tables(None), &mut Untracked, "a", &flow).unwrap();
        for text in [trace.detailed(), trace.summary()] {
            let lines: Vec<_> = text.lines().map(str::trim).collect();
            let is_there = lines.windows(2).any(|window| window == expected);
            assert!(is_there, "{expected:?} is not in\n{text}");
        }
    };
    let choose = "ct_lb_mark(backends=10.0.2.1:8080);";
    check(
        &balanced("10.0.2.1:8080").balanced("one", &["web"]),
        ["reg0[1] = 0;", choose],
    );
    let reject = "reject { outport <-> inport; next(pipeline=egress,table=5);};";
    check(
        &balanced("").balanced("one", &["web"]),
        ["reg0 = 0;", reject],
    );
    let reject = "reject { outport <-> inport; next(pipeline=egress,table=3);};";
    check(&balanced("").balanced("r", &["web"]), ["reg0 = 0;", reject]);
}

#[test]
fn a_trace_is_data_too() {
    let tables = network().tables(None);
    let trace = trace(&tables, &mut Untracked, "a", &frame(A, "0a:00:00:00:01:99")).unwrap();
    assert_snapshot!(serde_json::to_string_pretty(&trace).unwrap());
}

/// In the words of `ovn-trace --minimal`, but for the registers that it prints in place of addresses.
#[test]
fn what_is_left_of_a_trace_is_what_changes_and_comes_out() {
    let tables = network().tables(None);
    let minimal = |flow| {
        trace(&tables, &mut Untracked, "a", &flow)
            .unwrap()
            .minimal()
    };
    let traces = [
        minimal(udp(TO_R, "10.0.1.1", "10.0.2.1")),
        minimal(udp(TO_R, "10.0.1.1", "10.0.2.99")),
        minimal(udp(TO_R, "fd01::1", "fd02::99")),
        minimal(with_ttl(1, udp(TO_R, "10.0.1.1", "10.0.2.1"))),
        minimal(tcp(TO_R, "10.0.1.1", "10.0.2.254", 2)),
        minimal(echo(TO_R, "10.0.1.1", "10.0.2.254")),
        minimal(who_has(A, "10.0.1.1", "10.0.1.254")),
        minimal(solicit(A, "fd01::1", "fd01::fe")),
        minimal(with_length(1401, udp(TO_R, "10.0.1.1", "10.0.2.1"))),
    ];
    assert_snapshot!(traces.join("\n"));
}

/// A policy of each kind.
fn policed() -> Net {
    Net::new()
        .switch("ls")
        .vif("ls", "a", "0a:00:00:00:00:01 10.0.0.1")
        .vif("ls", "b", "0a:00:00:00:00:02 10.0.0.2")
        .router("r")
        .join("r", "ls", "0a:00:00:00:00:fe", "10.0.0.254/24")
        .global(|global| global.default_acl_drop = true)
        .group("web", &["b"])
        .set("clients", "{10.0.0.1, 10.1.0.0/16}")
        .edited_acl(
            "@web",
            "to 1001 outport == @web && ip4.src == $clients && tcp.dst == 80 => allow-related",
            |acl| {
                acl.label = 7;
                acl.name = "web".to_owned();
                acl.log = Some(AclLog {
                    severity: Severity::Notice,
                    meter: Some("m".into()),
                    related: false,
                });
            },
        )
        .acl("@web", "to 1000 outport == @web && ip => drop")
        .acl("ls", "from 5 udp => allow-stateless")
        .acl("ls", "from 4 ip && ip.frag != 1 => allow")
        .acl("ls", "from after-lb 3 tcp => allow")
        .acl("ls", "tier 1 from after-lb 3 ip4.dst[0..7] == 9 => reject")
}

#[test]
fn a_switchs_policies_are_listed() {
    let net = policed();
    let listing = flow_list(&net.tables(None), net.key("ls")).unwrap();
    let tables = listing
        .tables
        .into_iter()
        .filter(|table| table.stage.contains("acl") || table.stage.contains("stateful"));
    let tables = tables.collect();
    let listing = pipeline::Listing { tables, ..listing };
    assert_snapshot!(listing.to_string());
}

#[test]
fn policies_are_traced_with_the_connection_states_that_are_given() {
    let net = policed();
    let tables = net.tables(None);
    let to_web = |dst| {
        let transport = packet::flow::Transport::Tcp {
            src: 1,
            dst,
            flags: 0,
        };
        ip(
            ("0a:00:00:00:00:01", "0a:00:00:00:00:02"),
            "10.0.0.1",
            "10.0.0.2",
            transport,
        )
    };
    let states = |text: &str| {
        let states = text.split(';').map(|words| State::of_words(words).unwrap());
        Scripted::new(states)
    };
    let traced = |flow: &packet::Flow, text: &str| {
        trace(&tables, &mut states(text), "a", flow)
            .unwrap()
            .detailed()
    };
    assert_snapshot!(
        [
            traced(&to_web(80), "new;new"),
            traced(&to_web(22), "trk,new"),
            traced(&to_web(22), "est rpl;inv"),
        ]
        .join("\n")
    );
    assert_eq!(State::of_words("est,no").unwrap_err(), "no");
    assert_eq!(State::of_words("est rpl").unwrap().words(), "est|rpl");
}
