//! `Address_Set` → `AddressSet`s.

use std::collections::BTreeSet;

use expr::Constant;
use model::nb;
use pipeline::object::{ADDRESS_SET_BUCKETS, AddressSet, Object};
use uuid::Uuid;

use super::{Output, Reader};

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(set) = reader.row::<nb::AddressSet>(row) else {
        return;
    };
    out.name(&set.name);
    put(&set.name, &set.addresses, out);
}

/// Puts out the parts of a set that have members. A text that is no address gets a warning.
fn put(name: &str, addresses: &BTreeSet<String>, out: &mut Output) {
    let mut parts: Vec<Vec<Constant>> = vec![Vec::new(); usize::from(ADDRESS_SET_BUCKETS)];
    for text in addresses {
        match text.parse::<Constant>() {
            Ok(address) => parts[usize::from(bucket(&address))].push(address),
            Err(_) => out.warn("addresses", format!("{text:?} is not an address")),
        }
    }
    for (bucket, mut members) in (0..).zip(parts) {
        if !members.is_empty() {
            members.sort();
            members.dedup();
            out.object(Object::AddressSet(AddressSet {
                name: name.into(),
                bucket,
                members,
            }));
        }
    }
}

/// The part of a set that an address belongs to: the same in every build, so that versions stay the same.
///
/// The words of the address, each multiplied into the others (Fibonacci hashing), down to the number of parts.
pub(super) fn bucket(address: &Constant) -> u8 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mask = address.mask.unwrap_or(u128::MAX);
    let words = [address.value, address.value >> 64, mask, mask >> 64];
    let hash = words.into_iter().fold(FACTOR, |hash, word| {
        (hash.rotate_left(29) ^ word as u64).wrapping_mul(FACTOR)
    });
    (hash >> 32) as u8 % ADDRESS_SET_BUCKETS
}
