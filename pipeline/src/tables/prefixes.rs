//! Values by prefix, of one address family: a hash table for each length that is in use.
//!
//! All prefixes that hold an address are found in as many probes as there are lengths, however many prefixes there are.
//! Networks have few lengths, and the probes do not wait for each other, unlike the steps down a trie.

use std::hash::Hash;

use hashbrown::HashMap;

/// An address, as a number.
pub(crate) trait Address: Copy + Eq + Hash {
    /// The address with all bits but the first `length` cleared.
    fn truncated(self, length: u8) -> Self;
}

impl Address for u32 {
    fn truncated(self, length: u8) -> u32 {
        self & u32::MAX
            .checked_shl(u32::BITS - u32::from(length))
            .unwrap_or(0)
    }
}

impl Address for u128 {
    fn truncated(self, length: u8) -> u128 {
        self & u128::MAX
            .checked_shl(u128::BITS - u32::from(length))
            .unwrap_or(0)
    }
}

type OfLength<A, V> = HashMap<A, V, crate::seed::Seed>;

/// Values by prefix.
#[derive(Clone, Debug)]
pub(super) struct Prefixes<A, V> {
    /// The longest first.
    lengths: Vec<(u8, OfLength<A, V>)>,
}

impl<A, V> Default for Prefixes<A, V> {
    fn default() -> Self {
        Self {
            lengths: Vec::new(),
        }
    }
}

impl<A: Address, V: Default> Prefixes<A, V> {
    /// The value of a prefix, which begins as the default. `length` is at most that of an address.
    pub(super) fn entry(&mut self, address: A, length: u8) -> &mut V {
        let place = self
            .lengths
            .binary_search_by(|(other, _)| length.cmp(other));
        let at = place.unwrap_or_else(|at| {
            self.lengths.insert(at, (length, OfLength::default()));
            at
        });
        let (_, values) = &mut self.lengths[at];
        values.entry(address.truncated(length)).or_default()
    }

    /// The values of the prefixes that hold an address and are at least so long, with their lengths, the longest first.
    pub(super) fn holding(&self, address: A, least: u8) -> impl Iterator<Item = (u8, &V)> {
        let lengths = self.lengths.iter();
        let long = lengths.take_while(move |(length, _)| *length >= least);
        long.filter_map(move |(length, values)| {
            Some((*length, values.get(&address.truncated(*length))?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefixes_that_hold_an_address_come_longest_first() {
        let mut prefixes = Prefixes::<u32, Vec<u32>>::default();
        let all = [
            (0x0a00_0000, 8),
            (0, 0),
            (0x0a01_0200, 24),
            (0x0a01_0203, 32),
            (0x0b00_0000, 8),
        ];
        for (address, length) in all {
            prefixes.entry(address, length).push(address);
        }
        let check = |address, least, expected: &[(u8, u32)]| {
            let found = prefixes.holding(address, least);
            let found: Vec<_> = found.map(|(length, values)| (length, values[0])).collect();
            assert_eq!(found, expected, "{address:x}");
        };
        let [wide, everything, narrow, host, _] = all.map(|(address, length)| (length, address));
        check(0x0a01_0203, 0, &[host, narrow, wide, everything]);
        check(0x0a01_0203, 24, &[host, narrow]);
        check(0x0a01_0204, 0, &[narrow, wide, everything]);
        check(0x0c00_0000, 0, &[everything]);
        check(0x0c00_0000, 1, &[]);
    }

    #[test]
    fn prefixes_of_ipv6_may_have_any_length() {
        let mut prefixes = Prefixes::<u128, u8>::default();
        for length in 0..=128 {
            *prefixes.entry(u128::MAX, length) = length;
        }
        let found: Vec<_> = prefixes.holding(u128::MAX << 64, 0).collect();
        assert_eq!(found.len(), 65);
        assert_eq!(found[0], (64, &64));
        assert_eq!(prefixes.holding(u128::MAX, 0).count(), 129);
    }
}
