//! Which address sets an address is in.
//!
//! One table for all sets, from what is written in a set to the sets where it is written: an address is looked up once for
//! each shape of members there is (hosts, /24 networks, ...), however many sets and members there are.

use expr::{Bits, Constant, Notation};
use smallvec::SmallVec;

use crate::tables::sharded::Sharded;

/// An address set, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SetId(pub(super) u32);

/// The sets that a value is in, sorted.
pub(crate) type SetIds = SmallVec<[SetId; 8]>;

/// The members of all address sets.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    members: Sharded<Member, SmallVec<[SetId; 2]>>,
    /// How many members of each shape there are.
    shapes: Vec<(Shape, usize)>,
}

/// What is compared with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Shape {
    /// The bits that count.
    mask: Option<u128>,
    /// The least width of a field that is compared, in bits.
    width: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Member {
    value: u128,
    shape: Shape,
}

impl Member {
    fn of(constant: &Constant) -> Member {
        // A plain number fits where it is equal to what is read.
        let is_number = matches!(constant.notation, Notation::Decimal | Notation::Hexadecimal);
        let width = match constant.mask {
            None if is_number => 0,
            _ => constant.width(),
        };
        let value = constant.value & constant.mask.unwrap_or(u128::MAX);
        let mask = constant.mask;
        Member {
            value,
            shape: Shape { mask, width },
        }
    }
}

impl Addresses {
    /// `constant` is written in the set once more.
    pub(super) fn add(&mut self, set: SetId, constant: &Constant) {
        let member = Member::of(constant);
        self.members
            .edit(&member)
            .entry(member)
            .or_default()
            .push(set);
        match self
            .shapes
            .iter_mut()
            .find(|(shape, _)| *shape == member.shape)
        {
            Some((_, count)) => *count += 1,
            None => self.shapes.push((member.shape, 1)),
        }
    }

    /// `constant` is written in the set once less.
    pub(super) fn remove(&mut self, set: SetId, constant: &Constant) {
        let member = Member::of(constant);
        let beside = self.members.edit(&member);
        let Some(sets) = beside.get_mut(&member) else {
            return;
        };
        let Some(index) = sets.iter().position(|other| *other == set) else {
            return;
        };
        sets.swap_remove(index);
        if sets.is_empty() {
            beside.remove(&member);
        }
        if let Some(at) = self
            .shapes
            .iter()
            .position(|(shape, _)| *shape == member.shape)
        {
            self.shapes[at].1 -= 1;
            if self.shapes[at].1 == 0 {
                self.shapes.swap_remove(at);
            }
        }
    }

    /// The sets that `value`, read from that many `bits`, is a member of.
    pub(super) fn sets_of(&self, value: u128, bits: Bits) -> SetIds {
        let mut found = SetIds::new();
        let fitting = self
            .shapes
            .iter()
            .filter(|(shape, _)| shape.width <= bits.width());
        for (shape, _) in fitting {
            let member = Member {
                value: value & shape.mask.unwrap_or(u128::MAX),
                shape: *shape,
            };
            if let Some(sets) = self.members.get(&member) {
                found.extend_from_slice(sets);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
