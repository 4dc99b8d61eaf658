//! Lowered expressions as text, which says the same of packets where it can be parsed again: OVN's language has no
//! words for the negation of nominal fields.

use std::fmt;

use super::{Condition, Polarity, Predicate};
use crate::constant::{Constant, Notation};
use crate::field::{Field, PortField};
use crate::print::write_text;
use crate::symbols;

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => write!(f, "{}", u8::from(*value)),
            Self::Test(condition, polarity) => write_test(f, condition, *polarity),
            Self::All(operands) => write_joined(f, operands, " && "),
            Self::Any(operands) => write_joined(f, operands, " || "),
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, operands: &[Predicate], join: &str) -> fmt::Result {
    for (index, operand) in operands.iter().enumerate() {
        if index > 0 {
            f.write_str(join)?;
        }
        match operand {
            Predicate::All(_) | Predicate::Any(_) => write!(f, "({operand})")?,
            _ => write!(f, "{operand}")?,
        }
    }
    Ok(())
}

fn write_test(
    f: &mut fmt::Formatter<'_>,
    condition: &Condition,
    polarity: Polarity,
) -> fmt::Result {
    let holds = polarity == Polarity::Holds;
    let relation = if holds { "==" } else { "!=" };
    match condition {
        Condition::Masked { field, value, mask } => {
            write_masked(f, *field, relation, *value, *mask)
        }
        Condition::Range {
            field,
            bits,
            low,
            high,
        } => {
            let name = part(*field, bits.low, bits.high);
            match (*low, *high, holds) {
                (0, high, true) => write!(f, "{name} <= {high}"),
                (0, high, false) => write!(f, "{name} > {high}"),
                (low, high, true) if high == bits.ones() => write!(f, "{name} >= {low}"),
                (low, high, false) if high == bits.ones() => write!(f, "{name} < {low}"),
                (low, high, true) => write!(f, "({name} >= {low} && {name} <= {high})"),
                (low, high, false) => write!(f, "({name} < {low} || {name} > {high})"),
            }
        }
        Condition::AddressSet { field, bits, set } => {
            let name = part(*field, bits.low, bits.high);
            write!(f, "{name} {relation} ${set}")
        }
        Condition::Port(field, name) => {
            write!(f, "{} {relation} ", port(*field))?;
            write_text(f, name)
        }
        Condition::PortGroup(field, group) => write!(f, "{} {relation} @{group}", port(*field)),
        Condition::Resident(port) => {
            let not = if holds { "" } else { "!" };
            write!(f, "{not}is_chassis_resident(")?;
            write_text(f, port)?;
            f.write_str(")")
        }
    }
}

fn write_masked(
    f: &mut fmt::Formatter<'_>,
    field: Field,
    relation: &str,
    value: u128,
    mask: u128,
) -> fmt::Result {
    let (name, width) = symbols::field(field);
    if mask == u128::MAX >> (u128::BITS - width) {
        if let Some(word) = word(field, value).filter(|_| relation == "==") {
            return f.write_str(word);
        }
        let constant = constant(field, value, None);
        return write!(f, "{name} {relation} {constant}");
    }
    let low = mask.trailing_zeros();
    let high = u128::BITS - 1 - mask.leading_zeros();
    let is_contiguous = mask >> low == u128::MAX >> (u128::BITS - 1 - (high - low));
    if is_contiguous && (high + 1 < width || notation(field) == Notation::Decimal) {
        let name = part(field, low, high);
        return write!(f, "{name} {relation} {}", value >> low);
    }
    write!(
        f,
        "{name} {relation} {}",
        constant(field, value, Some(mask))
    )
}

/// What people call a value.
fn word(field: Field, value: u128) -> Option<&'static str> {
    Some(match (field, value) {
        (Field::EthType, 0x0800) => "ip4",
        (Field::EthType, 0x86dd) => "ip6",
        (Field::EthType, 0x0806) => "arp",
        _ => return None,
    })
}

fn constant(field: Field, value: u128, mask: Option<u128>) -> Constant {
    Constant {
        value,
        mask,
        notation: match (notation(field), mask) {
            (Notation::Decimal, Some(_)) => Notation::Hexadecimal,
            (notation, _) => notation,
        },
    }
}

fn notation(field: Field) -> Notation {
    match field {
        Field::Ip4Src | Field::Ip4Dst | Field::ArpSpa | Field::ArpTpa => Notation::Ipv4,
        Field::Ip6Src | Field::Ip6Dst | Field::NdTarget => Notation::Ipv6,
        Field::EthSrc
        | Field::EthDst
        | Field::ArpSha
        | Field::ArpTha
        | Field::NdSll
        | Field::NdTll => Notation::Ethernet,
        Field::EthType => Notation::Hexadecimal,
        _ => Notation::Decimal,
    }
}

/// Some bits of a field.
fn part(field: Field, low: u32, high: u32) -> String {
    let (name, width) = symbols::field(field);
    match (low, high) {
        (0, high) if high + 1 == width => name.to_owned(),
        (low, high) if low == high => format!("{name}[{low}]"),
        (low, high) => format!("{name}[{low}..{high}]"),
    }
}

fn port(field: PortField) -> &'static str {
    match field {
        PortField::Inport => "inport",
        PortField::Outport => "outport",
    }
}
