//! What a packet must have for a predicate to match: conditions that can be looked up instead of evaluated.
//!
//! Each kind of condition gives alternatives, one of which holds for every packet that matches; `None` where there are no
//! such, or too many to be worth it. A value of zero is never one: it is read where a header is missing, too.

use std::sync::Arc;

use expr::{Condition, Field, Polarity, PortField, Predicate};
use packet::flow::ip_protocol;

/// How many alternatives are worth looking up.
const MAX_ALTERNATIVES: usize = 32;

/// A port that a packet enters or leaves by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PortCondition {
    /// Any.
    Any,
    /// The port with this name.
    Named(Arc<str>),
    /// A member of the port group with this name.
    InGroup(Arc<str>),
}

/// An address that a packet has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum AddressCondition {
    /// The field, under the mask, has the value.
    Is(Field, u128, u128),
    /// The field is a member of the address set.
    InSet(Field, Arc<str>),
}

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Service {
    /// Anything.
    Any,
    /// An IP protocol.
    Protocol(u8),
    /// A destination port of an IP protocol.
    Port(u8, u16),
}

/// The addresses that are looked up.
pub(super) const ADDRESS_FIELDS: [Field; 4] =
    [Field::Ip4Src, Field::Ip4Dst, Field::Ip6Src, Field::Ip6Dst];

/// The ports by one of which every packet that matches must enter, or leave.
pub(super) fn ports(predicate: &Predicate, field: PortField) -> Vec<PortCondition> {
    let ask = |condition: &Condition| match condition {
        Condition::Port(of, name) if *of == field => Some(PortCondition::Named(name.clone())),
        Condition::PortGroup(of, group) if *of == field => {
            Some(PortCondition::InGroup(group.clone()))
        }
        _ => None,
    };
    let found = alternatives(predicate, &ask)
        .into_iter()
        .min_by_key(Vec::len);
    found.unwrap_or_else(|| vec![PortCondition::Any])
}

/// Each of these says of which addresses every packet that matches must have one.
pub(super) fn addresses(predicate: &Predicate) -> Vec<Vec<AddressCondition>> {
    alternatives(predicate, &|condition| match condition {
        Condition::Masked { field, value, mask } if ADDRESS_FIELDS.contains(field) => {
            (*value != 0).then_some(AddressCondition::Is(*field, *value, *mask))
        }
        Condition::AddressSet { field, bits, set } if ADDRESS_FIELDS.contains(field) => {
            let is_whole = *bits == whole(*field);
            is_whole.then(|| AddressCondition::InSet(*field, set.clone()))
        }
        _ => None,
    })
}

/// The services of which every packet that matches must be for one.
pub(super) fn services(predicate: &Predicate) -> Vec<Service> {
    let found = alternatives(predicate, &|condition| {
        let Condition::Masked { field, value, mask } = condition else {
            return None;
        };
        let (protocol, is_whole) = match field {
            Field::TcpDst => (ip_protocol::TCP, *mask == 0xffff),
            Field::UdpDst => (ip_protocol::UDP, *mask == 0xffff),
            Field::SctpDst => (ip_protocol::SCTP, *mask == 0xffff),
            Field::IpProto if *mask == 0xff && *value != 0 => {
                return Some(Service::Protocol(*value as u8));
            }
            _ => return None,
        };
        (is_whole && *value != 0).then_some(Service::Port(protocol, *value as u16))
    });
    // Ports say more than protocols.
    let is_of_ports = |services: &Vec<Service>| {
        services
            .iter()
            .all(|service| matches!(service, Service::Port(..)))
    };
    let best = found
        .into_iter()
        .min_by_key(|one| (!is_of_ports(one), one.len()));
    best.unwrap_or_else(|| vec![Service::Any])
}

/// The bits of an address.
pub(super) fn whole(field: Field) -> expr::Bits {
    let high = match field {
        Field::Ip6Src | Field::Ip6Dst => 127,
        _ => 31,
    };
    expr::Bits { low: 0, high }
}

/// Lists of alternatives: one of each list holds for every packet that matches.
fn alternatives<C: Ord + Clone>(
    predicate: &Predicate,
    ask: &impl Fn(&Condition) -> Option<C>,
) -> Vec<Vec<C>> {
    match predicate {
        Predicate::Constant(_) | Predicate::Test(_, Polarity::Fails) => Vec::new(),
        Predicate::Test(condition, Polarity::Holds) => {
            ask(condition).map(|one| vec![one]).into_iter().collect()
        }
        Predicate::All(operands) => operands
            .iter()
            .flat_map(|operand| alternatives(operand, ask))
            .collect(),
        Predicate::Any(operands) => {
            let shortest = |operand| alternatives(operand, ask).into_iter().min_by_key(Vec::len);
            let each: Option<Vec<Vec<C>>> = operands.iter().map(shortest).collect();
            let mut together = each.unwrap_or_default().concat();
            together.sort_unstable();
            together.dedup();
            let is_useful = !together.is_empty() && together.len() <= MAX_ALTERNATIVES;
            is_useful.then_some(together).into_iter().collect()
        }
    }
}
