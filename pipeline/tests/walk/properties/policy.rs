//! Random policies, and the slow, obvious twin of their lookup: a scan over all ACLs.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use expr::{Bits, Members};
use packet::{Flow, Segment};
use pipeline::conntrack::Untracked;
use pipeline::object::*;
use pipeline::{Destination, DropReason, Ingress, Silent, Tables, process};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use super::random::{datapath, port_key, row};
use crate::support::policy::constants;

/// What random matches are put together from.
const TESTS: &[&str] = &[
    "ip",
    "ip4",
    "ip4.src == $one",
    "ip4.dst == $two",
    "ip4.src == {$one, 10.0.2.1}",
    "ip6.src == $one",
    "ip6.dst == fd00::/16",
    "ip4.src == 10.0.1.0/24",
    "ip4.src == 10.0.1.1",
    "ip4.dst == 10.0.2.3",
    "ip4.src != $two",
    "tcp",
    "udp",
    "tcp.dst == 1",
    "udp.dst == {1, 2}",
    "udp.dst > 0",
    "tcp.dst >= 1",
    "tcp.dst <= 1",
    "udp.dst < 2",
    "udp.dst != 1",
    "tcp.dst >= 1 && tcp.dst <= 1",
    "tcp.dst == {0, 2}",
    "icmp4",
    "arp",
    "tcp.flags == 2",
    "ip.ttl == 2",
    "ip.frag == 0",
    "inport == @pg",
    "outport == @pg",
    "inport == \"p1-2\"",
    "outport == \"p1-3\"",
    "outport == {\"p1-2\", \"p1-3\"}",
    "ct.est",
    "ct_mark.blocked == 0",
    "is_chassis_resident(\"p1-2\")",
];

/// The parts of address sets.
const PARTS: &[&str] = &[
    "{10.0.1.1}",
    "{10.0.1.1, 10.0.1.2}",
    "{10.0.2.0/24}",
    "{10.0.0.0/8, fd00::1}",
    "{fd00::/16, 10.0.1.5}",
    "{10.0.1.2, 10.0.2.2, fd01::3}",
    "{0.0.0.0/0}",
    "{167772417}",
];

fn matches() -> impl Strategy<Value = expr::Predicate> {
    let all = vec(select(TESTS), 1..4).prop_map(|tests| tests.join(" && "));
    vec(all, 1..3).prop_map(|alternatives| {
        let text = alternatives.iter().map(|all| format!("({all})"));
        let text = text.collect::<Vec<_>>().join(" || ");
        expr::parse(&text).unwrap().lower()
    })
}

fn acl() -> impl Strategy<Value = Object> {
    let owner = prop_oneof![
        datapath().prop_map(PolicyOwner::Switch),
        select(vec!["pg", "other"]).prop_map(|group| PolicyOwner::Group(group.into())),
    ];
    let stage = select(vec![
        AclStage::FromLport,
        AclStage::FromLportAfterLb,
        AclStage::ToLport,
    ]);
    let action = select(vec![
        AclAction::Allow,
        AclAction::Allow,
        AclAction::AllowRelated,
        AclAction::AllowStateless,
        AclAction::Drop,
        AclAction::Drop,
        AclAction::Reject,
        AclAction::Pass,
    ]);
    let rank = (0_u8..=1, 0_u16..=2);
    (owner, 1_u128..=12, stage, rank, matches(), action).prop_map(
        |(owner, uuid, stage, (tier, priority), matches, action)| {
            Object::Acl(Acl {
                owner,
                uuid: Uuid::from_u128(uuid),
                name: String::new(),
                stage,
                tier,
                priority,
                matches,
                action,
                label: 0,
                log: None,
            })
        },
    )
}

fn qos() -> impl Strategy<Value = Object> {
    let direction = select(QosDirection::ALL.to_vec());
    let limit = MeterBand { rate: 1, burst: 0 };
    let effect = select(vec![
        (Some(1), None),
        (Some(2), Some(limit)),
        (None, Some(limit)),
    ]);
    (
        datapath(),
        1_u128..=6,
        direction,
        0_u16..=2,
        matches(),
        effect,
    )
        .prop_map(
            |(switch, uuid, direction, priority, matches, (dscp, limit))| {
                Object::Qos(Qos {
                    switch,
                    uuid: Uuid::from_u128(uuid),
                    direction,
                    priority,
                    matches,
                    dscp,
                    limit,
                })
            },
        )
}

pub(super) fn object() -> impl Strategy<Value = Object> {
    let name = || select(vec!["one", "two"]);
    prop_oneof![
        4 => acl(),
        1 => qos(),
        2 => (name(), 0_u8..=2, select(PARTS)).prop_map(|(name, bucket, members)| {
            let members = constants(members);
            Object::AddressSet(AddressSet { name: name.into(), bucket, members })
        }),
        2 => (select(vec!["pg", "other"]), datapath(), vec(port_key(), 0..3)).prop_map(
            |(name, datapath, members)| {
                Object::PortGroup(PortGroup { name: name.into(), datapath, members })
            }
        ),
        1 => any::<bool>().prop_map(|default_acl_drop| {
            Object::Global(Global { default_acl_drop, ..Global::default() })
        }),
    ]
}

/// Everything as it was written.
struct Scan<'a> {
    objects: &'a BTreeMap<ObjectKey, Object>,
}

impl Members for Scan<'_> {
    fn has_address(&self, set: &str, value: u128, bits: Bits) -> bool {
        self.objects.values().any(|object| match object {
            Object::AddressSet(part) if &*part.name == set => part
                .members
                .iter()
                .any(|member| member.is_member(value, bits)),
            _ => false,
        })
    }

    fn has_port(&self, group: &str, port: &str) -> bool {
        self.objects.values().any(|object| match object {
            Object::PortGroup(part) if &*part.name == group => {
                let mut members = part.members.iter();
                members.any(|member| format!("p{}-{member}", part.datapath) == port)
            }
            _ => false,
        })
    }

    fn is_resident(&self, port: &str) -> bool {
        port == "p1-2" || port == "p1-3"
    }
}

/// Checks which ACLs decide about a packet from one port of a switch to another, where no connections are kept.
pub(super) fn check_acls(objects: Vec<Object>, mut flow: Flow) -> Result<(), TestCaseError> {
    let switch = DatapathKey::new(1).unwrap();
    let mut kept: BTreeMap<ObjectKey, Object> = BTreeMap::new();
    for mut object in objects {
        if let Object::Acl(acl) = &mut object
            && acl.action == AclAction::AllowRelated
        {
            acl.action = AclAction::AllowStateless;
        }
        kept.insert(object.key(), object);
    }
    let mac = |last| packet::Mac([2, 0, 0, 0, 0, last]);
    (flow.eth_src, flow.eth_dst, flow.vlan) = (mac(2), mac(3), None);
    for object in [2, 3].map(|number| vif(switch, number, mac(number as u8))) {
        kept.insert(object.key(), object);
    }
    let row = row((switch, false, true));
    kept.insert(row.key(), row);

    let tables = Tables::new(None).apply(kept.values().cloned(), []).unwrap();
    let inport = PortRef {
        datapath: switch,
        port: PortKey::new(2).unwrap(),
    };
    let verdict = process(
        &tables,
        &mut Untracked,
        Ingress::Interface(inport),
        (&flow, &Segment::Unknown),
        &mut Silent,
    );
    let expected = scan(&kept, switch, &flow);
    let found = match &verdict.branches[0].to {
        Destination::Drop { reason, rule, .. } => Err((*reason, *rule)),
        _ => Ok(()),
    };
    prop_assert_eq!(found, expected);
    Ok(())
}

fn vif(datapath: DatapathKey, number: u32, mac: packet::Mac) -> Object {
    let port = PortKey::new(number).unwrap();
    Object::Port(Port {
        at: PortRef { datapath, port },
        uuid: Uuid::nil(),
        name: format!("p{datapath}-{number}"),
        enabled: true,
        kind: PortKind::Switch(SwitchPort {
            attachment: Attachment::Vif,
            addresses: vec![StationAddresses {
                mac,
                ..Default::default()
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

fn scan(
    objects: &BTreeMap<ObjectKey, Object>,
    switch: DatapathKey,
    flow: &Flow,
) -> Result<(), (DropReason, Option<Uuid>)> {
    let is_member = |group: &str| {
        let key = ObjectKey::PortGroup(group.into(), switch);
        matches!(objects.get(&key), Some(Object::PortGroup(part)) if !part.members.is_empty())
    };
    let concerns = |acl: &&Acl| match &acl.owner {
        PolicyOwner::Switch(own) => *own == switch,
        PolicyOwner::Group(group) => is_member(group),
    };
    let acls = objects.values().filter_map(|object| match object {
        Object::Acl(acl) => Some(acl),
        _ => None,
    });
    let mut acls: Vec<_> = acls.filter(concerns).collect();
    acls.sort_by_key(|acl| (acl.tier, Reverse(acl.priority), acl.uuid, acl.owner.clone()));
    let is_drop = matches!(
        objects.get(&ObjectKey::Global),
        Some(Object::Global(global)) if global.default_acl_drop
    );
    let members = Scan { objects };
    for stage in [
        AclStage::FromLport,
        AclStage::FromLportAfterLb,
        AclStage::ToLport,
    ] {
        let mut packet = expr::Packet::entering(flow, "p1-2");
        if stage == AclStage::ToLport {
            packet.outport = "p1-3";
        }
        if acls.is_empty() || escapes(flow) {
            continue;
        }
        let mut passed = None;
        let mut rules = acls.iter().filter(|acl| acl.stage == stage);
        let rule = rules.find(|acl| {
            if passed == Some(acl.tier) || !acl.matches.matches(&packet, &members) {
                return false;
            }
            if acl.action == AclAction::Pass {
                passed = Some(acl.tier);
            }
            acl.action != AclAction::Pass
        });
        match rule.map(|acl| (acl.action, acl.uuid)) {
            Some((AclAction::Drop, uuid)) => return Err((DropReason::AclDrop, Some(uuid))),
            Some((AclAction::Reject, uuid)) => return Err((DropReason::AclReject, Some(uuid))),
            None if is_drop => return Err((DropReason::AclDefault, None)),
            _ => {}
        }
    }
    Ok(())
}

/// Neighbour and router discovery: ACLs are not asked.
fn escapes(flow: &Flow) -> bool {
    let packet::flow::Network::Ip(ip) = &flow.network else {
        return false;
    };
    let packet::flow::Transport::Icmp { kind, code: 0, .. } = ip.transport else {
        return false;
    };
    ip.src.is_ipv6() && (133..=136).contains(&kind) && ip.ttl == 255
}
