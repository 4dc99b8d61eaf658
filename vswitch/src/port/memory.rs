//! A port whose other end is a [`Wire`] in the same process: for tests, and for running whole systems in memory.

use std::os::fd::{AsFd, BorrowedFd};

use crossbeam::channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};
use nix::errno::Errno;
use packet::offload::{Offload, Offloads};
use pipeline::DropReason;

use super::{Batch, Frame, Lost, Outer, Port};
use crate::buffer::Pool;
use crate::sys::poll::Waker;

/// A frame outside of any buffer pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loose {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What is left to do on it.
    pub offload: Offload,
    /// What stands outside, in a tunnel.
    pub outer: Option<Outer>,
}

/// A port that talks to a [`Wire`].
#[derive(Debug)]
pub struct MemoryPort {
    incoming: Receiver<Loose>,
    outgoing: Sender<Loose>,
    waker: Waker,
    offloads: Offloads,
}

/// The far end of a [`MemoryPort`].
#[derive(Clone, Debug)]
pub struct Wire {
    incoming: Receiver<Loose>,
    outgoing: Sender<Loose>,
    waker: Waker,
}

impl MemoryPort {
    /// A port and its wire. Each direction holds `capacity` frames; what comes when it is full is lost.
    pub fn new(capacity: usize) -> Result<(MemoryPort, Wire), Errno> {
        let (to_port, from_wire) = bounded(capacity);
        let (to_wire, from_port) = bounded(capacity);
        let waker = Waker::new()?;
        let wire = Wire {
            incoming: from_port,
            outgoing: to_port,
            waker: waker.clone(),
        };
        Ok((
            MemoryPort {
                incoming: from_wire,
                outgoing: to_wire,
                waker,
                offloads: Offloads::None,
            },
            wire,
        ))
    }

    /// The port, as one that takes frames on which this work is left.
    pub fn with_offloads(mut self, offloads: Offloads) -> MemoryPort {
        self.offloads = offloads;
        self
    }
}

impl Wire {
    /// Puts a complete frame on the wire; false if it is full or nobody is at the other end.
    pub fn send(&self, frame: &[u8], outer: Option<Outer>) -> bool {
        self.send_loose(Loose {
            bytes: frame.to_vec(),
            offload: Offload::NONE,
            outer,
        })
    }

    /// Puts any frame on the wire; false if it is full or nobody is at the other end.
    pub fn send_loose(&self, frame: Loose) -> bool {
        let is_sent = self.outgoing.try_send(frame).is_ok();
        self.waker.wake();
        is_sent
    }

    /// Takes the bytes of the next frame that came out of the port, if there is one.
    pub fn receive(&self) -> Option<(Vec<u8>, Option<Outer>)> {
        self.receive_loose().map(|frame| (frame.bytes, frame.outer))
    }

    /// Takes the next frame that came out of the port, if there is one.
    pub fn receive_loose(&self) -> Option<Loose> {
        self.incoming.try_recv().ok()
    }
}

impl Port for MemoryPort {
    fn readiness(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }

    fn offloads(&self) -> Offloads {
        self.offloads
    }

    fn receive(&mut self, pool: &mut Pool, batch: &mut Batch) -> Result<(), Lost> {
        self.waker.clear();
        while !batch.is_full() {
            let Loose {
                bytes,
                offload,
                outer,
            } = match self.incoming.try_recv() {
                Ok(frame) => frame,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => {
                    return Err(Lost(std::io::ErrorKind::BrokenPipe.into()));
                }
            };
            match pool.copy(&bytes) {
                Some(mut packet) => {
                    packet.offload = offload;
                    batch.frames.push(Frame { packet, outer });
                }
                None if bytes.len() > crate::buffer::LARGE => {
                    batch.refused.push(DropReason::TooLong)
                }
                None => batch.refused.push(DropReason::NoBuffer),
            }
        }
        // There may be more, which must be reported again.
        self.waker.wake();
        Ok(())
    }

    fn transmit(
        &mut self,
        frames: &mut Vec<Frame>,
        done: &mut dyn FnMut(Frame, Result<(), DropReason>),
    ) {
        for frame in frames.drain(..) {
            let is_fit = self.offloads.include(&frame.packet.offload);
            let fate = if is_fit {
                self.send(&frame)
            } else {
                Err(DropReason::OffloadInvalid)
            };
            done(frame, fate);
        }
    }
}

impl MemoryPort {
    fn send(&self, frame: &Frame) -> Result<(), DropReason> {
        let loose = Loose {
            bytes: frame.packet.bytes().to_vec(),
            offload: frame.packet.offload,
            outer: frame.outer,
        };
        self.outgoing.try_send(loose).map_err(|error| match error {
            TrySendError::Full(_) => DropReason::OutputQueueFull,
            TrySendError::Disconnected(_) => DropReason::OutputFailed,
        })
    }
}
