//! Datagrams of which not all fragments have come: what their first said, and what waits for that.
//!
//! Nothing is put together. A datagram is known by its sender until all of it has come or its time is over. Every
//! sender has room for so many, of which the oldest gives way; when there is no room at all, the oldest of
//! the sender with most of them does. So who sends too many loses them, and nobody else does.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use packet::Piece;
use packet::flow::Transport;
use pipeline::DropReason;

/// For how long a datagram is known. Senders send all fragments at once; the network delays some.
const TIMEOUT_MS: u64 = 5_000;
/// Datagrams of one sender.
pub(super) const DATAGRAMS_PER_SENDER: usize = 128;
/// Datagrams of all senders.
pub(super) const DATAGRAMS: usize = 4_096;
/// Fragments of one sender that wait for their first.
pub(super) const WAITING_PER_SENDER: usize = 32;
/// Fragments of all senders that wait for their first: a quarter of a worker's small buffers.
pub(super) const WAITING: usize = 256;
/// Fragments of a datagram: those of the longest over the least MTU that hosts must take (RFC 791 section 3.1).
pub(super) const PIECES: usize = 128;
/// The most bytes in a datagram after its IP header.
const LENGTH_MAX: u32 = 65_535;
/// All fragments but the last are a multiple of so many bytes long.
const UNIT: u32 = 8;

/// What all fragments of a datagram have in common (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id {
    /// The number of the place where they come in.
    pub(super) place: u64,
    pub(super) vlan: Option<u16>,
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    /// Of IPv6, whose later fragments need not know it, 0.
    pub(super) protocol: u8,
    pub(super) identification: u32,
}

/// What the first fragment says of the whole datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct First {
    pub(super) protocol: u8,
    pub(super) transport: Transport,
}

/// What a fragment finds.
#[derive(Debug)]
pub(super) struct Admitted<H> {
    /// What the first of its datagram said.
    pub(super) first: Option<First>,
    /// What has waited for that, in the order in which it came.
    pub(super) waiting: Vec<H>,
}

/// What has waited in vain, and why.
pub(super) type Lost<H> = Vec<(H, DropReason)>;

/// A datagram of which not all has come. `H` is a fragment that waits.
#[derive(Debug)]
struct Datagram<H> {
    id: Id,
    begun_ms: u64,
    /// Beginnings and ends of what has come, none of which overlap.
    pieces: Vec<(u32, u32)>,
    /// How long it is, once the last fragment has come.
    length: Option<u32>,
    first: Option<First>,
    /// Fragments overlap: none of it goes on (RFC 5722).
    is_spoiled: bool,
    waiting: Vec<H>,
}

/// All datagrams.
#[derive(Debug)]
pub(super) struct Datagrams<H> {
    /// By sender, the oldest first.
    senders: HashMap<u64, VecDeque<Datagram<H>>, foldhash::fast::RandomState>,
    datagrams: usize,
    waiting: usize,
}

impl<H> Default for Datagrams<H> {
    fn default() -> Self {
        Datagrams {
            senders: HashMap::default(),
            datagrams: 0,
            waiting: 0,
        }
    }
}

impl<H> Datagrams<H> {
    /// Takes note of a fragment, or says why it goes nowhere. `first` is what it says if it is the first of its
    /// datagram.
    pub(super) fn admit(
        &mut self,
        (sender, id): (u64, Id),
        piece: Piece,
        first: Option<First>,
        now_ms: u64,
        lost: &mut Lost<H>,
    ) -> Result<Admitted<H>, DropReason> {
        let end = piece.offset + piece.length;
        let is_cut_right = !piece.has_more || piece.length.is_multiple_of(UNIT);
        if piece.length == 0 || end > LENGTH_MAX || !is_cut_right {
            return Err(DropReason::FragmentMalformed);
        }
        let at = match self.find(sender, &id) {
            Some(at) => at,
            None => self.begin((sender, id), now_ms, lost),
        };
        let datagrams = self.senders.entry(sender).or_default();
        let datagram = &mut datagrams[at];
        if let Err(reason) = datagram.add(&piece, first) {
            let waiting = std::mem::take(&mut datagram.waiting);
            self.waiting -= waiting.len();
            lost.extend(waiting.into_iter().map(|held| (held, reason)));
            return Err(reason);
        }
        let waiting = match datagram.first {
            Some(_) => std::mem::take(&mut datagram.waiting),
            None => Vec::new(),
        };
        self.waiting -= waiting.len();
        let first = datagram.first.clone();
        if datagram.is_complete() {
            datagrams.remove(at);
            self.datagrams -= 1;
        }
        Ok(Admitted { first, waiting })
    }

    /// True if the first fragment of the datagram has not come, and the datagram is known.
    pub(super) fn lacks_first(&self, (sender, id): (u64, Id)) -> bool {
        let datagrams = self.senders.get(&sender);
        let mut known = datagrams.into_iter().flatten();
        known.any(|datagram| datagram.id == id && datagram.first.is_none())
    }

    /// Keeps a fragment until the first of its datagram comes; gives it back if there is no room.
    pub(super) fn wait(&mut self, (sender, id): (u64, Id), held: H) -> Result<(), H> {
        let Some(datagrams) = self.senders.get_mut(&sender) else {
            return Err(held);
        };
        let waiting: usize = datagrams
            .iter()
            .map(|datagram| datagram.waiting.len())
            .sum();
        let datagram = datagrams.iter_mut().rfind(|datagram| datagram.id == id);
        match datagram {
            Some(datagram) if waiting < WAITING_PER_SENDER && self.waiting < WAITING => {
                datagram.waiting.push(held);
                self.waiting += 1;
                Ok(())
            }
            _ => Err(held),
        }
    }

    /// Forgets datagrams whose time is over.
    pub(super) fn expire(&mut self, now_ms: u64, lost: &mut Lost<H>) {
        if self.next_ms().is_none_or(|next_ms| now_ms < next_ms) {
            return;
        }
        let senders: Vec<u64> = self.senders.keys().copied().collect();
        for sender in senders {
            let is_over = |datagram: &Datagram<H>| now_ms >= datagram.begun_ms + TIMEOUT_MS;
            while self.oldest(sender).is_some_and(is_over) {
                self.forget_oldest(sender, lost);
            }
        }
        self.senders.retain(|_, datagrams| !datagrams.is_empty());
    }

    /// When a datagram's time is over.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let oldest = self.senders.values().filter_map(VecDeque::front);
        oldest.map(|datagram| datagram.begun_ms + TIMEOUT_MS).min()
    }

    fn find(&self, sender: u64, id: &Id) -> Option<usize> {
        // What comes now belongs to what came last.
        self.senders
            .get(&sender)?
            .iter()
            .rposition(|datagram| datagram.id == *id)
    }

    /// Begins a datagram, where there is room or others give way.
    fn begin(&mut self, (sender, id): (u64, Id), now_ms: u64, lost: &mut Lost<H>) -> usize {
        if self.datagrams >= DATAGRAMS {
            let fullest = self.senders.iter().max_by_key(|(_, known)| known.len());
            if let Some(fullest) = fullest.map(|(sender, _)| *sender) {
                self.forget_oldest(fullest, lost);
            }
        }
        if self.senders.get(&sender).map_or(0, VecDeque::len) >= DATAGRAMS_PER_SENDER {
            self.forget_oldest(sender, lost);
        }
        let datagrams = self.senders.entry(sender).or_default();
        datagrams.push_back(Datagram {
            id,
            begun_ms: now_ms,
            pieces: Vec::new(),
            length: None,
            first: None,
            is_spoiled: false,
            waiting: Vec::new(),
        });
        self.datagrams += 1;
        datagrams.len() - 1
    }

    fn oldest(&self, sender: u64) -> Option<&Datagram<H>> {
        self.senders.get(&sender)?.front()
    }

    fn forget_oldest(&mut self, sender: u64, lost: &mut Lost<H>) {
        let datagrams = self.senders.get_mut(&sender);
        if let Some(datagram) = datagrams.and_then(VecDeque::pop_front) {
            self.datagrams -= 1;
            self.waiting -= datagram.waiting.len();
            let waiting = datagram.waiting.into_iter();
            lost.extend(waiting.map(|held| (held, DropReason::FragmentOrphan)));
        }
    }
}

impl<H> Datagram<H> {
    fn add(&mut self, piece: &Piece, first: Option<First>) -> Result<(), DropReason> {
        let range = (piece.offset, piece.offset + piece.length);
        let is_twin = self.pieces.contains(&range);
        if self.is_spoiled || self.contradicts(range, piece.has_more, first.as_ref()) {
            self.is_spoiled = true;
            return Err(DropReason::FragmentOverlap);
        }
        if !is_twin {
            if self.pieces.len() >= PIECES {
                return Err(DropReason::FragmentRoom);
            }
            self.pieces.push(range);
        }
        if !piece.has_more {
            self.length = Some(range.1);
        }
        self.first = self.first.take().or(first);
        Ok(())
    }

    /// True if a fragment does not go with those that have come. One that comes a second time does.
    fn contradicts(&self, range: (u32, u32), has_more: bool, first: Option<&First>) -> bool {
        let (start, end) = range;
        let overlaps = |known: &(u32, u32)| *known != range && start < known.1 && known.0 < end;
        let is_other_end = match (self.length, has_more) {
            (Some(length), true) => end >= length,
            (Some(length), false) => end != length,
            (None, true) => false,
            (None, false) => self.pieces.iter().any(|known| known.1 >= end),
        };
        let is_other_first =
            first.is_some() && self.first.is_some() && self.first.as_ref() != first;
        is_other_end || is_other_first || self.pieces.iter().any(overlaps)
    }

    fn is_complete(&self) -> bool {
        let come: u32 = self.pieces.iter().map(|(start, end)| end - start).sum();
        self.length == Some(come)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(identification: u32) -> Id {
        Id {
            place: 1,
            vlan: None,
            src: [10, 0, 0, 1].into(),
            dst: [10, 0, 0, 2].into(),
            protocol: 17,
            identification,
        }
    }

    fn first(src: u16) -> First {
        First {
            protocol: 17,
            transport: Transport::Udp { src, dst: 53 },
        }
    }

    /// A fragment of datagram 7 with these bytes, and what is said of it.
    fn admit(
        datagrams: &mut Datagrams<u8>,
        (start, end, has_more): (u32, u32, bool),
        src: u16,
    ) -> (Result<bool, DropReason>, Lost<u8>) {
        let mut lost = Lost::new();
        let piece = Piece {
            identification: 7,
            offset: start,
            length: end - start,
            has_more,
        };
        let said = (start == 0).then(|| first(src));
        let admitted = datagrams.admit((1, id(7)), piece, said, 0, &mut lost);
        (admitted.map(|admitted| admitted.first.is_some()), lost)
    }

    /// What is said of fragments that come one after the other: whether their first is known.
    fn check(pieces: &[(u32, u32, bool)], expected: &[Result<bool, DropReason>]) {
        let mut datagrams = Datagrams::default();
        let results = pieces
            .iter()
            .map(|piece| admit(&mut datagrams, *piece, 1).0);
        assert_eq!(results.collect::<Vec<_>>(), expected, "{pieces:?}");
    }

    #[test]
    fn later_fragments_know_their_first_once_it_has_come() {
        check(
            &[(8, 16, true), (0, 8, true), (16, 20, false)],
            &[Ok(false), Ok(true), Ok(true)],
        );
    }

    #[test]
    fn a_datagram_that_is_complete_is_forgotten() {
        check(
            &[(0, 8, true), (8, 12, false), (8, 12, false)],
            &[Ok(true), Ok(true), Ok(false)],
        );
    }

    #[test]
    fn a_fragment_that_comes_twice_goes_on_twice() {
        check(
            &[(0, 16, true), (0, 16, true), (16, 24, true), (16, 24, true)],
            &[Ok(true); 4],
        );
    }

    #[test]
    fn fragments_that_overlap_spoil_their_datagram() {
        let overlap = Err(DropReason::FragmentOverlap);
        // A teardrop, and fragments after it that would have been right.
        check(
            &[(0, 32, true), (24, 28, false), (32, 40, false)],
            &[Ok(true), overlap, overlap],
        );
        check(&[(0, 32, true), (8, 16, true)], &[Ok(true), overlap]);
        check(&[(8, 16, true), (0, 24, true)], &[Ok(false), overlap]);
        // Two ends, and more after the end.
        check(&[(8, 16, false), (16, 20, false)], &[Ok(false), overlap]);
        check(&[(8, 16, false), (16, 24, true)], &[Ok(false), overlap]);
        check(&[(16, 24, true), (8, 12, false)], &[Ok(false), overlap]);
    }

    #[test]
    fn two_firsts_that_differ_spoil_their_datagram() {
        let mut datagrams = Datagrams::default();
        assert_eq!(admit(&mut datagrams, (0, 8, true), 1).0, Ok(true));
        let (again, _) = admit(&mut datagrams, (0, 8, true), 2);
        assert_eq!(again, Err(DropReason::FragmentOverlap));
    }

    #[test]
    fn fragments_of_no_datagram_are_malformed() {
        let malformed = Err(DropReason::FragmentMalformed);
        check(&[(0, 8, true), (8, 15, true)], &[Ok(true), malformed]);
        check(&[(65_528, 65_536, false)], &[malformed]);
        check(&[(8, 8, true)], &[malformed]);
        check(&[(65_528, 65_535, false)], &[Ok(false)]);
    }

    #[test]
    fn a_datagram_has_so_many_fragments_at_most() {
        let mut datagrams = Datagrams::default();
        let most = PIECES as u32;
        for number in 0..most {
            let piece = (number * 16, number * 16 + 8, true);
            assert!(admit(&mut datagrams, piece, 1).0.is_ok());
        }
        let (more, _) = admit(&mut datagrams, (most * 16, most * 16 + 8, true), 1);
        assert_eq!(more, Err(DropReason::FragmentRoom));
    }

    #[test]
    fn what_waits_is_given_back_in_order_or_lost_with_its_datagram() {
        let mut datagrams = Datagrams::default();
        admit(&mut datagrams, (8, 16, true), 1).0.expect("sound");
        assert!(datagrams.lacks_first((1, id(7))));
        for held in [1, 2] {
            assert_eq!(datagrams.wait((1, id(7)), held), Ok(()));
        }
        assert_eq!(datagrams.wait((1, id(8)), 3), Err(3));
        let mut lost = Lost::new();
        let piece = Piece {
            identification: 7,
            offset: 0,
            length: 8,
            has_more: true,
        };
        let admitted = datagrams.admit((1, id(7)), piece, Some(first(1)), 0, &mut lost);
        assert_eq!(admitted.expect("sound").waiting, [1, 2]);
        assert!(!datagrams.lacks_first((1, id(7))));

        let mut datagrams = Datagrams::default();
        admit(&mut datagrams, (8, 16, true), 1).0.expect("sound");
        assert_eq!(datagrams.wait((1, id(7)), 4), Ok(()));
        let (_, lost) = admit(&mut datagrams, (8, 24, true), 1);
        assert_eq!(lost, [(4, DropReason::FragmentOverlap)]);

        let mut datagrams = Datagrams::default();
        admit(&mut datagrams, (8, 16, true), 1).0.expect("sound");
        assert_eq!(datagrams.wait((1, id(7)), 5), Ok(()));
        let mut lost = Lost::new();
        datagrams.expire(TIMEOUT_MS - 1, &mut lost);
        assert_eq!((lost.len(), datagrams.next_ms()), (0, Some(TIMEOUT_MS)));
        datagrams.expire(TIMEOUT_MS, &mut lost);
        assert_eq!(lost, [(5, DropReason::FragmentOrphan)]);
        assert_eq!((datagrams.next_ms(), datagrams.waiting), (None, 0));
    }

    #[test]
    fn a_sender_that_floods_pushes_out_its_own_datagrams_alone() {
        let mut datagrams = Datagrams::<u8>::default();
        let mut lost = Lost::new();
        let mut begin = |datagrams: &mut Datagrams<u8>, sender, number| {
            let piece = Piece {
                identification: number,
                offset: 8,
                length: 8,
                has_more: true,
            };
            let admitted = datagrams.admit((sender, id(number)), piece, None, 0, &mut lost);
            assert!(admitted.is_ok());
            let _ = datagrams.wait((sender, id(number)), 0);
        };
        begin(&mut datagrams, 1, 0);
        for number in 0..1_000 {
            begin(&mut datagrams, 2, number);
        }
        assert!(datagrams.lacks_first((1, id(0))));
        assert_eq!(datagrams.senders[&2].len(), DATAGRAMS_PER_SENDER);
        assert!(datagrams.waiting <= 1 + WAITING_PER_SENDER);
        // As many senders as fill the table, and one more datagram: those who have most give way.
        for sender in 2..50 {
            for number in 0..DATAGRAMS_PER_SENDER as u32 {
                begin(&mut datagrams, sender, number);
            }
        }
        assert_eq!(datagrams.datagrams, DATAGRAMS);
        assert!(datagrams.lacks_first((1, id(0))));
        assert!(datagrams.waiting <= WAITING);
    }
}
