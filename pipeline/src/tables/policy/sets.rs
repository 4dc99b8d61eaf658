//! Address sets: their numbers, and what is written in each of their parts.

use std::net::IpAddr;
use std::sync::Arc;

use expr::{Bits, Constant, Field};

use super::addresses::{Addresses, SetId, SetIds};
use super::necessary::whole;
use crate::object::AddressSet;
use crate::tables::sharded::Sharded;

/// All address sets, and the names by which they are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sets {
    parts: Sharded<(Arc<str>, u8), Arc<[Constant]>>,
    names: Sharded<Arc<str>, Name>,
    addresses: Addresses,
    last: u32,
}

/// A name that a part or an ACL uses. Numbers are never given out again while anyone uses the name.
#[derive(Clone, Copy, Debug)]
struct Name {
    id: SetId,
    uses: usize,
}

impl Sets {
    /// True if an address is a member of the set that is called so.
    pub(crate) fn contains(&self, name: &str, ip: IpAddr) -> bool {
        let (value, field) = match ip {
            IpAddr::V4(ip) => (u32::from(ip).into(), Field::Ip4Src),
            IpAddr::V6(ip) => (ip.into(), Field::Ip6Src),
        };
        let is_it = |id| self.sets_of(value, whole(field)).contains(&id);
        self.id(name).is_some_and(is_it)
    }

    /// The set that is called so now; `None` if nobody uses the name.
    pub(super) fn id(&self, name: &str) -> Option<SetId> {
        self.names.get(name).map(|name| name.id)
    }

    /// The sets that `value`, read from that many `bits`, is a member of.
    pub(super) fn sets_of(&self, value: u128, bits: Bits) -> SetIds {
        self.addresses.sets_of(value, bits)
    }

    /// Uses a name.
    pub(super) fn take(&mut self, name: &Arc<str>) -> SetId {
        let last = &mut self.last;
        let name = self
            .names
            .edit(name)
            .entry(name.clone())
            .or_insert_with(|| {
                *last = last.wrapping_add(1);
                Name {
                    id: SetId(*last),
                    uses: 0,
                }
            });
        name.uses += 1;
        name.id
    }

    /// Uses a name no longer.
    pub(super) fn give_back(&mut self, name: &Arc<str>) {
        let beside = self.names.edit(name);
        if let Some(used) = beside.get_mut(name) {
            used.uses -= 1;
            if used.uses == 0 {
                beside.remove(name);
            }
        }
    }

    /// Makes a part of a set be `part`; only what differs from before is touched. Gives the set, and what differs.
    pub(crate) fn replace(&mut self, part: AddressSet) -> (SetId, Vec<Constant>) {
        let key = (part.name.clone(), part.bucket);
        let new: Arc<[Constant]> = part.members.into();
        let id = self.take(&part.name);
        let old = self.parts.edit(&key).insert(key.clone(), new.clone());
        if old.is_some() {
            self.give_back(&part.name);
        }
        (
            id,
            self.exchange(id, old.as_deref().unwrap_or_default(), &new),
        )
    }

    /// Removes a part of a set. Gives the set, and what was there.
    pub(crate) fn remove(&mut self, name: &Arc<str>, bucket: u8) -> Option<(SetId, Vec<Constant>)> {
        let key = (name.clone(), bucket);
        let old = self.parts.edit(&key).remove(&key)?;
        let id = self.id(name)?;
        let gone = self.exchange(id, &old, &[]);
        self.give_back(name);
        Some((id, gone))
    }

    /// Gives the members that come or go.
    fn exchange(&mut self, set: SetId, old: &[Constant], new: &[Constant]) -> Vec<Constant> {
        let is_in = |members: &[Constant]| {
            members
                .iter()
                .copied()
                .collect::<hashbrown::HashSet<_, crate::seed::Seed>>()
        };
        let (before, after) = (is_in(old), is_in(new));
        for gone in before.difference(&after) {
            self.addresses.remove(set, gone);
        }
        for come in after.difference(&before) {
            self.addresses.add(set, come);
        }
        before.symmetric_difference(&after).copied().collect()
    }
}
