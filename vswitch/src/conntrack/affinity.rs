//! Clients that stay with a backend. Asked about for new connections only, so that a lock may guard it.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::IpAddr;

use pipeline::object::VipKey;

use crate::table::sync::Mutex;

/// Parts of the table, each with a lock.
const SHARDS: usize = 64;
/// Clients in a part, at most. Further ones are balanced anew each time.
const CLIENTS_PER_SHARD: usize = 2_048;

type Client = (VipKey, IpAddr);
type Shard = HashMap<Client, Affinity, foldhash::quality::RandomState>;

/// Clients and their backends.
pub(super) struct Affinities {
    shards: [Mutex<Shard>; SHARDS],
    hasher: foldhash::quality::RandomState,
}

impl Default for Affinities {
    fn default() -> Self {
        Affinities {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: foldhash::quality::RandomState::default(),
        }
    }
}

#[derive(Clone, Copy)]
struct Affinity {
    backend: (IpAddr, u16),
    timeout_ms: u64,
    last_used_ms: u64,
}

impl Affinity {
    fn is_over(&self, now_ms: u64) -> bool {
        now_ms >= self.last_used_ms + self.timeout_ms
    }
}

impl Affinities {
    fn shard(&self, client: &Client) -> impl std::ops::DerefMut<Target = Shard> + '_ {
        let number = self.hasher.hash_one(client) as usize % SHARDS;
        self.shards[number]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The client's backend. Asking keeps it.
    pub(super) fn find(&self, vip: &VipKey, ip: IpAddr, now_ms: u64) -> Option<(IpAddr, u16)> {
        let client = (vip.clone(), ip);
        let mut shard = self.shard(&client);
        let affinity = shard.get_mut(&client)?;
        if affinity.is_over(now_ms) {
            shard.remove(&client);
            return None;
        }
        affinity.last_used_ms = now_ms;
        Some(affinity.backend)
    }

    pub(super) fn set(
        &self,
        vip: &VipKey,
        ip: IpAddr,
        backend: (IpAddr, u16),
        timeout_s: u16,
        now_ms: u64,
    ) {
        let client = (vip.clone(), ip);
        let mut shard = self.shard(&client);
        if shard.len() >= CLIENTS_PER_SHARD && !shard.contains_key(&client) {
            return;
        }
        let affinity = Affinity {
            backend,
            timeout_ms: u64::from(timeout_s) * 1_000,
            last_used_ms: now_ms,
        };
        shard.insert(client, affinity);
    }

    /// Forgets what is over, in the part of this number (of any).
    pub(super) fn sweep(&self, number: usize, now_ms: u64) {
        self.shards[number % SHARDS]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .retain(|_, affinity| !affinity.is_over(now_ms));
    }

    pub(super) fn len(&self) -> u64 {
        let length = |shard: &Mutex<Shard>| {
            let shard = shard.lock();
            shard.map_or(0, |shard| shard.len() as u64)
        };
        self.shards.iter().map(length).sum()
    }
}
