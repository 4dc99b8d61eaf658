//! Step 4: the verdict on an earlier packet of the flow, if it still holds.

use packet::flow::Network;
use packet::{FlowKey, Segment};

use super::express::Met;
use super::parse::{About, Subject};
use super::{Action, Forwarder, Moment, Turns};
use crate::connection::{Approach, Connection, Key, NO_REFERENCE};
use crate::conntrack::{Followed, Reference};

const _: () = assert!(Reference::NONE == NO_REFERENCE);

/// The key of a packet's flow, and how far the search for it has come; nothing for what has no key.
pub(super) struct Sought(Option<(Key, Approach)>);

impl Sought {
    pub(super) fn key(&self) -> Option<&Key> {
        self.0.as_ref().map(|(key, _)| key)
    }
}

impl Met {
    /// What is sought for a usual packet: what was glimpsed is what the flow says.
    pub(super) fn sought(&self) -> Option<Sought> {
        let (glimpse, approach) = self.usual()?;
        Some(Sought(Some((*glimpse.key.words(), *approach))))
    }
}

impl Turns<'_> {
    /// Begins to look for what is remembered of a packet's flow.
    pub(super) fn seek(&self, about: &About) -> Sought {
        let key = FlowKey::of(about.place.number(), &about.flow).map(|key| *key.words());
        Sought(key.map(|key| (key, self.flows.approach(&key))))
    }

    /// Goes on to the entry of a packet's flow.
    #[inline]
    pub(super) fn approach_entry(&self, met: &mut Met) {
        if let Some(approach) = met.approach_mut() {
            self.flows.approach_entry(approach);
        }
    }

    /// Goes on to the connections that the entry refers to, and to where its action is.
    #[inline]
    pub(super) fn approach_references(&self, met: &mut Met) {
        let Some(approach) = met.approach_mut() else {
            return;
        };
        for word in self.flows.approach_references(approach) {
            if let Some(reference) = Reference::of_word(word) {
                self.tracked.approach(reference);
            }
        }
    }

    /// Goes on to the action.
    #[inline]
    pub(super) fn approach_action(&self, met: &Met) {
        if let Some((_, approach)) = met.usual() {
            self.flows.approach_action(approach);
        }
    }
}

/// What is remembered of a packet's flow.
pub(super) enum Memory<'t> {
    /// A verdict that holds for the packet.
    Valid(Connection<'t, Action>),
    /// The same, and with the packet both ends have shown that they want the connection.
    Opened(Connection<'t, Action>),
    /// A verdict on which something has changed since.
    Void,
    /// A verdict on connections that are not what they were, or that the packet takes further.
    Moved,
    /// A verdict for packets with a greater TTL or a smaller length.
    Unfit,
    /// Nothing.
    Unknown,
    /// Such packets are never remembered.
    Never,
}

impl Memory<'_> {
    /// Whether a fresh verdict is to be remembered.
    pub(super) fn is_to_be_remembered(&self) -> bool {
        match self {
            Self::Void | Self::Moved | Self::Unknown => true,
            Self::Valid(_) | Self::Opened(_) | Self::Unfit | Self::Never => false,
        }
    }
}

impl Turns<'_> {
    /// Looks a flow up. A verdict holds if nothing that it was made of has changed, for packets with such a TTL and length; of
    /// the connections that it was made of only [`Turns::follow`] knows.
    #[inline]
    pub(super) fn find<'t>(
        &'t self,
        (key, approach): (&Key, &Approach),
        (ttl, length): (u8, u32),
        moment: Moment<'_>,
    ) -> Memory<'t> {
        let Some(connection) = self.flows.find_approached(approach, key) else {
            return Memory::Unknown;
        };
        let snapshot = moment.snapshot;
        if !connection.is_valid_for(snapshot.tables_number) {
            let ends = FlowKey::from_words(*key).ends();
            let sum = snapshot
                .tables
                .generation_sum(&connection.action().deps, ends);
            if sum != connection.generation() {
                return Memory::Void;
            }
            connection.validate(snapshot.tables_number);
        }
        if !connection.admits(ttl, length) {
            return Memory::Unfit;
        }
        Memory::Valid(connection)
    }

    /// Whether the connections are what they were when the verdict was made. They then take note of the packet.
    #[inline]
    pub(super) fn follow(
        &self,
        connection: &Connection<'_, Action>,
        segment: impl FnOnce() -> Segment,
        now_ms: u64,
    ) -> Followed {
        let references = connection.references();
        match references.is_empty() {
            true => Followed::On,
            false => self.tracked.follow(&references, &segment(), now_ms),
        }
    }

    /// What is remembered of a packet's flow, which the packet takes further.
    pub(super) fn recall<'t>(
        &'t self,
        (subject, sought): (&Subject<'_>, &Sought),
        moment: Moment<'_>,
    ) -> Memory<'t> {
        let Some((key, approach)) = &sought.0 else {
            return Memory::Never;
        };
        let flow = &subject.about.flow;
        let ttl = match &flow.network {
            Network::Ip(ip) => ip.ttl,
            _ => 0,
        };
        let memory = self.find((key, approach), (ttl, flow.length), moment);
        let Memory::Valid(connection) = memory else {
            return memory;
        };
        match self.follow(&connection, || subject.segment(), moment.now_ms) {
            Followed::Not => Memory::Moved,
            Followed::On => Memory::Valid(connection),
            Followed::Opened => Memory::Opened(connection),
        }
    }
}

impl Forwarder {
    pub(super) fn count_recall(&self, memory: &Memory<'_>) {
        let totals = &self.counters.totals;
        match memory {
            Memory::Valid(_) | Memory::Opened(_) => totals.hits.add(1),
            Memory::Void | Memory::Moved => {
                totals.stale.add(1);
                totals.misses.add(1);
            }
            Memory::Unfit | Memory::Unknown | Memory::Never => totals.misses.add(1),
        }
    }
}
