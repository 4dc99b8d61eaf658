//! Random packets, as the expressions that `ovn-trace` and `vsctl trace` both take.

use super::Seeded;
use super::topology::{Station, Topology};

/// A packet and where it comes from.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The switch that it enters.
    pub switch: String,
    /// The packet.
    pub microflow: String,
    /// What it is to its connections, lookup by lookup.
    pub states: Vec<&'static str>,
}

/// What packets may be to their connections.
const STATES: [&str; 6] = ["new", "new", "est", "est,rpl", "rel,rpl", "inv"];

/// More lookups than a packet meets.
pub const LOOKUPS_MAX: usize = 24;

/// Stations that are in no network.
const STRANGER: [&str; 3] = ["0a:00:00:00:99:99", "192.168.7.9", "fd00:99::99"];

impl Packet {
    /// A random packet from a random pod: often sound, sometimes not.
    pub fn random(seeded: &mut Seeded, topology: &Topology) -> Self {
        let from = seeded.pick(&topology.pods).clone();
        let mut terms = vec![format!("inport == \"{}\"", from.port)];
        match seeded.within(0..8) {
            0 => arp(seeded, topology, &from, &mut terms),
            1 => solicitation(seeded, topology, &from, &mut terms),
            2 => other(seeded, topology, &from, &mut terms),
            kind => ip(seeded, topology, &from, kind % 2 == 0, &mut terms),
        }
        Self {
            switch: from.switch,
            microflow: terms.join(" && "),
            states: states(seeded, topology),
        }
    }
}

/// What the packet is at each lookup: any, or always the same where routers look up as well, which ask another number
/// of times than OVN's.
fn states(seeded: &mut Seeded, topology: &Topology) -> Vec<&'static str> {
    if topology.services.is_empty() {
        return (0..4).map(|_| *seeded.pick(&STATES)).collect();
    }
    vec![*seeded.pick(&["new", "new", "new", "est", "est,rpl"]); LOOKUPS_MAX]
}

/// The sender's own address, mostly.
fn source<'a>(seeded: &mut Seeded, own: &'a str, stranger: &'a str) -> &'a str {
    if seeded.percent(90) { own } else { stranger }
}

/// Where a frame may go: the switch's gateway, another station, everyone, nobody.
fn destination_mac(seeded: &mut Seeded, topology: &Topology, from: &Station) -> String {
    let gateway = topology
        .gateways
        .iter()
        .find(|foot| foot.switch == from.switch);
    match (seeded.within(0..10), gateway) {
        (0, _) => "ff:ff:ff:ff:ff:ff".to_owned(),
        (1, _) => "01:00:5e:01:02:03".to_owned(),
        (2, _) => STRANGER[0].to_owned(),
        (3 | 4, _) | (_, None) => seeded.pick(&topology.pods).mac.clone(),
        (_, Some(foot)) => foot.mac.clone(),
    }
}

/// Any station of the network.
fn anyone<'a>(seeded: &mut Seeded, topology: &'a Topology) -> &'a Station {
    let index = seeded.within(0..topology.pods.len() + topology.gateways.len());
    topology
        .pods
        .get(index)
        .unwrap_or_else(|| &topology.gateways[index - topology.pods.len()])
}

fn arp(seeded: &mut Seeded, topology: &Topology, from: &Station, terms: &mut Vec<String>) {
    let mac = source(seeded, &from.mac, STRANGER[0]);
    let is_request = seeded.percent(75);
    let target = if seeded.percent(15) {
        "10.0.1.99"
    } else {
        &anyone(seeded, topology).v4
    };
    let destination = if is_request && seeded.percent(80) {
        "ff:ff:ff:ff:ff:ff".to_owned()
    } else {
        destination_mac(seeded, topology, from)
    };
    terms.extend([
        format!("eth.src == {mac}"),
        format!("eth.dst == {destination}"),
        format!("arp.op == {}", if is_request { 1 } else { 2 }),
        format!("arp.sha == {}", source(seeded, mac, STRANGER[0])),
        format!("arp.spa == {}", source(seeded, &from.v4, "10.0.1.98")),
        format!(
            "arp.tha == {}",
            if is_request {
                "00:00:00:00:00:00"
            } else {
                &destination
            }
        ),
        format!("arp.tpa == {target}"),
    ]);
}

fn solicitation(seeded: &mut Seeded, topology: &Topology, from: &Station, terms: &mut Vec<String>) {
    let mac = source(seeded, &from.mac, STRANGER[0]);
    // Of a router's own addresses the oracle knows no answer: it stops with an assertion.
    let target = if seeded.percent(20) {
        "fd00:1::77"
    } else {
        &seeded.pick(&topology.pods).v6
    };
    let low = target.rsplit(':').next().unwrap_or("1");
    terms.extend([
        format!("eth.src == {mac}"),
        format!("eth.dst == 33:33:ff:00:00:{low:0>2}"),
        format!("ip6.src == {}", source(seeded, &from.v6, STRANGER[2])),
        format!("ip6.dst == ff02::1:ff00:{low}"),
        "ip.ttl == 255".to_owned(),
        "nd_ns".to_owned(),
        format!("nd.target == {target}"),
        format!("nd.sll == {}", source(seeded, mac, STRANGER[0])),
    ]);
}

fn other(seeded: &mut Seeded, topology: &Topology, from: &Station, terms: &mut Vec<String>) {
    let mac = source(seeded, &from.mac, "01:00:00:00:00:01");
    terms.extend([
        format!("eth.src == {mac}"),
        format!("eth.dst == {}", destination_mac(seeded, topology, from)),
        "eth.type == 0x88b5".to_owned(),
    ]);
}

fn ip(
    seeded: &mut Seeded,
    topology: &Topology,
    from: &Station,
    is_v4: bool,
    terms: &mut Vec<String>,
) {
    let mac = source(seeded, &from.mac, STRANGER[0]);
    let to = anyone(seeded, topology).clone();
    let (family, own, stranger, target) = if is_v4 {
        let special = [
            "255.255.255.255",
            "224.0.0.1",
            "10.0.1.255",
            STRANGER[1],
            "10.0.1.99",
            "172.16.0.1",
            "172.16.0.2",
            "8.8.8.8",
        ];
        (
            4,
            &from.v4,
            STRANGER[1],
            if seeded.percent(25) {
                *seeded.pick(&special)
            } else {
                &to.v4
            },
        )
    } else {
        let special = [
            "ff02::1",
            "ff0e::5",
            STRANGER[2],
            "fd00:1::99",
            "fd01::1",
            "fd01::2",
            "2001:db8::9",
        ];
        (
            6,
            &from.v6,
            STRANGER[2],
            if seeded.percent(25) {
                *seeded.pick(&special)
            } else {
                &to.v6
            },
        )
    };
    let services = topology.services.iter();
    let mut services = services.filter(|ip| ip.contains('.') == is_v4);
    let target = match services.next_back().filter(|_| seeded.percent(40)) {
        Some(last) => services.find(|_| seeded.percent(50)).unwrap_or(last),
        None => target,
    };
    terms.extend([
        format!("eth.src == {mac}"),
        format!("eth.dst == {}", destination_mac(seeded, topology, from)),
        format!("ip{family}.src == {}", source(seeded, own, stranger)),
        format!("ip{family}.dst == {target}"),
        format!(
            "ip.ttl == {}",
            [64, 64, 64, 64, 255, 2, 1, 0][seeded.within(0..8)]
        ),
    ]);
    terms.extend(transport(seeded, is_v4));
}

fn transport(seeded: &mut Seeded, is_v4: bool) -> Vec<String> {
    let (icmp, echo) = if is_v4 { ("icmp4", 8) } else { ("icmp6", 128) };
    match seeded.within(0..6) {
        0 => vec!["udp.src == 1000".to_owned(), "udp.dst == 2000".to_owned()],
        1 => vec!["tcp.src == 1000".to_owned(), "tcp.dst == 80".to_owned()],
        2 => vec![
            format!("{icmp}.type == {}", if is_v4 { 0 } else { 129 }),
            format!("{icmp}.code == 0"),
        ],
        3 => vec!["ip.proto == 47".to_owned()],
        4 => vec!["sctp.src == 1000".to_owned(), "sctp.dst == 80".to_owned()],
        _ => vec![
            format!("{icmp}.type == {echo}"),
            format!("{icmp}.code == 0"),
        ],
    }
}
