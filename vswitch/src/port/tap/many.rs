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
use crate::sys::virtio;

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
        let received = ring::with(|ring| {
            let tried = ring.read(self.queue.as_fd(), wanted);
            let mut result = Ok(true);
            for at in 0..tried {
                let added = filling.add(finish(ring, at, pool));
                result = result.and_then(|goes_on| Ok(added? && goes_on));
            }
            (tried > 0).then_some(result)
        });
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

/// What the read at `at` brought; an inner error is the reason why it is lost.
fn finish(ring: &Ring, at: usize, pool: &mut Pool) -> io::Result<Result<Packet, DropReason>> {
    let length = ring.outcome(at)?;
    let read = virtio::split(&ring.room(at)[..length]);
    let (offload, frame) = read.ok_or(ErrorKind::InvalidData)?;
    if frame.len() >= LARGE {
        // It may have been cut short.
        return Ok(Err(DropReason::TooLong));
    }
    let mut packet = match pool.copy(frame) {
        Some(packet) => packet,
        None => return Ok(Err(DropReason::NoBuffer)),
    };
    packet.offload = offload;
    Ok(Ok(packet))
}
