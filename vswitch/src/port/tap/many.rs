//! Many frames by one system call.
//!
//! A ring saves what a system call costs, and pays where several frames wait. So one frame goes the plain way, and
//! so do the first of a batch: only when a few small ones came is it a burst, of which the next are read together. What
//! could have been read and was not there costs little, but not nothing.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;

use arrayvec::ArrayVec;
use pipeline::DropReason;

use super::{Filling, TapPort, reason};
use crate::buffer::{LARGE, Packet, Pool, SMALL};
use crate::port::{Frame, Lost, Transfer};
use crate::sys::ring::{self, READS, Ring, WRITES};
use crate::sys::virtio::{self, HEADER_LENGTH};

/// Frames that are read one by one before the rest is taken for a burst.
const FEW: usize = 4;

impl Filling<'_> {
    /// True if frames have come in number, and they were small.
    pub(super) fn is_a_burst(&self) -> bool {
        self.frames >= FEW && self.bytes <= self.frames * SMALL
    }
}

impl TapPort {
    /// Reads as many frames as there is room for, up to [`READS`]; false if there are no more.
    pub(super) fn receive_many(
        &mut self,
        pool: &mut Pool,
        filling: &mut Filling<'_>,
    ) -> Result<bool, Lost> {
        let wanted = filling.batch.room().min(READS);
        let mut heads: ArrayVec<Packet, READS> =
            (0..wanted).map_while(|_| pool.take(SMALL)).collect();
        if heads.is_empty() {
            return filling.add(self.receive_one(pool));
        }
        let received = ring::with(|ring| {
            let mut rooms: ArrayVec<&mut [u8], READS> = heads
                .iter_mut()
                .map(|head| head.room_behind_mut(HEADER_LENGTH))
                .collect();
            let tried = ring.read(self.queue.as_fd(), &mut rooms);
            drop(rooms);
            let mut result = Ok(tried > 0);
            for (at, head) in heads.drain(..tried).enumerate() {
                let added = filling.add(finish(ring, at, head, pool));
                result = result.and_then(|goes_on| Ok(added? && goes_on));
            }
            (tried > 0).then_some(result)
        });
        for head in heads {
            pool.give(head);
        }
        received.flatten().unwrap_or_else(|| {
            self.transfer = Transfer::Single;
            Ok(true)
        })
    }

    /// Writes what are at least two frames, as far as the kernel does that.
    pub(super) fn transmit_many(
        &mut self,
        frames: &mut Vec<Frame>,
        done: &mut dyn FnMut(Frame, Result<(), DropReason>),
    ) {
        while frames.len() > 1 {
            let asked = frames.len().min(WRITES);
            let tried = ring::with(|ring| {
                let together: ArrayVec<&[u8], WRITES> = frames[..asked]
                    .iter_mut()
                    .map_while(|Frame { packet, .. }| {
                        packet.behind(&virtio::encode(&packet.offload))
                    })
                    .collect();
                let tried = ring.write(self.queue.as_fd(), &together);
                drop(together);
                for (at, frame) in frames.drain(..tried).enumerate() {
                    let sent = ring.outcome(at);
                    done(frame, sent.map(drop).map_err(|error| reason(&error)));
                }
                tried
            });
            if tried != Some(asked) {
                return;
            }
        }
    }
}

/// What the read at `at` brought: its first part is in `head`, behind a header.
fn finish(
    ring: &Ring,
    at: usize,
    mut head: Packet,
    pool: &mut Pool,
) -> io::Result<Result<Packet, DropReason>> {
    let read = ring.outcome(at).and_then(|length| {
        let length = length
            .checked_sub(HEADER_LENGTH)
            .ok_or(ErrorKind::InvalidData)?;
        let (header, _) = head
            .room_behind_mut(HEADER_LENGTH)
            .split_first_chunk()
            .ok_or(ErrorKind::InvalidData)?;
        let offload = virtio::decode(header).ok_or(ErrorKind::InvalidData)?;
        Ok((offload, length))
    });
    let (offload, length) = match read {
        Ok(read) => read,
        Err(error) => {
            pool.give(head);
            return Err(error);
        }
    };
    let mut whole = if length <= SMALL {
        head.set_len(length);
        head
    } else {
        let whole = join(&head, ring.tail(at), length, pool);
        pool.give(head);
        match whole {
            Ok(whole) => whole,
            Err(reason) => return Ok(Err(reason)),
        }
    };
    whole.offload = offload;
    Ok(Ok(whole))
}

/// The frame whose first part is in `head` and whose rest is in `tail`.
fn join(head: &Packet, tail: &[u8], length: usize, pool: &mut Pool) -> Result<Packet, DropReason> {
    if length >= LARGE {
        // A frame that fills it all may have been cut short.
        return Err(DropReason::TooLong);
    }
    let mut whole = pool.take(LARGE).ok_or(DropReason::NoBuffer)?;
    let (first, rest) = whole.room_mut()[..length].split_at_mut(SMALL);
    first.copy_from_slice(head.room());
    rest.copy_from_slice(&tail[..length - SMALL]);
    whole.set_len(length);
    Ok(whole)
}
