//! A map that is cheap to clone and cheap to change after cloning.
//!
//! Snapshots of the database are handed out at every revision, while the next transaction already changes a
//! copy. One ordinary map behind one `Arc` would be copied as a whole at every change. Here the entries are
//! spread over [`SHARDS`] maps by the key, each behind its own `Arc`: a clone counts up 256 times, a change
//! copies one shard, a 256th of the entries.
//!
//! Row identities are spread by their first byte, so that going through the shards in order is going
//! through the rows in order. They are random; where a client numbers them instead, everything still holds,
//! only that one shard is copied as a whole.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use uuid::Uuid;

/// The number of maps that the entries are spread over.
const SHARDS: usize = 256;

/// A key that knows its shard.
pub(crate) trait Spread: Ord + Clone {
    /// A number that is the same for equal keys.
    fn shard(&self) -> u8;
}

impl Spread for Uuid {
    fn shard(&self) -> u8 {
        self.as_bytes()[0]
    }
}

/// A copy-on-write ordered map.
#[derive(Clone, Debug)]
pub(crate) struct CowMap<K, V> {
    shards: Box<[Arc<BTreeMap<K, V>>]>,
    len: usize,
}

impl<K: Spread, V: Clone> CowMap<K, V> {
    pub(crate) fn new() -> Self {
        let empty = OnceLock::new();
        let shard = |_| Arc::clone(empty.get_or_init(|| Arc::new(BTreeMap::new())));
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.shards[usize::from(key.shard())].get(key)
    }

    /// Adds or replaces, and returns what was there.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let shard = Arc::make_mut(&mut self.shards[usize::from(key.shard())]);
        let old = shard.insert(key, value);
        self.len += usize::from(old.is_none());
        old
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let shard = &mut self.shards[usize::from(key.shard())];
        if !shard.contains_key(key) {
            return None;
        }
        self.len -= 1;
        Arc::make_mut(shard).remove(key)
    }

    /// All entries; in the order of the keys where these are row identities.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> + Clone {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// The keys whose values may differ between the two maps: those of the shards that are not shared.
    pub(crate) fn candidates<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a K> {
        let pairs = self.shards.iter().zip(&other.shards);
        let apart = pairs.filter(|(left, right)| !Arc::ptr_eq(left, right));
        apart.flat_map(|(left, right)| {
            let only_right = right.keys().filter(|key| !left.contains_key(*key));
            left.keys().chain(only_right)
        })
    }
}
