//! Policies: any number of ACLs over address sets of a thousand members, as a cluster's network policies come to.

use std::net::Ipv4Addr;

use expr::{Constant, Notation};
use pipeline::object::*;
use uuid::Uuid;

use super::{CLIENT, PEER, PORT, SERVERS, TARGET_PORT, at};

/// How many address sets there are.
pub const SETS: u32 = 100;
/// How many members each address set has.
pub const MEMBERS: u32 = 1_000;

const GROUP: &str = "pods";
/// ACLs that let the stations do what they do, and forbid the rest.
const BASE: u32 = 4;

/// The policies that come to so many ACLs, with their group and sets.
pub(super) fn objects(acls: u32) -> Vec<Object> {
    if acls < BASE {
        return Vec::new();
    }
    let servers = (1..=SERVERS).map(|server| at((2, server)).port).collect();
    let mut objects = vec![
        group(1, vec![at(CLIENT).port, at(PEER).port]),
        group(2, servers),
    ];
    let sets = SETS.min(acls - BASE);
    for set in 0..sets {
        let parts = (0..ADDRESS_SET_BUCKETS).map(|bucket| address_set(set, bucket, 0));
        objects.extend(parts);
    }
    objects.extend(base());
    objects.extend((0..acls - BASE).map(|number| acl(number, 2 + number % 30_000)));
    objects
}

/// A part of a set. Another `variant` has one other member.
pub fn address_set(set: u32, bucket: u8, variant: u32) -> Object {
    let address = |member| Ipv4Addr::from(0x6400_0000 + set * MEMBERS + member);
    let own = (0..MEMBERS).filter(|member| member % 64 == u32::from(bucket));
    let mut addresses: Vec<_> = own.map(address).collect();
    if variant > 0 {
        addresses.push(Ipv4Addr::from(0xc000_0000 + variant));
    }
    let members = addresses.into_iter().map(|ip| Constant {
        value: u32::from(ip).into(),
        mask: None,
        notation: Notation::Ipv4,
    });
    Object::AddressSet(AddressSet {
        name: format!("s{set}").into(),
        bucket,
        members: members.collect(),
    })
}

/// An ACL that no packet of the clients matches, but that has to be ruled out.
pub fn acl(number: u32, priority: u32) -> Object {
    let (set, port) = (number % SETS, 10_000 + number / SETS);
    let (stage, text) = match number % 2 {
        0 => (
            AclStage::ToLport,
            format!("outport == @{GROUP} && ip4.src == $s{set} && tcp.dst == {port}"),
        ),
        _ => (
            AclStage::FromLport,
            format!("inport == @{GROUP} && ip4.dst == $s{set} && tcp.dst == {port}"),
        ),
    };
    let uuid = 1_000 + u128::from(number);
    rule(uuid, stage, priority as u16, &text, AclAction::AllowRelated)
}

fn base() -> [Object; BASE as usize] {
    use AclAction::{AllowRelated, Drop};
    use AclStage::{FromLport, ToLport};
    let ask = format!("inport == @{GROUP} && ip4 && tcp.dst == {PORT}");
    let serve = format!(
        "outport == @{GROUP} && ip4.src == 10.0.0.0/8 && tcp.dst == {{{PORT}, {TARGET_PORT}}}"
    );
    [
        rule(1, FromLport, 1, &ask, AllowRelated),
        rule(2, ToLport, 1, &serve, AllowRelated),
        rule(3, FromLport, 0, &format!("inport == @{GROUP} && ip"), Drop),
        rule(4, ToLport, 0, &format!("outport == @{GROUP} && ip"), Drop),
    ]
}

fn rule(uuid: u128, stage: AclStage, priority: u16, text: &str, action: AclAction) -> Object {
    Object::Acl(Acl {
        owner: PolicyOwner::Group(GROUP.into()),
        uuid: Uuid::from_u128(uuid),
        name: String::new(),
        stage,
        tier: 0,
        priority,
        matches: expr::parse(text).expect("an expression").lower(),
        action,
        label: 0,
        log: None,
    })
}

fn group(switch: u32, members: Vec<PortKey>) -> Object {
    Object::PortGroup(PortGroup {
        name: GROUP.into(),
        datapath: DatapathKey::new(switch).expect("a datapath key"),
        members,
    })
}
