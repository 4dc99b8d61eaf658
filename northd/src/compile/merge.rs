//! Objects that several rows make together.

use pipeline::object::{Neighbor, Object};

/// The object that these parts make, whatever their order: next hops and discards add up, members of sets and
/// groups come together, and a neighbour is what was fixed and what was learned. Of any other kind there is one
/// part, and of several the first stands.
///
/// Returns `None` when there is no part.
pub(super) fn merge<'a>(mut parts: impl Iterator<Item = &'a Object>) -> Option<Object> {
    let mut whole = parts.next()?.clone();
    for part in parts {
        add(&mut whole, part);
    }
    match &mut whole {
        // Equal-cost routes of one prefix: each has its share, also one that repeats another.
        Object::Route(route) => route.next_hops.sort(),
        Object::AddressSet(set) => {
            set.members.sort();
            set.members.dedup();
        }
        Object::PortGroup(group) => {
            group.members.sort();
            group.members.dedup();
        }
        _ => {}
    }
    Some(whole)
}

fn add(whole: &mut Object, part: &Object) {
    match (whole, part) {
        (Object::Route(whole), Object::Route(part)) => {
            whole.next_hops.extend_from_slice(&part.next_hops);
            whole.discards = whole.discards.saturating_add(part.discards);
        }
        (Object::Neighbor(whole), Object::Neighbor(part)) => {
            *whole = Neighbor {
                fixed: whole.fixed.or(part.fixed),
                learned: whole.learned.or(part.learned),
                ..*whole
            };
        }
        (Object::AddressSet(whole), Object::AddressSet(part)) => {
            whole.members.extend_from_slice(&part.members);
        }
        (Object::PortGroup(whole), Object::PortGroup(part)) => {
            whole.members.extend_from_slice(&part.members);
        }
        _ => {}
    }
}
