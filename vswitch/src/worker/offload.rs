//! Step 9: what the way out cannot do on a packet, done here.
//!
//! A packet keeps what is left to do on it, unfinished checksum or uncut segments, from the device where it came in to the
//! one where it leaves. Whoever reads more than its headers before that reads the first packet that it stands for,
//! complete.

use std::borrow::Cow;

use packet::geneve;
use packet::offload::cut::Cut;
use packet::offload::{self, Offload, TransportSum};
use pipeline::DropReason;

use super::parse::About;
use super::ports::Door;
use super::{Forwarder, Moment};
use crate::buffer::Packet;
use crate::port::Frame;

/// The packet with nothing left to do, or the first of those that it stands for.
pub(super) fn plain(packet: &Packet) -> Cow<'_, [u8]> {
    let Some(checksum) = packet.offload.checksum else {
        return Cow::Borrowed(packet.bytes());
    };
    if let Some(cut) = Cut::new(packet.bytes(), 0, &packet.offload, TransportSum::Complete) {
        return Cow::Owned(cut.packet(0));
    }
    let mut bytes = packet.bytes().to_vec();
    offload::complete(&mut bytes, checksum);
    Cow::Owned(bytes)
}

/// All packets that one stands for, complete; `None` if it cannot be cut.
pub(super) fn packets(packet: &Packet) -> Option<Vec<Vec<u8>>> {
    if !packet.offload.is_super() {
        return Some(vec![plain(packet).into_owned()]);
    }
    let cut = Cut::new(packet.bytes(), 0, &packet.offload, TransportSum::Complete)?;
    Some((0..cut.count()).map(|index| cut.packet(index)).collect())
}

/// Finishes the checksum of a packet that stands for itself alone.
pub(super) fn finish(packet: &mut Packet) {
    if let Some(checksum) = packet.offload.checksum
        && !packet.offload.is_super()
    {
        offload::complete(packet.bytes_mut(), checksum);
        packet.offload = Offload::NONE;
    }
}

/// Leaves the checksum of a packet that stands for itself alone to the other end of the tunnel.
pub(super) fn leave(packet: &mut Packet) {
    if !packet.offload.is_super() {
        packet.offload = Offload::NONE;
    }
}

impl Forwarder {
    /// Puts a frame on its way out of a door, as what the device there can take.
    pub(super) fn send(&mut self, door: Door, mut frame: Frame, about: &About, moment: Moment<'_>) {
        let Some(device) = self.ports.device(door) else {
            return self.discard(frame.packet, DropReason::PortNotHere, about, moment);
        };
        if !device.offloads.include(&frame.packet.offload) {
            if frame.packet.offload.is_super() {
                return self.send_cut(door, frame, about, moment);
            }
            finish(&mut frame.packet);
        }
        if let Err(frame) = self.ports.stage(door, frame) {
            self.discard(frame.packet, DropReason::PortNotHere, about, moment);
        }
    }

    /// Sends the packets that a super-packet stands for.
    fn send_cut(&mut self, door: Door, frame: Frame, about: &About, moment: Moment<'_>) {
        let Frame { packet, outer } = frame;
        let (prefix, sum) = match outer {
            Some(outer) => (geneve::HEADER_LENGTH, outer.sum),
            None => (0, TransportSum::Complete),
        };
        let Some(cut) = Cut::new(packet.bytes(), prefix, &packet.offload, sum) else {
            return self.discard(packet, DropReason::OffloadInvalid, about, moment);
        };
        self.counters.totals.copied.add(cut.count() as u64 - 1);
        for index in 0..cut.count() {
            let length = cut.header_length() + cut.payload(index).len();
            if self.pool.free_for(length) == 0 {
                self.transmit(moment);
            }
            let Some(mut part) = self.pool.take(length) else {
                self.lose(DropReason::NoBuffer, packet.bytes(), about, moment);
                continue;
            };
            part.set_len(length);
            let (headers, payload) = part.bytes_mut().split_at_mut(cut.header_length());
            cut.write_headers(index, headers);
            payload.copy_from_slice(cut.payload(index));
            let part = Frame {
                packet: part,
                outer,
            };
            if let Err(part) = self.ports.stage(door, part) {
                self.discard(part.packet, DropReason::PortNotHere, about, moment);
            }
        }
        self.pool.give(packet);
    }
}
