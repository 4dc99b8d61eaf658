//! Expressions in their lowered form: what the compiled tables hold and the southbound protocol carries.
//!
//! A [`Predicate`] says what a [`Match`] says, with everything spelled out that the reader of an expression
//! infers: predicates are expanded, prerequisites stand beside the tests that imply them, and negation
//! stands at the tests only. Address sets and port groups stay references by name.

mod words;

use std::collections::HashSet;
use std::sync::Arc;

use crate::constant::Constant;
use crate::field::{Field, Packet, PortField};
use crate::symbols::Meaning;
use crate::{Bits, Element, Match, Relation, Test};

/// A lowered expression.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Predicate {
    /// Matches everything or nothing.
    Constant(bool),
    /// Matches what the condition holds for, or does not hold for.
    Test(Condition, Polarity),
    /// Matches what all of them match; two or more.
    All(Vec<Predicate>),
    /// Matches what any of them matches; two or more.
    Any(Vec<Predicate>),
}

/// Whether a condition is asked to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Polarity {
    /// It holds.
    Holds,
    /// It does not hold.
    Fails,
}

/// One question about a packet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// `field & mask == value`. No bit of `value` is set that `mask` has not.
    Masked {
        /// What is read.
        field: Field,
        /// The value.
        value: u128,
        /// The bits that count.
        mask: u128,
    },
    /// The bits of the field, as a number, are in `low..=high`.
    Range {
        /// What is read.
        field: Field,
        /// Which bits.
        bits: Bits,
        /// The least number.
        low: u128,
        /// The greatest number.
        high: u128,
    },
    /// The bits of the field are a member of the address set.
    AddressSet {
        /// What is read.
        field: Field,
        /// Which bits.
        bits: Bits,
        /// The set's name.
        set: Arc<str>,
    },
    /// The port has this name.
    Port(PortField, Arc<str>),
    /// The port is a member of the port group with this name.
    PortGroup(PortField, Arc<str>),
    /// The port with this name resides on this node.
    Resident(Arc<str>),
}

/// What the names in a predicate stand for when a packet is matched. An unknown name stands for nothing.
pub trait Members {
    /// Whether `value`, read from that many `bits`, is a member of an address set.
    fn has_address(&self, set: &str, value: u128, bits: Bits) -> bool;
    /// Whether a port belongs to a port group.
    fn has_port(&self, group: &str, port: &str) -> bool;
    /// Whether a port resides on this node.
    fn is_resident(&self, port: &str) -> bool;
}

impl Constant {
    /// Whether a value, read from that many `bits`, equals the constant as a member of an address set. One that
    /// is too wide for the bits is not compared.
    pub fn is_member(&self, value: u128, bits: Bits) -> bool {
        let mask = self.mask.unwrap_or(bits.ones());
        self.width() <= bits.width() && value & mask == self.value & mask
    }
}

impl Predicate {
    /// Whether the packet matches.
    pub fn matches(&self, packet: &Packet<'_>, members: &dyn Members) -> bool {
        self.matches_reading(packet, members, &mut |_| ())
    }

    /// Whether the packet matches; `read` hears of the fields that this took, which are not all that are named.
    pub fn matches_reading(
        &self,
        packet: &Packet<'_>,
        members: &(impl Members + ?Sized),
        read: &mut impl FnMut(Field),
    ) -> bool {
        match self {
            Self::Constant(value) => *value,
            Self::Test(condition, polarity) => {
                condition.holds(packet, members, read) == (*polarity == Polarity::Holds)
            }
            Self::All(operands) => operands
                .iter()
                .all(|one| one.matches_reading(packet, members, read)),
            Self::Any(operands) => operands
                .iter()
                .any(|one| one.matches_reading(packet, members, read)),
        }
    }

    /// The predicate that matches what this one does not.
    fn negated(self) -> Predicate {
        let each = |operands: Vec<Predicate>| operands.into_iter().map(Self::negated).collect();
        match self {
            Self::Constant(value) => Self::Constant(!value),
            Self::Test(condition, Polarity::Holds) => Self::Test(condition, Polarity::Fails),
            Self::Test(condition, Polarity::Fails) => Self::Test(condition, Polarity::Holds),
            Self::All(operands) => Self::Any(each(operands)),
            Self::Any(operands) => Self::All(each(operands)),
        }
    }

    /// The conjunction of some predicates, without what is always true.
    fn all(operands: impl IntoIterator<Item = Predicate>) -> Predicate {
        let mut kept = Vec::new();
        for operand in operands {
            match operand {
                Self::Constant(true) => {}
                Self::Constant(false) => return operand,
                Self::All(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        let mut seen = HashSet::new();
        kept.retain(|operand| seen.insert(operand.clone()));
        match kept.len() {
            0 => Self::Constant(true),
            1 => kept.remove(0),
            _ => Self::All(kept),
        }
    }

    /// The disjunction of some predicates, without what is never true.
    fn any(operands: impl IntoIterator<Item = Predicate>) -> Predicate {
        Self::all(operands.into_iter().map(Self::negated)).negated()
    }
}

impl Condition {
    fn holds(
        &self,
        packet: &Packet<'_>,
        members: &(impl Members + ?Sized),
        read: &mut impl FnMut(Field),
    ) -> bool {
        if let Self::Masked { field, .. }
        | Self::Range { field, .. }
        | Self::AddressSet { field, .. } = self
        {
            read(*field);
        }
        match self {
            Self::Masked { field, value, mask } => packet.read(*field) & mask == *value,
            Self::Range {
                field,
                bits,
                low,
                high,
            } => (*low..=*high).contains(&bits.of(packet.read(*field))),
            Self::AddressSet { field, bits, set } => {
                members.has_address(set, bits.of(packet.read(*field)), *bits)
            }
            Self::Port(field, name) => packet.port(*field) == &**name,
            Self::PortGroup(field, group) => members.has_port(group, packet.port(*field)),
            Self::Resident(port) => members.is_resident(port),
        }
    }
}

impl Match {
    /// The lowered form: it matches the same packets.
    pub fn lower(&self) -> Predicate {
        lower(self, true)
    }
}

/// What matches when the expression is what it is asked to be: true, or false for the operand of `!`.
fn lower(expression: &Match, wanted: bool) -> Predicate {
    let each = |operands: &[Match]| {
        let lowered: Vec<_> = operands.iter().map(|one| lower(one, wanted)).collect();
        lowered
    };
    match expression {
        Match::Constant(value) => Predicate::Constant(*value == wanted),
        Match::Test(test) => lower_test(test, wanted),
        Match::Resident(port) => asked(
            Predicate::Test(Condition::Resident(port.as_str().into()), Polarity::Holds),
            wanted,
        ),
        Match::Not(inner) => lower(inner, !wanted),
        Match::All(operands) if wanted => Predicate::all(each(operands)),
        Match::All(operands) => Predicate::any(each(operands)),
        Match::Any(operands) if wanted => Predicate::any(each(operands)),
        Match::Any(operands) => Predicate::all(each(operands)),
    }
}

fn asked(predicate: Predicate, wanted: bool) -> Predicate {
    if wanted {
        predicate
    } else {
        predicate.negated()
    }
}

/// A test beside what it implies: `!` negates the one and not the other.
fn lower_test(test: &Test, wanted: bool) -> Predicate {
    let symbol = test.symbol.symbol();
    let compared = match &symbol.meaning {
        Meaning::Predicate(expansion) => compare_predicate(test, lower(expansion, true)),
        Meaning::Port(field) => compare_port(test, *field),
        Meaning::Field(field, part) => {
            let bits = test.bits.unwrap_or(Bits { low: 0, high: 0 });
            let bits = Bits {
                low: part.low + bits.low,
                high: part.low + bits.high,
            };
            compare_bits(test, *field, bits)
        }
    };
    let prerequisites = symbol.prerequisites.as_ref();
    let needed = prerequisites.map(|needed| lower(needed, true));
    Predicate::all(needed.into_iter().chain([asked(compared, wanted)]))
}

/// The one bit of a predicate, compared.
fn compare_predicate(test: &Test, expansion: Predicate) -> Predicate {
    let bit = Bits { low: 0, high: 0 };
    match (holds_for(test, 1, bit), holds_for(test, 0, bit)) {
        (true, false) => expansion,
        (false, true) => expansion.negated(),
        (value, _) => Predicate::Constant(value),
    }
}

fn holds_for(test: &Test, value: u128, bits: Bits) -> bool {
    let integers = test.elements.iter().filter_map(|element| match element {
        Element::Integer(constant) => Some(constant),
        _ => None,
    });
    let is_equal = |constant: &Constant| {
        let mask = constant.mask.unwrap_or(bits.ones());
        value & mask == constant.value & mask
    };
    match test.relation {
        Relation::Equal => integers.into_iter().any(is_equal),
        Relation::Unequal => !integers.into_iter().any(is_equal),
        relation => integers
            .into_iter()
            .any(|constant| crate::evaluate::is_ordered(value, relation, constant.value)),
    }
}

fn compare_port(test: &Test, field: PortField) -> Predicate {
    let conditions = test.elements.iter().filter_map(|element| match element {
        Element::Text(name) => Some(Condition::Port(field, name.as_str().into())),
        Element::PortGroup(group) => Some(Condition::PortGroup(field, group.as_str().into())),
        Element::Integer(_) | Element::AddressSet(_) => None,
    });
    one_of(conditions, test.relation)
}

fn compare_bits(test: &Test, field: Field, bits: Bits) -> Predicate {
    if !test.relation.is_equality() {
        let ordered = test.elements.iter().filter_map(|element| match element {
            Element::Integer(constant) => Some(compare_order(field, bits, test.relation, constant)),
            _ => None,
        });
        return Predicate::any(ordered);
    }
    let conditions = test.elements.iter().filter_map(|element| match element {
        Element::Integer(constant) => {
            let mask = constant.mask.unwrap_or(bits.ones()) & bits.ones();
            Some(Condition::Masked {
                field,
                value: (constant.value & mask) << bits.low,
                mask: mask << bits.low,
            })
        }
        Element::AddressSet(set) => Some(Condition::AddressSet {
            field,
            bits,
            set: set.as_str().into(),
        }),
        Element::Text(_) | Element::PortGroup(_) => None,
    });
    one_of(conditions, test.relation)
}

fn one_of(conditions: impl Iterator<Item = Condition>, relation: Relation) -> Predicate {
    let equal = Predicate::any(conditions.map(|one| Predicate::Test(one, Polarity::Holds)));
    asked(equal, relation == Relation::Equal)
}

fn compare_order(field: Field, bits: Bits, relation: Relation, constant: &Constant) -> Predicate {
    let (value, greatest) = (constant.value, bits.ones());
    let range = match relation {
        Relation::Less => value.checked_sub(1).map(|high| (0, high)),
        Relation::LessOrEqual => Some((0, value)),
        Relation::Greater => value.checked_add(1).map(|low| (low, greatest)),
        Relation::GreaterOrEqual => Some((value, greatest)),
        Relation::Equal | Relation::Unequal => Some((value, value)),
    };
    match range.filter(|(low, high)| low <= high) {
        None => Predicate::Constant(false),
        Some((low, high)) => {
            let condition = Condition::Range {
                field,
                bits,
                low,
                high,
            };
            Predicate::Test(condition, Polarity::Holds)
        }
    }
}
