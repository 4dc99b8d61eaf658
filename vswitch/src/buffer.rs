//! Packet buffers: allocated once for each worker, handed round, and given back.
//!
//! A [`Packet`] is a window into a buffer with [`HEADROOM`] before it, so that outer headers and tags are put
//! before a frame without moving it. There are two sizes: most packets fit the small one, and the few large ones
//! are for super-packets. A packet that is dropped on the floor instead of given back to its [`Pool`] is memory
//! that the pool has lost; nothing worse happens.

use packet::offload::Offload;

/// Bytes before a received frame: Geneve with its option (16), a tag (4), and room for outer headers.
pub const HEADROOM: usize = 128;
/// Bytes of frame that a small buffer holds.
pub const SMALL: usize = 2048;
/// Bytes of frame that a large buffer holds: a super-packet of 64 KiB with its link header.
pub const LARGE: usize = 65_536 + 64;

/// A frame in a buffer, with what is known of it besides its bytes.
#[derive(Debug)]
pub struct Packet {
    storage: Box<[u8]>,
    start: usize,
    end: usize,
    /// Work left to do on the frame.
    pub offload: Offload,
}

/// There is no room in the buffer for what was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the packet buffer has no room")]
pub struct NoRoom;

impl Packet {
    fn new(size: usize) -> Packet {
        Packet {
            storage: vec![0; HEADROOM + size].into_boxed_slice(),
            start: HEADROOM,
            end: HEADROOM,
            offload: Offload::NONE,
        }
    }

    /// A large packet of no pool.
    pub(crate) fn large() -> Packet {
        Packet::new(LARGE)
    }

    /// The frame.
    pub fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    /// The frame, to be changed in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.end]
    }

    /// Bytes of the frame.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// True if there is no frame.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The whole buffer and where the frame begins in it.
    pub fn buffer_mut(&mut self) -> (&mut [u8], usize) {
        (&mut self.storage[..self.end], self.start)
    }

    /// All the room for a frame, to receive into; [`Packet::set_len`] then says how much was received.
    pub fn room_mut(&mut self) -> &mut [u8] {
        &mut self.storage[HEADROOM..]
    }

    /// What was received into all of [`Packet::room_mut`].
    pub(crate) fn room(&self) -> &[u8] {
        &self.storage[HEADROOM..]
    }

    /// [`Packet::room_mut`] with room for `header` more bytes before it, up to [`HEADROOM`].
    pub fn room_behind_mut(&mut self, header: usize) -> &mut [u8] {
        &mut self.storage[HEADROOM.saturating_sub(header)..]
    }

    /// The frame behind `header`, which is written before it and does not become a part of it; `None` if there is no room
    /// for that.
    pub fn behind(&mut self, header: &[u8]) -> Option<&[u8]> {
        let start = self.start.checked_sub(header.len())?;
        self.storage[start..self.start].copy_from_slice(header);
        Some(&self.storage[start..self.end])
    }

    /// The frame is the first `length` bytes of [`Packet::room_mut`], or all there are.
    pub fn set_len(&mut self, length: usize) {
        self.start = HEADROOM;
        self.end = (HEADROOM + length).min(self.storage.len());
    }

    /// The frame begins at `start` of the whole buffer from now on; its offload keeps to the same bytes.
    ///
    /// # Panics
    /// If that is past its end.
    pub fn set_start(&mut self, start: usize) {
        assert!(start <= self.end, "a frame begins before its end");
        let added = self.start.cast_signed() - start.cast_signed();
        self.offload = self.offload.moved(added);
        self.start = start;
    }

    /// Puts `header` before the frame; its offload keeps to the same bytes.
    pub fn push_front(&mut self, header: &[u8]) -> Result<(), NoRoom> {
        let start = self.start.checked_sub(header.len()).ok_or(NoRoom)?;
        self.storage[start..self.start].copy_from_slice(header);
        self.set_start(start);
        Ok(())
    }

    /// Takes `count` bytes from the front of the frame, or all there are; its offload keeps to the same bytes.
    pub fn pull_front(&mut self, count: usize) {
        self.set_start((self.start + count).min(self.end));
    }

    /// Takes what is beyond `length` bytes from the end of the frame.
    pub fn truncate(&mut self, length: usize) {
        self.end = self.end.min(self.start + length);
    }

    /// The frame becomes a copy of `frame`.
    fn fill(&mut self, frame: &[u8]) {
        self.set_len(frame.len());
        self.bytes_mut().copy_from_slice(frame);
    }

    fn is_small(&self) -> bool {
        self.storage.len() == HEADROOM + SMALL
    }
}

/// The buffers of one worker. The last one given back is the next one taken, while the cache still has it.
#[derive(Debug)]
pub struct Pool {
    small: Vec<Packet>,
    large: Vec<Packet>,
}

impl Pool {
    /// A pool of so many buffers of each size. The pages of a buffer are first touched when it is used.
    pub fn new(small: usize, large: usize) -> Pool {
        let make = |count, size| (0..count).map(|_| Packet::new(size)).collect();
        Pool {
            small: make(small, SMALL),
            large: make(large, LARGE),
        }
    }

    /// An empty packet with room for `length` bytes; `None` when no buffer of that size is free.
    pub fn take(&mut self, length: usize) -> Option<Packet> {
        let mut packet = match length {
            _ if length <= SMALL => self.small.pop(),
            _ if length <= LARGE => self.large.pop(),
            _ => None,
        }?;
        packet.set_len(0);
        packet.offload = Offload::NONE;
        Some(packet)
    }

    /// A packet with these bytes; `None` when no buffer of that size is free.
    pub fn copy(&mut self, frame: &[u8]) -> Option<Packet> {
        let mut packet = self.take(frame.len())?;
        packet.fill(frame);
        Some(packet)
    }

    /// Another packet like `packet`; `None` when no buffer of that size is free.
    pub fn duplicate(&mut self, packet: &Packet) -> Option<Packet> {
        let mut twin = self.copy(packet.bytes())?;
        twin.offload = packet.offload;
        Some(twin)
    }

    /// Takes a packet back.
    pub fn give(&mut self, packet: Packet) {
        if packet.is_small() {
            self.small.push(packet);
        } else {
            self.large.push(packet);
        }
    }

    /// Free buffers of the size that `length` bytes need.
    pub fn free_for(&self, length: usize) -> usize {
        if length <= SMALL {
            self.small.len()
        } else {
            self.large.len()
        }
    }

    /// Free buffers, small and large.
    pub fn free(&self) -> (usize, usize) {
        (self.small.len(), self.large.len())
    }
}

#[cfg(test)]
mod tests {
    use packet::offload::PartialChecksum;

    use super::*;

    #[test]
    fn a_header_goes_before_the_frame_while_there_is_headroom() {
        let mut pool = Pool::new(1, 0);
        let mut packet = pool.copy(b"frame").expect("a buffer");
        assert_eq!(packet.push_front(b"outer "), Ok(()));
        assert_eq!(packet.bytes(), b"outer frame");
        assert_eq!(packet.push_front(&[0; HEADROOM]), Err(NoRoom));
        packet.pull_front(6);
        assert_eq!(packet.bytes(), b"frame");
        packet.pull_front(100);
        assert!(packet.is_empty());
    }

    #[test]
    fn what_is_left_to_do_keeps_to_the_same_bytes() {
        let mut pool = Pool::new(1, 0);
        let mut packet = pool.copy(&[0; 60]).expect("a buffer");
        packet.offload.checksum = Some(PartialChecksum {
            start: 34,
            offset: 16,
        });
        let start = |packet: &Packet| packet.offload.checksum.map(|checksum| checksum.start);
        packet.push_front(&[0; 16]).expect("room");
        assert_eq!(start(&packet), Some(50));
        packet.pull_front(20);
        assert_eq!(start(&packet), Some(30));
    }

    #[test]
    fn the_pool_gives_the_size_that_fits_and_none_when_it_is_empty() {
        let mut pool = Pool::new(1, 1);
        let small = pool.take(SMALL).expect("small");
        assert!(pool.take(1).is_none());
        let large = pool.take(SMALL + 1).expect("large");
        assert!(pool.take(LARGE + 1).is_none());
        assert_eq!(
            (small.storage.len(), large.storage.len()),
            (HEADROOM + SMALL, HEADROOM + LARGE)
        );
        pool.give(large);
        pool.give(small);
        assert_eq!(pool.free(), (1, 1));
    }

    #[test]
    fn a_buffer_comes_back_clean() {
        let mut pool = Pool::new(1, 0);
        let mut packet = pool.copy(b"old").expect("a buffer");
        packet.offload.segment_size = 9;
        packet.push_front(b"x").expect("room");
        pool.give(packet);
        let packet = pool.copy(b"new frame").expect("a buffer");
        assert_eq!(
            (packet.bytes(), packet.offload),
            (b"new frame".as_slice(), Offload::NONE)
        );
    }
}
