//! What a flow's first packet costs with 10 to 100,000 ACLs, and what a change of policy costs.
//!
//! Run it with `cargo run --release -p benches --example acl`. Each network is one switch with 100 ports and 100 address
//! sets of 1,000 members. The packet is for a port that a drop of the least priority concerns, and is allowed by the
//! rule of the least priority but that, so that everything else has to be ruled out.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use expr::{Constant, Notation};
use packet::flow::{Fragment, Ip, Network, Transport, ether_type, ip_protocol};
use packet::{Flow, Mac, Segment};
use pipeline::conntrack::Untracked;
use pipeline::object::*;
use pipeline::{Destination, Ingress, Silent, Tables, process};
use uuid::Uuid;

const PORTS: u32 = 100;
const SETS: u32 = 100;
const MEMBERS: u32 = 1_000;
/// Ranges of ports that rules for one set tell apart, and how far each goes beyond its first.
const RANGES: u32 = 50_000;
const WIDTH: u16 = 9;
/// First packets that are timed.
const PACKETS: u32 = 2_000;

/// How the rules of a network tell packets apart.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// A port group for each rule's port, as ovn-kubernetes writes policies: `outport == @g && ip4.src == $s && tcp.dst == p`.
    Groups,
    /// All on one switch, for every port: `ip4.src == $s && tcp.dst == p`.
    Sets,
    /// All on one switch, for two sets: ranges of ports tell them apart.
    Ranges,
}

fn main() {
    println!("rules\tshape\tcompile\tfirst packet\tone address\tone ACL");
    for shape in [Shape::Groups, Shape::Sets, Shape::Ranges] {
        for rules in [10, 1_000, 10_000, 100_000] {
            measure(shape, rules);
        }
    }
}

fn measure(shape: Shape, rules: u32) {
    let objects = network(shape, rules);
    let (tables, compile) = timed(|| Tables::new(None).apply(objects.clone(), []).unwrap());
    let first = first_packet(&tables, shape, rules);
    let address = each(20, |turn| {
        let change = Object::AddressSet(part(0, 0, turn + 1));
        drop(tables.apply([change], []).unwrap());
    });
    let acl = each(5, |turn| {
        let change = acl(shape, 0, 30_000 + turn as u16);
        drop(tables.apply([change], []).unwrap());
    });
    println!("{rules}\t{shape:?}\t{compile:.1?}\t{first:.1?}\t{address:.1?}\t{acl:.1?}");
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

fn each(turns: u32, mut work: impl FnMut(u32)) -> Duration {
    let ((), total) = timed(|| (0..turns).for_each(&mut work));
    total / turns
}

fn first_packet(tables: &Tables, shape: Shape, rules: u32) -> Duration {
    let last = rules - 1;
    let flow = packet(shape, last);
    let ingress = Ingress::Interface(at(1));
    let verdict = process(
        tables,
        &mut Untracked,
        ingress.clone(),
        (&flow, &Segment::Unknown),
        &mut Silent,
    );
    let allowed = Uuid::from_u128(last.into());
    assert!(matches!(verdict.branches[0].to, Destination::Output { .. }));
    assert!(
        verdict.made_by.acls.contains(&allowed),
        "{:?}",
        verdict.made_by
    );
    each(PACKETS, |_| {
        let verdict = process(
            tables,
            &mut Untracked,
            ingress.clone(),
            (&flow, &Segment::Unknown),
            &mut Silent,
        );
        std::hint::black_box(verdict);
    })
}

fn switch() -> DatapathKey {
    DatapathKey::new(1).unwrap()
}

fn at(port: u32) -> PortRef {
    PortRef {
        datapath: switch(),
        port: PortKey::new(port).unwrap(),
    }
}

fn mac(port: u32) -> Mac {
    let [_, _, high, low] = port.to_be_bytes();
    Mac([0x0a, 0, 0, 0, high, low])
}

/// The port that a rule is for; port 1 sends.
fn receiver(rule: u32) -> u32 {
    2 + rule % (PORTS - 1)
}

fn network(shape: Shape, rules: u32) -> Vec<Object> {
    let mut objects = vec![Object::Datapath(Datapath {
        key: switch(),
        uuid: Uuid::nil(),
        name: "ls".to_owned(),
        kind: DatapathKind::Switch(Switch::default()),
    })];
    objects.extend((1..=PORTS).map(port));
    objects.extend((1..=PORTS).map(|port| {
        Object::PortGroup(PortGroup {
            name: format!("g{port}").into(),
            datapath: switch(),
            members: vec![at(port).port],
        })
    }));
    for set in 0..SETS {
        let parts = (0..ADDRESS_SET_BUCKETS).map(|bucket| Object::AddressSet(part(set, bucket, 0)));
        objects.extend(parts);
    }
    objects.extend((0..rules).map(|rule| acl(shape, rule, 1 + ((rules - rule) % 30_000) as u16)));
    objects
}

fn port(number: u32) -> Object {
    Object::Port(Port {
        at: at(number),
        uuid: Uuid::from_u128(number.into()),
        name: format!("p{number}"),
        enabled: true,
        kind: PortKind::Switch(SwitchPort {
            attachment: Attachment::Vif,
            addresses: vec![StationAddresses {
                mac: mac(number),
                ..StationAddresses::default()
            }],
            has_unknown: false,
            port_security: Vec::new(),
            requested_chassis: None,
            max_rate: None,
            min_rate: None,
            chassis: None,
        }),
    })
}

fn address(set: u32, member: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 + set * MEMBERS + member)
}

/// A part of a set. Another `variant` has one other member.
fn part(set: u32, bucket: u8, variant: u32) -> AddressSet {
    let own = (0..MEMBERS).filter(|member| member % 64 == u32::from(bucket));
    let mut addresses: Vec<_> = own.map(|member| address(set, member)).collect();
    if variant > 0 {
        addresses.push(Ipv4Addr::from(0xc000_0000 + variant));
    }
    let members = addresses.into_iter().map(|ip| Constant {
        value: u32::from(ip).into(),
        mask: None,
        notation: Notation::Ipv4,
    });
    AddressSet {
        name: format!("s{set}").into(),
        bucket,
        members: members.collect(),
    }
}

/// The set of a rule.
fn set(shape: Shape, rule: u32) -> u32 {
    match shape {
        Shape::Ranges => rule / RANGES,
        _ => rule % SETS,
    }
}

fn service(shape: Shape, rule: u32) -> u16 {
    match shape {
        Shape::Ranges => (rule % RANGES) as u16 + 1,
        _ => (rule / SETS) as u16 + 1,
    }
}

fn acl(shape: Shape, rule: u32, priority: u16) -> Object {
    let (set, service) = (set(shape, rule), service(shape, rule));
    let group = format!("g{}", receiver(rule));
    let (owner, text) = match shape {
        Shape::Groups => (
            PolicyOwner::Group(group.as_str().into()),
            format!("outport == @{group} && ip4.src == $s{set} && tcp.dst == {service}"),
        ),
        Shape::Sets => (
            PolicyOwner::Switch(switch()),
            format!("ip4.src == $s{set} && tcp.dst == {service}"),
        ),
        Shape::Ranges => (
            PolicyOwner::Switch(switch()),
            format!(
                "ip4.src == $s{set} && tcp.dst >= {service} && tcp.dst <= {}",
                service + 9
            ),
        ),
    };
    Object::Acl(Acl {
        owner,
        uuid: Uuid::from_u128(rule.into()),
        name: String::new(),
        stage: AclStage::ToLport,
        tier: 0,
        priority,
        matches: expr::parse(&text).unwrap().lower(),
        action: AclAction::AllowRelated,
        label: 0,
        log: None,
    })
}

fn packet(shape: Shape, rule: u32) -> Flow {
    let service = match shape {
        Shape::Ranges => service(shape, rule) + WIDTH,
        _ => service(shape, rule),
    };
    let set = set(shape, rule);
    Flow {
        eth_src: mac(1),
        eth_dst: mac(receiver(rule)),
        vlan: None,
        eth_type: ether_type::IPV4,
        network: Network::Ip(Ip {
            src: address(set, 1).into(),
            dst: Ipv4Addr::new(192, 0, 2, 1).into(),
            protocol: ip_protocol::TCP,
            ttl: 64,
            dscp: 0,
            ecn: 0,
            label: 0,
            fragment: Fragment::Whole,
            dont_fragment: true,
            transport: Transport::Tcp {
                src: 40_000,
                dst: service,
                flags: 2,
            },
        }),
        length: 60,
    }
}
