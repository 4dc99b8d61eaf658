//! Numbers for what an address finds in a table of prefixes.
//!
//! A prefix that comes, changes or goes bumps one number, found by a hash of the table, the prefix and its length. Whoever
//! looked an address up depends on one number for each length that ever changed: that of the prefix of this length that
//! holds the address. Nothing is kept for prefixes and addresses themselves: numbers are shared, so that one flow in some
//! thousands is voided in vain by each change.

use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::Slot;
use crate::tables::prefixes::Address;

/// A table in which addresses are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Table {
    /// The routes of a router by destination. The slot is that of its configuration.
    Routes(Slot),
    /// The routes of a router by source.
    Sources(Slot),
    /// All address sets. IPv4 members may also be compared with the last bits of IPv6 addresses.
    Members,
}

/// Numbers that a snapshot copies when one of them changes; a power of two.
const CHUNK: usize = 1024;
const CHUNKS: usize = 32;

/// Prefix lengths of IPv6 that count as one, so that there are no more of them than of IPv4.
const IPV6_STEP: u8 = 4;

/// The numbers of all tables.
#[derive(Clone, Debug)]
pub(super) struct Stripes {
    numbers: Vec<Arc<[u64; CHUNK]>>,
    /// The lengths of prefixes that ever changed, of routes and of members.
    of_routes: Lengths,
    of_members: Lengths,
}

/// Lengths of prefixes, a bit each.
#[derive(Clone, Copy, Debug, Default)]
struct Lengths {
    ipv4: u64,
    /// In steps of [`IPV6_STEP`].
    ipv6: u64,
}

impl Default for Stripes {
    fn default() -> Self {
        let shared = Arc::new([0; CHUNK]);
        Self {
            numbers: vec![shared; CHUNKS],
            of_routes: Lengths::default(),
            of_members: Lengths::default(),
        }
    }
}

impl Stripes {
    /// What stands for a prefix in a table changed.
    pub(super) fn bump(&mut self, table: Table, prefix: IpNet) {
        let length = prefix.prefix_len();
        let lengths = match table {
            Table::Members => &mut self.of_members,
            Table::Routes(_) | Table::Sources(_) => &mut self.of_routes,
        };
        let (chunk, at) = match prefix.addr() {
            IpAddr::V4(ip) => {
                lengths.ipv4 |= 1 << length;
                of_ipv4(table, ip, length)
            }
            IpAddr::V6(ip) => {
                lengths.ipv6 |= 1 << (length / IPV6_STEP);
                of_ipv6(table, ip, length / IPV6_STEP)
            }
        };
        Arc::make_mut(&mut self.numbers[chunk])[at] += 1;
    }

    /// The sum of what `ip` finds in a table under prefixes of at least a length.
    pub(super) fn sum(&self, table: Table, ip: IpAddr, least: u8) -> u64 {
        let lengths = match table {
            Table::Members => self.of_members,
            Table::Routes(_) | Table::Sources(_) => self.of_routes,
        };
        match ip {
            IpAddr::V4(ip) => self.sum_ipv4(lengths, table, ip, least),
            IpAddr::V6(ip) => {
                let steps = from(lengths.ipv6, least / IPV6_STEP);
                let wide: u64 = steps
                    .map(|step| self.number(of_ipv6(table, ip, step)))
                    .sum();
                wide + match table {
                    Table::Members => self.sum_ipv4(lengths, table, last_bits(ip), 0),
                    Table::Routes(_) | Table::Sources(_) => 0,
                }
            }
        }
    }

    fn sum_ipv4(&self, lengths: Lengths, table: Table, ip: Ipv4Addr, least: u8) -> u64 {
        from(lengths.ipv4, least)
            .map(|length| self.number(of_ipv4(table, ip, length)))
            .sum()
    }

    fn number(&self, (chunk, at): (usize, usize)) -> u64 {
        self.numbers[chunk][at]
    }
}

/// The bits that are set, from `least` on.
fn from(bits: u64, least: u8) -> impl Iterator<Item = u8> {
    let mut left = bits & u64::MAX.checked_shl(least.into()).unwrap_or(0);
    std::iter::from_fn(move || {
        let next = (left != 0).then(|| left.trailing_zeros() as u8)?;
        left &= left - 1;
        Some(next)
    })
}

fn last_bits(ip: Ipv6Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(ip.to_bits() as u32)
}

fn of_ipv4(table: Table, ip: Ipv4Addr, length: u8) -> (usize, usize) {
    place((table, length, ip.to_bits().truncated(length)))
}

fn of_ipv6(table: Table, ip: Ipv6Addr, step: u8) -> (usize, usize) {
    place((table, step, ip.to_bits().truncated(step * IPV6_STEP)))
}

/// The same on all nodes and in all snapshots. Who makes addresses meet here gains nothing by it.
fn place(of: impl std::hash::Hash) -> (usize, usize) {
    let hash = foldhash::fast::FixedState::default().hash_one(of) as usize;
    (hash / CHUNK % CHUNKS, hash % CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a change of a prefix is one for who looked an address up.
    fn is_felt(table: Table, prefix: &str, ip: &str, least: u8) -> bool {
        let ip = ip.parse().unwrap();
        let before = Stripes::default();
        let mut after = before.clone();
        after.bump(table, prefix.parse().unwrap());
        after.sum(table, ip, least) != before.sum(table, ip, least)
    }

    #[test]
    fn a_change_of_a_prefix_is_felt_by_the_addresses_in_it() {
        let routes = Table::Routes(Slot::GLOBAL);
        for (prefix, ip, least, expected) in [
            ("10.0.0.0/8", "10.255.0.1", 0, true),
            ("10.0.0.0/8", "10.255.0.1", 8, true),
            ("10.0.0.0/8", "10.255.0.1", 9, false),
            ("10.0.0.0/8", "11.0.0.1", 0, false),
            ("0.0.0.0/0", "255.255.255.255", 0, true),
            ("0.0.0.0/0", "255.255.255.255", 1, false),
            ("10.0.0.2/31", "10.0.0.3", 31, true),
            ("10.0.0.2/31", "10.0.0.4", 0, false),
            ("10.0.0.3/32", "10.0.0.3", 32, true),
            ("10.0.0.3/32", "10.0.0.2", 0, false),
            ("::/0", "fd00::1", 0, true),
            ("::/0", "10.0.0.1", 0, false),
            ("0.0.0.0/0", "::1", 0, false),
            ("fd00::/7", "fd00::1", 7, true),
            ("fd00::/64", "fd00::1", 64, true),
            ("fd00::/64", "fd00:0:0:1::1", 0, false),
            ("fd00::/66", "fd00::1", 66, true),
            ("fd00::1/128", "fd00::1", 128, true),
            ("fd00::1/128", "fd00::2", 0, false),
        ] {
            assert_eq!(
                is_felt(routes, prefix, ip, least),
                expected,
                "{prefix} {ip}"
            );
        }
        assert!(is_felt(Table::Members, "10.0.0.1/32", "::10.0.0.1", 0));
    }

    #[test]
    fn a_change_in_one_table_is_none_in_another() {
        let tables = [
            Table::Routes(Slot::GLOBAL),
            Table::Sources(Slot::GLOBAL),
            Table::Routes(Slot::NAMES),
            Table::Members,
        ];
        let ip = "10.0.0.1".parse().unwrap();
        for changed in tables {
            let mut stripes = Stripes::default();
            stripes.bump(changed, "10.0.0.1/32".parse().unwrap());
            let found = tables.map(|table| stripes.sum(table, ip, 0));
            assert_eq!(found, tables.map(|table| u64::from(table == changed)));
        }
    }

    #[test]
    fn a_snapshot_keeps_its_numbers() {
        let before = Stripes::default();
        let mut after = before.clone();
        after.bump(Table::Members, "10.0.0.1/32".parse().unwrap());
        let ip = "10.0.0.1".parse().unwrap();
        assert_eq!(before.sum(Table::Members, ip, 0), 0);
        assert_eq!(after.sum(Table::Members, ip, 0), 1);
    }
}
