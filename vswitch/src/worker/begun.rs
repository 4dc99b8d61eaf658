//! Verdicts on packets that began a connection, until that is answered.
//!
//! Most connections are answered within a moment, and what was decided about the first packet then holds for those that
//! follow ([`pipeline::Verdict::holds_once_answered`]). It is kept aside, and remembered when the first of them comes. Each
//! worker has room for a few, and a newer one takes an older one's place: a scan leaves nothing behind.

use super::action::Decided;
use super::allowance::End;
use super::parse::Subject;
use super::recall::Sought;
use super::{Forwarder, Moment, Turns};
use crate::connection::{Fresh, Key};

/// Verdicts that a worker keeps aside. More than this many connections are hardly ever begun within one round trip.
pub const BEGINNINGS: usize = 4096;

/// The verdicts of one worker.
pub(super) struct Begun(Box<[Option<Box<Beginning>>]>);

/// A verdict, with the connections that it was made of as they will be once they are answered.
struct Beginning {
    key: Key,
    fresh: Fresh<Decided>,
}

impl Begun {
    /// Room for so many.
    pub(super) fn new(places: usize) -> Begun {
        Begun((0..places).map(|_| None).collect())
    }

    /// Where a flow's verdict is kept, if there is any room. Who finds flows that meet only loses time of its own.
    fn place(&mut self, key: &Key) -> Option<&mut Option<Box<Beginning>>> {
        let mixed = key.iter().fold(0_u64, |mixed, word| {
            (mixed.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        let place = (mixed >> 32) as usize % self.0.len().max(1);
        self.0.get_mut(place)
    }

    pub(super) fn keep(&mut self, key: &Key, fresh: Fresh<Decided>) {
        if let Some(place) = self.place(key) {
            *place = Some(Box::new(Beginning { key: *key, fresh }));
        }
    }

    /// The verdict on the packet that began the flow with this key, which is no longer kept then.
    fn take(&mut self, key: &Key) -> Option<Fresh<Decided>> {
        let beginning = self.place(key)?.take_if(|kept| kept.key == *key)?;
        Some(beginning.fresh)
    }
}

impl Forwarder {
    /// Remembers what was decided about the packet that began the flow of this one, the first that follows. Whether it still
    /// holds is asked as of anything that is remembered.
    pub(super) fn promote(
        &mut self,
        (subject, sought): (&Subject<'_>, &Sought),
        turns: &mut Turns<'_>,
        moment: Moment<'_>,
    ) -> bool {
        let begun = sought.key().map(|key| (key, self.begun.take(key)));
        let Some((key, Some(fresh))) = begun else {
            return false;
        };
        self.ports.charge(subject.about.sender(), End::Decided);
        turns.flows.insert(key, fresh, moment.now_ms).is_ok()
    }
}
