//! Where packets come from and go to.
//!
//! A worker sees every device through [`Port`]: batches in, batches out, and a descriptor to wait for. What a
//! device can do besides is in its [`Offloads`], so that a new kind of device is one more implementation.

mod backend;
mod basic_tap;
mod memory;
mod tap;
mod tunnel;

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use packet::offload::{Offloads, TransportSum};
use pipeline::DropReason;

use crate::buffer::{Packet, Pool};

pub use backend::{Io, TapBackend, Taps, Transfer};
pub use basic_tap::BasicTapPort;
pub use memory::{Loose, MemoryPort, Wire};
pub use tap::TapPort;
pub use tunnel::{TunnelPort, overhead};

/// How many frames make a batch.
pub const BATCH: usize = 64;
/// How many bytes make a batch, even of fewer frames: what is read is still in the processor's own cache when it is written.
const BATCH_BYTES: usize = 128 << 10;

/// A frame on its way in or out.
#[derive(Debug)]
pub struct Frame {
    /// The bytes. In a tunnel: the payload of the UDP datagram.
    pub packet: Packet,
    /// What stands outside the payload, if the device is a tunnel.
    pub outer: Option<Outer>,
}

/// The outer headers of a tunnelled frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// The other end: the sender of a received frame, the receiver of a sent one.
    pub remote: SocketAddr,
    /// The explicit congestion notification bits.
    pub ecn: u8,
    /// Frames with equal entropy take one way through the underlay. Not known of a received frame.
    pub entropy: u16,
    /// What the inner transport checksums are to be, as the Geneve header says, where packets are cut on their way out. Says
    /// nothing of a received frame.
    pub sum: TransportSum,
}

/// What one call to [`Port::receive`] brought.
#[derive(Debug)]
pub struct Batch {
    /// How many frames are wanted, up to [`BATCH`].
    pub limit: usize,
    /// The frames, in the order of their arrival. What the kernel has joined may make them a few more than wanted.
    pub frames: Vec<Frame>,
    /// Why frames were lost on the way in, one reason for each.
    pub refused: Vec<DropReason>,
}

impl Default for Batch {
    fn default() -> Self {
        Batch {
            limit: BATCH,
            frames: Vec::new(),
            refused: Vec::new(),
        }
    }
}

impl Batch {
    /// True if nothing more is to be received into it.
    fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// How many frames may still come, or be lost.
    fn room(&self) -> usize {
        let limit = self.limit.min(BATCH);
        limit.saturating_sub(self.frames.len().max(self.refused.len()))
    }
}

/// The device is gone: nothing will ever come in or go out.
#[derive(Debug, thiserror::Error)]
#[error("the device is gone")]
pub struct Lost(#[source] pub std::io::Error);

/// One worker's end of a device. The threads of the control side share it until a worker has it.
pub trait Port: Send + Sync {
    /// Becomes readable when there is something to receive.
    fn readiness(&self) -> BorrowedFd<'_>;

    /// With what work left on them it takes frames.
    fn offloads(&self) -> Offloads;

    /// Appends what has arrived to `batch`, up to its bounds, in buffers of `pool`. Never waits.
    fn receive(&mut self, pool: &mut Pool, batch: &mut Batch) -> Result<(), Lost>;

    /// Sends `frames` in order and tells `done` the fate of each. Never waits: what the
    /// device cannot take now is lost, with its reason.
    fn transmit(
        &mut self,
        frames: &mut Vec<Frame>,
        done: &mut dyn FnMut(Frame, Result<(), DropReason>),
    );
}
