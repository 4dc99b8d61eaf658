//! A plain TAP device as a port.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use packet::offload::{Offload, Offloads};
use pipeline::DropReason;

use super::tap::{Filling, reason};
use super::{Batch, Frame, Lost, Port};
use crate::buffer::{LARGE, Packet, Pool};
use crate::sys::basic_tap::Device;

/// A plain TAP device. Each frame is read aside and copied to a buffer of its size.
#[derive(Debug)]
pub struct BasicTapPort {
    device: Device,
    aside: Box<[u8]>,
}

/// One byte more than fits a large buffer, so that a frame that is cut short is noticed.
const ASIDE: usize = LARGE + 1;

impl BasicTapPort {
    /// The port at this end of `device`.
    pub fn new(device: Device) -> BasicTapPort {
        BasicTapPort {
            device,
            aside: vec![0; ASIDE].into_boxed_slice(),
        }
    }

    /// Reads one frame; an inner error is the reason why it is lost.
    fn receive_one(&mut self, pool: &mut Pool) -> io::Result<Result<Packet, DropReason>> {
        let length = self.device.receive(&mut self.aside)?;
        if length > LARGE {
            return Ok(Err(DropReason::TooLong));
        }
        Ok(pool.copy(&self.aside[..length]).ok_or(DropReason::NoBuffer))
    }

    fn transmit_one(&self, packet: &Packet) -> Result<(), DropReason> {
        if packet.offload != Offload::NONE {
            return Err(DropReason::OffloadInvalid);
        }
        self.device
            .transmit(packet.bytes())
            .map_err(|error| reason(&error))
    }
}

impl Port for BasicTapPort {
    fn readiness(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }

    fn offloads(&self) -> Offloads {
        Offloads::None
    }

    fn receive(&mut self, pool: &mut Pool, batch: &mut Batch) -> Result<(), Lost> {
        Filling::new(batch).drain(|| self.receive_one(pool))
    }

    fn transmit(
        &mut self,
        frames: &mut Vec<Frame>,
        done: &mut dyn FnMut(Frame, Result<(), DropReason>),
    ) {
        for frame in frames.drain(..) {
            let fate = self.transmit_one(&frame.packet);
            done(frame, fate);
        }
    }
}
