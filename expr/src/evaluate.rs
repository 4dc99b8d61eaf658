//! Whether a packet matches.

use crate::field::Packet;
use crate::symbols::Meaning;
use crate::{Bits, Constant, Element, Match, Members, Relation, Test};

impl Match {
    /// Whether the packet matches.
    ///
    /// As in OVN, `!` negates comparisons but not what they imply: `!(tcp.dst == 80)` asks for TCP packets to
    /// another port.
    pub fn matches(&self, packet: &Packet<'_>, members: &dyn Members) -> bool {
        Evaluation { packet, members }.holds(self, true)
    }
}

struct Evaluation<'a> {
    packet: &'a Packet<'a>,
    members: &'a dyn Members,
}

impl Evaluation<'_> {
    /// Whether the expression is what it is asked to be: true, or false for the operand of `!`.
    fn holds(&self, expression: &Match, wanted: bool) -> bool {
        match expression {
            Match::Constant(value) => *value == wanted,
            Match::Test(test) => self.test(test, wanted),
            Match::Resident(port) => self.members.is_resident(port) == wanted,
            Match::Not(inner) => self.holds(inner, !wanted),
            // De Morgan: all of them, or not one of them, depending on what is wanted.
            Match::All(operands) if wanted => operands.iter().all(|one| self.holds(one, true)),
            Match::All(operands) => operands.iter().any(|one| self.holds(one, false)),
            Match::Any(operands) if wanted => operands.iter().any(|one| self.holds(one, true)),
            Match::Any(operands) => operands.iter().all(|one| self.holds(one, false)),
        }
    }

    fn test(&self, test: &Test, wanted: bool) -> bool {
        let symbol = test.symbol.symbol();
        let is_prepared = symbol
            .prerequisites
            .as_ref()
            .is_none_or(|needed| self.holds(needed, true));
        is_prepared
            && match &symbol.meaning {
                Meaning::Predicate(expansion) => {
                    let value = u128::from(self.holds(expansion, true));
                    self.compare(test, value, BIT) == wanted
                }
                Meaning::Port(field) => self.compare_port(test, self.packet.port(*field)) == wanted,
                Meaning::Field(field, part) => {
                    let bits = test.bits.unwrap_or(BIT);
                    let value = self.packet.read(*field) >> part.low >> bits.low;
                    self.compare(test, value & bits.ones(), bits) == wanted
                }
            }
    }

    fn compare(&self, test: &Test, value: u128, bits: Bits) -> bool {
        let is_equal = || {
            test.elements.iter().any(|element| match element {
                Element::Integer(constant) => is_equal(value, constant, bits),
                Element::AddressSet(set) => self.members.has_address(set, value, bits),
                Element::Text(_) | Element::PortGroup(_) => false,
            })
        };
        match (test.relation, test.elements.first()) {
            (Relation::Equal, _) => is_equal(),
            (Relation::Unequal, _) => !is_equal(),
            (relation, Some(Element::Integer(constant))) => {
                is_ordered(value, relation, constant.value)
            }
            _ => false,
        }
    }

    fn compare_port(&self, test: &Test, port: &str) -> bool {
        let is_equal = test.elements.iter().any(|element| match element {
            Element::Text(text) => text == port,
            Element::PortGroup(group) => self.members.has_port(group, port),
            Element::Integer(_) | Element::AddressSet(_) => false,
        });
        is_equal == (test.relation == Relation::Equal)
    }
}

/// The bit of a predicate.
const BIT: Bits = Bits { low: 0, high: 0 };

fn is_equal(value: u128, constant: &Constant, bits: Bits) -> bool {
    let mask = constant.mask.unwrap_or(bits.ones());
    value & mask == constant.value & mask
}

/// Whether `value relation other`.
pub(crate) fn is_ordered(value: u128, relation: Relation, other: u128) -> bool {
    match relation {
        Relation::Equal => value == other,
        Relation::Unequal => value != other,
        Relation::Less => value < other,
        Relation::LessOrEqual => value <= other,
        Relation::Greater => value > other,
        Relation::GreaterOrEqual => value >= other,
    }
}
