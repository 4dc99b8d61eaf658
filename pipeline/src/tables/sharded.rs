//! A hash map that snapshots share: changing an entry copies the few entries that stand beside it.
//!
//! Two levels of 64 lead to a small map each. A change copies one path: 128 pointers and one in 4,096 of the entries.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::HashMap;

/// Pointers in a node of either level.
const FANOUT: usize = 64;

type Hasher = crate::seed::Seed;
type Leaf<K, V> = HashMap<K, V, Hasher>;
type Branch<K, V> = Vec<Arc<Leaf<K, V>>>;

/// A hash map that is cheap to clone, and whose clones are cheap to change.
#[derive(Clone, Debug)]
pub(crate) struct Sharded<K, V> {
    hasher: Hasher,
    /// Empty, or [`FANOUT`] branches that are empty or have [`FANOUT`] leaves.
    root: Arc<Vec<Arc<Branch<K, V>>>>,
}

impl<K, V> Default for Sharded<K, V> {
    fn default() -> Self {
        Self {
            hasher: Hasher::default(),
            root: Arc::default(),
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Sharded<K, V> {
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (branch, leaf) = self.place(key);
        self.root.get(branch)?.get(leaf)?.get(key)
    }

    /// The small map where `key` belongs, to be changed.
    pub(crate) fn edit<Q: Hash + ?Sized>(&mut self, key: &Q) -> &mut Leaf<K, V> {
        let (branch, leaf) = self.place(key);
        let hasher = self.hasher.clone();
        let root = Arc::make_mut(&mut self.root);
        if root.is_empty() {
            *root = vec![Arc::default(); FANOUT];
        }
        let branch = Arc::make_mut(&mut root[branch]);
        if branch.is_empty() {
            let shared = Arc::new(Leaf::with_hasher(hasher));
            *branch = vec![shared; FANOUT];
        }
        Arc::make_mut(&mut branch[leaf])
    }

    /// All values, in no order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        let leaves = self.root.iter().flat_map(|branch| branch.iter());
        leaves.flat_map(|leaf| leaf.values())
    }

    /// By the upper bits of the hash: the leaf's own map uses the others.
    fn place<Q: Hash + ?Sized>(&self, key: &Q) -> (usize, usize) {
        let hash = self.hasher.hash_one(key);
        let at = |shift: u32| (hash >> shift) as usize % FANOUT;
        (at(40), at(34))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_clone_keeps_what_it_had_when_the_other_changes() {
        let mut map = Sharded::default();
        let mut twin = HashMap::new();
        for key in 0..10_000_u32 {
            map.edit(&key).insert(key, key * 2);
            twin.insert(key, key * 2);
        }
        let before = map.clone();
        for key in (0..10_000).step_by(3) {
            map.edit(&key).remove(&key);
        }
        for (key, value) in &twin {
            assert_eq!(before.get(key), Some(value));
            assert_eq!(map.get(key), Some(value).filter(|_| key % 3 != 0));
        }
    }
}
