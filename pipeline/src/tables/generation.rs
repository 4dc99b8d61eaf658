//! Generations: how a remembered verdict finds out that what it was made of has changed.
//!
//! Each thing that can change on its own has a slot with a number that only ever grows. A verdict keeps
//! the slots it looked at and the sum of their numbers; the same slots give the same sum exactly as long
//! as none of them has changed. A slot outlives its datapath and is handed, grown, to another one.

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
    const FIRST_FREE: u32 = 3;
}

/// The slots a verdict depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Deps(SmallVec<[Slot; 6]>);

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

/// The two slots of a datapath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    /// Its rows, ports and routes.
    pub(crate) configured: Slot,
    /// Its learned stations and neighbours.
    pub(crate) learned: Slot,
}

/// The numbers of all slots.
#[derive(Clone, Debug)]
pub(crate) struct Generations {
    numbers: Vec<u64>,
    free: Vec<Slots>,
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

    pub(crate) fn take(&mut self) -> Slots {
        self.free.pop().unwrap_or_else(|| {
            // Tunnel keys have 24 bits, so that two slots each fit 32.
            let next = self.numbers.len() as u32;
            self.numbers.extend([0, 0]);
            Slots {
                configured: Slot(next),
                learned: Slot(next + 1),
            }
        })
    }

    pub(crate) fn give_back(&mut self, slots: Slots) {
        self.bump(slots.configured);
        self.bump(slots.learned);
        self.free.push(slots);
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
        deps.add(first.configured);
        deps.add(first.configured);
        assert_eq!(deps.slots().len(), 1);
        let before = generations.sum(&deps);
        generations.give_back(first);
        assert_eq!(generations.take(), first);
        assert!(generations.sum(&deps) > before);
    }
}
