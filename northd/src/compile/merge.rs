//! Objects that several rows make together.

use pipeline::object::{Neighbor, Object, Route};

/// The object that these parts make, whatever their order: next hops and discards add up, and a neighbour is what was
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

/// Equal-cost routes of one prefix: each has its share, also one that discards or that repeats another.
fn routes(mut whole: Route, part: Route) -> Route {
    whole.next_hops.extend(part.next_hops);
    whole.next_hops.sort();
    whole.discards = whole.discards.saturating_add(part.discards);
    whole
}

fn neighbors(whole: Neighbor, part: Neighbor) -> Neighbor {
    Neighbor {
        fixed: whole.fixed.or(part.fixed),
        learned: whole.learned.or(part.learned),
        ..whole
    }
}
