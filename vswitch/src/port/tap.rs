//! A queue of a TAP device as a port.

mod many;
mod merge;

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use packet::offload::{Offload, Offloads};
use pipeline::DropReason;

use super::{BATCH_BYTES, Batch, Frame, Lost, Port, Transfer};
use crate::buffer::{LARGE, Packet, Pool, SMALL};
use crate::sys::tap::Queue;
use crate::sys::virtio::{self, HEADER_LENGTH};

/// A queue of a TAP device.
///
/// A frame is read, behind its header, into a large buffer that stands by. A small one is copied from there, so that it takes
/// no more room than it needs; a large one keeps the buffer, and another stands by. Where [`Transfer::Many`] is possible,
/// one system call moves many. Between reads the large one is where packets are merged.
#[derive(Debug)]
pub struct TapPort {
    queue: Queue,
    spare: Packet,
    transfer: Transfer,
}

impl TapPort {
    /// The port at this end of `queue`.
    pub fn new(queue: Queue, transfer: Transfer) -> TapPort {
        TapPort {
            queue,
            spare: Packet::large(),
            transfer,
        }
    }

    /// Writes one frame as it is, without room for a header.
    fn write(&self, offload: &Offload, bytes: &[u8]) -> Result<(), DropReason> {
        let sent = self.queue.transmit_parts(offload, bytes);
        sent.map_err(|error| reason(&error))
    }

    /// Reads one frame; an inner error is the reason why it is lost.
    fn receive_one(&mut self, pool: &mut Pool) -> io::Result<Result<Packet, DropReason>> {
        let room = self.spare.room_behind_mut(HEADER_LENGTH);
        let (offload, length) = self.queue.receive(room)?;
        let taken = match length {
            // A frame that fills it all may have been cut short.
            LARGE.. => Err(DropReason::TooLong),
            _ if length <= SMALL => {
                let copy = pool.copy(&self.spare.room_mut()[..length]);
                copy.ok_or(DropReason::NoBuffer)
            }
            _ => self.take_spare(length, pool),
        };
        Ok(taken.map(|mut packet| {
            packet.offload = offload;
            packet
        }))
    }

    /// The frame in the buffer that stands by.
    fn take_spare(&mut self, length: usize, pool: &mut Pool) -> Result<Packet, DropReason> {
        let next = pool.take(LARGE).ok_or(DropReason::NoBuffer)?;
        let mut packet = std::mem::replace(&mut self.spare, next);
        packet.set_len(length);
        Ok(packet)
    }

    /// Writes one frame.
    fn transmit_one(&self, packet: &mut Packet) -> Result<(), DropReason> {
        let header = virtio::encode(&packet.offload);
        match packet.behind(&header) {
            Some(frame) => self.queue.transmit(frame).map_err(|error| reason(&error)),
            None => self.write(&packet.offload, packet.bytes()),
        }
    }
}

impl Port for TapPort {
    fn readiness(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }

    fn offloads(&self) -> Offloads {
        self.queue.offloads()
    }

    fn receive(&mut self, pool: &mut Pool, batch: &mut Batch) -> Result<(), Lost> {
        let mut filling = Filling::new(batch);
        while filling.has_room() {
            let goes_on = if self.transfer == Transfer::Many && filling.is_a_burst() {
                self.receive_many(pool, &mut filling)?
            } else {
                filling.add(self.receive_one(pool))?
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    fn transmit(
        &mut self,
        frames: &mut Vec<Frame>,
        done: &mut dyn FnMut(Frame, Result<(), DropReason>),
    ) {
        while self.transmit_merged(frames, done) {}
        if self.transfer == Transfer::Many {
            self.transmit_many(frames, done);
        }
        for mut frame in frames.drain(..) {
            let fate = self.transmit_one(&mut frame.packet);
            done(frame, fate);
        }
    }
}

/// A batch that is being filled. Of super-packets a few are a batch.
pub(super) struct Filling<'b> {
    batch: &'b mut Batch,
    frames: usize,
    bytes: usize,
}

impl<'b> Filling<'b> {
    pub(super) fn new(batch: &'b mut Batch) -> Filling<'b> {
        Filling {
            batch,
            frames: 0,
            bytes: 0,
        }
    }

    fn has_room(&self) -> bool {
        !self.batch.is_full() && self.bytes < BATCH_BYTES
    }

    /// Adds what one read brought; false if there is no more.
    fn add(&mut self, read: io::Result<Result<Packet, DropReason>>) -> Result<bool, Lost> {
        match read {
            Ok(Ok(packet)) => {
                self.frames += 1;
                self.bytes += packet.len();
                self.batch.frames.push(Frame {
                    packet,
                    outer: None,
                });
            }
            Ok(Err(reason)) => self.batch.refused.push(reason),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                self.batch.refused.push(DropReason::OffloadInvalid);
            }
            Err(error) => return Err(Lost(error)),
        }
        Ok(true)
    }

    /// Fills the batch with what `receive_one` brings, until there is no more.
    pub(super) fn drain(
        mut self,
        mut receive_one: impl FnMut() -> io::Result<Result<Packet, DropReason>>,
    ) -> Result<(), Lost> {
        while self.has_room() && self.add(receive_one())? {}
        Ok(())
    }
}

/// Why the kernel did not take a frame. An interface that is down refuses with EIO.
pub(super) fn reason(error: &io::Error) -> DropReason {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => DropReason::OutputQueueFull,
        _ => DropReason::OutputFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_many_packets_or_a_few_super_packets() {
        for (length, expected) in [(60, 64), (1_514, 64), (30_000, 5), (65_000, 3)] {
            let mut batch = Batch::default();
            let endless = || {
                let mut packet = Packet::large();
                packet.set_len(length);
                Ok(Ok(packet))
            };
            let filled = Filling::new(&mut batch).drain(endless);
            filled.expect("the device is there");
            assert_eq!(batch.frames.len(), expected, "{length} bytes");
        }
    }
}
