//! Logical switches, as ovn-northd 23.03 compiles them. Input: a network, a port and a packet; output: the
//! verdict's branches.

use crate::support::flows::*;
use crate::support::{Net, check};
use pipeline::object::Attachment;

const A: &str = "0a:00:00:00:00:01";
const B: &str = "0a:00:00:00:00:02";
const C: &str = "0a:00:00:00:00:03";
const ALL: &str = "ff:ff:ff:ff:ff:ff";
const ROUTER: &str = "0a:00:00:00:00:fe";
const STRANGER: &str = "0a:00:00:00:00:99";

fn pair() -> Net {
    Net::new()
        .switch("ls")
        .vif("ls", "a", "0a:00:00:00:00:01 10.0.0.1 fd00::1")
        .vif("ls", "b", "0a:00:00:00:00:02 10.0.0.2 fd00::2")
}

#[test]
fn unicast_goes_to_the_owner_of_the_address_and_nowhere_else() {
    let net = pair().vif("ls", "c", "0a:00:00:00:00:03").disabled("c");
    check(
        &net,
        None,
        &[
            ("a", frame(A, B), "-> b"),
            ("a", frame(A, A), "drop to-itself"),
            ("a", frame(A, C), "drop to-disabled-port"),
            ("a", frame(A, STRANGER), "drop unknown-destination"),
            ("c", frame(C, A), "drop port-disabled"),
            ("a", frame("0b:00:00:00:00:01", B), "drop multicast-source"),
            ("a", tagged(5, frame(A, B)), "drop vlan-unexpected"),
            ("a", tagged(0, frame(A, B)), "drop vlan-unexpected"),
        ],
    );
}

#[test]
fn tags_pass_where_the_switch_carries_them() {
    use pipeline::object::{DatapathKind, Switch};
    let net = Net::new()
        .datapath(
            "ls",
            DatapathKind::Switch(Switch {
                vlan_passthru: true,
                ..Switch::default()
            }),
        )
        .vif("ls", "a", A)
        .vif("ls", "b", B);
    check(&net, None, &[("a", tagged(5, frame(A, B)), "-> b")]);
}

#[test]
fn groups_reach_every_enabled_port_but_the_sender() {
    let net = pair()
        .vif("ls", "c", C)
        .disabled("c")
        .vif("ls", "u", "unknown");
    let alone = Net::new().switch("ls").vif("ls", "a", A);
    check(
        &net,
        None,
        &[
            ("a", frame(A, ALL), "-> b | -> u"),
            ("u", frame(STRANGER, "33:33:00:00:00:01"), "-> a | -> b"),
        ],
    );
    check(&alone, None, &[("a", frame(A, ALL), "drop no-receiver")]);
}

#[test]
fn unknown_destinations_go_to_the_ports_that_take_them_until_they_are_learned() {
    let net = pair().vif("ls", "u", "unknown").vif("ls", "v", "unknown");
    check(
        &net,
        None,
        &[
            ("a", frame(A, STRANGER), "-> u | -> v"),
            ("u", frame(STRANGER, C), "-> v"),
        ],
    );
    let one = pair().vif("ls", "u", "unknown");
    check(
        &one,
        None,
        &[("u", frame(STRANGER, C), "drop unknown-destination")],
    );
    let learned = net.clone().station("v", STRANGER);
    check(
        &learned,
        None,
        &[
            ("a", frame(A, STRANGER), "-> v"),
            ("v", frame(A, STRANGER), "drop to-itself"),
        ],
    );
    let disabled = learned.disabled("v");
    check(
        &disabled,
        None,
        &[("a", frame(A, STRANGER), "drop to-disabled-port")],
    );
}

#[test]
fn stations_are_learned_at_ports_that_take_unknown_addresses_and_are_not_secured() {
    let net = pair()
        .vif("ls", "u", "unknown")
        .vif("ls", "v", "unknown")
        .secured("v", STRANGER);
    let learned = net.clone().station("u", STRANGER);
    for (net, inport, flow, expected) in [
        (&net, "u", frame(STRANGER, A), 1),
        (&net, "v", frame(STRANGER, A), 0),
        (&net, "a", frame(A, B), 0),
        (&learned, "u", frame(STRANGER, A), 0),
    ] {
        let verdict = crate::support::sent(&net.tables(None), inport, &flow);
        assert_eq!(verdict.learned.len(), expected, "{inport}");
        assert_eq!(verdict.reusable.is_some(), expected == 0, "{inport}");
    }
    let verdict = crate::support::sent(&learned.tables(None), "u", &frame(STRANGER, A));
    assert_eq!(
        verdict.used.len(),
        1,
        "traffic keeps a learned station alive"
    );
}

#[test]
fn the_switch_answers_for_the_addresses_it_knows() {
    let net = pair()
        .vif("ls", "c", "0a:00:00:00:00:03 10.0.0.3")
        .disabled("c")
        .vif("ls", "u", "0a:00:00:00:00:04 10.0.0.4 unknown")
        .router("r")
        .join("r", "ls", ROUTER, "10.0.0.254/24 fd00::fe/64");
    check(
        &net,
        None,
        &[
            (
                "a",
                who_has(A, "10.0.0.1", "10.0.0.2"),
                "10.0.0.2 is-at 0a:00:00:00:00:02 -> a",
            ),
            (
                "a",
                who_has(A, "10.0.0.1", "10.0.0.3"),
                "10.0.0.3 is-at 0a:00:00:00:00:03 -> a",
            ),
            (
                "a",
                who_has(A, "10.0.0.1", "10.0.0.254"),
                "10.0.0.254 is-at 0a:00:00:00:00:fe -> a",
            ),
            (
                "a",
                arp(1, (A, B), A, "10.0.0.1", "10.0.0.2"),
                "10.0.0.2 is-at 0a:00:00:00:00:02 -> a",
            ),
            // A question for the own address may be a test for duplicates.
            (
                "a",
                who_has(A, "0.0.0.0", "10.0.0.1"),
                "-> b | -> u | drop neighbor-not-answered",
            ),
            (
                "a",
                who_has(A, "10.0.0.1", "10.0.0.4"),
                "-> b | -> u | drop neighbor-not-answered",
            ),
            ("a", arp(2, (A, B), A, "10.0.0.1", "10.0.0.2"), "-> b"),
            (
                "a",
                solicit(A, "fd00::1", "fd00::2"),
                "fd00::2 is-at 0a:00:00:00:00:02 >fd00::1 -> a",
            ),
            (
                "a",
                solicit(A, "fd00::1", "fd00::fe"),
                "fd00::fe is-at 0a:00:00:00:00:fe router >fd00::1 -> a",
            ),
            (
                "a",
                solicit(A, "::", "fd00::1"),
                "-> b | -> u | drop neighbor-not-answered",
            ),
            (
                "b",
                solicit(B, "::", "fd00::1"),
                "fd00::1 is-at 0a:00:00:00:00:01 >ff02::1 -> b",
            ),
            // A routed solicitation is no solicitation.
            (
                "a",
                with_ttl(64, solicit(A, "fd00::1", "fd00::2")),
                "-> b | -> u | drop multicast-not-routed",
            ),
        ],
    );
}

#[test]
fn questions_for_a_router_go_to_it_and_are_not_answered_where_its_port_takes_unknown_addresses() {
    let net = pair()
        .router("r")
        .join("r", "ls", ROUTER, "10.0.0.254/24")
        .edit_switch_port("ls-r", |port| port.has_unknown = true);
    check(
        &net,
        None,
        &[(
            "a",
            who_has(A, "10.0.0.1", "10.0.0.254"),
            "10.0.0.254 is-at 0a:00:00:00:00:fe -> a | -> b",
        )],
    );
}

#[test]
fn port_security_restricts_the_sender() {
    let any = (A, B);
    let net = pair()
        .vif("ls", "mac-only", C)
        .secured("mac-only", C)
        .secured(
            "a",
            "0a:00:00:00:00:01 10.0.0.1 10.1.0.0/16 10.2.0.5/16 fd00::1 fd01::/64",
        )
        .vif("ls", "v4-only", "0a:00:00:00:00:05")
        .secured("v4-only", "0a:00:00:00:00:05 10.0.0.5");
    let dhcp = ip(
        any,
        "0.0.0.0",
        "255.255.255.255",
        packet::flow::Transport::Udp { src: 68, dst: 67 },
    );
    let own = mac(A);
    let foreign = mac(C);
    check(
        &net,
        None,
        &[
            ("a", frame(C, B), "drop port-security-ethernet"),
            ("a", frame(A, B), "drop port-security-ip"),
            ("a", udp(any, "10.0.0.1", "10.0.0.2"), "-> b"),
            ("a", udp(any, "10.1.7.7", "10.0.0.2"), "-> b"),
            ("a", udp(any, "10.2.0.5", "10.0.0.2"), "-> b"),
            (
                "a",
                udp(any, "10.2.0.6", "10.0.0.2"),
                "drop port-security-ip",
            ),
            (
                "a",
                udp(any, "10.0.0.9", "10.0.0.2"),
                "drop port-security-ip",
            ),
            ("a", dhcp, "-> b"),
            (
                "a",
                udp(any, "0.0.0.0", "10.0.0.2"),
                "drop port-security-ip",
            ),
            ("a", udp(any, "fd00::1", "fd00::2"), "-> b"),
            ("a", udp(any, "fd01::77", "fd00::2"), "-> b"),
            ("a", udp(any, "fe80::800:ff:fe00:1", "fd00::2"), "-> b"),
            ("a", udp(any, "fd02::1", "fd00::2"), "drop port-security-ip"),
            (
                "a",
                icmp((A, "33:33:00:00:00:16"), "::", "ff02::16", 143),
                "-> b | -> mac-only | -> v4-only",
            ),
            (
                "a",
                icmp((A, "33:33:00:00:00:16"), "::", "ff02::16", 128),
                "drop port-security-ip",
            ),
            ("a", arp(2, any, A, "10.0.0.1", "10.0.0.2"), "-> b"),
            (
                "a",
                arp(2, any, C, "10.0.0.1", "10.0.0.2"),
                "drop port-security-neighbor",
            ),
            (
                "a",
                arp(2, any, A, "10.0.0.3", "10.0.0.2"),
                "drop port-security-neighbor",
            ),
            (
                "a",
                discovery(any, "fd00::1", "fd00::2", 135, "fd00::9", Some(own), None),
                "-> b",
            ),
            (
                "a",
                discovery(
                    any,
                    "fd00::1",
                    "fd00::2",
                    135,
                    "fd00::9",
                    Some(foreign),
                    None,
                ),
                "drop port-security-neighbor",
            ),
            (
                "a",
                discovery(any, "fd00::1", "fd00::2", 136, "fd00::1", None, Some(own)),
                "-> b",
            ),
            (
                "a",
                discovery(any, "fd00::1", "fd00::2", 136, "fd00::9", None, Some(own)),
                "drop port-security-neighbor",
            ),
            (
                "a",
                discovery(
                    any,
                    "fd00::1",
                    "fd00::2",
                    136,
                    "fd00::1",
                    None,
                    Some(foreign),
                ),
                "drop port-security-neighbor",
            ),
            ("mac-only", frame(C, B), "-> b"),
            ("mac-only", udp((C, B), "10.9.9.9", "10.0.0.2"), "-> b"),
            (
                "mac-only",
                discovery(
                    (C, B),
                    "fd00::9",
                    "fd00::2",
                    135,
                    "fd00::8",
                    Some(own),
                    None,
                ),
                "drop port-security-neighbor",
            ),
            (
                "mac-only",
                arp(2, (C, B), A, "10.9.9.9", "10.0.0.2"),
                "drop port-security-neighbor",
            ),
            (
                "v4-only",
                udp(("0a:00:00:00:00:05", B), "fd00::5", "fd00::2"),
                "drop port-security-ip",
            ),
        ],
    );
}

/// The verdicts are those of ovn-trace 23.03.
#[test]
fn a_station_speaks_for_itself_only_also_behind_a_port_of_several() {
    const OTHER: &str = "0a:00:00:00:00:11";
    let net = pair()
        .secured("a", "0a:00:00:00:00:01 10.0.0.1 fd00::1")
        .secured("a", "0a:00:00:00:00:11 10.0.0.11 fd00::11");
    let solicit = |eth: &str, src: &str, claimed: &str| {
        let claimed = Some(mac(claimed));
        discovery((eth, B), src, "fd00::2", 135, "fd00::9", claimed, None)
    };
    let advertise = |eth: &str, src: &str, target: &str, claimed: &str| {
        let claimed = Some(mac(claimed));
        discovery((eth, B), src, "fd00::2", 136, target, None, claimed)
    };
    let request = |eth: &str, claimed: &str, spa: &str| arp(1, (eth, B), claimed, spa, "10.0.0.99");
    let [ethernet, address, neighbor] = [
        "drop port-security-ethernet",
        "drop port-security-ip",
        "drop port-security-neighbor",
    ];
    check(
        &net,
        None,
        &[
            ("a", solicit(A, "fd00::1", A), "-> b"),
            ("a", solicit(OTHER, "fd00::11", OTHER), "-> b"),
            ("a", solicit(A, "fd00::1", OTHER), neighbor),
            ("a", solicit(A, "fd00::11", A), address),
            ("a", solicit(OTHER, "fd00::1", OTHER), address),
            ("a", solicit(C, "fd00::1", A), ethernet),
            ("a", advertise(A, "fd00::1", "fd00::1", A), "-> b"),
            ("a", advertise(A, "fd00::1", "fd00::11", A), neighbor),
            ("a", advertise(A, "fd00::1", "fd00::11", OTHER), neighbor),
            ("a", advertise(A, "fd00::1", "fd00::1", OTHER), neighbor),
            ("a", request(A, A, "10.0.0.1"), "-> b"),
            ("a", request(A, OTHER, "10.0.0.11"), neighbor),
            ("a", request(A, A, "10.0.0.11"), neighbor),
            ("a", request(OTHER, A, "10.0.0.1"), neighbor),
        ],
    );
}

#[test]
fn port_security_restricts_the_receiver() {
    let net = pair()
        .secured("b", "0a:00:00:00:00:02 10.0.0.2 10.1.0.5/16 fd00::2")
        .vif("ls", "u", "unknown")
        .secured("u", C);
    let any = (A, B);
    check(
        &net,
        None,
        &[
            ("a", udp(any, "10.0.0.1", "10.0.0.2"), "-> b"),
            ("a", udp(any, "10.0.0.1", "10.1.0.5"), "-> b"),
            ("a", udp(any, "10.0.0.1", "10.1.255.255"), "-> b"),
            ("a", udp(any, "10.0.0.1", "224.0.0.5"), "-> b"),
            ("a", udp(any, "10.0.0.1", "255.255.255.255"), "-> b"),
            (
                "a",
                udp(any, "10.0.0.1", "10.0.0.9"),
                "drop port-security-receiver-ip",
            ),
            ("a", udp(any, "fd00::1", "fd00::2"), "-> b"),
            ("a", udp(any, "fd00::1", "fe80::800:ff:fe00:2"), "-> b"),
            (
                "a",
                udp(any, "fd00::1", "fd00::9"),
                "drop port-security-receiver-ip",
            ),
            ("a", frame(A, B), "-> b"),
            ("a", frame(A, STRANGER), "drop port-security-receiver"),
            ("a", frame(A, C), "-> u"),
            ("a", frame(A, ALL), "-> b | -> u"),
        ],
    );
}

#[test]
fn a_nested_port_speaks_through_its_parent_with_its_tag() {
    let nested = Attachment::Nested {
        parent: "a".to_owned(),
        tag: 7,
    };
    let net = pair()
        .switch("inner")
        .switch_port("inner", "n", nested, C)
        .vif("inner", "m", STRANGER);
    check(
        &net,
        None,
        &[
            ("a", tagged(7, frame(C, STRANGER)), "untagged -> m"),
            ("a", tagged(8, frame(C, STRANGER)), "drop vlan-unexpected"),
            ("a", frame(A, B), "-> b"),
            ("m", frame(STRANGER, C), "vlan=7 -> n on a"),
            ("m", frame(STRANGER, ALL), "vlan=7 -> n on a"),
        ],
    );
    let orphan = Attachment::Nested {
        parent: "nobody".to_owned(),
        tag: 7,
    };
    let net = pair().switch_port("ls", "n", orphan, C);
    check(&net, None, &[("a", frame(A, C), "drop parent-missing")]);
}
