//! Objects that several rows make together.

use pipeline::object::{Neighbor, Object, Route};

/// The object that these parts make, whatever their order: next hops add up, and a neighbour is what was
/// fixed and what was learned. Of any other kind there is one part, and of several the first stands.
///
/// Returns `None` when there is no part.
pub(super) fn merge<'a>(parts: impl Iterator<Item = &'a Object>) -> Option<Object> {
    parts.cloned().reduce(|whole, part| match (whole, part) {
        (Object::Route(whole), Object::Route(part)) => Object::Route(routes(whole, part)),
        (Object::Neighbor(whole), Object::Neighbor(part)) => {
            Object::Neighbor(neighbors(whole, part))
        }
        (whole, _) => whole,
    })
}

/// Equal-cost next hops of one prefix. A route that discards adds none, so any next hop wins over it.
fn routes(mut whole: Route, part: Route) -> Route {
    whole.next_hops.extend(part.next_hops);
    whole.next_hops.sort();
    whole.next_hops.dedup();
    whole
}

fn neighbors(whole: Neighbor, part: Neighbor) -> Neighbor {
    Neighbor {
        fixed: whole.fixed.or(part.fixed),
        learned: whole.learned.or(part.learned),
        ..whole
    }
}
