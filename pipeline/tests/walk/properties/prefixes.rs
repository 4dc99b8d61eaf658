//! Random routes and members of address sets close to the addresses that random packets have: prefixes of any length that
//! hold them or just miss them, in each other, changed step by step.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use expr::{Constant, Notation};
use ipnet::IpNet;
use packet::flow::{Fragment, Network, Transport, ip_protocol};
use packet::{Flow, Mac, Segment};
use pipeline::conntrack::Simple;
use pipeline::object::*;
use pipeline::{Ingress, Silent, Tables, Verdict, process};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use uuid::Uuid;

use super::random::{self, Change};
use super::{apply, policy, replay, service};

/// What a packet enters by, and the packet.
pub(super) type Sent = (Ingress, Flow);

/// A prefix that holds an address, or the one beside it.
fn prefix_at(ip: IpAddr) -> impl Strategy<Value = IpNet> {
    let bits = if ip.is_ipv4() { 32_u8 } else { 128 };
    let length = prop_oneof![
        4 => 0..=bits,
        2 => Just(bits),
        1 => Just(bits - 1),
        1 => Just(bits / 2),
        1 => Just(0),
    ];
    (length, prop::bool::weighted(0.3)).prop_map(move |(length, misses)| {
        let flipped = match ip {
            _ if !misses || length == 0 => ip,
            IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() ^ (1 << (32 - length))).into(),
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() ^ (1 << (128 - length))).into(),
        };
        IpNet::new(flipped, length).unwrap().trunc()
    })
}

fn prefix() -> impl Strategy<Value = IpNet> {
    random::ip().prop_flat_map(prefix_at)
}

fn route() -> impl Strategy<Value = Object> {
    let other = |route: &Route| match route.key.prefix.addr().is_ipv4() {
        true => IpAddr::V4(Ipv4Addr::new(10, 0, 1, 2)),
        false => IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2)),
    };
    (random::route(), random::ip())
        .prop_flat_map(move |(route, ip)| {
            let of_family = ip.is_ipv4() == route.key.prefix.addr().is_ipv4();
            let ip = if of_family { ip } else { other(&route) };
            (Just(route), prefix_at(ip))
        })
        .prop_map(|(mut route, prefix)| {
            route.router = DatapathKey::new(2).unwrap();
            route.key.prefix = prefix;
            Object::Route(route)
        })
}

fn member() -> impl Strategy<Value = Constant> {
    (prefix(), prop::bool::weighted(0.1)).prop_map(|(prefix, is_number)| {
        let bits = prefix.max_prefix_len();
        let value = match prefix.addr() {
            IpAddr::V4(ip) => ip.to_bits().into(),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let mask = match prefix.netmask() {
            IpAddr::V4(ip) => ip.to_bits().into(),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let is_host = prefix.prefix_len() == bits;
        Constant {
            value,
            mask: (!is_host).then_some(mask),
            notation: match bits {
                _ if is_number && is_host => Notation::Decimal,
                32 => Notation::Ipv4,
                _ => Notation::Ipv6,
            },
        }
    })
}

fn part() -> impl Strategy<Value = Object> {
    let name = select(vec!["one", "two"]);
    (name, 0_u8..=3, vec(member(), 0..3)).prop_map(|(name, bucket, members)| {
        Object::AddressSet(AddressSet {
            name: name.into(),
            bucket,
            members,
        })
    })
}

fn addressed() -> impl Strategy<Value = Object> {
    prop_oneof![route(), part()]
}

/// What ACLs and QoS rules ask of sets.
const ASKED: &[&str] = &[
    "ip4.src == $one",
    "ip4.dst == $two",
    "ip4.dst == $one && udp",
    "ip4.src == $one && ip4.dst == $two",
    "ip4.src != $two",
    "!(ip4.dst == $one)",
    "ip6.src == $one",
    "ip6.dst == $two",
    "ip6.dst != $one && ip6.src == $two",
    "ip4.src[0..7] == $two",
    "ip6.dst[0..31] == $one",
    "eth.src == $two",
    "udp && ip4.dst == {10.0.2.1, $one}",
    "udp || ip4.src == $one",
];

fn asking() -> impl Strategy<Value = Object> {
    let stage = select(vec![AclStage::FromLport, AclStage::ToLport]);
    let action = select(vec![AclAction::AllowRelated, AclAction::Drop]);
    let rule = (select(vec![1, 3]), 1_u128..=9, 0_u16..=4, select(ASKED));
    (rule, stage, action, prop::bool::weighted(0.2)).prop_map(
        |((switch, uuid, priority, matches), stage, action, is_qos)| {
            let switch = DatapathKey::new(switch).unwrap();
            let uuid = Uuid::from_u128(uuid);
            let matches = expr::parse(matches).unwrap().lower();
            match is_qos {
                true => Object::Qos(Qos {
                    switch,
                    uuid,
                    direction: QosDirection::FromLport,
                    priority,
                    matches,
                    dscp: Some(9),
                    limit: None,
                }),
                false => Object::Acl(Acl {
                    owner: PolicyOwner::Switch(switch),
                    uuid,
                    name: String::new(),
                    stage,
                    tier: 0,
                    priority,
                    matches,
                    action,
                    label: 0,
                    log: None,
                }),
            }
        },
    )
}

/// A VIP at one of the addresses, for all that is sent there: its packets go to another address.
fn vip() -> impl Strategy<Value = Object> {
    (random::ip(), random::ip()).prop_map(|(ip, backend)| {
        let backend = match (ip, backend) {
            (IpAddr::V4(_), IpAddr::V6(_)) => IpAddr::from([10, 0, 2, 1]),
            (IpAddr::V6(_), IpAddr::V4(_)) => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 3]),
            _ => backend,
        };
        let backend = Backend {
            ip: backend,
            port: 0,
            weight: 1,
            state: BackendState::Ready,
            chassis: None,
            zone: String::new(),
        };
        Object::Vip(Vip {
            key: VipKey {
                balancer: service::OWN,
                ip,
                protocol: 0,
                port: 0,
                chassis: None,
            },
            backends: vec![backend],
        })
    })
}

/// A network with policies, services, translations, and routes and sets for [`change`] to change.
pub(super) fn network() -> impl Strategy<Value = Vec<Object>> {
    let policies = prop_oneof![
        2 => vec(asking(), 1..6),
        1 => vec(policy::object(), 4..16),
    ];
    let services = vec(prop_oneof![2 => vip(), 1 => service::object()], 0..6);
    (policies, services, vec(addressed(), 4..12)).prop_map(|(policies, services, addressed)| {
        let balancer = Object::Balancer(Balancer::new(service::OWN, "lb"));
        let working = random::working().into_iter().chain([balancer]);
        working
            .chain(policies)
            .chain(services)
            .chain(addressed)
            .collect()
    })
}

/// What comes, and which of what there is goes.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Put(Object),
    Remove(Index),
}

pub(super) fn change() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        3 => addressed().prop_map(Step::Put),
        2 => any::<Index>().prop_map(Step::Remove),
    ];
    vec(one, 1..3)
}

impl Step {
    fn of(self, objects: &BTreeMap<ObjectKey, Object>) -> Option<Change> {
        match self {
            Self::Put(object) => Some(Change::Put(object)),
            Self::Remove(index) => {
                let is_addressed = |key: &&ObjectKey| {
                    matches!(key, ObjectKey::Route(..) | ObjectKey::AddressSet(..))
                };
                let keys: Vec<_> = objects.keys().filter(is_addressed).collect();
                (!keys.is_empty()).then(|| Change::Remove((*index.get(&keys)).clone()))
            }
        }
    }
}

/// A packet, mostly a datagram that is routed.
pub(super) fn packet() -> impl Strategy<Value = Sent> {
    let from = select(vec![(1, 2, 1), (3, 2, 3)]);
    let others = prop::bool::weighted(0.2);
    let rest = (from, others, others, random::mac());
    (random::flow(), rest).prop_map(
        |(mut flow, ((datapath, port, station), is_any, is_switched, mac))| {
            flow.eth_src = Mac([0x0a, 0, 0, 0, 0, station]);
            flow.eth_dst = match is_switched {
                true => mac,
                false => Mac([0x0a, 0, 0, 0, 0, 5]),
            };
            flow.vlan = None;
            if !is_any && let Network::Ip(ip) = &mut flow.network {
                ip.protocol = ip_protocol::UDP;
                (ip.ttl, ip.fragment) = (64, Fragment::Whole);
                ip.transport = Transport::Udp { src: 1, dst: 2 };
            }
            let at = PortRef {
                datapath: DatapathKey::new(datapath).unwrap(),
                port: PortKey::new(port).unwrap(),
            };
            (Ingress::Interface(at), flow)
        },
    )
}

/// The first packet of a connection that nobody knows.
fn decide(tables: &Tables, (ingress, flow): &Sent) -> Verdict {
    let mut connections = Simple::default();
    let packet = (flow, &Segment::Unknown);
    process(
        tables,
        &mut connections,
        ingress.clone(),
        packet,
        &mut Silent,
    )
}

/// Checks that what is remembered of packets, as long as it is upheld, is what is decided anew.
pub(super) fn check(
    network: Vec<Object>,
    changes: Vec<Vec<Step>>,
    packets: Vec<Sent>,
) -> Result<(), TestCaseError> {
    let mut tables = Tables::new(Some("n1".into()))
        .apply(network.clone(), [])
        .unwrap();
    let keyed = network.into_iter().map(|object| (object.key(), object));
    let mut objects: BTreeMap<_, _> = keyed.collect();
    let mut remembered: Vec<_> = packets.iter().map(|sent| decide(&tables, sent)).collect();
    for change in changes {
        let change: Vec<_> = change
            .into_iter()
            .filter_map(|step| step.of(&objects))
            .collect();
        replay(&mut objects, &change);
        tables = apply(&tables, &change);
        for (sent, verdict) in packets.iter().zip(&mut remembered) {
            let fresh = decide(&tables, sent);
            if tables.uphold(verdict, &sent.1) {
                prop_assert_eq!(&*verdict, &fresh);
            }
            *verdict = fresh;
        }
    }
    Ok(())
}
