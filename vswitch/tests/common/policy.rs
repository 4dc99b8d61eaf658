//! ACLs of switch 1.

use pipeline::object::*;
use uuid::Uuid;

use super::a;

pub fn acl(
    number: u128,
    stage: AclStage,
    priority: u16,
    matches: &str,
    action: AclAction,
) -> Object {
    Object::Acl(Acl {
        owner: PolicyOwner::Switch(a().datapath),
        uuid: Uuid::from_u128(number),
        name: String::new(),
        stage,
        tier: 0,
        priority,
        matches: expr::parse(matches).expect("an expression").lower(),
        action,
        label: 0,
        log: None,
    })
}

/// Stations may speak to others by UDP and to port 80; what else they are told is not for them.
pub fn policy() -> Vec<Object> {
    use AclAction::{AllowRelated, Drop};
    use AclStage::{FromLport, ToLport};
    vec![
        acl(
            1,
            FromLport,
            1000,
            "inport == \"p1-1\" && (udp || tcp.dst == 80 || icmp4)",
            AllowRelated,
        ),
        acl(2, FromLport, 0, "ip", Drop),
        acl(3, ToLport, 0, "ip && outport == \"p1-1\"", Drop),
    ]
}
