//! `AddressSet`, with its key and members.

use std::sync::Arc;

use expr::{Constant, Notation};
use pipeline::object::{ADDRESS_SET_BUCKETS, AddressSet};

use super::atom::{integer, integer_to_wire, name, number};
use super::enumeration::Enumeration;
use super::error::{At, Problem, WireError, decode, each, required};
use crate::southbound as wire;

pub(super) fn address_set_key_to_wire(name: &str, bucket: u8) -> wire::AddressSetKey {
    wire::AddressSetKey {
        name: name.to_owned(),
        bucket: u32::from(bucket),
    }
}

pub(super) fn address_set_key(key: &wire::AddressSetKey) -> Result<(Arc<str>, u8), WireError> {
    let last = u32::from(ADDRESS_SET_BUCKETS) - 1;
    let bucket = number(key.bucket, 0, last).at("bucket")?;
    Ok((name(&key.name).at("name")?.into(), bucket))
}

impl From<&AddressSet> for wire::AddressSet {
    fn from(set: &AddressSet) -> Self {
        Self {
            key: Some(address_set_key_to_wire(&set.name, set.bucket)),
            members: set.members.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<&wire::AddressSet> for AddressSet {
    type Error = WireError;

    fn try_from(set: &wire::AddressSet) -> Result<Self, WireError> {
        let (name, bucket) = address_set_key(required(&set.key, "key")?).at("key")?;
        Ok(Self {
            name,
            bucket,
            members: each(&set.members, "members", decode)?,
        })
    }
}

impl From<&Constant> for wire::Constant {
    fn from(constant: &Constant) -> Self {
        Self {
            value: integer_to_wire(constant.value),
            mask: constant.mask.map(integer_to_wire),
            notation: constant.notation.number(),
        }
    }
}

impl TryFrom<&wire::Constant> for Constant {
    type Error = WireError;

    fn try_from(constant: &wire::Constant) -> Result<Self, WireError> {
        let value = integer(&constant.value).at("value")?;
        let mask = constant.mask.as_deref().map(integer).transpose();
        let mask = mask.at("mask")?;
        if mask.is_some_and(|mask| value & !mask != 0) {
            return Err(Problem::Contradiction("has bits that the mask has not").at("value"));
        }
        let notation = Notation::from_number(constant.notation).at("notation")?;
        let width = value.max(mask.unwrap_or(0)).checked_ilog2();
        if width.is_some_and(|last| last >= widest(notation)) {
            return Err(Problem::Contradiction("is wider than the notation allows").at("value"));
        }
        Ok(Self {
            value,
            mask,
            notation,
        })
    }
}

/// How many bits a number has at most that is written so.
fn widest(notation: Notation) -> u32 {
    match notation {
        Notation::Ipv4 => 32,
        Notation::Ethernet => 48,
        Notation::Decimal | Notation::Hexadecimal | Notation::Ipv6 => 128,
    }
}
