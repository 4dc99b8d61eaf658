//! Connections as whoever asks for a trace wants them, as `ovn-trace --ct` does.

use std::collections::VecDeque;
use std::net::IpAddr;

use packet::{Flow, Segment};

use super::{Commit, CommitError, Conntrack, MadeBy, State, Tracked, Untracked, Zone};
use crate::object::VipKey;

/// Gives each lookup the next of the states that were given, and keeps nothing.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    states: VecDeque<State>,
}

impl Scripted {
    /// What a packet is when the states are used up.
    pub const DEFAULT: State = State::TRACKED.union(State::ESTABLISHED);

    /// `states` are for the first, second, ... lookup; all of them count as tracked.
    pub fn new(states: impl IntoIterator<Item = State>) -> Scripted {
        Scripted {
            states: states.into_iter().collect(),
        }
    }
}

impl Conntrack for Scripted {
    fn track(&mut self, _zone: Zone, _flow: &Flow, _segment: &Segment) -> Tracked {
        let state = self.states.pop_front().unwrap_or(Self::DEFAULT);
        Tracked {
            state: state | State::TRACKED,
            ..Tracked::default()
        }
    }

    fn commit(
        &mut self,
        zone: Zone,
        flow: &Flow,
        segment: &Segment,
        commit: Commit,
    ) -> Result<Option<Box<Flow>>, CommitError> {
        Untracked.commit(zone, flow, segment, commit)
    }

    fn forget(&mut self, _zone: Zone, _flow: &Flow) {}

    fn attribute(&mut self, _made_by: &MadeBy) {}

    fn affinity(&mut self, _vip: &VipKey, _client: IpAddr) -> Option<(IpAddr, u16)> {
        None
    }

    fn set_affinity(
        &mut self,
        _vip: &VipKey,
        _client: IpAddr,
        _backend: (IpAddr, u16),
        _timeout_s: u16,
    ) {
    }
}

impl State {
    /// The state that is written so, with OVN's words and commas or spaces between them. The error is the word that is
    /// none.
    pub fn of_words(text: &str) -> Result<State, &str> {
        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
        words.into_iter().try_fold(State::empty(), |state, word| {
            let found = State::WORDS.iter().find(|(_, known)| *known == word);
            found.map(|(bit, _)| state | *bit).ok_or(word)
        })
    }
}
