//! What was decided about a connection's first packet, and is said to hold once that is answered: the slow way to the same is
//! to decide about a later packet.

use packet::flow::{Fragment, Ip, Network, Transport, ether_type, ip_protocol};

use packet::{Flow, Mac, Segment, TcpSegment};
use pipeline::conntrack::{Conntrack, Kept, Progress, Settings, Simple, Tuple, translate};
use pipeline::object::*;
use pipeline::{Ingress, Silent, Tables, process};
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use super::{policy, random, service};

const SYN: u16 = 2;
const ACK: u16 = 16;

/// The packet with these flags, if it is a TCP segment, and what it says of its connection.
fn with_flags(flow: &Flow, flags: u16) -> (Flow, Segment) {
    let mut flow = flow.clone();
    let Network::Ip(ip) = &mut flow.network else {
        return (flow, Segment::Unknown);
    };
    let Transport::Tcp { flags: own, .. } = &mut ip.transport else {
        return (flow, Segment::Unknown);
    };
    *own = flags;
    let acknowledgment = u32::from(flags & ACK != 0);
    let segment = TcpSegment {
        flags,
        sequence: u32::from(flags == ACK),
        acknowledgment,
        window: 1_000,
        length: 0,
        window_scale: None,
    };
    (flow, Segment::Tcp(segment))
}

/// What is kept, but for how far it has come.
fn facts(connections: &Simple) -> Vec<Kept> {
    let begun = Progress::begin(ip_protocol::UDP, &Segment::Unknown);
    let progress = begun.expect("a datagram may begin a connection");
    let kept = connections.connections().cloned();
    kept.map(|kept| Kept { progress, ..kept }).collect()
}

/// Every connection is answered by who it was begun with.
fn answer(connections: &mut Simple, flow: &Flow) {
    let own = Tuple::of(flow).expect("a packet that begins a connection has a tuple");
    let (flow, segment) = with_flags(flow, SYN | ACK);
    for kept in connections.connections().cloned().collect::<Vec<_>>() {
        let reply = translate(&flow, &own, &kept.reply);
        connections.begin();
        connections.track(kept.zone, reply.as_deref().unwrap_or(&flow), &segment);
    }
}

/// The network of [`random::working`], where connections are kept.
pub(super) fn keeping() -> impl Iterator<Item = Object> {
    let allow = |switch: u32| {
        Object::Acl(Acl {
            owner: PolicyOwner::Switch(DatapathKey::new(switch).unwrap()),
            uuid: Uuid::from_u128(100),
            name: String::new(),
            stage: AclStage::FromLport,
            tier: 1,
            priority: 0,
            matches: expr::parse("ip").unwrap().lower(),
            action: AclAction::AllowRelated,
            label: 0,
            log: None,
        })
    };
    random::working().into_iter().chain([allow(1), allow(3)])
}

pub(super) fn rules() -> impl Strategy<Value = Object> {
    prop_oneof![policy::object(), service::object()]
}

/// A packet of a station of that network, to another of the same switch or by the router.
pub(super) fn question() -> impl Strategy<Value = (Ingress, Flow)> {
    let stations = vec![(1, 2, 1, 1), (1, 3, 1, 2), (3, 2, 2, 3), (3, 3, 2, 4)];
    let target = (1_u8..=2, 1_u8..=5, any::<bool>());
    let datagram = (0_u16..3, 0_u16..3).prop_map(|(src, dst)| Transport::Udp { src, dst });
    let segment = (0_u16..3, 0_u16..3).prop_map(|(src, dst)| Transport::Tcp {
        src,
        dst,
        flags: SYN,
    });
    let transport = prop_oneof![datagram, segment];
    (select(stations), target, transport).prop_map(
        |((switch, port, net, last), (to_net, to, is_routed), transport)| {
            let mac = |last| Mac([0x0a, 0, 0, 0, 0, last]);
            let protocol = match transport {
                Transport::Tcp { .. } => ip_protocol::TCP,
                _ => ip_protocol::UDP,
            };
            let ip = Ip {
                src: [10, 0, net, last].into(),
                dst: [10, 0, to_net, to].into(),
                protocol,
                ttl: 64,
                dscp: 0,
                ecn: 0,
                label: 0,
                fragment: Fragment::Whole,
                dont_fragment: false,
                transport,
            };
            let flow = Flow {
                eth_src: mac(last),
                eth_dst: mac(if is_routed { 5 } else { to }),
                vlan: None,
                eth_type: ether_type::IPV4,
                network: Network::Ip(ip),
                length: 100,
            };
            let at = PortRef {
                datapath: DatapathKey::new(switch).unwrap(),
                port: PortKey::new(port).unwrap(),
            };
            (Ingress::Interface(at), flow)
        },
    )
}

/// Whether the verdict on a first packet is said to hold; it then is that on the next.
pub(super) fn check(
    tables: &Tables,
    ingress: &Ingress,
    flow: &Flow,
) -> Result<bool, TestCaseError> {
    let mut connections = Simple::new(Settings::default());
    let (flow, segment) = with_flags(flow, SYN);
    let packet = (&flow, &segment);
    let first = process(
        tables,
        &mut connections,
        ingress.clone(),
        packet,
        &mut Silent,
    );
    if !first.holds_once_answered {
        return Ok(false);
    }
    answer(&mut connections, &flow);
    let before = facts(&connections);
    let (flow, segment) = with_flags(&flow, ACK);
    let packet = (&flow, &segment);
    let then = process(
        tables,
        &mut connections,
        ingress.clone(),
        packet,
        &mut Silent,
    );
    prop_assert_eq!(&then.branches, &first.branches);
    prop_assert_eq!(&then.used, &first.used);
    prop_assert_eq!(&then.learned, &first.learned);
    prop_assert_eq!(&then.logs, &first.logs);
    prop_assert_eq!(&then.qos, &first.qos);
    prop_assert_eq!(&then.meters, &first.meters);
    prop_assert_eq!(&then.made_by, &first.made_by);
    prop_assert_eq!(then.reusable, first.reusable);
    prop_assert!(!then.begins);
    let noted = |slot| first.deps.slots().contains(slot);
    prop_assert!(
        then.deps.slots().iter().all(noted),
        "{:?} {:?}",
        then.deps,
        first.deps
    );
    prop_assert_eq!(facts(&connections), before);
    Ok(true)
}
