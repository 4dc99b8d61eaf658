//! Load balancers on switches, as ovn-northd 23.03 compiles them. Input: a network and packets, one after the other;
//! output: where each comes out, and what it is by then.

use std::collections::BTreeMap;

use packet::flow::ip_protocol::{SCTP, TCP, UDP};
use packet::flow::{Network, Quoted, Transport};
use packet::{Flow, Mac};
use pipeline::Tables;
use pipeline::object::*;

use crate::support::flows::*;
use crate::support::service::{Nodes, answer, backend, between, uuid};
use crate::support::{Net, sent};

const A: &str = "0a:00:00:00:00:01";
const R: &str = "0a:00:00:00:00:fe";
const TO_R: (&str, &str) = (A, R);

/// A switch with a client and two servers, and a router that leads to a third.
fn net() -> Net {
    Net::new()
        .switch("ls")
        .vif("ls", "a", "0a:00:00:00:00:01 10.0.0.1 fd00::1")
        .vif("ls", "s1", "0a:00:00:00:00:11 10.0.0.11 fd00::11")
        .vif("ls", "s2", "0a:00:00:00:00:12 10.0.0.12 fd00::12")
        .switch("far")
        .vif("far", "s3", "0a:00:00:00:01:13 10.0.1.13")
        .router("lr")
        .join("lr", "ls", R, "10.0.0.254/24 fd00::fe/64")
        .join("lr", "far", "0a:00:00:00:01:fe", "10.0.1.254/24")
}

fn service(backends: &str) -> Net {
    net()
        .vip("web", TCP, &format!("10.96.0.1:80 => {backends}"))
        .balanced("ls", &["web"])
}

fn request(src_port: u16) -> Flow {
    between(TO_R, TCP, &format!("10.0.0.1:{src_port}"), "10.96.0.1:80")
}

/// The backends that clients with many ports get, and how many get each.
fn shares(nodes: &mut Nodes, protocol: u8, vip: &str) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for port in 2000..2400 {
        let flow = between(TO_R, protocol, &format!("10.0.0.1:{port}"), vip);
        for arrived in nodes.send("a", &flow) {
            *shares.entry(arrived.at).or_insert(0) += 1;
        }
    }
    shares
}

#[test]
fn a_connection_gets_a_backend_and_keeps_it() {
    let mut nodes = Nodes::one(&service("10.0.0.11:8080"));
    let there = "10.0.0.1:1000>10.0.0.11:8080 -> s1";
    let arrived = nodes.check("a", &request(1000), there);
    nodes.check("s1", &answer(&arrived), "10.96.0.1:80>10.0.0.1:1000 -> a");
    // New ones go elsewhere by now.
    nodes.become_like(&service("10.0.0.12:8080"));
    nodes.check("a", &request(1000), there);
    nodes.check("a", &request(1001), "10.0.0.1:1001>10.0.0.12:8080 -> s2");
}

#[test]
fn all_protocols_and_families_are_balanced() {
    for protocol in [TCP, UDP, SCTP] {
        let net = net()
            .vip("four", protocol, "10.96.0.1:80 => 10.0.0.11:8080")
            .vip("six", protocol, "[fd96::1]:80 => [fd00::11]:8080")
            .balanced("ls", &["four", "six"]);
        let mut nodes = Nodes::one(&net);
        let four = between(TO_R, protocol, "10.0.0.1:1000", "10.96.0.1:80");
        nodes.check("a", &four, "10.0.0.1:1000>10.0.0.11:8080 -> s1");
        let six = between(TO_R, protocol, "[fd00::1]:1000", "[fd96::1]:80");
        nodes.check("a", &six, "[fd00::1]:1000>[fd00::11]:8080 -> s1");
        // Another port is nobody's.
        let other = between(TO_R, protocol, "10.0.0.1:1000", "10.96.0.1:81");
        nodes.check("a", &other, "drop no-route");
    }
}

#[test]
fn a_backend_beyond_a_router_is_reached() {
    let mut nodes = Nodes::one(&service("10.0.1.13:8080"));
    let arrived = nodes.check("a", &request(1000), "10.0.0.1:1000>10.0.1.13:8080 -> s3");
    nodes.check("s3", &answer(&arrived), "10.96.0.1:80>10.0.0.1:1000 -> a");
}

#[test]
fn what_comes_in_from_a_router_is_not_balanced() {
    let net = service("10.0.0.11:8080").route("lr", "10.96.0.0/16", &["10.0.0.12 via lr-ls"]);
    let from_far = ("0a:00:00:00:01:13", "0a:00:00:00:01:fe");
    let flow = between(from_far, TCP, "10.0.1.13:1000", "10.96.0.1:80");
    Nodes::one(&net).check("s3", &flow, "10.0.1.13:1000>10.96.0.1:80 -> s2");
}

#[test]
fn a_vip_without_a_port_is_one_for_all_protocols() {
    let net = net()
        .vip("all", 0, "10.96.0.2 => 10.0.0.11")
        .vip("web", TCP, "10.96.0.2:80 => 10.0.0.12:8080")
        .balanced("ls", &["all", "web"]);
    let mut nodes = Nodes::one(&net);
    let to = |port: &str| between(TO_R, TCP, "10.0.0.1:1000", &format!("10.96.0.2:{port}"));
    nodes.check("a", &to("443"), "10.0.0.1:1000>10.0.0.11:443 -> s1");
    nodes.check("a", &to("80"), "10.0.0.1:1000>10.0.0.12:8080 -> s2");
    let ping = echo(TO_R, "10.0.0.1", "10.96.0.2");
    let arrived = nodes.check("a", &ping, "10.0.0.1>10.0.0.11 icmp8 7 -> s1");
    nodes.check("s1", &answer(&arrived), "10.96.0.2>10.0.0.1 icmp0 7 -> a");
}

#[test]
fn icmp_errors_about_balanced_packets_are_translated_outside_and_in() {
    let mut nodes = Nodes::one(&service("10.0.0.11:8080"));
    nodes.send("a", &request(1000));
    let quoted = Quoted {
        src: "10.0.0.1".parse().unwrap(),
        dst: "10.0.0.11".parse().unwrap(),
        protocol: TCP,
        src_port: 1000,
        dst_port: 8080,
    };
    let error = with_ip(
        icmp(("0a:00:00:00:00:11", A), "10.0.0.11", "10.0.0.1", 3),
        |ip| {
            if let Transport::Icmp { quoted: about, .. } = &mut ip.transport {
                *about = Some(Box::new(quoted));
            }
        },
    );
    let told = "10.96.0.1>10.0.0.1 icmp3 about 10.0.0.1:1000>10.96.0.1:80 -> a";
    nodes.check("s1", &error, told);
}

#[test]
fn nobody_there_is_silence_or_a_rejection() {
    for (edit, tcp_answer, udp_answer) in [
        (WhenEmpty::Drop, "drop no-backend", "drop no-backend"),
        (
            WhenEmpty::Reject,
            "10.96.0.1:80>10.0.0.1:1000 -> a",
            "10.96.0.1>10.0.0.1 icmp3 about 10.0.0.1:1000>10.96.0.1:80 -> a",
        ),
    ] {
        let net = net()
            .vip("tcp", TCP, "10.96.0.1:80 =>")
            .vip("udp", UDP, "10.96.0.1:80 =>")
            .balancer("tcp", |balancer| balancer.when_empty = edit)
            .balancer("udp", |balancer| balancer.when_empty = edit)
            .balanced("ls", &["tcp", "udp"]);
        let mut nodes = Nodes::one(&net);
        nodes.check("a", &request(1000), tcp_answer);
        let datagram = between(TO_R, UDP, "10.0.0.1:1000", "10.96.0.1:80");
        nodes.check("a", &datagram, udp_answer);
    }
}

#[test]
fn clients_without_a_backend_are_reported_if_that_is_wanted_and_they_are_not_told_themselves() {
    let with = |backends: &str, event, when_empty| {
        net()
            .vip("web", TCP, &format!("10.96.0.1:80 =>{backends}"))
            .balancer("web", |balancer| {
                (balancer.event, balancer.when_empty) = (event, when_empty);
            })
            .balanced("ls", &["web"])
            .tables(None)
    };
    let reported = |tables| sent(&tables, "a", &request(1000)).unserved;
    let vip = VipKey {
        balancer: uuid("web"),
        ip: "10.96.0.1".parse().unwrap(),
        protocol: TCP,
        port: 80,
        chassis: None,
    };
    assert_eq!(reported(with("", true, WhenEmpty::Drop)), Some(vip));
    assert_eq!(reported(with("", false, WhenEmpty::Drop)), None);
    assert_eq!(reported(with("", true, WhenEmpty::Reject)), None);
    let served = with(" 10.0.0.11:80", true, WhenEmpty::Drop);
    assert_eq!(reported(served), None);
    let again = sent(&with("", true, WhenEmpty::Drop), "a", &request(1000));
    assert_eq!(again.reusable, None, "each packet is reported");
}

#[test]
fn what_a_balancer_with_ct_flush_has_no_more_is_told() {
    let with = |backends: &str, ct_flush: bool| {
        net()
            .vip("web", TCP, &format!("10.96.0.1:80 => {backends}"))
            .balancer("web", |balancer| balancer.ct_flush = ct_flush)
            .tables(None)
    };
    let check = |before: &Tables, after: &Tables, expected: &[Option<&str>]| {
        let ended = before.ended(after).into_iter();
        let ended: Vec<_> = ended.map(|ended| ended.backend).collect();
        let end = |text: &str| {
            let backend = backend(text);
            (backend.ip, backend.port)
        };
        let expected: Vec<_> = expected.iter().map(|text| text.map(end)).collect();
        assert_eq!(ended, expected);
    };
    let two = with("10.0.0.11:80 10.0.0.12:80", true);
    check(&two, &two, &[]);
    let one = with("10.0.0.12:80", true);
    check(&two, &one, &[Some("10.0.0.11:80")]);
    check(&one, &two, &[]);
    check(&two, &net().tables(None), &[None]);
    let kept = with("10.0.0.11:80 10.0.0.12:80", false);
    check(&kept, &with("10.0.0.12:80", false), &[]);
}

#[test]
fn only_clients_in_the_source_ranges_are_served() {
    let net = service("10.0.0.11:8080").balancer("web", |balancer| {
        balancer.source_ranges = vec!["10.0.0.8/29".parse().unwrap()];
    });
    let mut nodes = Nodes::one(&net);
    nodes.check("a", &request(1000), "drop source-range");
    let from_s2 = between(
        ("0a:00:00:00:00:12", R),
        TCP,
        "10.0.0.12:1000",
        "10.96.0.1:80",
    );
    nodes.check("s2", &from_s2, "10.0.0.12:1000>10.0.0.11:8080 -> s1");
}

#[test]
fn a_client_that_is_its_own_backend_gets_its_packets_back() {
    for (snat, seen) in [
        (None, "10.96.0.1"),
        (Some("169.254.169.5"), "169.254.169.5"),
    ] {
        let net = service("10.0.0.1:8080").balancer("web", |balancer| {
            balancer
                .hairpin_snat_ip
                .extend(snat.map(|ip| ip.parse::<std::net::IpAddr>().unwrap()));
        });
        let mut nodes = Nodes::one(&net);
        let there = format!("{seen}:1000>10.0.0.1:8080 -> a");
        let arrived = nodes.check("a", &request(1000), &there);
        assert_eq!(arrived.eth_src, R.parse::<Mac>().unwrap());
        assert_eq!(arrived.eth_dst, A.parse::<Mac>().unwrap());
        let back = "10.96.0.1:80>10.0.0.1:1000 -> a";
        nodes.check("a", &answer(&arrived), back);
        // And so it goes on.
        nodes.check("a", &request(1000), &there);
        nodes.check("a", &answer(&arrived), back);
    }
}

#[test]
fn a_hairpin_passes_default_denying_policies_that_allow_it() {
    let net = service("10.0.0.1:8080")
        .acl("ls", "from 1001 ip4 => allow-related")
        .acl("ls", "to 1001 tcp.dst == 8080 => allow-related")
        .acl("ls", "to 1000 ip => drop");
    let mut nodes = Nodes::one(&net);
    let arrived = nodes.check("a", &request(1000), "10.96.0.1:1000>10.0.0.1:8080 -> a");
    nodes.check("a", &answer(&arrived), "10.96.0.1:80>10.0.0.1:1000 -> a");
}

#[test]
fn a_hairpin_works_for_vips_without_a_port() {
    let net = net()
        .vip("all", 0, "10.96.0.2 => 10.0.0.1")
        .balanced("ls", &["all"]);
    let mut nodes = Nodes::one(&net);
    let request = between(TO_R, TCP, "10.0.0.1:1000", "10.96.0.2:443");
    let arrived = nodes.check("a", &request, "10.96.0.2:1000>10.0.0.1:443 -> a");
    nodes.check("a", &answer(&arrived), "10.96.0.2:443>10.0.0.1:1000 -> a");
}

#[test]
fn acls_see_the_vip_before_and_the_backend_after() {
    let before = "from 1000 ip4.dst == 10.96.0.1 => drop";
    let after = "from after-lb 1000 ip4.dst == 10.0.0.11 => drop";
    let at_receiver = "to 1000 ip4.dst == 10.0.0.11 => drop";
    for acl in [before, after, at_receiver] {
        let mut nodes = Nodes::one(&service("10.0.0.11:8080").acl("ls", acl));
        nodes.check("a", &request(1000), "drop acl-drop");
    }
    for acl in [
        "from 1000 inport == \"a\" && ip4.dst == 10.0.0.11 => drop",
        "from after-lb 1000 inport == \"a\" && ip4.dst == 10.96.0.1 => drop",
    ] {
        let mut nodes = Nodes::one(&service("10.0.0.11:8080").acl("ls", acl));
        nodes.check("a", &request(1000), "10.0.0.1:1000>10.0.0.11:8080 -> s1");
    }
}

#[test]
fn weights_share_connections_out() {
    let net = net()
        .edited_vip(
            "web",
            TCP,
            "10.96.0.1:80 => 10.0.0.11:8080 10.0.0.12:8080",
            |vip| vip.backends[0].weight = 3,
        )
        .balanced("ls", &["web"]);
    let shares = shares(&mut Nodes::one(&net), TCP, "10.96.0.1:80");
    assert!((240..=360).contains(&shares["s1"]), "{shares:?}");
    assert_eq!(shares["s1"] + shares["s2"], 400, "{shares:?}");
}

#[test]
fn backends_serve_as_their_states_say() {
    use BackendState::*;
    for (states, expected) in [
        ([Ready, Ready], &["s1", "s2"][..]),
        ([Ready, Serving], &["s1"]),
        ([Serving, Draining], &["s1"]),
        ([Offline, Ready], &["s2"]),
        ([Draining, Offline], &["drop no-backend"]),
    ] {
        let net = net()
            .edited_vip(
                "web",
                TCP,
                "10.96.0.1:80 => 10.0.0.11:8080 10.0.0.12:8080",
                |vip| {
                    vip.backends[0].state = states[0];
                    vip.backends[1].state = states[1];
                },
            )
            .balanced("ls", &["web"]);
        let shares = shares(&mut Nodes::one(&net), TCP, "10.96.0.1:80");
        let found: Vec<_> = shares.keys().map(String::as_str).collect();
        assert_eq!(found, expected, "{states:?}");
    }
}

#[test]
fn datagrams_leave_a_backend_that_is_gone_and_no_other() {
    let with = |backends: &str| {
        net()
            .vip("dns", UDP, &format!("10.96.0.53:53 => {backends}"))
            .balanced("ls", &["dns"])
    };
    let mut nodes = Nodes::one(&with("10.0.0.11:53 10.0.0.12:53"));
    let client = |port: u16| between(TO_R, UDP, &format!("10.0.0.1:{port}"), "10.96.0.53:53");
    let mut at = BTreeMap::new();
    for port in 2000..2040 {
        at.insert(port, nodes.send("a", &client(port))[0].at.clone());
    }
    nodes.become_like(&with("10.0.0.12:53 10.0.1.13:53"));
    for (port, before) in at {
        let now = &nodes.send("a", &client(port))[0].at;
        assert_ne!(now, "s1");
        assert!(before == "s1" || *now == before, "{before} {now}");
    }
}

#[test]
fn a_client_stays_with_its_backend_for_a_while() {
    let net = service("10.0.0.11:8080 10.0.0.12:8080")
        .balancer("web", |balancer| balancer.affinity_timeout_s = 60);
    let mut nodes = Nodes::one(&net);
    assert_eq!(shares(&mut nodes, TCP, "10.96.0.1:80").len(), 1);
    // Until the backend goes.
    let used = nodes.send("a", &request(1000))[0].at.clone();
    let other = if used == "s1" {
        "10.0.0.12"
    } else {
        "10.0.0.11"
    };
    let net = service(&format!("{other}:8080"))
        .balancer("web", |balancer| balancer.affinity_timeout_s = 60);
    nodes.become_like(&net);
    assert_ne!(nodes.send("a", &request(1001))[0].at, used);
}

#[test]
fn selection_fields_decide_what_the_choice_depends_on() {
    let net = service("10.0.0.11:8080 10.0.0.12:8080").balancer("web", |balancer| {
        balancer.selection_fields = vec![SelectionField::IpSrc];
    });
    assert_eq!(shares(&mut Nodes::one(&net), TCP, "10.96.0.1:80").len(), 1);
}

#[test]
fn traffic_policies_prefer_what_is_near() {
    let net = |policy| {
        net()
            .chassis("n1", "192.0.2.1")
            .chassis("n2", "192.0.2.2")
            .bound("a", "n1")
            .bound("s1", "n1")
            .bound("s2", "n2")
            .bound("s3", "n2")
            .edited_vip(
                "web",
                TCP,
                "10.96.0.1:80 => 10.0.0.11:8080 10.0.0.12:8080",
                |vip| {
                    vip.backends[0].chassis = Some("n1".into());
                    vip.backends[1].chassis = Some("n2".into());
                },
            )
            .balancer("web", |balancer| balancer.traffic_policy = policy)
            .balanced("ls", &["web"])
    };
    let reached = |net: &Net, home: Option<&str>| {
        let mut nodes = match home {
            Some(_) => Nodes::named(net, &["n1", "n2"]),
            None => Nodes::one(net),
        };
        let mut reached = BTreeMap::new();
        for port in 2000..2040 {
            let arrived = nodes.send_on(home, "a", &request(port));
            *reached.entry(arrived[0].at.clone()).or_insert(0) += 1;
        }
        reached.into_keys().collect::<Vec<_>>().join(" ")
    };
    for home in [Some("n1"), None] {
        assert_eq!(reached(&net(TrafficPolicy::Cluster), home), "s1 s2");
        assert_eq!(reached(&net(TrafficPolicy::Local), home), "s1");
        assert_eq!(reached(&net(TrafficPolicy::PreferLocal), home), "s1");
        let remote = net(TrafficPolicy::Local).vip("web", TCP, "10.96.0.1:80 => 10.0.0.12:8080");
        assert_eq!(reached(&remote, home), "drop no-backend");
        let remote =
            net(TrafficPolicy::PreferLocal).vip("web", TCP, "10.96.0.1:80 => 10.0.0.12:8080");
        assert_eq!(reached(&remote, home), "s2");
    }
}

#[test]
fn a_group_gives_its_balancers_to_whoever_refers_to_it() {
    let net = net().vip("web", TCP, "10.96.0.1:80 => 10.0.0.11:8080");
    let mut nodes = Nodes::one(&net);
    nodes.check("a", &request(1000), "drop no-route");
    nodes.become_like(&net.clone().balanced_by_group("ls", "all", &["web"]));
    nodes.check("a", &request(1000), "10.0.0.1:1000>10.0.0.11:8080 -> s1");
    nodes.become_like(&net.balanced_by_group("ls", "all", &[]));
    nodes.check("a", &request(1001), "drop no-route");
}

#[test]
fn a_vip_may_be_for_one_node_only() {
    let mut net = net()
        .chassis("n1", "192.0.2.1")
        .chassis("n2", "192.0.2.2")
        .bound("a", "n1")
        .bound("s1", "n1")
        .bound("s2", "n2")
        .bound("s3", "n2")
        .balanced("ls", &["web"])
        .balancer("web", |_| {});
    for (node, to) in [("n1", "10.0.0.11:8080"), ("n2", "10.0.0.12:8080")] {
        let vip = Vip {
            key: VipKey {
                balancer: uuid("web"),
                ip: "10.96.0.1".parse().unwrap(),
                protocol: TCP,
                port: 80,
                chassis: Some(node.into()),
            },
            backends: vec![backend(to)],
        };
        net = net.put(Object::Vip(vip));
    }
    let mut nodes = Nodes::named(&net, &["n1", "n2"]);
    let there = "10.0.0.1:1000>10.0.0.11:8080 -> s1";
    nodes.check_on(Some("n1"), "a", &request(1000), there);
    let from_s2 = between(
        ("0a:00:00:00:00:12", R),
        TCP,
        "10.0.0.12:1000",
        "10.96.0.1:80",
    );
    let arrived = nodes.send_on(Some("n2"), "s2", &from_s2);
    let Network::Ip(ip) = &arrived[0].flow.network else {
        panic!("no IP packet");
    };
    assert_eq!(
        (arrived[0].at.as_str(), ip.src.to_string()),
        ("s2", "10.96.0.1".to_owned())
    );
}

#[test]
fn a_direct_connection_is_told_from_a_balanced_one_with_the_same_ends() {
    let mut nodes = Nodes::one(&service("10.0.0.11:8080"));
    let balanced = nodes.check("a", &request(1000), "10.0.0.1:1000>10.0.0.11:8080 -> s1");
    let to_s1 = (A, "0a:00:00:00:00:11");
    let direct = between(to_s1, TCP, "10.0.0.1:1000", "10.0.0.11:8080");
    let arrived = nodes.send("a", &direct).remove(0);
    assert_eq!(arrived.at, "s1");
    let back = "10.0.0.11:8080>10.0.0.1:1000 -> a";
    nodes.check("s1", &answer(&arrived.flow), back);
    nodes.check("s1", &answer(&balanced), "10.96.0.1:80>10.0.0.1:1000 -> a");
}
