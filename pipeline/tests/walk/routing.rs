//! Logical routers, as ovn-northd 23.03 compiles them. Input: a network, a port and a packet; output: the
//! verdict's branches.

use packet::flow::{Fragment, Transport};
use pipeline::object::{DatapathKind, Global, Object, Router};

use crate::support::flows::*;
use crate::support::{Net, check, sent};

const A: &str = "0a:00:00:00:01:01";
const B: &str = "0a:00:00:00:02:01";
const R1: &str = "0a:00:00:00:01:fe";
const R2: &str = "0a:00:00:00:02:fe";
const ALL: &str = "ff:ff:ff:ff:ff:ff";
pub(crate) const TO_R: (&str, &str) = (A, R1);

/// Two switches and a router between them.
pub(crate) fn routed() -> Net {
    Net::new()
        .switch("one")
        .vif("one", "a", "0a:00:00:00:01:01 10.0.1.1 fd01::1")
        .switch("two")
        .vif("two", "b", "0a:00:00:00:02:01 10.0.2.1 fd02::1")
        .router("r")
        .join("r", "one", R1, "10.0.1.254/24 fd01::fe/64")
        .join("r", "two", R2, "10.0.2.254/24 fd02::fe/64")
}

/// `routed`, and beyond it another router with a switch.
fn twice_routed() -> Net {
    routed()
        .router("s")
        .join_routers(
            ("r", "0a:00:00:00:09:01", "172.16.0.1/30"),
            ("s", "0a:00:00:00:09:02", "172.16.0.2/30"),
        )
        .switch("three")
        .vif("three", "c", "0a:00:00:00:03:01 10.0.3.1 fd03::1")
        .join(
            "s",
            "three",
            "0a:00:00:00:03:fe",
            "10.0.3.254/24 fd03::fe/64",
        )
        .route("r", "10.0.3.0/24", &["172.16.0.2 via r-s"])
        .route("r", "fd03::/64", &["fe80::800:ff:fe00:902 via r-s"])
        .route("s", "0.0.0.0/0", &["172.16.0.1 via s-r"])
        .route("s", "::/0", &["fe80::800:ff:fe00:901 via s-r"])
}

#[test]
fn packets_are_routed_between_switches() {
    let there = "src=0a:00:00:00:02:fe dst=0a:00:00:00:02:01 ttl-1 -> b";
    check(
        &routed(),
        None,
        &[
            ("a", udp(TO_R, "10.0.1.1", "10.0.2.1"), there),
            ("a", udp(TO_R, "fd01::1", "fd02::1"), there),
            ("a", with_ttl(2, udp(TO_R, "10.0.1.1", "10.0.2.1")), there),
            ("a", udp(TO_R, "10.0.1.1", "192.0.2.1"), "drop no-route"),
            ("a", udp(TO_R, "fd01::1", "fd99::1"), "drop no-route"),
            // Back by the port it came in by.
            (
                "a",
                udp(TO_R, "10.0.9.9", "10.0.1.1"),
                "src=0a:00:00:00:01:fe dst=0a:00:00:00:01:01 ttl-1 -> a",
            ),
            ("a", frame(A, R1), "drop not-ip"),
        ],
    );
}

#[test]
fn packets_are_routed_from_router_to_router() {
    let there = "src=0a:00:00:00:03:fe dst=0a:00:00:00:03:01 ttl-2 -> c";
    let back = "src=0a:00:00:00:01:fe dst=0a:00:00:00:01:01 ttl-2 -> a";
    let from_c = ("0a:00:00:00:03:01", "0a:00:00:00:03:fe");
    check(
        &twice_routed(),
        None,
        &[
            ("a", udp(TO_R, "10.0.1.1", "10.0.3.1"), there),
            ("a", udp(TO_R, "fd01::1", "fd03::1"), there),
            ("c", udp(from_c, "10.0.3.1", "10.0.1.1"), back),
            ("c", udp(from_c, "fd03::1", "fd01::1"), back),
        ],
    );
}

#[test]
fn an_exhausted_ttl_is_answered_by_the_port_where_the_packet_came_in() {
    let exceeded = |flow| with_ttl(1, flow);
    let later = with_ip(udp(TO_R, "10.0.1.1", "10.0.2.1"), |ip| {
        ip.fragment = Fragment::Later;
        ip.transport = Transport::Other;
    });
    let error = icmp(TO_R, "10.0.1.1", "10.0.2.1", 3);
    check(
        &twice_routed(),
        None,
        &[
            (
                "a",
                exceeded(udp(TO_R, "10.0.1.1", "10.0.2.1")),
                "icmp11/0 10.0.1.254>10.0.1.1 ttl 254 -> a",
            ),
            (
                "a",
                exceeded(udp(TO_R, "fd01::1", "fd02::1")),
                "icmp3/0 fd01::fe>fd01::1 ttl 254 -> a",
            ),
            // IPv6 senders beyond the port's networks are not told.
            (
                "a",
                exceeded(udp(TO_R, "fd77::1", "fd02::1")),
                "drop ttl-exceeded",
            ),
            ("a", exceeded(later), "drop ttl-exceeded"),
            ("a", exceeded(error), "drop ttl-exceeded"),
            // At the second router.
            (
                "a",
                with_ttl(2, udp(TO_R, "10.0.1.1", "10.0.3.1")),
                "icmp11/0 172.16.0.2>10.0.1.1 ttl 254 src=0a:00:00:00:01:fe dst=0a:00:00:00:01:01 ttl-1 -> a",
            ),
        ],
    );
}

#[test]
fn the_router_answers_for_all_its_addresses() {
    let back = "src=0a:00:00:00:01:fe dst=0a:00:00:00:01:01 ttl-1 -> a";
    let line = |text: &str| {
        format!(
            "{text} {}",
            back.trim_start_matches("src=0a:00:00:00:01:fe dst=0a:00:00:00:01:01 ")
        )
    };
    let echo_far = line("icmp0/0 10.0.2.254>10.0.1.1 ttl 255");
    let echo6 = line("icmp129/0 fd02::fe>fd01::1 ttl 255");
    let reset = line("tcp 0x14 10.0.1.254>10.0.1.1 ttl 63");
    let abort = line("ip132 10.0.1.254>10.0.1.1 ttl 63");
    let abort6 = line("ip132 fd02::fe>fd01::1 ttl 63");
    let sctp = |dst: &str, src: &str| {
        let transport = Transport::Sctp {
            src: 1000,
            dst: 2000,
        };
        ip(TO_R, src, dst, transport)
    };
    let port = line("icmp3/3 10.0.1.254>10.0.1.1 ttl 255");
    let port6 = line("icmp1/4 fd01::fe>fd01::1 ttl 255");
    let protocol = line("icmp3/2 10.0.1.254>10.0.1.1 ttl 255");
    let later = with_ip(udp(TO_R, "10.0.1.1", "10.0.1.254"), |ip| {
        ip.fragment = Fragment::Later;
        ip.transport = Transport::Other;
    });
    check(
        &routed(),
        None,
        &[
            (
                "a",
                echo(TO_R, "10.0.1.1", "10.0.1.254"),
                &line("icmp0/0 10.0.1.254>10.0.1.1 ttl 255"),
            ),
            (
                "a",
                with_ttl(1, echo(TO_R, "10.0.1.1", "10.0.2.254")),
                &echo_far,
            ),
            ("a", echo(TO_R, "fd01::1", "fd02::fe"), &echo6),
            ("a", tcp(TO_R, "10.0.1.1", "10.0.1.254", 2), &reset),
            (
                "a",
                tcp(TO_R, "10.0.1.1", "10.0.1.254", 4),
                "drop error-unanswered",
            ),
            ("a", sctp("10.0.1.254", "10.0.1.1"), &abort),
            ("a", sctp("fd02::fe", "fd01::1"), &abort6),
            ("a", udp(TO_R, "10.0.1.1", "10.0.1.254"), &port),
            ("a", udp(TO_R, "fd01::1", "fd01::fe"), &port6),
            (
                "a",
                ip(TO_R, "10.0.1.1", "10.0.1.254", Transport::Other),
                &protocol,
            ),
            (
                "a",
                icmp(TO_R, "10.0.1.1", "10.0.1.254", 3),
                "drop error-unanswered",
            ),
            ("a", later, "drop to-router"),
        ],
    );
}

#[test]
fn what_may_not_be_routed_is_dropped() {
    check(
        &routed(),
        None,
        &[
            (
                "a",
                udp(TO_R, "127.0.0.1", "10.0.2.1"),
                "drop source-invalid",
            ),
            (
                "a",
                udp(TO_R, "10.0.1.1", "127.0.0.1"),
                "drop source-invalid",
            ),
            ("a", udp(TO_R, "0.0.0.1", "10.0.2.1"), "drop source-invalid"),
            (
                "a",
                udp(TO_R, "224.0.0.1", "10.0.2.1"),
                "drop source-invalid",
            ),
            (
                "a",
                udp(TO_R, "255.255.255.255", "10.0.2.1"),
                "drop source-invalid",
            ),
            (
                "a",
                udp(TO_R, "10.0.1.254", "10.0.2.1"),
                "drop source-is-router",
            ),
            (
                "a",
                udp(TO_R, "10.0.2.255", "10.0.2.1"),
                "drop source-is-router",
            ),
            (
                "a",
                udp(TO_R, "10.0.1.1", "224.1.1.1"),
                "drop multicast-not-routed",
            ),
            (
                "a",
                udp((A, ALL), "10.0.1.1", "10.0.2.1"),
                "drop broadcast-not-routed",
            ),
            (
                "a",
                icmp((A, "33:33:00:00:00:02"), "fd01::1", "ff02::2", 133),
                "drop neighbor-not-answered",
            ),
            (
                "a",
                arp(2, TO_R, A, "10.0.1.1", "10.0.1.254"),
                "drop neighbor-not-answered",
            ),
            (
                "r-one",
                udp((A, R2), "10.0.1.1", "10.0.2.1"),
                "drop router-admission",
            ),
            (
                "r-one",
                tagged(3, udp(TO_R, "10.0.1.1", "10.0.2.1")),
                "drop vlan-unexpected",
            ),
        ],
    );
}

#[test]
fn disabled_routers_and_ports_route_nothing() {
    let disabled = routed().put_router("r", false, true);
    check(
        &disabled,
        None,
        &[(
            "a",
            udp(TO_R, "10.0.1.1", "10.0.2.1"),
            "drop router-disabled",
        )],
    );
    let outport = routed().disabled("r-two");
    check(
        &outport,
        None,
        &[(
            "a",
            udp(TO_R, "10.0.1.1", "10.0.2.1"),
            "drop to-disabled-port",
        )],
    );
    let inport = routed().disabled("r-one");
    check(
        &inport,
        None,
        &[("a", udp(TO_R, "10.0.1.1", "10.0.2.1"), "drop port-disabled")],
    );
}

#[test]
fn an_unknown_next_hop_is_asked_for_while_the_packet_waits() {
    let net = routed().vif("two", "u", "unknown");
    check(
        &net,
        None,
        &[
            (
                "a",
                udp(TO_R, "10.0.1.1", "10.0.2.77"),
                "src=0a:00:00:00:02:fe ttl-1 held for 10.0.2.77 at r-two \
             [who-has 10.0.2.77 tell 10.0.2.254 -> b; who-has 10.0.2.77 tell 10.0.2.254 -> u]",
            ),
            (
                "a",
                udp(TO_R, "fd01::1", "fd02::77"),
                "src=0a:00:00:00:02:fe ttl-1 held for fd02::77 at r-two \
             [solicit fd02::77 tell fe80::800:ff:fe00:2fe -> b; \
             solicit fd02::77 tell fe80::800:ff:fe00:2fe -> u]",
            ),
        ],
    );
}

#[test]
fn bindings_resolve_next_hops_and_a_fixed_one_may_override_what_was_learned() {
    let udp = || udp(TO_R, "10.0.1.1", "10.0.2.77");
    let (learned, fixed) = ("0a:00:00:00:02:77", "0a:00:00:00:02:78");
    let to = |mac: &str| format!("src=0a:00:00:00:02:fe dst={mac} ttl-1 -> u");
    let net = routed().vif("two", "u", "unknown");
    for (has_learned, has_fixed, expected) in [
        (Some(learned), None, learned),
        (None, Some((fixed, false)), fixed),
        (Some(learned), Some((fixed, false)), learned),
        (Some(learned), Some((fixed, true)), fixed),
    ] {
        let net = net
            .clone()
            .neighbor("r-two", "10.0.2.77", has_learned, has_fixed);
        check(&net, None, &[("a", udp(), &to(expected))]);
    }
    // What the switch knows itself needs no binding.
    let net = net.neighbor("r-two", "10.0.2.1", None, Some((fixed, true)));
    let known = "src=0a:00:00:00:02:fe dst=0a:00:00:00:02:01 ttl-1 -> b";
    check(
        &net,
        None,
        &[(
            "a",
            crate::support::flows::udp(TO_R, "10.0.1.1", "10.0.2.1"),
            known,
        )],
    );
}

#[test]
fn routers_on_one_switch_know_each_other() {
    let net = routed()
        .router("t")
        .join("t", "two", "0a:00:00:00:02:fd", "10.0.2.253/24")
        .route("r", "192.0.2.0/24", &["10.0.2.253 via r-two"]);
    check(
        &net,
        None,
        &[("a", udp(TO_R, "10.0.1.1", "192.0.2.1"), "drop no-route")],
    );
}

#[test]
fn neighbours_are_learned_from_what_they_claim() {
    let net = routed();
    let picky = routed().put_router("r", true, false);
    let known = picky
        .clone()
        .neighbor("r-one", "10.0.1.9", Some("0a:00:00:00:01:08"), None);
    let new = "0a:00:00:00:01:09";
    let request = |target| who_has(new, "10.0.1.9", target);
    for (net, flow, expected) in [
        (&net, request("10.0.1.9"), Some("10.0.1.9")),
        (&net, who_has(new, "10.9.9.9", "10.9.9.9"), None),
        (
            &net,
            arp(2, (new, R1), new, "10.9.9.9", "10.0.1.254"),
            Some("10.9.9.9"),
        ),
        (&net, solicit(new, "fd01::9", "fd01::77"), Some("fd01::9")),
        (&net, solicit(new, "::", "fd01::77"), None),
        (
            &net,
            advertise((new, R1), "fd01::9", "fd01::fe", new),
            Some("fd01::9"),
        ),
        (&picky, request("10.0.1.9"), None),
        (&picky, solicit(new, "fd01::9", "fd01::77"), None),
        (
            &picky,
            arp(2, (new, R1), new, "10.0.1.9", "10.0.1.254"),
            Some("10.0.1.9"),
        ),
        (&known, request("10.0.1.9"), Some("10.0.1.9")),
        (
            &known,
            who_has("0a:00:00:00:01:08", "10.0.1.9", "10.0.1.9"),
            None,
        ),
    ] {
        let verdict = sent(&net.tables(None), "a", &flow);
        let learned = verdict.learned.iter().map(|learn| match learn {
            pipeline::Learn::Neighbor { ip, .. } => ip.to_string(),
            pipeline::Learn::Station { mac, .. } => mac.to_string(),
        });
        assert_eq!(
            learned.collect::<Vec<_>>().first().map(String::as_str),
            expected,
            "{}",
            in_words(&flow)
        );
    }
}

#[test]
fn packets_longer_than_the_mtu_are_answered_with_it() {
    let limit = |port: &mut pipeline::object::RouterPort| port.gateway_mtu = Some(600);
    let out = routed().edit_router_port("r-two", limit);
    let arriving = routed().edit_router_port("r-one", limit);
    let sized = |length| with_length(length, udp(TO_R, "10.0.1.1", "10.0.2.1"));
    let sized6 = with_length(1400, udp(TO_R, "fd01::1", "fd02::1"));
    let may_fragment = with_ip(sized(601), |ip| ip.dont_fragment = false);
    let passed = "src=0a:00:00:00:02:fe dst=0a:00:00:00:02:01 ttl-1 -> b";
    // Out of a port, the packet had already been made the router's own.
    let too_big = "icmp3/4 10.0.1.254>10.0.1.1 ttl 255 dst=0a:00:00:00:01:01 ttl-1 -> a";
    let too_big6 = "icmp2/0 fd01::fe>fd01::1 ttl 255 dst=0a:00:00:00:01:01 ttl-1 -> a";
    check(
        &out,
        None,
        &[
            ("a", sized(600), passed),
            ("a", sized(601), too_big),
            ("a", may_fragment, too_big),
            ("a", sized6.clone(), too_big6),
            (
                "a",
                with_length(601, icmp(TO_R, "10.0.1.1", "10.0.2.1", 3)),
                "drop mtu-exceeded",
            ),
            (
                "a",
                with_length(1400, echo(TO_R, "10.0.1.1", "10.0.2.254")),
                "icmp0/0 10.0.2.254>10.0.1.1 ttl 255 ttl-1 -> a",
            ),
        ],
    );
    let too_big = "icmp3/4 10.0.1.254>10.0.1.1 ttl 255 ttl-1 -> a";
    let too_big6 = "icmp2/0 fd01::fe>fd01::1 ttl 255 ttl-1 -> a";
    check(
        &arriving,
        None,
        &[
            ("a", sized(600), passed),
            ("a", sized(601), too_big),
            ("a", sized6, too_big6),
        ],
    );
}

#[test]
fn loose_ends_are_drops_with_their_reason() {
    let unjoined = routed().edit_router_port("r-two", |port| port.peer = None);
    check(
        &unjoined,
        None,
        &[(
            "a",
            udp(TO_R, "10.0.1.1", "10.0.2.1"),
            "src=0a:00:00:00:02:fe ttl-1 held for 10.0.2.1 at r-two [drop peer-missing]",
        )],
    );
    let mut half = routed();
    let lrp = half.at("r-two");
    half.objects.remove(&pipeline::object::ObjectKey::Port(lrp));
    check(
        &half,
        None,
        &[
            (
                "a",
                udp(TO_R, "10.0.1.1", "10.0.2.1"),
                "drop route-port-missing",
            ),
            (
                "b",
                udp((B, R2), "10.0.2.1", "10.0.1.1"),
                "drop peer-missing",
            ),
        ],
    );
    let rowless = routed().put(Object::Global(Global::default()));
    let mut rowless = rowless;
    let key = rowless.key("r");
    rowless
        .objects
        .remove(&pipeline::object::ObjectKey::Datapath(key));
    check(
        &rowless,
        None,
        &[("a", udp(TO_R, "10.0.1.1", "10.0.2.1"), "drop unknown-port")],
    );
}

#[test]
fn routing_loops_end() {
    let net = routed()
        .router("s")
        .join_routers(
            ("r", "0a:00:00:00:09:01", "172.16.0.1/30"),
            ("s", "0a:00:00:00:09:02", "172.16.0.2/30"),
        )
        .route("r", "0.0.0.0/0", &["172.16.0.2 via r-s"])
        .route("s", "0.0.0.0/0", &["172.16.0.1 via s-r"]);
    check(
        &net,
        None,
        &[
            (
                "a",
                with_ttl(255, udp(TO_R, "10.0.1.1", "192.0.2.1")),
                "drop recirculation-limit",
            ),
            (
                "a",
                with_ttl(4, udp(TO_R, "10.0.1.1", "192.0.2.1")),
                "icmp11/0 172.16.0.2>10.0.1.1 ttl 254 src=0a:00:00:00:01:fe dst=0a:00:00:00:01:01 ttl-1 -> a",
            ),
        ],
    );
}

impl Net {
    fn put_router(self, name: &str, enabled: bool, always_learn_from_arp_request: bool) -> Self {
        let key = self.key(name);
        let kind = DatapathKind::Router(Router {
            always_learn_from_arp_request,
            enabled,
            ..Router::default()
        });
        let row = pipeline::object::Datapath {
            key,
            uuid: uuid::Uuid::nil(),
            name: name.to_owned(),
            kind,
        };
        self.put(Object::Datapath(row))
    }
}
