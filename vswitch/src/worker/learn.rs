//! What packets taught, told to the control side.
//!
//! The channel is bounded and nobody waits for it: what does not fit is lost, counted, and told again by a
//! later packet. Only the loss of a device is kept until it is told: no packet tells that again.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam::channel::{Sender, TrySendError};
use pipeline::object::{PortRef, VipKey};
use pipeline::{Learn, LearnedKey};

use crate::counter::WorkerCounters;

/// A worker tells one thing once in this time, in milliseconds.
pub const EVENT_INTERVAL_MS: u64 = 1_000;
/// Traffic keeps learned entries from aging, which is told less often: their ages are minutes.
const USED_INTERVAL_MS: u64 = 5_000;
/// Different things that a worker remembers to have told.
const TOLD: usize = 4_096;

/// What a worker tells the control side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A packet taught something that the tables do not say.
    Learned(Learn),
    /// Traffic uses a learned entry.
    Used(LearnedKey),
    /// A client asked for a VIP without backends, which is to be reported.
    Unserved {
        /// The VIP.
        vip: VipKey,
        /// The length of the frame.
        bytes: usize,
    },
    /// The device of a port is gone by itself.
    Lost {
        /// The port.
        at: PortRef,
        /// Which plugging it was, see [`Command::Plug`](super::Command::Plug).
        plug: u64,
    },
}

impl Event {
    /// What it is about: the same for all packets that tell it.
    fn thing(&self) -> Event {
        match self.clone() {
            Event::Unserved { vip, .. } => Event::Unserved { vip, bytes: 0 },
            event => event,
        }
    }
}

/// What has been told, and when.
pub(super) struct Events {
    sender: Sender<Event>,
    told_ms: HashMap<Event, u64, foldhash::fast::RandomState>,
    /// Losses that could not be told yet; no more than ports were plugged.
    lost: Vec<Event>,
    counters: Arc<WorkerCounters>,
}

impl Events {
    pub(super) fn new(sender: Sender<Event>, counters: Arc<WorkerCounters>) -> Events {
        Events {
            sender,
            told_ms: HashMap::default(),
            lost: Vec::new(),
            counters,
        }
    }

    pub(super) fn learned(&mut self, learned: &[Learn], now_ms: u64) {
        for learn in learned {
            self.tell(Event::Learned(*learn), EVENT_INTERVAL_MS, now_ms);
        }
    }

    pub(super) fn used(&mut self, used: &[LearnedKey], now_ms: u64) {
        for key in used {
            self.tell(Event::Used(*key), USED_INTERVAL_MS, now_ms);
        }
    }

    pub(super) fn unserved(&mut self, vip: Option<&VipKey>, bytes: usize, now_ms: u64) {
        if let Some(vip) = vip.cloned() {
            self.tell(Event::Unserved { vip, bytes }, EVENT_INTERVAL_MS, now_ms);
        }
    }

    /// The device of a port is gone.
    pub(super) fn lost(&mut self, at: PortRef, plug: u64) {
        self.lost.push(Event::Lost { at, plug });
    }

    /// Tells of lost devices; false if the control side could not take all of it now.
    pub(super) fn tell_lost(&mut self) -> bool {
        let sender = &self.sender;
        self.lost
            .retain(|event| matches!(sender.try_send(event.clone()), Err(TrySendError::Full(_))));
        self.lost.is_empty()
    }

    fn tell(&mut self, event: Event, interval_ms: u64, now_ms: u64) {
        let thing = event.thing();
        if let Some(told_ms) = self.told_ms.get(&thing) {
            if now_ms < told_ms + interval_ms {
                return;
            }
        } else if self.told_ms.len() >= TOLD {
            self.told_ms
                .retain(|_, told_ms| now_ms < *told_ms + EVENT_INTERVAL_MS);
        }
        let is_told = self.told_ms.len() < TOLD && self.sender.try_send(event).is_ok();
        if is_told {
            self.told_ms.insert(thing, now_ms);
        } else {
            self.counters.totals.events_lost.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam::channel::bounded;
    use packet::Mac;
    use pipeline::object::{DatapathKey, PortKey};

    use super::*;

    fn station(number: u64) -> LearnedKey {
        let [.., a, b, c] = number.to_be_bytes();
        let switch = DatapathKey::new(1).expect("a key");
        LearnedKey::Station(switch, Mac([2, 0, 0, a, b, c]))
    }

    #[test]
    fn a_thing_is_told_once_in_an_interval_and_what_does_not_fit_is_counted() {
        let (sender, receiver) = bounded(2);
        let counters = Arc::new(WorkerCounters::default());
        let mut events = Events::new(sender, counters.clone());
        for now_ms in [0, 1, USED_INTERVAL_MS - 1, USED_INTERVAL_MS] {
            events.used(&[station(1)], now_ms);
        }
        assert_eq!(receiver.len(), 2);
        events.used(&[station(2)], 0);
        assert_eq!(counters.totals.events_lost.get(), 1);
        while receiver.try_recv().is_ok() {}
        events.used(&[station(2)], 0);
        assert_eq!(receiver.try_recv(), Ok(Event::Used(station(2))));
    }

    #[test]
    fn a_lost_device_is_told_once_there_is_room() {
        let (sender, receiver) = bounded(1);
        let mut events = Events::new(sender, Arc::default());
        events.used(&[station(1)], 0);
        let port = |number| PortRef {
            datapath: DatapathKey::new(1).expect("a key"),
            port: PortKey::new(number).expect("a key"),
        };
        events.lost(port(1), 1);
        events.lost(port(2), 2);
        assert!(!events.tell_lost());
        for (number, is_all) in [(1, false), (2, true)] {
            receiver.try_recv().expect("what came before");
            assert_eq!(events.tell_lost(), is_all);
            let lost = Event::Lost {
                at: port(number),
                plug: number.into(),
            };
            assert_eq!(receiver.recv(), Ok(lost));
            events.used(&[station(u64::from(number) + 1)], 0);
        }
    }

    #[test]
    fn a_flood_of_things_to_tell_is_bounded() {
        let (sender, _receiver) = bounded(TOLD * 2);
        let counters = Arc::new(WorkerCounters::default());
        let mut events = Events::new(sender, counters.clone());
        for number in 0..TOLD as u64 + 10 {
            events.used(&[station(number)], 0);
        }
        assert_eq!(
            (events.told_ms.len(), counters.totals.events_lost.get()),
            (TOLD, 10)
        );
    }
}
