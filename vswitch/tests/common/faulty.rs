//! A device that breaks its worker.

use std::os::fd::BorrowedFd;

use packet::offload::Offloads;
use pipeline::DropReason;
use vswitch::buffer::Pool;
use vswitch::port::{Batch, Frame, Lost, MemoryPort, Port};

/// Its worker panics when there is something to receive.
pub struct Faulty(pub MemoryPort);

impl Port for Faulty {
    fn readiness(&self) -> BorrowedFd<'_> {
        self.0.readiness()
    }

    fn offloads(&self) -> Offloads {
        self.0.offloads()
    }

    fn receive(&mut self, _: &mut Pool, _: &mut Batch) -> Result<(), Lost> {
        panic!("a fault that the test made")
    }

    fn transmit(
        &mut self,
        frames: &mut Vec<Frame>,
        done: &mut dyn FnMut(Frame, Result<(), DropReason>),
    ) {
        self.0.transmit(frames, done);
    }
}
