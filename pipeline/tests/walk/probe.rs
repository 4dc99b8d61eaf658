//! Probes of backends: what their stations send comes to the node, and their addresses are answered for.

use packet::Flow;
use packet::flow::{Transport, ip_protocol};
use pipeline::object::{ObjectKey, Probe, ProbeKey, ProbeKind};
use pipeline::{Ingress, object::Object};

use crate::support::flows::*;
use crate::support::policy::World;
use crate::support::{Net, in_words};

const PROBER: &str = "0e:00:00:00:00:01";
const A: &str = "0a:00:00:00:00:01";
const B: &str = "0a:00:00:00:00:02";

fn probe(net: &Net, source_ip: &str, transport_port: u16) -> Probe {
    Probe {
        key: ProbeKey {
            port: net.at("a"),
            ip: "10.0.0.1".parse().unwrap(),
            protocol: ip_protocol::TCP,
            transport_port,
        },
        source_mac: mac(PROBER),
        source_ip: source_ip.parse().unwrap(),
        mac: mac(A),
        kind: ProbeKind::Tcp,
        interval_s: 5,
        timeout_s: 3,
        success_count: 1,
        failure_count: 1,
    }
}

/// A switch with a backend that is probed, and ACLs that let nothing pass.
fn probed() -> Net {
    let net = Net::new()
        .chassis("n", "192.0.2.1")
        .switch("s")
        .vif("s", "a", "0a:00:00:00:00:01 10.0.0.1 fd00::1")
        .bound("a", "n")
        .vif("s", "b", "0a:00:00:00:00:02 10.0.0.2")
        .bound("b", "n")
        .global(|global| global.probe_mac = mac(PROBER))
        .acl("s", "from 1000 ip => drop")
        .acl("s", "to 1000 ip => drop");
    let four = probe(&net, "10.0.0.9", 80);
    let six = Probe {
        source_ip: "fd00::9".parse().unwrap(),
        ..probe(&net, "10.0.0.9", 81)
    };
    net.put(Object::Probe(four)).put(Object::Probe(six))
}

fn unreachable() -> Flow {
    with_ip(icmp((A, PROBER), "10.0.0.1", "10.0.0.9", 3), |ip| {
        if let Transport::Icmp { code, .. } = &mut ip.transport {
            *code = 3;
        }
    })
}

#[test]
fn what_answers_a_probe_comes_to_the_node_past_all_policies() {
    World::at(&probed(), Some("n")).check(&[
        (
            "a",
            tcp((A, PROBER), "10.0.0.1", "10.0.0.9", 0x12),
            "monitor a",
        ),
        ("a", unreachable(), "monitor a"),
        ("a", icmp((A, PROBER), "fd00::1", "fd00::9", 1), "monitor a"),
        (
            "b",
            tcp((B, PROBER), "10.0.0.2", "10.0.0.9", 0x12),
            "monitor b",
        ),
        (
            "a",
            udp((A, PROBER), "10.0.0.1", "10.0.0.9"),
            "drop unknown-destination",
        ),
        ("a", frame(A, PROBER), "drop unknown-destination"),
        ("a", tcp((A, B), "10.0.0.1", "10.0.0.2", 2), "drop acl-drop"),
    ]);
}

#[test]
fn no_station_is_the_probes_while_none_is_configured() {
    let net = Net::new()
        .chassis("n", "192.0.2.1")
        .switch("s")
        .vif("s", "a", "0a:00:00:00:00:01 10.0.0.1")
        .bound("a", "n");
    let to_nobody = tcp((A, "00:00:00:00:00:00"), "10.0.0.1", "10.0.0.9", 2);
    World::at(&net, Some("n")).check(&[("a", to_nobody, "drop unknown-destination")]);
}

#[test]
fn the_addresses_of_probes_are_answered_for_while_there_is_a_probe() {
    let mut world = World::at(&probed(), Some("n"));
    let ask = |world: &mut World, flow: &Flow| {
        let verdict = world.send("a", flow);
        in_words(&world.tables, &verdict)
    };
    let arp = who_has(A, "10.0.0.1", "10.0.0.9");
    let solicitation = solicit(A, "fd00::1", "fd00::9");
    for question in [&arp, &solicitation] {
        let answer = ask(&mut world, question);
        assert!(answer.contains(PROBER), "{answer}");
        assert!(answer.ends_with("-> a"), "{answer}");
    }
    let probes = probed().objects.into_keys();
    let probes = probes.filter(|key| matches!(key, ObjectKey::Probe(_)));
    world.tables = world.tables.apply([], probes).expect("legal objects");
    for question in [&arp, &solicitation] {
        let answer = ask(&mut world, question);
        assert!(!answer.contains(PROBER), "{answer}");
    }
}

#[test]
fn a_probe_passes_the_policies_of_its_port_and_goes_no_further_than_this_node() {
    let net = probed();
    let at = net.at("a");
    let ingress = Ingress::Tunnel {
        vni: at.datapath.get(),
        inport: 0,
        outport: at.port.get(),
    };
    let syn = tcp((PROBER, A), "10.0.0.9", "10.0.0.1", 2);
    for (home, expected) in [("n", "-> a"), ("elsewhere", "drop tunnelled-again")] {
        let mut world = World::at(&net, Some(home));
        let verdict = world.enter(ingress.clone(), &syn);
        assert_eq!(in_words(&world.tables, &verdict), expected, "{home}");
    }
}
