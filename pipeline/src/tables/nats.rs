//! The translations of a router: by the address outside, and by the longest network inside.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use packet::Mac;
use prefix_trie::PrefixMap;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::object::{Nat, NatKind};

type Exact<K, V> = HashMap<K, V, crate::seed::Seed>;
type Same = SmallVec<[Arc<Nat>; 1]>;

/// The NATs of a router.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nats {
    external: Exact<IpAddr, Same>,
    ipv4: PrefixMap<Ipv4Net, Same>,
    ipv6: PrefixMap<Ipv6Net, Same>,
    stations: Exact<Mac, Arc<Nat>>,
}

impl Nats {
    pub(crate) fn compile(nats: &BTreeMap<Uuid, Arc<Nat>>) -> Nats {
        let mut compiled = Nats::default();
        for nat in nats.values() {
            compiled.add(nat);
        }
        compiled
    }

    fn add(&mut self, nat: &Arc<Nat>) {
        let same = self.external.entry(nat.external_ip).or_default();
        same.push(nat.clone());
        if let Some(distributed) = &nat.distributed {
            self.stations.insert(distributed.mac, nat.clone());
        }
        if nat.kind == NatKind::Dnat {
            return;
        }
        let same = match nat.logical {
            IpNet::V4(net) => self.ipv4.entry(net.trunc()).or_default(),
            IpNet::V6(net) => self.ipv6.entry(net.trunc()).or_default(),
        };
        same.push(nat.clone());
        // A host's own translation in both directions comes before one of its packets' source.
        same.sort_by_key(|nat| nat.kind == NatKind::Snat);
    }

    /// True if there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.external.is_empty()
    }

    /// Those with this address outside.
    pub(crate) fn at(&self, external: IpAddr) -> impl Iterator<Item = &Arc<Nat>> {
        self.external.get(&external).into_iter().flatten()
    }

    /// Those of the destination with this address outside.
    pub(crate) fn to(&self, external: IpAddr) -> impl Iterator<Item = &Arc<Nat>> {
        self.at(external).filter(|nat| nat.kind != NatKind::Snat)
    }

    /// True if the source of something is made this address.
    pub(crate) fn is_source(&self, external: IpAddr) -> bool {
        self.at(external).any(|nat| nat.kind != NatKind::Dnat)
    }

    /// Those of the source that are for this address inside, the longest network first.
    pub(crate) fn from(&self, logical: IpAddr) -> SmallVec<[&Arc<Nat>; 4]> {
        let mut covering: SmallVec<[&Same; 4]> = match logical {
            IpAddr::V4(ip) => self.ipv4.cover_values(&Ipv4Net::from(ip)).collect(),
            IpAddr::V6(ip) => self.ipv6.cover_values(&Ipv6Net::from(ip)).collect(),
        };
        covering.reverse();
        covering.into_iter().flatten().collect()
    }

    /// The one that is done at this station.
    pub(crate) fn station(&self, mac: Mac) -> Option<&Arc<Nat>> {
        self.stations.get(&mac)
    }

    /// All, by address outside.
    pub(crate) fn all(&self) -> Vec<&Arc<Nat>> {
        let mut all: Vec<_> = self.external.values().flatten().collect();
        all.sort_by_key(|nat| (nat.external_ip, nat.logical, nat.uuid));
        all
    }
}
