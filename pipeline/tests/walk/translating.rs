//! Gateway routers, distributed gateway ports, translation and load balancers at routers, as ovn-northd 23.03 compiles
//! them. Input: a network and packets, one after the other; output: where each comes out, and what it is by then.

mod balanced;

use packet::Flow;
use packet::flow::ip_protocol::{TCP, UDP};
use packet::flow::{Network, Quoted, Transport};
use pipeline::object::*;

use crate::support::Net;
use crate::support::flows::*;
use crate::support::service::{Nodes, answer, between};

const C: &str = "0a:00:00:00:02:01";
const D: &str = "0a:00:00:00:02:02";
const E: &str = "0a:00:00:00:09:01";
const INSIDE: &str = "0a:00:00:00:02:fe";
const OUTSIDE: &str = "0a:00:00:00:09:fe";
const C_TO_R: (&str, &str) = (C, INSIDE);
const D_TO_R: (&str, &str) = (D, INSIDE);
const E_TO_R: (&str, &str) = (E, OUTSIDE);
const ALL: &str = "ff:ff:ff:ff:ff:ff";

/// Two hosts inside, a router, and a host outside.
fn plain() -> Net {
    Net::new()
        .chassis("n1", "192.0.2.1")
        .chassis("n2", "192.0.2.2")
        .switch("in")
        .vif("in", "c", "0a:00:00:00:02:01 10.0.2.1 fd02::1")
        .vif("in", "d", "0a:00:00:00:02:02 10.0.2.2 fd02::2")
        .switch("out")
        .vif("out", "e", "0a:00:00:00:09:01 172.16.0.1 fd09::1")
        .router("r")
        .join("r", "in", INSIDE, "10.0.2.254/24 fd02::fe/64")
        .join("r", "out", OUTSIDE, "172.16.0.254/24 fd09::fe/64")
        .bound("c", "n1")
        .bound("d", "n2")
        .bound("e", "n1")
}

/// The router is a gateway router on n2.
fn gateway() -> Net {
    plain()
        .edit_router("r", |router| router.chassis = Some("n2".into()))
        .bound("in-r", "n2")
        .bound("out-r", "n2")
}

/// The router is distributed, but for its port outside, which is on n2.
fn gateway_port() -> Net {
    plain().edit_router_port("r-out", |port| port.gateway = Some("n2".into()))
}

fn from_c(dst: &str) -> Flow {
    between(C_TO_R, UDP, "10.0.2.1:1000", dst)
}

fn from_d(dst: &str) -> Flow {
    between(D_TO_R, UDP, "10.0.2.2:1000", dst)
}

fn from_e(dst: &str) -> Flow {
    between(E_TO_R, UDP, "172.16.0.1:1000", dst)
}

fn sets() -> Net {
    gateway().set("peers", "{172.16.0.1}")
}

#[test]
fn what_leaves_gets_an_address_outside_and_its_answers_find_back() {
    for net in [gateway(), gateway_port()] {
        let net = net
            .nat("r", "snat 172.16.0.254 10.0.2.0/24")
            .nat("r", "snat 172.16.0.240 10.0.2.2")
            .nat("r", "snat fd09::99 fd02::/64");
        let mut nodes = Nodes::one(&net);
        let there = "172.16.0.254:1000>172.16.0.1:53 -> e";
        let arrived = nodes.check("c", &from_c("172.16.0.1:53"), there);
        let back = "172.16.0.1:53>10.0.2.1:1000 -> c";
        nodes.check("e", &answer(&arrived), back);
        nodes.check("c", &from_c("172.16.0.1:53"), there);
        nodes.check("e", &answer(&arrived), back);
        // The longer network wins.
        let arrived = nodes.check(
            "d",
            &from_d("172.16.0.1:53"),
            "172.16.0.240:1000>172.16.0.1:53 -> e",
        );
        nodes.check("e", &answer(&arrived), "172.16.0.1:53>10.0.2.2:1000 -> d");
        let six = between(C_TO_R, TCP, "[fd02::1]:1000", "[fd09::1]:80");
        let arrived = nodes.check("c", &six, "[fd09::99]:1000>[fd09::1]:80 -> e");
        nodes.check("e", &answer(&arrived), "[fd09::1]:80>[fd02::1]:1000 -> c");
        let ping = echo(C_TO_R, "10.0.2.1", "172.16.0.1");
        let arrived = nodes.check("c", &ping, "172.16.0.254>172.16.0.1 icmp8 7 -> e");
        nodes.check("e", &answer(&arrived), "172.16.0.1>10.0.2.1 icmp0 7 -> c");
    }
}

#[test]
fn two_hosts_with_one_port_are_told_apart() {
    let net = gateway().edited_nat("r", "snat 172.16.0.254 10.0.2.0/24", |nat| {
        nat.external_ports = Some(2000..=2001);
    });
    let mut nodes = Nodes::one(&net);
    let mut ports = Vec::new();
    for (inport, flow, back) in [
        (
            "c",
            from_c("172.16.0.1:53"),
            "172.16.0.1:53>10.0.2.1:1000 -> c",
        ),
        (
            "d",
            from_d("172.16.0.1:53"),
            "172.16.0.1:53>10.0.2.2:1000 -> d",
        ),
    ] {
        let arrived = nodes.send(inport, &flow).remove(0).flow;
        nodes.check("e", &answer(&arrived), back);
        let Network::Ip(ip) = arrived.network else {
            panic!("no IP packet");
        };
        if let Transport::Udp { src, .. } = ip.transport {
            ports.push(src);
        }
    }
    ports.sort_unstable();
    assert_eq!(ports, [2000, 2001]);
    // And no third port is left.
    let third = between(C_TO_R, UDP, "10.0.2.1:1001", "172.16.0.1:53");
    nodes.check("c", &third, "drop nat-exhausted");
    // To another peer the same ones serve again.
    let other = nodes.send("c", &between(C_TO_R, UDP, "10.0.2.1:1001", "172.16.0.1:54"));
    assert_eq!(other[0].at, "e");
}

#[test]
fn what_nobody_asked_for_does_not_get_in_by_the_address_outside() {
    for (net, elsewhere) in [
        (
            gateway(),
            "172.16.0.1:1000>172.16.0.240:1000 -> held for 172.16.0.240",
        ),
        (gateway_port(), "drop nat-unsolicited"),
    ] {
        let net = net
            .nat("r", "snat 172.16.0.254 10.0.2.0/24")
            .nat("r", "snat 172.16.0.240 10.0.2.2");
        let mut nodes = Nodes::one(&net);
        nodes.check("e", &from_e("172.16.0.254:1000"), "drop nat-unsolicited");
        nodes.check("e", &from_e("172.16.0.240:1000"), elsewhere);
        // But translation is no firewall.
        nodes.check(
            "e",
            &from_e("10.0.2.1:80"),
            "172.16.0.1:1000>10.0.2.1:80 -> c",
        );
        let ping = echo(E_TO_R, "172.16.0.1", "172.16.0.254");
        nodes.check("e", &ping, "172.16.0.254>172.16.0.1 icmp0 7 -> e");
        // The TTL runs out before anything is translated.
        let late = with_ttl(1, from_e("172.16.0.254:1000"));
        let told = "172.16.0.254>172.16.0.1 icmp11 about 172.16.0.1:1000>172.16.0.254:1000 -> e";
        nodes.check("e", &late, told);
    }
}

#[test]
fn an_exhausted_ttl_at_a_gateway_port_is_answered_as_by_whom_the_packet_was_for() {
    let net = gateway_port().nat("r", "both fd09::77 fd02::1");
    let mut nodes = Nodes::one(&net);
    let from = |source: &str, dst: &str| with_ttl(1, between(E_TO_R, UDP, source, dst));
    for (source, dst, told) in [
        (
            "[fd09::1]:1000",
            "[fd09::77]:80",
            "fd09::77>fd09::1 icmp3 about [fd09::1]:1000>[fd09::77]:80 -> e",
        ),
        (
            "[fd09::1]:1000",
            "[fd02::2]:80",
            "fd02::2>fd09::1 icmp3 about [fd09::1]:1000>[fd02::2]:80 -> e",
        ),
        // IPv6 senders beyond the port's networks are not told, unlike IPv4 senders.
        ("[fd77::1]:1000", "[fd09::77]:80", "drop ttl-exceeded"),
        (
            "172.17.0.1:1000",
            "10.0.2.1:80",
            "10.0.2.1>172.17.0.1 icmp11 about 172.17.0.1:1000>10.0.2.1:80 -> e",
        ),
    ] {
        nodes.check("e", &from(source, dst), told);
    }
}

#[test]
fn what_comes_to_a_translated_address_gets_in() {
    for net in [gateway(), gateway_port()] {
        let net = net
            .nat("r", "dnat 172.16.0.50 10.0.2.2")
            .nat("r", "both 172.16.0.60 10.0.2.1")
            .nat("r", "both fd77::60 fd02::1");
        let mut nodes = Nodes::one(&net);
        let arrived = nodes.check(
            "e",
            &from_e("172.16.0.50:80"),
            "172.16.0.1:1000>10.0.2.2:80 -> d",
        );
        nodes.check(
            "d",
            &answer(&arrived),
            "172.16.0.50:80>172.16.0.1:1000 -> e",
        );
        let arrived = nodes.check(
            "e",
            &from_e("172.16.0.60:80"),
            "172.16.0.1:1000>10.0.2.1:80 -> c",
        );
        nodes.check(
            "c",
            &answer(&arrived),
            "172.16.0.60:80>172.16.0.1:1000 -> e",
        );
        // An address outside of every network.
        let six = between(E_TO_R, TCP, "[fd09::1]:1000", "[fd77::60]:80");
        let arrived = nodes.check("e", &six, "[fd09::1]:1000>[fd02::1]:80 -> c");
        nodes.check("c", &answer(&arrived), "[fd77::60]:80>[fd09::1]:1000 -> e");
        // What the host itself begins.
        let arrived = nodes.check(
            "c",
            &from_c("172.16.0.1:53"),
            "172.16.0.60:1000>172.16.0.1:53 -> e",
        );
        nodes.check("e", &answer(&arrived), "172.16.0.1:53>10.0.2.1:1000 -> c");
    }
}

#[test]
fn neighbours_inside_that_meet_outside_translate_both_ends() {
    for net in [gateway(), gateway_port()] {
        let net = net
            .nat("r", "both 172.16.0.60 10.0.2.1")
            .nat("r", "both 172.16.0.61 10.0.2.2");
        let mut nodes = Nodes::one(&net);
        let there = "172.16.0.60:1000>10.0.2.2:80 -> d";
        let back = "172.16.0.61:80>10.0.2.1:1000 -> c";
        for _ in 0..2 {
            let arrived = nodes.check("c", &from_c("172.16.0.61:80"), there);
            nodes.check("d", &answer(&arrived), back);
        }
    }
}

#[test]
fn a_router_without_a_gateway_translates_nothing() {
    let net = plain()
        .nat("r", "snat 172.16.0.254 10.0.2.0/24")
        .nat("r", "both 172.16.0.60 10.0.2.1");
    let mut nodes = Nodes::one(&net);
    nodes.check(
        "d",
        &from_d("172.16.0.1:53"),
        "10.0.2.2:1000>172.16.0.1:53 -> e",
    );
}

#[test]
fn stateless_translation_exchanges_addresses_only() {
    for net in [gateway(), gateway_port()] {
        let net = net.edited_nat("r", "both 172.16.0.60 10.0.2.1", |nat| {
            nat.is_stateless = true;
        });
        let mut nodes = Nodes::one(&net);
        let arrived = nodes.check(
            "e",
            &from_e("172.16.0.60:80"),
            "172.16.0.1:1000>10.0.2.1:80 -> c",
        );
        nodes.check(
            "c",
            &answer(&arrived),
            "172.16.0.60:80>172.16.0.1:1000 -> e",
        );
        nodes.check(
            "c",
            &from_c("172.16.0.1:53"),
            "172.16.0.60:1000>172.16.0.1:53 -> e",
        );
        let router = net.key("r");
        let zones = nodes.conntrack().connections().map(|kept| kept.zone.kind());
        use pipeline::conntrack::ZoneKind;
        let translated = zones.flatten().filter(|kind| match kind {
            ZoneKind::Snat(key) => *key == router,
            _ => false,
        });
        assert_eq!(translated.count(), 0);
    }
}

#[test]
fn peers_may_be_chosen_or_exempted_by_address_sets() {
    let only = |nat: &mut Nat| nat.peers = NatPeers::Only("peers".into());
    let but = |nat: &mut Nat| nat.peers = NatPeers::AllBut("peers".into());
    let plain = "10.0.2.1:1000>172.16.0.1:53 -> e";
    let with = |external: &str| format!("{external}:1000>172.16.0.1:53 -> e");
    let narrow = "both 172.16.0.60 10.0.2.1";
    let wide = "snat 172.16.0.254 10.0.2.0/24";
    for (net, expected) in [
        (sets().edited_nat("r", narrow, only), with("172.16.0.60")),
        (sets().edited_nat("r", narrow, but), plain.to_owned()),
        (
            sets()
                .set("peers", "{192.0.2.9}")
                .edited_nat("r", narrow, only),
            plain.to_owned(),
        ),
        (
            sets()
                .set("peers", "{192.0.2.9}")
                .edited_nat("r", narrow, but),
            with("172.16.0.60"),
        ),
        // One that does not concern the peer leaves it to others; an exemption is for all.
        (
            sets()
                .set("peers", "{192.0.2.9}")
                .edited_nat("r", narrow, only)
                .nat("r", wide),
            with("172.16.0.254"),
        ),
        (
            sets().edited_nat("r", narrow, but).nat("r", wide),
            plain.to_owned(),
        ),
    ] {
        Nodes::one(&net).check("c", &from_c("172.16.0.1:53"), &expected);
    }
    let mut nodes = Nodes::one(&sets().edited_nat("r", narrow, only));
    nodes.check(
        "e",
        &from_e("172.16.0.60:80"),
        "172.16.0.1:1000>10.0.2.1:80 -> c",
    );
}

#[test]
fn the_router_answers_for_addresses_that_it_translates() {
    for net in [gateway(), gateway_port()] {
        let net = net
            .nat("r", "snat 172.16.0.240 10.0.2.2")
            .nat("r", "dnat 192.0.2.50 10.0.2.2")
            .nat("r", "both fd77::60 fd02::1");
        let mut nodes = Nodes::one(&net);
        for ip in ["172.16.0.240", "192.0.2.50"] {
            let found = nodes.send("e", &who_has(E, "172.16.0.1", ip));
            let answered: Vec<_> = found
                .iter()
                .map(|arrived| in_words(&arrived.flow))
                .collect();
            assert!(
                answered.contains(&format!("{ip} is-at {OUTSIDE}")),
                "{answered:?}"
            );
        }
        let found = nodes.send("e", &solicit(E, "fd09::1", "fd77::60"));
        let answered: Vec<_> = found
            .iter()
            .map(|arrived| in_words(&arrived.flow))
            .collect();
        let expected = format!("fd77::60 is-at {OUTSIDE} >fd09::1");
        assert!(answered.contains(&expected), "{answered:?}");
    }
}

#[test]
fn errors_about_translated_packets_are_translated_outside_and_in() {
    let net = gateway().nat("r", "snat 172.16.0.254 10.0.2.0/24");
    let mut nodes = Nodes::one(&net);
    nodes.check(
        "c",
        &from_c("172.16.0.1:53"),
        "172.16.0.254:1000>172.16.0.1:53 -> e",
    );
    let quoted = |src: &str| Quoted {
        src: src.parse().unwrap(),
        dst: "172.16.0.1".parse().unwrap(),
        protocol: UDP,
        src_port: 1000,
        dst_port: 53,
    };
    let error = |src: &str| {
        with_ip(icmp(E_TO_R, "172.16.0.1", "172.16.0.254", 3), |ip| {
            if let Transport::Icmp { quoted: about, .. } = &mut ip.transport {
                *about = Some(Box::new(quoted(src)));
            }
        })
    };
    nodes.check(
        "e",
        &error("172.16.0.254"),
        "172.16.0.1>10.0.2.1 icmp3 about 10.0.2.1:1000>172.16.0.1:53 -> c",
    );
    // About what nobody sent.
    nodes.check("e", &error("172.16.0.253"), "drop nat-unsolicited");
}

#[test]
fn gateways_are_silent_about_what_they_do_not_serve() {
    for (net, expected) in [
        (
            plain(),
            "172.16.0.254>172.16.0.1 icmp3 about 172.16.0.1:1000>172.16.0.254:99 -> e",
        ),
        (gateway(), "drop to-router"),
        (gateway_port(), "drop to-router"),
    ] {
        Nodes::one(&net).check("e", &from_e("172.16.0.254:99"), expected);
    }
}

#[test]
fn packets_for_a_gateway_router_cross_to_its_node_and_from_there_to_others() {
    let net = gateway().nat("r", "snat 172.16.0.254 10.0.2.0/24");
    let mut nodes = Nodes::named(&net, &["n1", "n2"]);
    let n1 = Some("n1");
    let there = "172.16.0.254:1000>172.16.0.1:53 over n2,n1 -> e";
    let arrived = nodes.check_on(n1, "c", &from_c("172.16.0.1:53"), there);
    let back = "172.16.0.1:53>10.0.2.1:1000 over n2,n1 -> c";
    nodes.check_on(n1, "e", &answer(&arrived), back);
    let from_n2 = "172.16.0.254:1001>172.16.0.1:53 over n1 -> e";
    let flow = between(D_TO_R, UDP, "10.0.2.2:1001", "172.16.0.1:53");
    nodes.check_on(Some("n2"), "d", &flow, from_n2);
    // One node answers, not each.
    let found = nodes.send_on(n1, "e", &who_has(E, "172.16.0.1", "192.0.2.50"));
    assert!(found.iter().all(|arrived| arrived.at != "e"), "{found:?}");
}

#[test]
fn packets_leave_by_a_distributed_gateway_port_on_its_node() {
    let net = gateway_port()
        .nat("r", "snat 172.16.0.254 10.0.2.0/24")
        .nat("r", "both 172.16.0.60 10.0.2.2");
    let mut nodes = Nodes::named(&net, &["n1", "n2"]);
    let n1 = Some("n1");
    let there = "172.16.0.254:1000>172.16.0.1:53 over n2,n1 -> e";
    let arrived = nodes.check_on(n1, "c", &from_c("172.16.0.1:53"), there);
    let back = "172.16.0.1:53>10.0.2.1:1000 over n2,n1 -> c";
    nodes.check_on(n1, "e", &answer(&arrived), back);
    // Between hosts inside, the router is everywhere.
    nodes.check_on(
        n1,
        "c",
        &from_c("10.0.2.2:80"),
        "10.0.2.1:1000>10.0.2.2:80 over n2 -> d",
    );
    let floating = "172.16.0.1:1000>10.0.2.2:80 over n2 -> d";
    nodes.check_on(n1, "e", &from_e("172.16.0.60:80"), floating);
}

#[test]
fn an_address_with_a_station_of_its_own_is_translated_where_its_port_is() {
    const STATION: &str = "0a:00:00:00:ff:60";
    let net = gateway_port();
    let port = net.at("c");
    let net = net.edited_nat("r", "both 172.16.0.60 10.0.2.1", |nat| {
        nat.distributed = Some(DistributedNat {
            mac: STATION.parse().unwrap(),
            port,
        });
    });
    let mut nodes = Nodes::named(&net, &["n1", "n2"]);
    let n1 = Some("n1");
    let arrived = nodes.check_on(
        n1,
        "c",
        &from_c("172.16.0.1:53"),
        "172.16.0.60:1000>172.16.0.1:53 -> e",
    );
    assert_eq!(arrived.eth_src, STATION.parse().unwrap());
    nodes.check_on(
        n1,
        "e",
        &answer(&arrived),
        "172.16.0.1:53>10.0.2.1:1000 -> c",
    );
    let request = between((E, STATION), UDP, "172.16.0.1:1001", "172.16.0.60:80");
    let arrived = nodes.check_on(n1, "e", &request, "172.16.0.1:1001>10.0.2.1:80 -> c");
    let arrived = nodes.check_on(
        n1,
        "c",
        &answer(&arrived),
        "172.16.0.60:80>172.16.0.1:1001 -> e",
    );
    assert_eq!(arrived.eth_src, STATION.parse().unwrap());
    // Exactly one answer, from the node of the port.
    let found = nodes.send_on(n1, "e", &who_has(E, "172.16.0.1", "172.16.0.60"));
    let answers: Vec<_> = found.iter().filter(|arrived| arrived.at == "e").collect();
    assert_eq!(answers.len(), 1, "{found:?}");
    assert_eq!(
        in_words(&answers[0].flow),
        format!("172.16.0.60 is-at {STATION}")
    );
}

#[test]
fn dnat_may_get_a_source_of_the_router() {
    let net = gateway()
        .nat("r", "dnat 172.16.0.50 10.0.2.1")
        .edit_router("r", |router| {
            let ip = "10.0.2.99".parse().unwrap();
            router.dnat_force_snat = ForceSnat::Addresses(vec![ip]);
        });
    let mut nodes = Nodes::one(&net);
    for _ in 0..2 {
        let there = "10.0.2.99:1000>10.0.2.1:80 -> c";
        let arrived = nodes.check("e", &from_e("172.16.0.50:80"), there);
        nodes.check(
            "c",
            &answer(&arrived),
            "172.16.0.50:80>172.16.0.1:1000 -> e",
        );
    }
}

#[test]
fn frames_for_everyone_reach_a_gateway_router_on_its_node_only() {
    let net = gateway();
    let mut nodes = Nodes::named(&net, &["n1", "n2"]);
    let frame = frame(C, ALL);
    let found = nodes.send_on(Some("n1"), "c", &frame);
    let mut at: Vec<_> = found.iter().map(|arrived| arrived.at.as_str()).collect();
    at.sort_unstable();
    assert_eq!(at, ["d", "drop broadcast-not-routed"]);
}

#[test]
fn a_packet_that_waited_for_its_next_hop_is_translated_like_others() {
    let net = gateway()
        .route("r", "0.0.0.0/0", &["172.16.0.9 via r-out"])
        .nat("r", "snat 172.16.0.254 10.0.2.0/24")
        .vip("web", TCP, "172.16.0.100:80 => 192.0.2.80:8080")
        .balancer("web", |balancer| balancer.skip_snat = true)
        .balanced("r", &["web"]);
    let mut nodes = Nodes::one(&net);
    let waiting = "10.0.2.1:1000>8.8.8.8:53 -> held for 172.16.0.9";
    nodes.check("c", &from_c("8.8.8.8:53"), waiting);
    nodes.become_like(&net.clone().neighbor("r-out", "172.16.0.9", Some(E), None));
    let arrived = nodes.check_held("172.16.0.254:1000>8.8.8.8:53 -> e");
    nodes.check(
        "e",
        &with_eth(E_TO_R, answer(&arrived)),
        "8.8.8.8:53>10.0.2.1:1000 -> c",
    );
    // What was found out about it on its way in still counts.
    let mut nodes = Nodes::one(&net);
    let to_vip = between(C_TO_R, TCP, "10.0.2.1:1000", "172.16.0.100:80");
    let waiting = "10.0.2.1:1000>192.0.2.80:8080 -> held for 172.16.0.9";
    nodes.check("c", &to_vip, waiting);
    nodes.become_like(&net.neighbor("r-out", "172.16.0.9", Some(E), None));
    nodes.check_held("10.0.2.1:1000>192.0.2.80:8080 -> e");
}

fn with_eth((src, dst): (&str, &str), flow: Flow) -> Flow {
    Flow {
        eth_src: src.parse().unwrap(),
        eth_dst: dst.parse().unwrap(),
        ..flow
    }
}
