//! Generations: how a remembered verdict finds out that what it was made of has changed.
//!
//! Each thing that can change on its own has a slot with a number that only ever grows. A verdict keeps
//! the slots it looked at and the sum of their numbers; the same slots give the same sum exactly as long
//! as none of them has changed. A slot outlives its datapath and is handed, grown, to another one.
//!
//! Tables of addresses and prefixes have [numbers of their own](stripes) for what each address finds in them, so that a
//! route or a member that comes or goes is no change for the flows of other addresses.

mod stripes;

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use smallvec::SmallVec;

use stripes::Stripes;
pub(crate) use stripes::Table;

/// One number that grows when a part of the tables changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u32);

impl Slot {
    /// The nodes and their addresses.
    pub(crate) const CHASSIS: Slot = Slot(0);
    /// The names of ports, and which are nested in which.
    pub(crate) const NAMES: Slot = Slot(1);
    /// Which datapaths exist.
    pub(crate) const DATAPATHS: Slot = Slot(2);
    /// Settings of the whole network.
    pub(crate) const GLOBAL: Slot = Slot(3);
    /// The first of those that addresses of VIPs share, out of the way of the ones above.
    const FIRST_VIP: u32 = 16;
    const VIPS: u32 = 1024;
    const FIRST_FREE: u32 = Self::FIRST_VIP + Self::VIPS;

    /// What is at an address that may be a VIP's. Addresses share these, so that what is not there needs none.
    pub(crate) fn of_vip(ip: IpAddr) -> Slot {
        let hash = foldhash::fast::FixedState::default().hash_one(ip);
        Slot(Self::FIRST_VIP + hash as u32 % Self::VIPS)
    }
}

/// The addresses in the key of an IP flow: source and destination.
pub type Ends = Option<(IpAddr, IpAddr)>;

/// What a verdict depends on. It says of which address something was asked, not what the address is, so that flows that are
/// treated alike depend on the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Deps {
    slots: SmallVec<[Slot; 12]>,
    lookups: SmallVec<[Lookup; 3]>,
    /// Addresses that were looked up and are none of the key's, as translations have them.
    others: Box<[IpAddr]>,
}

/// An address was looked up in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lookup {
    table: Table,
    of: Whose,
    /// Shorter prefixes could not have changed the answer.
    least: u8,
}

/// Which address was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Whose {
    Source,
    Destination,
    /// By its place among [`Deps::others`].
    Other(u8),
}

impl Deps {
    pub(crate) fn add(&mut self, slot: Slot) {
        if !self.slots.contains(&slot) {
            self.slots.push(slot);
        }
    }

    /// `ip` was looked up in a table, for prefixes of at least a length. False if there are too many addresses to tell.
    #[must_use]
    pub(crate) fn add_lookup(&mut self, table: Table, ip: IpAddr, least: u8, ends: Ends) -> bool {
        let Some(of) = self.whose(ip, ends) else {
            return false;
        };
        let lookups = &mut self.lookups;
        match lookups
            .iter_mut()
            .find(|other| (other.table, other.of) == (table, of))
        {
            Some(other) => other.least = other.least.min(least),
            None => lookups.push(Lookup { table, of, least }),
        }
        true
    }

    fn whose(&mut self, ip: IpAddr, ends: Ends) -> Option<Whose> {
        match ends {
            Some((source, _)) if source == ip => return Some(Whose::Source),
            Some((_, destination)) if destination == ip => return Some(Whose::Destination),
            _ => {}
        }
        let known = self.others.iter().position(|other| *other == ip);
        let place = known.unwrap_or(self.others.len());
        let number = u8::try_from(place).ok()?;
        if known.is_none() {
            self.others = self.others.iter().copied().chain([ip]).collect();
        }
        Some(Whose::Other(number))
    }

    /// The slots, each once, in the order they were met.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }
}

impl Lookup {
    fn address(&self, deps: &Deps, ends: Ends) -> Option<IpAddr> {
        match self.of {
            Whose::Source => ends.map(|(source, _)| source),
            Whose::Destination => ends.map(|(_, destination)| destination),
            Whose::Other(place) => deps.others.get(usize::from(place)).copied(),
        }
    }
}

/// The slots of a datapath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    /// Its rows and ports. What changes of a router's routes has [numbers of its own](Table::Routes), but for much at once.
    pub(crate) configured: Slot,
    /// Its learned stations and neighbours.
    pub(crate) learned: Slot,
    /// Everything that its ACLs say: for verdicts that too many owners had a part in to name each.
    pub(crate) policy: Slot,
}

impl Slots {
    pub(crate) fn take(generations: &mut Generations) -> Slots {
        Slots {
            configured: generations.take(),
            learned: generations.take(),
            policy: generations.take(),
        }
    }

    pub(crate) fn give_back(self, generations: &mut Generations) {
        for slot in [self.configured, self.learned, self.policy] {
            generations.give_back(slot);
        }
    }
}

/// The numbers of all slots.
#[derive(Clone, Debug)]
pub(crate) struct Generations {
    numbers: Vec<u64>,
    free: Vec<Slot>,
    stripes: Arc<Stripes>,
}

impl Default for Generations {
    fn default() -> Self {
        Self {
            numbers: vec![0; Slot::FIRST_FREE as usize],
            free: Vec::new(),
            stripes: Arc::default(),
        }
    }
}

impl Generations {
    pub(crate) fn sum(&self, deps: &Deps, ends: Ends) -> u64 {
        let number = |slot: &Slot| self.numbers.get(slot.0 as usize).copied().unwrap_or(0);
        let of_slots: u64 = deps.slots.iter().map(number).sum();
        let of_lookups = deps.lookups.iter().filter_map(|lookup| {
            let ip = lookup.address(deps, ends)?;
            Some(self.stripes.sum(lookup.table, ip, lookup.least))
        });
        of_slots + of_lookups.sum::<u64>()
    }

    pub(crate) fn bump(&mut self, slot: Slot) {
        if let Some(number) = self.numbers.get_mut(slot.0 as usize) {
            *number += 1;
        }
    }

    /// What stands for a prefix in a table changed.
    pub(crate) fn bump_prefix(&mut self, table: Table, prefix: IpNet) {
        Arc::make_mut(&mut self.stripes).bump(table, prefix);
    }

    pub(crate) fn take(&mut self) -> Slot {
        self.free.pop().unwrap_or_else(|| {
            // Datapaths have 24 bits of tunnel keys and three slots each; what else has slots is far from 2^31.
            let next = self.numbers.len() as u32;
            self.numbers.push(0);
            Slot(next)
        })
    }

    pub(crate) fn give_back(&mut self, slot: Slot) {
        self.bump(slot);
        self.free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_changes_hands_never_returns_to_an_old_sum() {
        let mut generations = Generations::default();
        let first = generations.take();
        let mut deps = Deps::default();
        deps.add(first);
        deps.add(first);
        assert_eq!(deps.slots().len(), 1);
        let before = generations.sum(&deps, None);
        generations.give_back(first);
        assert_eq!(generations.take(), first);
        assert!(generations.sum(&deps, None) > before);
    }

    #[test]
    fn flows_that_asked_alike_depend_on_the_same_and_on_their_own_addresses() {
        let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
        let [one, other] = [(ip(1), ip(2)), (ip(3), ip(4))].map(|ends| {
            let mut deps = Deps::default();
            assert!(deps.add_lookup(Table::Members, ends.0, 0, Some(ends)));
            assert!(deps.add_lookup(Table::Members, ends.1, 0, Some(ends)));
            deps
        });
        assert_eq!(one, other);
        let mut generations = Generations::default();
        let before = generations.sum(&one, Some((ip(1), ip(2))));
        generations.bump_prefix(Table::Members, ip(2).into());
        assert!(generations.sum(&one, Some((ip(1), ip(2)))) > before);
        assert_eq!(generations.sum(&other, Some((ip(3), ip(4)))), 0);
    }
}
