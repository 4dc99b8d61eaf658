//! ACLs and connections, as ovn-northd 23.03 compiles them (tiers as 23.06). Input: a network and packets, one after
//! the other; output: the branches of each verdict.

use packet::Flow;
use packet::flow::{Quoted, Transport};
use pipeline::conntrack::Mark;

use crate::support::Net;
use crate::support::flows::*;
use crate::support::policy::World;

const A: &str = "0a:00:00:00:00:01";
const B: &str = "0a:00:00:00:00:02";
const ALL: &str = "ff:ff:ff:ff:ff:ff";
const A4: &str = "10.0.0.1";
const B4: &str = "10.0.0.2";
const SYN: u16 = 2;
const RST: u16 = 4;

fn pair() -> Net {
    Net::new()
        .switch("ls")
        .vif("ls", "a", "0a:00:00:00:00:01 10.0.0.1 fd00::1")
        .vif("ls", "b", "0a:00:00:00:00:02 10.0.0.2 fd00::2")
}

fn request() -> Flow {
    udp((A, B), A4, B4)
}

fn reply() -> Flow {
    ip(
        (B, A),
        B4,
        A4,
        Transport::Udp {
            src: 2000,
            dst: 1000,
        },
    )
}

#[test]
fn replies_pass_by_their_connection_and_not_before_it() {
    let net = pair()
        .acl("ls", "to 1001 outport == \"b\" && udp => allow-related")
        .acl("ls", "to 1000 ip => drop");
    World::new(&net).check(&[
        ("b", reply(), "drop acl-drop"),
        ("a", request(), "-> b"),
        ("b", reply(), "-> a"),
        ("a", request(), "-> b"),
        ("b", udp((B, A), B4, A4), "drop acl-drop"),
    ]);
}

#[test]
fn an_allow_in_the_senders_zone_says_nothing_of_the_receivers() {
    let net = pair()
        .acl("ls", "from 1001 ip => allow-related")
        .acl("ls", "to 1000 outport == \"b\" && ip => drop");
    World::new(&net).check(&[("a", request(), "drop acl-drop"), ("b", reply(), "-> a")]);
    let both = pair()
        .acl("ls", "from 1001 inport == \"a\" && ip => drop")
        .acl("ls", "to 1001 ip => allow-related");
    World::new(&both).check(&[
        ("a", reply_of_a(), "drop acl-drop"),
        ("b", udp((B, A), B4, A4), "-> a"),
        ("a", reply_of_a(), "-> b"),
    ]);
}

fn reply_of_a() -> Flow {
    ip(
        (A, B),
        A4,
        B4,
        Transport::Udp {
            src: 2000,
            dst: 1000,
        },
    )
}

#[test]
fn established_connections_are_blocked_when_their_allow_goes_and_revived_when_it_comes_back() {
    let closed = pair()
        .acl("ls", "to 1000 outport == \"b\" && ip => drop")
        .acl("ls", "to 1 sctp => allow-related");
    let open = closed.clone().acl("ls", "to 1001 udp => allow-related");
    let mut world = World::new(&open);
    world.check(&[
        ("a", request(), "-> b"),
        ("b", reply(), "-> a"),
        ("a", request(), "-> b"),
    ]);
    world.become_like(&closed);
    world.check(&[
        // The reply does not ask the ACLs: only what goes forward finds out.
        ("b", reply(), "-> a"),
        ("a", request(), "drop acl-drop"),
        ("b", reply(), "drop connection-blocked"),
        ("a", request(), "drop acl-drop"),
    ]);
    world.become_like(&open);
    world.check(&[("a", request(), "-> b"), ("b", reply(), "-> a")]);
}

#[test]
fn what_no_acl_matches_unblocks_its_connection() {
    let open = pair().acl("ls", "to 1 sctp => allow-related");
    let closed = open
        .clone()
        .acl("ls", "to 1000 udp && outport == \"b\" => drop");
    let mut world = World::new(&open);
    world.check(&[("a", request(), "-> b"), ("b", reply(), "-> a")]);
    world.become_like(&closed);
    world.check(&[
        ("a", request(), "drop acl-drop"),
        ("b", reply(), "drop connection-blocked"),
    ]);
    world.become_like(&open);
    world.check(&[("a", request(), "-> b"), ("b", reply(), "-> a")]);
}

#[test]
fn packets_of_no_connection_are_invalid_where_connections_are_kept() {
    let stateful = pair().acl("ls", "to 1 sctp => allow-related");
    let stateless = pair().acl("ls", "to 1 sctp => allow");
    let orphan = |eth, src, dst| icmp_error(eth, src, dst, (src, dst));
    let cases = [
        ("a", orphan((A, B), A4, B4), "drop connection-invalid"),
        ("a", icmp((A, B), A4, B4, 0), "drop connection-invalid"),
    ];
    World::new(&stateful).check(&cases);
    World::new(&stateless).check(&cases.map(|(inport, flow, _)| (inport, flow, "-> b")));
}

/// An ICMP error about a packet of `quoted.1` to `quoted.0`: back to its sender.
fn icmp_error(eth: (&str, &str), src: &str, dst: &str, quoted: (&str, &str)) -> Flow {
    let quoted = Quoted {
        src: quoted.1.parse().unwrap(),
        dst: quoted.0.parse().unwrap(),
        protocol: 17,
        src_port: 1000,
        dst_port: 2000,
    };
    let transport = Transport::Icmp {
        kind: 3,
        code: 3,
        identifier: 0,
        discovery: None,
        quoted: Some(Box::new(quoted)),
    };
    ip(eth, src, dst, transport)
}

#[test]
fn icmp_errors_about_allowed_connections_pass() {
    let net = pair()
        .acl("ls", "to 1001 outport == \"b\" && udp => allow-related")
        .acl("ls", "to 1000 ip => drop");
    World::new(&net).check(&[
        ("a", request(), "-> b"),
        ("b", icmp_error((B, A), B4, A4, (B4, A4)), "-> a"),
        (
            "b",
            icmp_error((B, A), B4, A4, (B4, "10.0.0.9")),
            "drop connection-invalid",
        ),
    ]);
}

#[test]
fn neighbour_discovery_and_listener_reports_escape_and_arp_does_not() {
    let net = pair()
        .acl("ls", "to 1000 ip => drop")
        .acl("ls", "from 1000 ip => drop")
        .acl("ls", "to 1 sctp => allow-related");
    let report = icmp((A, "33:33:00:00:00:16"), "fe80::1", "ff02::16", 143);
    let solicitation = discovery((A, B), "fd00::1", "fd00::2", 135, "fd00::9", None, None);
    let cases = [
        ("a", advertise((A, B), "fd00::1", "fd00::2", A), "-> b"),
        ("a", solicitation, "-> b"),
        ("a", report, "-> b"),
        ("a", echo((A, B), "fd00::1", "fd00::2"), "drop acl-drop"),
        ("a", who_has(A, A4, "10.0.0.9"), "-> b"),
    ];
    World::new(&net).check(&cases);
    let no_arp = net
        .clone()
        .acl("ls", "to 1000 arp => drop")
        .acl("ls", "to 1001 arp.op == 2 && outport == \"a\" => allow");
    World::new(&no_arp).check(&[
        ("a", who_has(A, A4, "10.0.0.9"), "drop acl-drop"),
        (
            "a",
            who_has(A, A4, B4),
            "10.0.0.2 is-at 0a:00:00:00:00:02 -> a",
        ),
        // The switch's answer is received like any packet.
        ("b", who_has(B, B4, A4), "drop acl-drop"),
    ]);
}

#[test]
fn multicast_is_judged_at_each_receiver() {
    let net = pair()
        .vif("ls", "c", "0a:00:00:00:00:03 10.0.0.3")
        .acl("ls", "to 1000 outport == \"c\" && ip4.mcast => drop")
        .acl("ls", "to 1 sctp => allow-related");
    let group = udp((A, "01:00:5e:00:00:fb"), A4, "224.0.0.251");
    World::new(&net).check(&[("a", group, "-> b | drop acl-drop")]);
}

#[test]
fn a_stateless_allow_decides_before_connections_whatever_its_priority() {
    let net = pair()
        .acl("ls", "from 1 udp => allow-stateless")
        .acl("ls", "to 1 udp => allow-stateless")
        .acl("ls", "to 1000 udp => allow-related")
        .acl("ls", "from 1000 udp => allow-related");
    let mut world = World::new(&net);
    world.check(&[("b", reply(), "-> a"), ("a", request(), "-> b")]);
    assert_eq!(world.conntrack.connections().count(), 0);
    // A stateful drop of a greater priority still drops.
    let dropping = net.acl("ls", "to 1001 udp && outport == \"a\" => drop");
    let mut world = World::new(&dropping);
    world.check(&[("a", request(), "-> b"), ("b", reply(), "drop acl-drop")]);
}

#[test]
fn router_ports_have_no_connections_of_their_own() {
    let net = pair()
        .router("r")
        .join("r", "ls", "0a:00:00:00:00:fe", "10.0.0.254/24")
        .acl("ls", "to 1001 outport == \"b\" && udp => allow-related")
        .acl("ls", "to 1000 outport == {\"a\", \"b\"} && ip => drop");
    let routed = udp((A, "0a:00:00:00:00:fe"), A4, "10.0.0.2");
    let mut world = World::new(&net);
    world.check(&[(
        "a",
        routed,
        "src=0a:00:00:00:00:fe dst=0a:00:00:00:00:02 ttl-1 -> b",
    )]);
    // One in the sender's zone and one in the receiver's.
    assert_eq!(world.conntrack.connections().count(), 2);
}

#[test]
fn default_drop_counts_in_every_stage_and_for_everything() {
    let base = pair().global(|global| global.default_acl_drop = true);
    World::new(&base).check(&[("a", request(), "-> b")]);
    let only_to = base.clone().acl("ls", "to 1000 ip => allow-related");
    World::new(&only_to).check(&[("a", request(), "drop acl-default")]);
    let no_after = only_to.clone().acl("ls", "from 1000 ip => allow-related");
    World::new(&no_after).check(&[("a", request(), "drop acl-default")]);
    let open = no_after.acl("ls", "from after-lb 1000 ip => allow-related");
    let solicitation = discovery((A, B), "fd00::1", "fd00::2", 135, "fd00::9", None, None);
    World::new(&open).check(&[
        ("a", request(), "-> b"),
        ("b", reply(), "-> a"),
        ("a", frame(A, B), "drop acl-default"),
        ("a", who_has(A, A4, B4), "drop acl-default"),
        ("a", solicitation, "-> b"),
    ]);
}

#[test]
fn tiers_are_asked_in_turn_and_passing_leads_to_the_next() {
    let net = pair()
        .acl("ls", "tier 0 to 10 udp.dst == 1 => allow")
        .acl("ls", "tier 0 to 20 udp.dst == {2, 3} => pass")
        .acl("ls", "tier 0 to 15 udp.dst == 2 => allow")
        .acl("ls", "tier 1 to 30000 udp.dst == {1, 2} => drop")
        .acl("ls", "tier 3 to 0 udp.dst == 4 => drop");
    let to = |dst| ip((A, B), A4, B4, Transport::Udp { src: 9, dst });
    World::new(&net).check(&[
        ("a", to(1), "-> b"),
        ("a", to(2), "drop acl-drop"),
        ("a", to(3), "-> b"),
        ("a", to(4), "drop acl-drop"),
        ("a", to(5), "-> b"),
    ]);
    let verdict = World::new(&net).send("a", &to(2));
    let acls: Vec<_> = verdict
        .made_by
        .acls
        .iter()
        .map(|uuid| uuid.as_u128())
        .collect();
    assert_eq!(acls, [2, 4]);
}

#[test]
fn acls_of_the_switch_and_of_its_groups_are_one_list() {
    let net = pair()
        .group("pg", &["b"])
        .acl("@pg", "to 1000 outport == @pg && ip => drop")
        .acl("ls", "to 1001 udp.dst == 2000 => allow")
        .acl("@pg", "to 1002 udp.src == 5 => drop");
    let from = |src| ip((A, B), A4, B4, Transport::Udp { src, dst: 2000 });
    let mut world = World::new(&net);
    world.check(&[
        ("a", from(4), "-> b"),
        ("a", from(5), "drop acl-drop"),
        ("a", echo((A, B), A4, B4), "drop acl-drop"),
        ("b", echo((B, A), B4, A4), "-> a"),
    ]);
    world.become_like(&net.clone().group("pg", &["a"]));
    world.check(&[
        ("a", echo((A, B), A4, B4), "-> b"),
        ("b", echo((B, A), B4, A4), "drop acl-drop"),
    ]);
    // Without members in the switch its ACLs do not hold there.
    world.become_like(&net.group("pg", &[]));
    world.check(&[("a", from(5), "-> b")]);
}

#[test]
fn rejections_say_so_to_the_sender() {
    let rejecting = |direction: &str| {
        pair()
            .acl("ls", &format!("{direction} 1000 ip => reject"))
            .acl("ls", "to 1 sctp => allow-related")
    };
    let sctp = ip((A, B), A4, B4, Transport::Sctp { src: 1, dst: 2 });
    let later = with_ip(request(), |ip| {
        ip.fragment = packet::flow::Fragment::Later;
        ip.transport = Transport::Other;
    });
    for net in [
        rejecting("from"),
        rejecting("from after-lb"),
        rejecting("to"),
    ] {
        let answered = |answer: &str| format!("drop acl-reject | {answer} -> a");
        World::new(&net).check(&[
            (
                "a",
                request(),
                &answered("icmp3/3 10.0.0.2>10.0.0.1 ttl 255"),
            ),
            (
                "a",
                tcp((A, B), A4, B4, SYN),
                &answered("tcp 0x14 10.0.0.2>10.0.0.1 ttl 63"),
            ),
            (
                "a",
                sctp.clone(),
                &answered("ip132 10.0.0.2>10.0.0.1 ttl 63"),
            ),
            (
                "a",
                echo((A, B), A4, B4),
                &answered("icmp3/1 10.0.0.2>10.0.0.1 ttl 255"),
            ),
            (
                "a",
                echo((A, B), "fd00::1", "fd00::2"),
                &answered("icmp1/1 fd00::2>fd00::1 ttl 255"),
            ),
            (
                "a",
                udp((A, B), "fd00::1", "fd00::2"),
                &answered("icmp1/4 fd00::2>fd00::1 ttl 255"),
            ),
        ]);
        World::new(&net).check(&[("a", tcp((A, B), A4, B4, RST), "drop acl-reject")]);
        World::new(&net).check(&[("a", later.clone(), "drop connection-invalid")]);
    }
    let stateless = pair().acl("ls", "to 1000 ip => reject");
    World::new(&stateless).check(&[
        ("a", later, "drop acl-reject"),
        ("a", icmp_error((A, B), A4, B4, (A4, B4)), "drop acl-reject"),
        ("a", udp((A, ALL), A4, "10.0.0.255"), "drop acl-reject"),
    ]);
}

#[test]
fn a_rejected_established_connection_is_blocked() {
    let open = pair().acl("ls", "to 1 sctp => allow-related");
    let mut world = World::new(&open);
    world.check(&[("a", request(), "-> b"), ("b", reply(), "-> a")]);
    world.become_like(&open.acl("ls", "to 5 udp && outport == \"b\" => reject"));
    world.check(&[
        (
            "a",
            request(),
            "drop acl-reject | icmp3/3 10.0.0.2>10.0.0.1 ttl 255 -> a",
        ),
        ("b", reply(), "drop connection-blocked"),
    ]);
}

#[test]
fn rejections_at_both_ends_do_not_play_ping_pong() {
    let net = pair()
        .acl("ls", "to 1000 ip => reject")
        .acl("ls", "from 1000 inport == \"b\" && ip => reject");
    World::new(&net).check(&[
        ("a", request(), "drop acl-reject | drop acl-reject"),
        (
            "a",
            tcp((A, B), A4, B4, SYN),
            "drop acl-reject | drop acl-reject",
        ),
    ]);
}

#[test]
fn traffic_classes_match_as_they_are_written() {
    let net = pair()
        .acl("ls", "to 1000 ip.dscp == 46 => drop")
        .acl("ls", "to 1000 ip.ecn == 3 => drop");
    let marked = |dscp, ecn| with_ip(request(), |ip| (ip.dscp, ip.ecn) = (dscp, ecn));
    World::new(&net).check(&[
        ("a", marked(0, 0), "-> b"),
        ("a", marked(46, 0), "drop acl-drop"),
        ("a", marked(45, 1), "-> b"),
        ("a", marked(0, 3), "drop acl-drop"),
    ]);
}

#[test]
fn labels_are_kept_with_connections_and_have_their_replies_logged() {
    use pipeline::object::{AclLog, Severity};
    let log = AclLog {
        severity: Severity::Warning,
        meter: Some("m".into()),
        related: true,
    };
    let net = pair().edited_acl(
        "ls",
        "to 1000 udp && outport == \"b\" => allow-related",
        |acl| {
            acl.label = 77;
            acl.name = "web".to_owned();
            acl.log = Some(log);
        },
    );
    let mut world = World::new(&net);
    let logged = |verdict: pipeline::Verdict| {
        let names = verdict.logs.iter().map(|log| log.name.clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(logged(world.send("a", &request())), ["web"]);
    assert!(world.conntrack.connections().any(|kept| kept.label == 77));
    assert_eq!(logged(world.send("b", &reply())), ["web"]);
    assert_eq!(logged(world.send("a", &request())), ["web"]);
    assert_eq!(logged(world.send("b", &udp((B, A), B4, A4))), [""; 0]);
}

#[test]
fn connections_know_the_acls_that_allowed_them_and_drops_name_their_rule() {
    let net = pair()
        .acl("ls", "from 1000 udp => allow-related")
        .acl("ls", "to 1000 udp => allow-related")
        .acl("ls", "to 1000 tcp => drop");
    let mut world = World::new(&net);
    world.check(&[("a", request(), "-> b")]);
    for kept in world.conntrack.connections() {
        let acls: Vec<_> = kept
            .made_by
            .acls
            .iter()
            .map(|uuid| uuid.as_u128())
            .collect();
        assert_eq!(acls, [1, 2]);
        assert_eq!(kept.mark, Mark::empty());
    }
    let verdict = world.send("a", &tcp((A, B), A4, B4, SYN));
    let pipeline::Destination::Drop { rule, .. } = verdict.branches[0].to else {
        panic!("expected a drop");
    };
    assert_eq!(rule.map(|uuid| uuid.as_u128()), Some(3));
}

#[test]
fn probes_pass_policies_and_connections() {
    let net = pair()
        .global(|global| {
            global.probe_mac = "0e:00:00:00:00:01".parse().unwrap();
            global.default_acl_drop = true;
        })
        .acl("ls", "to 1000 ip => drop")
        .acl("ls", "from after-lb 1 ip => allow-related")
        .vif("ls", "u", "unknown");
    let to_prober = udp((A, "0e:00:00:00:00:01"), A4, "10.0.0.9");
    World::new(&net).check(&[
        ("a", request(), "drop acl-default"),
        ("a", to_prober, "drop acl-drop"),
    ]);
    let from_prober = udp(("0e:00:00:00:00:01", B), "10.0.0.9", B4);
    let open = net.acl("ls", "from 1 ip => allow-related");
    World::new(&open).check(&[("a", from_prober, "-> b")]);
}

#[test]
fn a_row_that_two_owners_have_counts_for_each() {
    let shared = |acl: &mut pipeline::object::Acl| acl.uuid = uuid::Uuid::from_u128(9);
    let net = pair()
        .group("pg", &["a"])
        .edited_acl("@pg", "tier 0 from 0 arp => allow", shared)
        .edited_acl("ls", "tier 1 from 0 ip => drop", shared);
    World::new(&net).check(&[("a", request(), "drop acl-drop")]);
}
