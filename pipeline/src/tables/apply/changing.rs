//! Which remembered verdicts a change of routes or address sets concerns: those on the addresses that it is about.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use expr::{Constant, Notation};
use ipnet::IpNet;

use super::Touched;
use crate::object::{DatapathKey, RoutePolicy};
use crate::tables::generation::{Generations, Table};
use crate::tables::{Compiled, DatapathTables, Slot};

/// A route that came, changed or went: what it compares, and with what.
pub(super) type RouteChange = (RoutePolicy, IpNet);

/// If more routes of a router or members of a set change at once, all that asked it are concerned.
const MAX_ONE_BY_ONE: usize = 256;

/// The least length of a member that is noted by its addresses. What is shorter concerns so many of them that those who ask
/// for the set are fewer.
const MIN_IPV4_MEMBER: u8 = 24;
const MIN_IPV6_MEMBER: u8 = 64;

impl Touched {
    /// Notes the routes that changed. `before` is what they were compiled to. Routers of which much changed count as
    /// configured anew.
    pub(super) fn note_routes(
        &mut self,
        router: DatapathKey,
        before: &DatapathTables,
        after: &Compiled,
        generations: &mut Generations,
    ) {
        // Nothing was ever decided by a router that was not there.
        let Some(changes) = self.routes.get(&router) else {
            return;
        };
        if self.new.contains(&router) || self.configured.contains(&router) {
            return;
        }
        let asks_sources = |compiled: &Compiled| match compiled {
            Compiled::Router(router) => router.routes.has_sources(),
            Compiled::Switch(_) | Compiled::Nothing => false,
        };
        if changes.len() > MAX_ONE_BY_ONE || asks_sources(&before.compiled) != asks_sources(after) {
            self.configured.insert(router);
            return;
        }
        let slot = before.slots.configured;
        for (policy, prefix) in changes {
            let table = match policy {
                RoutePolicy::Destination => Table::Routes(slot),
                RoutePolicy::Source => Table::Sources(slot),
            };
            generations.bump_prefix(table, *prefix);
        }
    }
}

/// Notes the members that a set got or lost. `naming` are the slots of those who ask for it.
pub(super) fn note_members(
    members: &[Constant],
    naming: impl Iterator<Item = Slot>,
    generations: &mut Generations,
    voided: &mut BTreeSet<Slot>,
) {
    let mut naming = naming.peekable();
    if members.is_empty() || naming.peek().is_none() {
        return;
    }
    let prefixes: Option<Vec<IpNet>> = match members.len() > MAX_ONE_BY_ONE {
        true => None,
        false => members.iter().map(prefix_of).collect(),
    };
    if let Some(prefixes) = prefixes {
        for prefix in prefixes {
            generations.bump_prefix(Table::Members, prefix);
        }
        return;
    }
    for slot in naming {
        if voided.insert(slot) {
            generations.bump(slot);
        }
    }
}

/// The addresses that a member stands for, if they are a few with the same first bits. Zero is none of them: it is read where
/// a packet has no address.
fn prefix_of(member: &Constant) -> Option<IpNet> {
    let value = member.value;
    let (ip, length) = match (member.mask, member.notation) {
        (None, Notation::Ipv4) => (ipv4(value)?, 32),
        (None, Notation::Ipv6) => (ipv6(value), 128),
        (None, _) => return None,
        (Some(mask), _) => match u32::try_from(mask) {
            Ok(mask) => (
                ipv4(value)?,
                first_bits(mask.leading_ones(), mask.count_ones())?,
            ),
            Err(_) => (
                ipv6(value),
                first_bits(mask.leading_ones(), mask.count_ones())?,
            ),
        },
    };
    let least = match ip {
        IpAddr::V4(_) => MIN_IPV4_MEMBER,
        IpAddr::V6(_) => MIN_IPV6_MEMBER,
    };
    let is_narrow = length >= least && value != 0;
    is_narrow.then(|| IpNet::new(ip, length).ok()).flatten()
}

fn ipv4(value: u128) -> Option<IpAddr> {
    let value = u32::try_from(value).ok()?;
    Some(Ipv4Addr::from_bits(value).into())
}

fn ipv6(value: u128) -> IpAddr {
    Ipv6Addr::from_bits(value).into()
}

/// How many bits a mask has, if they are the first.
fn first_bits(leading: u32, all: u32) -> Option<u8> {
    (leading == all).then(|| u8::try_from(all).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_stands_for_few_addresses_or_is_a_change_for_all() {
        let mask = |value, mask| Constant {
            value,
            mask: Some(mask),
            notation: Notation::Ipv4,
        };
        let host = |value, notation| Constant {
            value,
            mask: None,
            notation,
        };
        for (member, expected) in [
            (host(0x0a00_0001, Notation::Ipv4), Some("10.0.0.1/32")),
            (host(0, Notation::Ipv4), None),
            (host(1, Notation::Ipv6), Some("::1/128")),
            (host(0, Notation::Ipv6), None),
            (host(0x0a00_0001, Notation::Decimal), None),
            (host(0x0a00_0001, Notation::Hexadecimal), None),
            (host(0x0a00_0001, Notation::Ethernet), None),
            (mask(0x0a00_0000, 0xff00_0000), None),
            (mask(0x0a00_0000, 0xffff_fe00), None),
            (mask(0x0a00_0100, 0xffff_ff00), Some("10.0.1.0/24")),
            (mask(0x0a00_0002, 0xffff_fffe), Some("10.0.0.2/31")),
            (mask(0x0a00_0002, 0xffff_ffff), Some("10.0.0.2/32")),
            (mask(2, 0xff), None),
            (mask(0x0a00_0001, 0xff00_00ff), None),
            (mask(0, 0), None),
            (mask(0xfd << 120, u128::MAX << 120), None),
            (mask(0xfd << 120, u128::MAX << 64), Some("fd00::/64")),
            (mask(0xfd << 120, u128::MAX), Some("fd00::/128")),
            (mask(0xfd << 120, u128::MAX << 64 | 1), None),
        ] {
            let expected = expected.map(|prefix| prefix.parse().unwrap());
            assert_eq!(prefix_of(&member), expected, "{member:?}");
        }
    }
}
