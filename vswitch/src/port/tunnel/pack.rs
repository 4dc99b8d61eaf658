//! Messages: datagrams that are sent by one system call and cut apart by the kernel, side by side in one piece of memory.
//!
//! To copy a payload next to its header costs less than to tell the kernel of both: a message of 44 datagrams is sent in 4.3 us
//! from one piece and in 7.1 us from 88, and the copy takes 1.2 us.

use std::net::SocketAddr;
use std::ops::Range;

use arrayvec::ArrayVec;

use super::ECN_MASK;
use crate::port::Outer;
use crate::sys::udp::BATCH;

/// The most datagrams in one message: as many as every receiver joins again (`UDP_GRO_CNT_MAX`).
pub(super) const MAX_SEGMENTS: usize = 64;
/// The most bytes in one message: the longest UDP payload over IPv4.
pub(super) const MAX_BYTES: usize = 65_507;

/// Datagrams of one length, of which the last may be shorter, to one node.
pub(super) struct Message {
    pub(super) to: SocketAddr,
    /// The congestion notification bits of the outer headers.
    pub(super) ecn: u8,
    /// Where they are.
    pub(super) bytes: Range<usize>,
    /// Bytes of each but the last.
    pub(super) size: usize,
    /// Which of all datagrams they are.
    numbers: Range<usize>,
}

impl Message {
    /// How many datagrams there are.
    pub(super) fn count(&self) -> usize {
        self.numbers.len()
    }

    /// True if a datagram of this length may follow.
    fn takes(&self, outer: &Outer, length: usize) -> bool {
        let is_closed = !self.bytes.len().is_multiple_of(self.size);
        (self.to, self.ecn) == (outer.remote, outer.ecn & ECN_MASK)
            && !is_closed
            && length <= self.size
            && self.count() < MAX_SEGMENTS
            && self.bytes.len() + length <= MAX_BYTES
    }
}

/// The messages that are put together.
pub(super) struct Packing {
    room: Box<[u8]>,
    used: usize,
    messages: ArrayVec<Message, BATCH>,
    /// Of each datagram, the frame that it is of.
    frames: Vec<usize>,
}

impl Packing {
    pub(super) fn new() -> Packing {
        Packing {
            room: vec![0; MAX_BYTES].into_boxed_slice(),
            used: 0,
            messages: ArrayVec::new(),
            frames: Vec::with_capacity(MAX_SEGMENTS * BATCH),
        }
    }

    /// Room for the next datagram, which is one of a frame's; `None` if what is there has to be sent first, or if it is longer
    /// than any datagram. With `is_joined` false it begins a message.
    pub(super) fn add(
        &mut self,
        frame: usize,
        outer: &Outer,
        length: usize,
        is_joined: bool,
    ) -> Option<&mut [u8]> {
        let bytes = self.used..self.used + length;
        let number = self.frames.len();
        let room = self.room.get_mut(bytes.clone())?;
        let last = self.messages.last_mut();
        match last.filter(|last| is_joined && last.takes(outer, length)) {
            Some(last) => {
                last.bytes.end = bytes.end;
                last.numbers.end = number + 1;
            }
            None => self
                .messages
                .try_push(Message {
                    to: outer.remote,
                    ecn: outer.ecn & ECN_MASK,
                    bytes: bytes.clone(),
                    size: length.max(1),
                    numbers: number..number + 1,
                })
                .ok()?,
        }
        self.frames.push(frame);
        self.used = bytes.end;
        Some(room)
    }

    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The datagrams of a message, one after the other.
    pub(super) fn bytes(&self, message: &Message) -> &[u8] {
        &self.room[message.bytes.clone()]
    }

    /// The frames that the datagrams of a message are of, one for each.
    pub(super) fn frames(&self, message: &Message) -> &[usize] {
        &self.frames[message.numbers.clone()]
    }

    /// Forgets all messages.
    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.frames.clear();
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use packet::offload::TransportSum;

    use super::*;

    fn outer(remote: &str, ecn: u8) -> Outer {
        Outer {
            remote: remote.parse().expect("address"),
            ecn,
            entropy: 0,
            sum: TransportSum::Complete,
        }
    }

    /// Packs datagrams of these lengths, each of a frame of its own, and tells of each message how many bytes it has, of what
    /// size, and of which frames.
    fn check(lengths: &[usize], expected: &[(usize, usize, Range<usize>)]) {
        let mut packing = Packing::new();
        let outer = outer("192.0.2.1:6081", 0);
        for (frame, length) in lengths.iter().enumerate() {
            let room = packing.add(frame, &outer, *length, true);
            assert_eq!(room.map(|room| room.len()), Some(*length), "{lengths:?}");
        }
        let messages = packing.messages().iter();
        let found: Vec<_> = messages
            .map(|message| {
                let frames = packing.frames(message);
                let frames = frames[0]..frames[frames.len() - 1] + 1;
                (message.bytes.len(), message.size, frames)
            })
            .collect();
        assert_eq!(found, expected, "{lengths:?}");
    }

    #[test]
    fn datagrams_of_one_length_are_a_message_and_a_shorter_one_is_its_last() {
        check(&[100, 100, 100], &[(300, 100, 0..3)]);
        check(&[100, 100, 60, 100], &[(260, 100, 0..3), (100, 100, 3..4)]);
        check(&[60, 100], &[(60, 60, 0..1), (100, 100, 1..2)]);
        check(&[60; 70], &[(3840, 60, 0..64), (360, 60, 64..70)]);
    }

    #[test]
    fn other_nodes_and_other_congestion_marks_are_other_messages() {
        let mut packing = Packing::new();
        let outers = [
            outer("192.0.2.1:6081", 0),
            outer("192.0.2.2:6081", 0),
            outer("192.0.2.2:6081", 2),
        ];
        for (frame, outer) in outers.iter().enumerate() {
            packing.add(frame, outer, 10, true).expect("room");
        }
        assert_eq!(packing.messages().len(), 3);
    }

    #[test]
    fn what_does_not_fit_waits_until_the_rest_is_sent() {
        let mut packing = Packing::new();
        let outer = outer("192.0.2.1:6081", 0);
        let mut count = 0;
        while packing.add(count, &outer, 1_472, true).is_some() {
            count += 1;
        }
        assert_eq!((count, packing.messages().len()), (44, 1));
        packing.clear();
        assert!(packing.add(0, &outer, MAX_BYTES, true).is_some());
        packing.clear();
        assert!(packing.add(0, &outer, MAX_BYTES + 1, true).is_none());
    }

    #[test]
    fn where_nothing_may_be_joined_every_datagram_is_a_message() {
        let mut packing = Packing::new();
        let outer = outer("192.0.2.1:6081", 0);
        let mut count = 0;
        while packing.add(count, &outer, 100, false).is_some() {
            count += 1;
        }
        assert_eq!(count, BATCH);
        let counts = packing.messages().iter().map(Message::count);
        assert!(counts.into_iter().all(|count| count == 1));
    }
}
