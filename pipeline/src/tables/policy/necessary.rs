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
    /// Destination ports of an IP protocol: those that have the first bits in common, so many of them.
    Ports(u8, u16, u8),
}

impl Service {
    /// The ports that have the first `length` bits in common with `port`; `1..=16`.
    pub(super) fn ports(protocol: u8, port: u16, length: u8) -> Service {
        let mask = u16::MAX << (PORT_BITS - u32::from(length));
        Service::Ports(protocol, port & mask, length)
    }
}

/// Bits of a port.
const PORT_BITS: u32 = 16;

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
    if let Some(ranges) = port_ranges(predicate) {
        let services: Vec<_> = ranges.into_iter().flat_map(as_prefixes).collect();
        if services.len() <= MAX_ALTERNATIVES {
            return services;
        }
    }
    let protocols = alternatives(predicate, &|condition| match condition {
        Condition::Masked { field, value, mask } if *field == Field::IpProto => {
            (*mask == 0xff && *value != 0).then_some(Service::Protocol(*value as u8))
        }
        _ => None,
    });
    let fewest = protocols.into_iter().min_by_key(Vec::len);
    fewest.unwrap_or_else(|| vec![Service::Any])
}

/// Destination ports of a protocol, the first and the last.
type PortRange = (u8, u16, u16);

/// The ranges of destination ports for one of which every packet that matches must be.
fn port_ranges(predicate: &Predicate) -> Option<Vec<PortRange>> {
    let ranges = unchecked_port_ranges(predicate)?;
    // Port 0 is read where there is no such header.
    ranges.iter().all(|(_, low, _)| *low > 0).then_some(ranges)
}

fn unchecked_port_ranges(predicate: &Predicate) -> Option<Vec<PortRange>> {
    match predicate {
        Predicate::Constant(_) | Predicate::Test(_, Polarity::Fails) => None,
        Predicate::Test(condition, Polarity::Holds) => port_range(condition).map(|one| vec![one]),
        Predicate::All(operands) => operands
            .iter()
            .filter_map(unchecked_port_ranges)
            .reduce(in_both),
        Predicate::Any(operands) => {
            let each: Option<Vec<_>> = operands.iter().map(port_ranges).collect();
            Some(each?.concat())
        }
    }
}

fn port_range(condition: &Condition) -> Option<PortRange> {
    let (field, low, high) = match condition {
        Condition::Masked { field, value, mask } if *mask == u128::from(u16::MAX) => {
            (field, *value, *value)
        }
        Condition::Range {
            field,
            bits,
            low,
            high,
        } if bits.width() == PORT_BITS => (field, *low, *high),
        _ => return None,
    };
    let protocol = match field {
        Field::TcpDst => ip_protocol::TCP,
        Field::UdpDst => ip_protocol::UDP,
        Field::SctpDst => ip_protocol::SCTP,
        _ => return None,
    };
    let high = u16::try_from(high).unwrap_or(u16::MAX);
    Some((protocol, u16::try_from(low).ok()?, high))
}

/// What is in a range of each, or as good: both hold, so that either will do.
fn in_both(a: Vec<PortRange>, b: Vec<PortRange>) -> Vec<PortRange> {
    match (&a[..], &b[..]) {
        ([(first, low, high)], [(second, from, to)]) if first == second => {
            let (low, high) = (*low.max(from), *high.min(to));
            if low > high {
                return Vec::new();
            }
            vec![(*first, low, high)]
        }
        _ if a.len() <= b.len() => a,
        _ => b,
    }
}

/// The fewest prefixes that have the ports of a range and no others.
fn as_prefixes((protocol, low, high): PortRange) -> impl Iterator<Item = Service> {
    let mut next = Some(low).filter(|low| *low <= high);
    std::iter::from_fn(move || {
        let low = next?;
        let fits = |host: &u32| {
            let last = u32::from(low) + (1 << host) - 1;
            low.trailing_zeros() >= *host && last <= high.into()
        };
        let host = (0..PORT_BITS).rev().find(fits).unwrap_or(0);
        next = u16::try_from(u32::from(low) + (1 << host)).ok();
        next = next.filter(|next| *next <= high);
        Some(Service::ports(protocol, low, (PORT_BITS - host) as u8))
    })
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
