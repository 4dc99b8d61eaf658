//! Step 6: the verdict, in the bytes. Fresh or remembered, it is carried out by the same code.

use packet::Layout;
use pipeline::answer::AnswerKind;
use pipeline::{Branch, Destination, DropReason, Source};

use super::offload::plain;
use super::parse::{About, Subject};
use super::{Forwarder, Moment};
use crate::buffer::Packet;
use crate::port::Frame;

/// A packet of a branch, before the branch's rewrite.
pub(super) struct Piece {
    pub(super) packet: Packet,
    pub(super) layout: Layout,
    /// It is not the packet that came in but an answer to it.
    pub(super) is_answer: bool,
}

impl Forwarder {
    /// Makes every packet that comes of one, and brings each on its way. The last branch gets the packet
    /// itself, the others get copies.
    pub(super) fn execute(
        &mut self,
        subject: Subject<'_>,
        branches: &[Branch],
        moment: Moment<'_>,
    ) {
        let Subject { packet, about } = subject;
        if let [
            branch @ Branch {
                packet: Source::Received,
                ..
            },
        ] = branches
        {
            let piece = Piece {
                packet,
                layout: about.layout,
                is_answer: false,
            };
            return self.finish(piece, branch, about, moment);
        }
        self.count_instances(branches);
        let Some((last, others)) = branches.split_last() else {
            return self.pool.give(packet);
        };
        for branch in others {
            let piece = match &branch.packet {
                Source::Received => self.copy(&packet, about, moment),
                Source::Answer(_) => self.answer(branch, &plain(&packet), about, moment),
            };
            if let Some(piece) = piece {
                self.finish(piece, branch, about, moment);
            }
        }
        match &last.packet {
            Source::Received => {
                let piece = Piece {
                    packet,
                    layout: about.layout,
                    is_answer: false,
                };
                self.finish(piece, last, about, moment);
            }
            Source::Answer(_) => {
                let piece = self.answer(last, &plain(&packet), about, moment);
                self.pool.give(packet);
                if let Some(piece) = piece {
                    self.finish(piece, last, about, moment);
                }
            }
        }
    }

    /// Every instance has a beginning, see [`crate::counter`].
    fn count_instances(&self, branches: &[Branch]) {
        let totals = &self.counters.totals;
        let is_received = |branch: &&Branch| branch.packet == Source::Received;
        let received = branches.iter().filter(is_received).count();
        match received {
            0 => totals.answered.add(1),
            _ => totals.copied.add(received as u64 - 1),
        }
        totals.originated.add((branches.len() - received) as u64);
    }

    fn copy(&mut self, packet: &Packet, about: &About, moment: Moment<'_>) -> Option<Piece> {
        if self.pool.free_for(packet.len()) == 0 {
            self.transmit(moment);
        }
        let Some(twin) = self.pool.duplicate(packet) else {
            self.lose(DropReason::NoBuffer, packet.bytes(), about, moment);
            return None;
        };
        Some(Piece {
            packet: twin,
            layout: about.layout,
            is_answer: false,
        })
    }

    /// Makes the packet of an answering branch. `frame` is the packet that is answered, complete.
    pub(super) fn answer(
        &mut self,
        branch: &Branch,
        frame: &[u8],
        about: &About,
        moment: Moment<'_>,
    ) -> Option<Piece> {
        let Source::Answer(answer) = &branch.packet else {
            return None;
        };
        if !self.errors.admits(&answer.kind, moment.now_ms) {
            self.lose(DropReason::AnswerLimited, frame, about, moment);
            return None;
        }
        let built = pipeline::answer::build(answer, frame, &about.flow, &about.layout);
        let Some(bytes) = built else {
            let reason = match answer.kind {
                AnswerKind::SctpAbort => DropReason::ErrorUnanswered,
                _ => DropReason::AnswerFailed,
            };
            self.lose(reason, frame, about, moment);
            return None;
        };
        self.piece(&bytes, about, moment)
    }

    /// A packet that was made, in a buffer.
    pub(super) fn piece(
        &mut self,
        bytes: &[u8],
        about: &About,
        moment: Moment<'_>,
    ) -> Option<Piece> {
        if self.pool.free_for(bytes.len()) == 0 {
            self.transmit(moment);
        }
        let Some(packet) = self.pool.copy(bytes) else {
            self.lose(DropReason::NoBuffer, bytes, about, moment);
            return None;
        };
        // What we make can be read; if it cannot, there is nothing to rewrite in it.
        let layout = packet::parse(bytes)
            .map(|(_, layout)| layout)
            .unwrap_or_default();
        Some(Piece {
            packet,
            layout,
            is_answer: true,
        })
    }

    /// Brings a piece to where its branch ends.
    pub(super) fn finish(
        &mut self,
        piece: Piece,
        branch: &Branch,
        about: &About,
        moment: Moment<'_>,
    ) {
        match &branch.to {
            Destination::Drop { reason, rule, .. } => {
                self.discard_by(piece.packet, (*reason, *rule), about, moment);
            }
            Destination::Output { interface, .. } => {
                if let Some(packet) = self.rewrite(piece, branch, about, moment) {
                    self.output(packet, *interface, about, moment);
                }
            }
            Destination::Tunnel(tunnel) => self.tunnel(piece, branch, tunnel, about, moment),
            Destination::Hold(hold) => {
                if let Some(packet) = self.rewrite(piece, branch, about, moment) {
                    self.hold(packet, (hold, &branch.rewrite), about, moment);
                }
            }
            Destination::Monitor { inport } => self.monitor(piece.packet, *inport, about, moment),
        }
    }

    /// Makes the branch's changes true in the bytes.
    pub(super) fn rewrite(
        &mut self,
        piece: Piece,
        branch: &Branch,
        about: &About,
        moment: Moment<'_>,
    ) -> Option<Packet> {
        let Piece {
            mut packet, layout, ..
        } = piece;
        let sum = packet.offload.transport_sum();
        let (buffer, start) = packet.buffer_mut();
        match branch.rewrite.apply(buffer, start, &layout, sum) {
            Ok(start) => {
                packet.set_start(start);
                Some(packet)
            }
            Err(_) => {
                self.discard(packet, DropReason::NoHeadroom, about, moment);
                None
            }
        }
    }

    /// Out of an interface of this node.
    fn output(
        &mut self,
        packet: Packet,
        interface: pipeline::object::PortRef,
        about: &About,
        moment: Moment<'_>,
    ) {
        let Some(door) = self.ports.door(interface) else {
            return self.discard(packet, DropReason::PortNotHere, about, moment);
        };
        let frame = Frame {
            packet,
            outer: None,
        };
        self.send(door, frame, about, moment);
    }

    /// Counts the end of a packet that was never made.
    pub(super) fn lose(
        &mut self,
        reason: DropReason,
        bytes: &[u8],
        about: &About,
        moment: Moment<'_>,
    ) {
        self.ports.count_drop(about.door);
        self.counters
            .count_drop(reason, moment.now_ms, about.place.number(), bytes);
    }
}
