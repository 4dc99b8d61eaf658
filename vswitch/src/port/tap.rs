//! A queue of a TAP device as a port.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use pipeline::DropReason;

use super::{Batch, Capabilities, Frame, Lost, Port};
use crate::buffer::{LARGE, Packet, Pool, SMALL};
use crate::sys::tap::Queue;

/// A queue of a TAP device.
///
/// A frame is read into a small buffer and, where it is longer, on into a spare one: small frames never touch
/// large buffers, and one system call reads either.
#[derive(Debug)]
pub struct TapPort {
    queue: Queue,
    spare: Box<[u8]>,
}

/// One byte more than fits a large buffer, so that a frame that is cut short is noticed.
const SPARE: usize = LARGE - SMALL + 1;

impl TapPort {
    /// The port at this end of `queue`.
    pub fn new(queue: Queue) -> TapPort {
        TapPort {
            queue,
            spare: vec![0; SPARE].into_boxed_slice(),
        }
    }

    /// Reads one frame; an inner error is the reason why it is lost.
    fn receive_one(&mut self, pool: &mut Pool) -> io::Result<Result<Packet, DropReason>> {
        let Some(mut packet) = pool.take(SMALL) else {
            self.queue.receive([&mut self.spare[..]])?;
            return Ok(Err(DropReason::NoBuffer));
        };
        let (offload, length) = match self.queue.receive([packet.room_mut(), &mut self.spare[..]]) {
            Ok(received) => received,
            Err(error) => {
                pool.give(packet);
                return Err(error);
            }
        };
        packet.set_len(length);
        packet.offload = offload;
        if length <= SMALL {
            return Ok(Ok(packet));
        }
        let whole = self.enlarge(&packet, length, pool);
        pool.give(packet);
        Ok(whole)
    }

    /// Joins the part in `head` and the part in the spare buffer.
    fn enlarge(&self, head: &Packet, length: usize, pool: &mut Pool) -> Result<Packet, DropReason> {
        if length > LARGE {
            return Err(DropReason::TooLong);
        }
        let mut packet = pool.take(length).ok_or(DropReason::NoBuffer)?;
        packet.set_len(length);
        packet.offload = head.offload;
        let (first, rest) = packet.bytes_mut().split_at_mut(SMALL);
        first.copy_from_slice(head.bytes());
        rest.copy_from_slice(&self.spare[..length - SMALL]);
        Ok(packet)
    }
}

impl Port for TapPort {
    fn readiness(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { offload: true }
    }

    fn receive(&mut self, pool: &mut Pool, batch: &mut Batch) -> Result<(), Lost> {
        drain(batch, || self.receive_one(pool))
    }

    fn transmit(
        &mut self,
        frames: &mut Vec<Frame>,
        done: &mut dyn FnMut(Frame, Result<(), DropReason>),
    ) {
        for frame in frames.drain(..) {
            let packet = &frame.packet;
            let sent = self.queue.transmit(&packet.offload, packet.bytes());
            done(frame, sent.map_err(|error| reason(&error)));
        }
    }
}

/// Fills `batch` with what `receive_one` brings, until there is no more.
pub(super) fn drain(
    batch: &mut Batch,
    mut receive_one: impl FnMut() -> io::Result<Result<Packet, DropReason>>,
) -> Result<(), Lost> {
    while !batch.is_full() {
        match receive_one() {
            Ok(Ok(packet)) => batch.frames.push(Frame {
                packet,
                outer: None,
            }),
            Ok(Err(reason)) => batch.refused.push(reason),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                batch.refused.push(DropReason::OffloadInvalid);
            }
            Err(error) => return Err(Lost(error)),
        }
    }
    Ok(())
}

/// Why the kernel did not take a frame. An interface that is down refuses with EIO.
pub(super) fn reason(error: &io::Error) -> DropReason {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => DropReason::OutputQueueFull,
        _ => DropReason::OutputFailed,
    }
}
