//! Policies of clusters, as ovn-kubernetes writes them. Input: groups, sets and rules; output: who may connect to whom.

use packet::Flow;
use packet::flow::Transport;
use pipeline::Destination;
use pipeline::object::*;

use crate::support::Net;
use crate::support::flows::*;
use crate::support::policy::World;

/// Two nodes' switches with two pods each: web and db, in the namespace shop, and dev and ops, each in its own.
fn cluster() -> Net {
    Net::new()
        .switch("n1")
        .vif("n1", "web", "0a:00:00:00:01:01 10.0.1.1")
        .vif("n1", "dev", "0a:00:00:00:01:02 10.0.1.2")
        .switch("n2")
        .vif("n2", "db", "0a:00:00:00:02:01 10.0.2.1")
        .vif("n2", "ops", "0a:00:00:00:02:02 10.0.2.2")
        .router("r")
        .join("r", "n1", "0a:00:00:00:01:fe", "10.0.1.254/24")
        .join("r", "n2", "0a:00:00:00:02:fe", "10.0.2.254/24")
        .set("shop", "{10.0.1.1, 10.0.2.1}")
        .set("ops", "{10.0.2.2}")
}

const PODS: [(&str, &str); 4] = [
    ("web", "10.0.1.1"),
    ("dev", "10.0.1.2"),
    ("db", "10.0.2.1"),
    ("ops", "10.0.2.2"),
];

fn station(pod: &str) -> &'static str {
    match pod {
        "web" => "0a:00:00:00:01:01",
        "dev" => "0a:00:00:00:01:02",
        "db" => "0a:00:00:00:02:01",
        _ => "0a:00:00:00:02:02",
    }
}

fn udp_between(src: (&str, u16), dst: (&str, u16)) -> Flow {
    let ip_of = |pod: &str| PODS.iter().find(|(name, _)| *name == pod).unwrap().1;
    let node = |pod: &str| station(pod).as_bytes()[13];
    let eth_dst = match (node(src.0) == node(dst.0), node(src.0)) {
        (true, _) => station(dst.0),
        (false, b'1') => "0a:00:00:00:01:fe",
        (false, _) => "0a:00:00:00:02:fe",
    };
    let transport = Transport::Udp {
        src: src.1,
        dst: dst.1,
    };
    ip(
        (station(src.0), eth_dst),
        ip_of(src.0),
        ip_of(dst.0),
        transport,
    )
}

/// Whether the packet comes out at the pod that it is for.
fn arrives(world: &mut World, inport: &str, flow: &Flow) -> bool {
    let verdict = world.send(inport, flow);
    let is_output = |branch: &pipeline::Branch| matches!(branch.to, Destination::Output { .. });
    verdict.branches.iter().any(is_output)
}

/// Checks who can ask whom at this port, and that all who can are answered: `web>db web>ops`.
#[track_caller]
fn check(net: &Net, port: u16, expected: &str) {
    let mut found = Vec::new();
    for (client, _) in PODS {
        for (server, _) in PODS {
            if client == server {
                continue;
            }
            let mut world = World::new(net);
            let question = udp_between((client, 4000), (server, port));
            let answer = udp_between((server, port), (client, 4000));
            if arrives(&mut world, client, &question) {
                assert!(arrives(&mut world, server, &answer), "{server}>{client}");
                assert!(arrives(&mut world, client, &question), "{client}>{server}");
                found.push(format!("{client}>{server}"));
            }
        }
    }
    assert_eq!(found.join(" "), expected);
}

const ALL: &str = "web>dev web>db web>ops dev>web dev>db dev>ops db>web db>dev db>ops \
    ops>web ops>dev ops>db";

#[test]
fn without_policies_everybody_may() {
    check(&cluster(), 80, ALL);
}

/// Denies what comes to the pods of a group, but for ARP.
fn deny_ingress(net: Net, pods: &[&str]) -> Net {
    net.group("deny_in", pods)
        .acl("@deny_in", "to 1000 outport == @deny_in => drop")
        .acl(
            "@deny_in",
            "to 1001 outport == @deny_in && (arp || nd) => allow",
        )
}

fn deny_egress(net: Net, pods: &[&str]) -> Net {
    net.group("deny_out", pods)
        .acl(
            "@deny_out",
            "from after-lb 1000 inport == @deny_out => drop",
        )
        .acl(
            "@deny_out",
            "from after-lb 1001 inport == @deny_out && (arp || nd) => allow",
        )
}

#[test]
fn who_is_isolated_is_reached_by_nobody_and_reaches_everybody() {
    // Answers come back to who is isolated where an ACL has connections kept.
    let net = deny_ingress(cluster(), &["db"])
        .acl("n1", "to 1 sctp => allow-related")
        .acl("n2", "to 1 sctp => allow-related");
    check(
        &net,
        80,
        "web>dev web>ops dev>web dev>ops db>web db>dev db>ops ops>web ops>dev",
    );
}

#[test]
fn exceptions_are_by_the_peers_set_and_by_port() {
    let net = deny_ingress(cluster(), &["web", "db"])
        .group("a1", &["web", "db"])
        .acl(
            "@a1",
            "to 1001 outport == @a1 && ip4.src == $shop => allow-related",
        )
        .group("a2", &["db"])
        .acl(
            "@a2",
            "to 1001 outport == @a2 && ip4.src == $ops && udp.dst == 5432 => allow-related",
        )
        .acl(
            "@a2",
            "to 1001 outport == @a2 && udp.dst >= 9000 && udp.dst <= 9100 => allow-related",
        );
    let to_others = "web>dev web>db web>ops dev>ops db>web db>dev db>ops ops>dev";
    check(&net, 80, to_others);
    check(
        &net,
        5432,
        "web>dev web>db web>ops dev>ops db>web db>dev db>ops ops>dev ops>db",
    );
    check(
        &net,
        9100,
        "web>dev web>db web>ops dev>db dev>ops db>web db>dev db>ops ops>dev ops>db",
    );
    check(&net, 9101, to_others);
}

#[test]
fn both_ends_must_agree() {
    let net = deny_egress(deny_ingress(cluster(), &["web", "db"]), &["dev", "ops"])
        .group("out", &["dev"])
        .acl(
            "@out",
            "from after-lb 1001 inport == @out && ip4.dst == $shop => allow-related",
        )
        .group("in", &["web"])
        .acl(
            "@in",
            "to 1001 outport == @in && ip4.src == 10.0.1.0/24 => allow-related",
        )
        .group("any", &["db"])
        .acl("@any", "to 1001 outport == @any => allow-related");
    check(
        &net,
        80,
        "web>dev web>db web>ops dev>web dev>db db>dev db>ops",
    );
}

#[test]
fn networks_are_allowed_but_for_a_part() {
    let net = deny_egress(cluster(), &["dev"]).group("out", &["dev"]).acl(
        "@out",
        "from after-lb 1001 inport == @out && ip4.dst == 10.0.0.0/16 && ip4.dst != {10.0.2.2/32} \
         => allow-related",
    );
    let without_ops: Vec<_> = ALL
        .split_whitespace()
        .filter(|pair| *pair != "dev>ops")
        .collect();
    check(&net, 80, &without_ops.join(" "));
}

#[test]
fn admin_policies_stand_before_and_baselines_behind() {
    let net = deny_ingress(cluster(), &["db"])
        .group("policy", &["db"])
        .acl(
            "@policy",
            "to 1001 outport == @policy && ip4.src == $ops => allow-related",
        )
        .group("all", &["web", "dev", "db", "ops"]);
    let tier_of = |rule: &str, tier: u8| format!("tier {tier} {rule}");
    // Policies of namespaces are in tier 2, what administrators say in 1 and 3.
    let net = net
        .objects
        .clone()
        .into_values()
        .fold(net, |net, object| match object {
            Object::Acl(mut acl) => {
                acl.tier = 2;
                net.put(Object::Acl(acl))
            }
            _ => net,
        });
    let net = net
        .acl(
            "@all",
            &tier_of("to 30 outport == @all && udp.dst == 22 => drop", 1),
        )
        .acl(
            "@all",
            &tier_of("to 29 outport == @all && udp.dst == 53 => allow-related", 1),
        )
        .acl(
            "@all",
            &tier_of("to 28 outport == @all && ip4.src == $shop => pass", 1),
        )
        .acl(
            "@all",
            &tier_of("to 27 outport == @all && ip4.src == 10.0.1.2 => drop", 1),
        )
        .acl(
            "@all",
            &tier_of("to 10 outport == @all && udp.dst == 80 => drop", 3),
        );
    check(&net, 22, "");
    check(&net, 53, ALL);
    check(&net, 80, "ops>db");
    check(
        &net,
        81,
        "web>dev web>ops db>web db>dev db>ops ops>web ops>dev ops>db",
    );
}

#[test]
fn a_member_that_comes_or_goes_changes_what_its_set_allows() {
    let net = deny_ingress(cluster(), &["db"]).group("a", &["db"]).acl(
        "@a",
        "to 1001 outport == @a && ip4.src == $shop => allow-related",
    );
    let mut world = World::new(&net);
    let from_web = udp_between(("web", 4000), ("db", 80));
    assert!(arrives(&mut world, "web", &from_web));
    let verdict = world.send("web", &from_web);
    for (members, expected) in [
        ("{10.0.2.1}", false),
        ("{10.0.1.0/24}", true),
        ("{10.0.1.2}", false),
    ] {
        let change = Object::AddressSet(AddressSet {
            name: "shop".into(),
            bucket: 0,
            members: crate::support::policy::constants(members),
        });
        world.tables = world.tables.apply([change], []).unwrap();
        assert!(!world.tables.uphold(&verdict, &from_web));
        assert_eq!(arrives(&mut world, "web", &from_web), expected, "{members}");
    }
}

#[test]
fn a_member_voids_whatever_was_read_of_its_addresses() {
    let udp6 = ip(
        (station("web"), station("dev")),
        "fd00::1",
        "fd00::a00:2",
        Transport::Udp { src: 1, dst: 2 },
    );
    for (rule, member, expected) in [
        ("from 5 ip4.src == $s => drop", "10.0.1.1", true),
        ("from 5 ip4.src == $s => drop", "10.0.2.1", false),
        ("from 5 ip4.dst == $s => drop", "10.0.2.1", true),
        ("from 5 ip4.dst != $s => drop", "10.0.2.0/24", true),
        ("from 5 ip4.dst != $s => drop", "10.0.2.2/31", false),
        ("from 5 ip4.src[24..31] == $s => drop", "10", true),
        ("from 5 ip4.src[0..15] == $s => drop", "0x101", true),
        ("from 5 eth.src == $s => drop", "0a:00:00:00:01:01", true),
        ("from 5 eth.src == $s => drop", "10.0.1.1", false),
        ("from 5 ip6.src == $s => drop", "fd00::/64", true),
        ("from 5 ip6.src == $s => drop", "fd00:0:0:1::/64", false),
        ("from 5 ip6.dst[0..31] == $s => drop", "10.0.0.2", true),
        ("from 5 ip6.dst[0..31] == $s => drop", "10.0.0.3", false),
        ("from 5 ip6.dst[0..31] == $s => drop", "fd00::a00:2", false),
    ] {
        let mut world = World::new(&cluster().acl("n1", rule));
        let flow = match rule.contains("ip6") {
            true => udp6.clone(),
            false => udp_between(("web", 4000), ("db", 80)),
        };
        let verdict = world.send("web", &flow);
        let change = Object::AddressSet(AddressSet {
            name: "s".into(),
            bucket: 0,
            members: crate::support::policy::constants(&format!("{{{member}}}")),
        });
        let after = world.tables.apply([change], []).unwrap();
        assert_eq!(!after.uphold(&verdict, &flow), expected, "{rule} {member}");
    }
}

#[test]
fn a_change_voids_what_asked_the_owner_and_nothing_else() {
    let net = deny_ingress(cluster(), &["db"])
        .group("a", &["db"])
        .acl(
            "@a",
            "to 1001 outport == @a && ip4.src == $shop => allow-related",
        )
        .acl(
            "@a",
            "to 1001 outport == @a && udp.dst == 7 => allow-related",
        );
    let mut world = World::new(&net);
    let flows = ["db", "ops"].map(|to| udp_between(("web", 4000), (to, 80)));
    let verdicts = flows.each_ref().map(|flow| world.send("web", flow));
    let set = |name: &str, members: &str| {
        Object::AddressSet(AddressSet {
            name: name.into(),
            bucket: 1,
            members: crate::support::policy::constants(members),
        })
    };
    let acl = |rule: &str| Object::Acl(crate::support::policy::acl(&net, "@a", 4, rule));
    for (change, voids_db, voids_ops) in [
        (set("shop", "{10.9.9.9, 10.0.1.0/24}"), true, false),
        (
            set("shop", "{10.9.9.9, 10.0.1.3, 10.0.2.0/24}"),
            false,
            false,
        ),
        (set("shop", "{10.0.0.0/8}"), true, false),
        (set("ops", "{10.0.0.0/8, 10.0.1.0/24}"), false, false),
        (
            acl("to 1001 outport == @a && udp.dst == 8 => allow-related"),
            true,
            false,
        ),
        (acl("to 1001 udp.dst == 8 => allow-related"), true, true),
        (
            Object::Global(Global {
                nb_cfg: 7,
                ..Global::default()
            }),
            false,
            false,
        ),
    ] {
        let words = format!("{change:?}");
        let after = world.tables.apply([change], []).unwrap();
        let is_voided = |at: usize| !after.uphold(&verdicts[at], &flows[at]);
        assert_eq!(
            (is_voided(0), is_voided(1)),
            (voids_db, voids_ops),
            "{words}"
        );
    }
}

#[test]
fn verdicts_that_read_more_than_a_flows_key_hold_for_one_packet() {
    let flags = cluster().acl("n1", "to 5 tcp.flags == 2 && tcp.dst == 80 => drop");
    let ttl = cluster().acl("n1", "to 5 ip.ttl == 1 && udp => drop");
    let label = cluster().acl("n1", "to 5 ip6.label == 7 => drop");
    let ends = (station("web"), station("dev"));
    let tcp = |dst| {
        let transport = Transport::Tcp {
            src: 1,
            dst,
            flags: 0x10,
        };
        ip(ends, "10.0.1.1", "10.0.1.2", transport)
    };
    let udp = udp_between(("web", 1), ("dev", 2));
    let udp6 = ip(
        ends,
        "fd00::1",
        "fd00::2",
        Transport::Udp { src: 1, dst: 2 },
    );
    for (net, flow, expected) in [
        (&flags, tcp(80), false),
        // The port is asked first, which is in the key.
        (&flags, tcp(81), true),
        (&flags, udp.clone(), true),
        (&ttl, udp.clone(), false),
        (&ttl, tcp(80), true),
        (&label, udp, true),
        (&label, udp6, false),
    ] {
        let verdict = World::new(net).send("web", &flow);
        assert_eq!(verdict.reusable.is_some(), expected, "{}", in_words(&flow));
    }
}
