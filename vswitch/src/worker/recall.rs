//! Step 4: the verdict on an earlier packet of the flow, if it still holds.

use packet::FlowKey;
use packet::flow::Network;

use super::parse::Subject;
use super::{Action, Forwarder, Moment, Turns};
use crate::connection::{Connection, Key};
use crate::conntrack::Reference;

/// What is remembered of a packet's flow.
pub(super) enum Memory<'t> {
    /// A verdict that holds for the packet.
    Valid(Connection<'t, Action>),
    /// A verdict on which something has changed since.
    Void(Key),
    /// A verdict on connections that are not what they were, or that the packet takes further.
    Moved(Key),
    /// A verdict for packets with a greater TTL or a smaller length.
    Unfit,
    /// Nothing.
    Unknown(Key),
    /// Such packets are never remembered.
    Never,
}

impl Memory<'_> {
    /// Under which key a fresh verdict is to be remembered.
    pub(super) fn key_to_remember(&self) -> Option<Key> {
        match self {
            Self::Void(key) | Self::Moved(key) | Self::Unknown(key) => Some(*key),
            Self::Valid(_) | Self::Unfit | Self::Never => None,
        }
    }
}

/// Looks the packet's flow up. A verdict holds if nothing that it was made of has changed; the connections then take
/// note of the packet.
pub(super) fn recall<'t>(
    turns: &'t Turns<'_>,
    subject: &Subject,
    moment: Moment<'_>,
) -> Memory<'t> {
    let about = &subject.about;
    let Some(key) = FlowKey::of(about.place.number(), &about.flow) else {
        return Memory::Never;
    };
    let key = key.words();
    let Some(connection) = turns.flows.find(&key) else {
        return Memory::Unknown(key);
    };
    let snapshot = moment.snapshot;
    if !connection.is_valid_for(snapshot.tables_number) {
        let sum = snapshot.tables.generation_sum(&connection.action().deps);
        if sum != connection.generation() {
            return Memory::Void(key);
        }
        connection.validate(snapshot.tables_number);
    }
    let ttl = match &about.flow.network {
        Network::Ip(ip) => ip.ttl,
        _ => 0,
    };
    if !connection.admits(ttl, about.flow.length) {
        return Memory::Unfit;
    }
    let words = connection.references();
    let references = words.iter().copied().map_while(Reference::of_word);
    if references.clone().next().is_some() {
        let segment = subject.segment();
        if !turns.tracked.follow(references, &segment, moment.now_ms) {
            return Memory::Moved(key);
        }
    }
    Memory::Valid(connection)
}

impl Forwarder {
    pub(super) fn count_recall(&self, memory: &Memory<'_>) {
        let totals = &self.counters.totals;
        match memory {
            Memory::Valid(_) => totals.hits.add(1),
            Memory::Void(_) | Memory::Moved(_) => {
                totals.stale.add(1);
                totals.misses.add(1);
            }
            Memory::Unfit | Memory::Unknown(_) | Memory::Never => totals.misses.add(1),
        }
    }
}
