//! Generations: how a remembered verdict finds out that what it was made of has changed.
//!
//! Each thing that can change on its own has a slot with a number that only ever grows. A verdict keeps
//! the slots it looked at and the sum of their numbers; the same slots give the same sum exactly as long
//! as none of them has changed. A slot outlives its datapath and is handed, grown, to another one.

use std::hash::BuildHasher;
use std::net::IpAddr;

use smallvec::SmallVec;

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

/// The slots a verdict depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Deps(SmallVec<[Slot; 12]>);

impl Deps {
    pub(crate) fn add(&mut self, slot: Slot) {
        if !self.0.contains(&slot) {
            self.0.push(slot);
        }
    }

    /// The slots, each once, in the order they were met.
    pub fn slots(&self) -> &[Slot] {
        &self.0
    }
}

/// The slots of a datapath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    /// Its rows, ports and routes.
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
}

impl Default for Generations {
    fn default() -> Self {
        Self {
            numbers: vec![0; Slot::FIRST_FREE as usize],
            free: Vec::new(),
        }
    }
}

impl Generations {
    pub(crate) fn sum(&self, deps: &Deps) -> u64 {
        let number = |slot: &Slot| self.numbers.get(slot.0 as usize).copied().unwrap_or(0);
        deps.0.iter().map(number).sum()
    }

    pub(crate) fn bump(&mut self, slot: Slot) {
        if let Some(number) = self.numbers.get_mut(slot.0 as usize) {
            *number += 1;
        }
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
        let before = generations.sum(&deps);
        generations.give_back(first);
        assert_eq!(generations.take(), first);
        assert!(generations.sum(&deps) > before);
    }
}
