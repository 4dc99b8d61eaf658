//! Which route of a router a packet takes.

use packet::flow::{Fragment, Transport};
use pipeline::object::RoutePolicy;

use crate::routing::{TO_R, routed};
use crate::support::flows::*;
use crate::support::{check, sent};

#[test]
fn the_longest_prefix_wins_then_connected_then_static_then_source_routes() {
    let via = |gateway: &str| format!("{gateway} via r-two");
    let hosts = [
        "10.0.2.11",
        "10.0.2.12",
        "10.0.2.13",
        "10.0.2.14",
        "10.0.2.15",
    ];
    let net = hosts.iter().enumerate().fold(routed(), |net, (index, ip)| {
        let mac = format!("0a:00:00:00:02:1{}", index + 1);
        net.vif("two", &format!("h{}", index + 1), &format!("{mac} {ip}"))
    });
    let source = RoutePolicy::Source;
    let net = net
        .route("r", "0.0.0.0/0", &[&via("10.0.2.11")])
        .route("r", "192.0.2.0/24", &[&via("10.0.2.12")])
        .route("r", "10.0.2.0/24", &[&via("10.0.2.13")])
        .route("r", "198.51.100.0/24", &["discard"])
        .route_in("r", "", source, "10.0.1.0/24", &[&via("10.0.2.14")])
        .route_in("r", "", source, "10.0.1.7/32", &[&via("10.0.2.15")]);
    let to =
        |host: u8| format!("src=0a:00:00:00:02:fe dst=0a:00:00:00:02:1{host} ttl-1 -> h{host}");
    let connected = "src=0a:00:00:00:02:fe dst=0a:00:00:00:02:01 ttl-1 -> b";
    check(
        &net,
        None,
        &[
            ("a", udp(TO_R, "10.9.9.9", "203.0.113.1"), &to(1)),
            ("a", udp(TO_R, "10.9.9.9", "192.0.2.1"), &to(2)),
            ("a", udp(TO_R, "10.0.1.1", "203.0.113.1"), &to(4)),
            ("a", udp(TO_R, "10.0.1.1", "192.0.2.1"), &to(2)),
            ("a", udp(TO_R, "10.0.1.1", "10.0.2.1"), connected),
            ("a", udp(TO_R, "10.0.1.7", "10.0.2.1"), &to(5)),
            (
                "a",
                udp(TO_R, "10.9.9.9", "198.51.100.1"),
                "drop route-discards",
            ),
        ],
    );
}

#[test]
fn a_port_routes_by_its_table_and_what_holds_for_all_tables() {
    let destination = RoutePolicy::Destination;
    let net = routed()
        .vif("two", "x", "0a:00:00:00:02:0a 10.0.2.10")
        .vif("two", "y", "0a:00:00:00:02:0b 10.0.2.11")
        .edit_router_port("r-one", |port| port.route_table = "blue".to_owned())
        .route_in(
            "r",
            "blue",
            destination,
            "192.0.2.0/24",
            &["10.0.2.10 via r-two"],
        )
        .route("r", "192.0.2.0/24", &["10.0.2.11 via r-two"])
        .route("r", "203.0.113.0/24", &["10.0.2.11 via r-two"])
        .route_in(
            "r",
            "",
            RoutePolicy::Source,
            "10.0.1.9/32",
            &["10.0.2.11 via r-two"],
        );
    let x = "src=0a:00:00:00:02:fe dst=0a:00:00:00:02:0a ttl-1 -> x";
    let y = "src=0a:00:00:00:02:fe dst=0a:00:00:00:02:0b ttl-1 -> y";
    let connected = "src=0a:00:00:00:02:fe dst=0a:00:00:00:02:01 ttl-1 -> b";
    check(
        &net,
        None,
        &[
            ("a", udp(TO_R, "10.0.1.1", "192.0.2.1"), x),
            ("a", udp(TO_R, "10.0.1.1", "203.0.113.1"), "drop no-route"),
            ("a", udp(TO_R, "10.0.1.1", "10.0.2.1"), connected),
            ("a", udp(TO_R, "10.0.1.9", "203.0.113.1"), y),
        ],
    );
}

#[test]
fn link_local_routes_hold_for_the_port_the_packet_came_in_by() {
    let net = routed().vif("one", "l", "0a:00:00:00:01:05 fe80::5");
    check(
        &net,
        None,
        &[(
            "a",
            udp(TO_R, "fd01::1", "fe80::5"),
            "src=0a:00:00:00:01:fe dst=0a:00:00:00:01:05 ttl-1 -> l",
        )],
    );
}

#[test]
fn several_next_hops_share_flows_and_keep_each_on_one() {
    let net = (1..=4).fold(routed(), |net, host| {
        let addresses = format!("0a:00:00:00:02:1{host} 10.0.2.1{host}");
        net.vif("two", &format!("h{host}"), &addresses)
    });
    let hops: Vec<_> = (1..=4)
        .map(|host| format!("10.0.2.1{host} via r-two"))
        .collect();
    let hops: Vec<_> = hops.iter().map(String::as_str).collect();
    let tables = net.route("r", "192.0.2.0/24", &hops).tables(None);
    let mut counts = std::collections::BTreeMap::new();
    for port in 0..400 {
        let flow = ip(
            TO_R,
            "10.0.1.1",
            "192.0.2.1",
            Transport::Udp { src: port, dst: 80 },
        );
        let first = sent(&tables, "a", &flow);
        assert_eq!(first, sent(&tables, "a", &with_length(90, flow)));
        *counts
            .entry(crate::support::in_words(&tables, &first))
            .or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 4);
    assert!(counts.values().all(|count| *count > 50), "{counts:?}");
    let [first, later] = [Fragment::First, Fragment::Later].map(|fragment| {
        with_ip(udp(TO_R, "10.0.1.1", "192.0.2.1"), |ip| {
            ip.fragment = fragment;
            if fragment == Fragment::Later {
                ip.transport = Transport::Other;
            }
        })
    });
    assert_eq!(
        sent(&tables, "a", &first).branches,
        sent(&tables, "a", &later).branches
    );
}

#[test]
fn every_discard_has_the_share_of_a_next_hop() {
    for (ways, discarded) in [
        (&["10.0.2.1 via r-two"][..], 0..1),
        (&["discard"], 600..601),
        (&["discard", "discard"], 600..601),
        (&["10.0.2.1 via r-two", "discard"], 250..350),
        (&["10.0.2.1 via r-two", "discard", "discard"], 350..450),
    ] {
        let tables = routed().route("r", "192.0.2.0/24", ways).tables(None);
        let drops = (0..600).filter(|port| {
            let to = Transport::Udp {
                src: *port,
                dst: 80,
            };
            let verdict = sent(&tables, "a", &ip(TO_R, "10.0.1.1", "192.0.2.1", to));
            crate::support::in_words(&tables, &verdict) == "drop route-discards"
        });
        let count = drops.count();
        assert!(discarded.contains(&count), "{ways:?}: {count}");
    }
}
