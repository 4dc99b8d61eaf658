//! Packets of one flow that leave together, as the super-packet that they could have been cut from.
//!
//! Each write is a walk of the kernel through the receiver's stack, whatever it brings: one for 64 small datagrams costs
//! little more than one for each of them.

use arrayvec::ArrayVec;
use packet::offload::Offloads;
use packet::offload::group::{Groups, Packet as Candidate};
use packet::offload::merge::MAX_MERGED;
use pipeline::DropReason;

use super::TapPort;
use crate::port::Frame;

impl TapPort {
    /// Writes the first of the frames, merged, if there are packets of one flow among them; false if not, and where the
    /// kernel does not take all super-packets. Packets of one flow stay in their order.
    pub(super) fn transmit_merged(
        &mut self,
        frames: &mut Vec<Frame>,
        done: &mut dyn FnMut(Frame, Result<(), DropReason>),
    ) -> bool {
        if self.queue.offloads() != Offloads::All {
            return false;
        }
        let is_single = |frame: &&Frame| !frame.packet.offload.is_super();
        let candidates: ArrayVec<Candidate<'_>, MAX_MERGED> = frames
            .iter()
            .take(MAX_MERGED)
            .take_while(is_single)
            .map(candidate)
            .collect();
        let count = candidates.len();
        if count < 2 {
            return false;
        }
        let groups = Groups::sort(&candidates);
        if groups.len() == count {
            return false;
        }
        let mut fates = [Ok(()); MAX_MERGED];
        for (group, members) in groups.iter() {
            let fate = match group.run.filter(|run| run.count() > 1) {
                None => {
                    let packet = &frames[group.first].packet;
                    self.write(&packet.offload, packet.bytes())
                }
                Some(run) => {
                    let parts = members.clone().map(|member| candidates[member].frame);
                    let room = &mut self.spare.room_mut()[..run.length()];
                    let offload = run.merge(parts, room);
                    self.write(&offload, &self.spare.room()[..run.length()])
                }
            };
            members.for_each(|member| fates[member] = fate);
        }
        drop(candidates);
        for (frame, fate) in frames.drain(..count).zip(fates) {
            done(frame, fate);
        }
        true
    }
}

/// A single packet as one that may be merged with others.
fn candidate(frame: &Frame) -> Candidate<'_> {
    Candidate {
        frame: frame.packet.bytes(),
        prefix: 0,
        sum: frame.packet.offload.transport_sum(),
    }
}
