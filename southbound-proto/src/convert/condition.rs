//! The conditions of a `Predicate`.

use expr::{Bits, Condition, Field, PortField};

use super::atom::{integer, integer_to_wire, name, number};
use super::enumeration::Enumeration;
use super::error::{At, Problem, WireError, required};
use crate::southbound as wire;
use wire::predicate_node::Node;

impl From<&Condition> for Node {
    fn from(condition: &Condition) -> Self {
        match condition {
            Condition::Masked { field, value, mask } => Node::Masked(wire::Masked {
                field: field.number(),
                value: integer_to_wire(*value),
                mask: integer_to_wire(*mask),
            }),
            Condition::Range {
                field,
                bits,
                low,
                high,
            } => Node::Range(wire::Range {
                field: field.number(),
                bits: Some(bits_to_wire(*bits)),
                low: integer_to_wire(*low),
                high: integer_to_wire(*high),
            }),
            Condition::AddressSet { field, bits, set } => Node::AddressSet(wire::InAddressSet {
                field: field.number(),
                bits: Some(bits_to_wire(*bits)),
                set: set.to_string(),
            }),
            Condition::Port(field, name) => Node::Port(at_port_to_wire(*field, name)),
            Condition::PortGroup(field, name) => Node::PortGroup(at_port_to_wire(*field, name)),
            Condition::Resident(port) => Node::Resident(port.to_string()),
        }
    }
}

impl TryFrom<&Node> for Condition {
    type Error = WireError;

    fn try_from(node: &Node) -> Result<Self, WireError> {
        match node {
            Node::Masked(test) => masked(test).at("masked"),
            Node::Range(test) => range(test).at("range"),
            Node::AddressSet(test) => in_address_set(test).at("address_set"),
            Node::Port(test) => {
                let (field, name) = at_port(test).at("port")?;
                Ok(Condition::Port(field, name.into()))
            }
            Node::PortGroup(test) => {
                let (field, name) = at_port(test).at("port_group")?;
                Ok(Condition::PortGroup(field, name.into()))
            }
            Node::Resident(port) => Ok(Condition::Resident(name(port).at("resident")?.into())),
            Node::Constant(_) | Node::All(_) | Node::Any(_) => {
                Err(Problem::Contradiction("is no condition").at("node"))
            }
        }
    }
}

fn masked(test: &wire::Masked) -> Result<Condition, WireError> {
    let value = integer(&test.value).at("value")?;
    let mask = integer(&test.mask).at("mask")?;
    if value & !mask != 0 {
        return Err(Problem::Contradiction("has bits that the mask has not").at("value"));
    }
    Ok(Condition::Masked {
        field: Field::from_number(test.field).at("field")?,
        value,
        mask,
    })
}

fn range(test: &wire::Range) -> Result<Condition, WireError> {
    let low = integer(&test.low).at("low")?;
    let high = integer(&test.high).at("high")?;
    if low > high {
        return Err(Problem::Contradiction("is greater than high").at("low"));
    }
    Ok(Condition::Range {
        field: Field::from_number(test.field).at("field")?,
        bits: bits(&test.bits)?,
        low,
        high,
    })
}

fn in_address_set(test: &wire::InAddressSet) -> Result<Condition, WireError> {
    Ok(Condition::AddressSet {
        field: Field::from_number(test.field).at("field")?,
        bits: bits(&test.bits)?,
        set: name(&test.set).at("set")?.into(),
    })
}

fn bits_to_wire(bits: Bits) -> wire::Bits {
    wire::Bits {
        low: bits.low,
        high: bits.high,
    }
}

fn bits(bits: &Option<wire::Bits>) -> Result<Bits, WireError> {
    let wire::Bits { low, high } = *required(bits, "bits")?;
    Ok(Bits {
        high: number(high, 0, u128::BITS - 1).at("bits.high")?,
        low: number(low, 0, high).at("bits.low")?,
    })
}

fn at_port_to_wire(field: PortField, name: &str) -> wire::AtPort {
    wire::AtPort {
        field: field.number(),
        name: name.to_owned(),
    }
}

fn at_port(test: &wire::AtPort) -> Result<(PortField, &str), WireError> {
    let field = PortField::from_number(test.field).at("field")?;
    Ok((field, name(&test.name).at("name")?))
}
