//! Column values.

use std::collections::{BTreeMap, BTreeSet};

use model::{Atom, Datum};

use super::{WireError, atom_from_wire, atom_to_wire};
use crate::northbound as wire;

/// The value on the wire.
pub fn datum_to_wire(datum: &Datum) -> wire::Datum {
    match datum {
        Datum::Set(set) => wire::Datum {
            set: set.iter().map(atom_to_wire).collect(),
            ..wire::Datum::default()
        },
        Datum::Map(map) => {
            let pair = |(key, value)| wire::Pair {
                key: Some(atom_to_wire(key)),
                value: Some(atom_to_wire(value)),
            };
            wire::Datum {
                map: map.iter().map(pair).collect(),
                is_map: true,
                ..wire::Datum::default()
            }
        }
    }
}

/// The value from the wire.
pub fn datum_from_wire(datum: wire::Datum) -> Result<Datum, WireError> {
    let count = datum.set.len() + datum.map.len();
    let datum = match (datum.is_map, datum.set.is_empty(), datum.map.is_empty()) {
        (true, true, _) => Datum::Map(map_from_wire(datum.map)?),
        (false, _, true) => Datum::Set(set_from_wire(datum.set)?),
        (true, false, _) => return Err(WireError::new("datum", "elements in a map")),
        (false, _, false) => return Err(WireError::new("datum", "pairs in a set")),
    };
    if datum.len() != count {
        return Err(WireError::new("datum", "the same element or key twice"));
    }
    Ok(datum)
}

fn set_from_wire(set: Vec<wire::Atom>) -> Result<BTreeSet<Atom>, WireError> {
    set.into_iter().map(atom_from_wire).collect()
}

fn map_from_wire(map: Vec<wire::Pair>) -> Result<BTreeMap<Atom, Atom>, WireError> {
    let pair = |pair: wire::Pair| {
        let (Some(key), Some(value)) = (pair.key, pair.value) else {
            return Err(WireError::new("pair", "no key or no value"));
        };
        Ok((atom_from_wire(key)?, atom_from_wire(value)?))
    };
    map.into_iter().map(pair).collect()
}
