//! A packet that is too long for the tunnel: its sender is told, or it is cut into fragments (RFC 791, RFC 1191,
//! RFC 8201). Nothing is lost without a word.

use packet::VLAN_TAG_LENGTH;
use packet::flow::Network;
use pipeline::answer::AnswerKind;
use pipeline::{Branch, DropReason, Tunnel};

use super::execute::Piece;
use super::offload::{packets, plain};
use super::parse::About;
use super::{Forwarder, Moment};
use crate::buffer::Packet;
use crate::port::Frame;

/// ICMP errors, TCP resets and SCTP aborts that a worker sends in a second, at most.
const ERRORS_PER_SECOND: u64 = 1_000;

/// Bounds the errors that packets can provoke (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 f).
#[derive(Debug, Default)]
pub(super) struct ErrorLimit {
    second: u64,
    sent: u64,
}

impl ErrorLimit {
    /// Whether an answer of this kind may be sent now; counts it.
    pub(super) fn admits(&mut self, kind: &AnswerKind, now_ms: u64) -> bool {
        let is_limited = matches!(
            kind,
            AnswerKind::Error { .. } | AnswerKind::TcpReset | AnswerKind::SctpAbort
        );
        if !is_limited {
            return true;
        }
        let second = now_ms / 1000;
        if second != self.second {
            *self = ErrorLimit { second, sent: 0 };
        }
        self.sent += 1;
        self.sent <= ERRORS_PER_SECOND
    }
}

impl Forwarder {
    /// The greatest L3 length that the tunnel takes of a packet with or without a tag.
    pub(super) fn mtu_for(&self, is_tagged: bool) -> u16 {
        let tag = if is_tagged { VLAN_TAG_LENGTH as u16 } else { 0 };
        self.tunnel_mtu.saturating_sub(tag)
    }

    fn is_tagged_after(branch: &Branch, about: &About) -> bool {
        branch.rewrite.vlan.unwrap_or(about.flow.vlan).is_some()
    }

    pub(super) fn is_too_long(&self, piece: &Piece, branch: &Branch, about: &About) -> bool {
        let length = if piece.is_answer {
            (piece.packet.len() - usize::from(piece.layout.network).min(piece.packet.len())) as u32
        } else {
            about.flow.length
        };
        length > u32::from(self.mtu_for(Self::is_tagged_after(branch, about)))
    }

    /// What becomes of a packet that does not fit.
    pub(super) fn too_long(
        &mut self,
        piece: Piece,
        branch: &Branch,
        tunnel: &Tunnel,
        about: &About,
        moment: Moment<'_>,
    ) {
        let may_fragment = matches!(&about.flow.network, Network::Ip(ip) if !ip.dont_fragment);
        if may_fragment || piece.is_answer {
            self.fragment(piece, branch, tunnel, about, moment);
        } else {
            self.tell_sender(piece, branch, tunnel, about, moment);
        }
    }

    /// Cuts an IPv4 packet into fragments, and sends each.
    fn fragment(
        &mut self,
        piece: Piece,
        branch: &Branch,
        tunnel: &Tunnel,
        about: &About,
        moment: Moment<'_>,
    ) {
        let mtu = self.mtu_for(Self::is_tagged_after(branch, about));
        let Some(packet) = self.rewrite(piece, branch, about, moment) else {
            return;
        };
        let Some(fragments) = fragments(&packet, mtu) else {
            return self.discard(packet, DropReason::MtuExceeded, about, moment);
        };
        self.pool.give(packet);
        self.counters.totals.copied.add(fragments.len() as u64 - 1);
        for fragment in &fragments {
            if let Some(piece) = self.piece(fragment, about, moment) {
                self.encapsulate(piece.packet, tunnel, about, moment);
            }
        }
    }

    /// Answers with "fragmentation needed" or "packet too big", out of the door where the packet came in.
    fn tell_sender(
        &mut self,
        piece: Piece,
        branch: &Branch,
        tunnel: &Tunnel,
        about: &About,
        moment: Moment<'_>,
    ) {
        let mtu = self.mtu_for(Self::is_tagged_after(branch, about));
        let tables = &moment.snapshot.tables;
        let answer = pipeline::answer::too_long(tables, &about.as_sent(), tunnel.routed_by, mtu);
        let Some(answer) = answer else {
            return self.discard(piece.packet, DropReason::MtuExceeded, about, moment);
        };
        if !self.errors.admits(&answer.kind, moment.now_ms) {
            return self.discard(piece.packet, DropReason::AnswerLimited, about, moment);
        }
        let frame = plain(&piece.packet);
        let Some(bytes) = pipeline::answer::build(&answer, &frame, &about.flow, &about.layout)
        else {
            return self.discard(piece.packet, DropReason::AnswerFailed, about, moment);
        };
        self.counters.totals.answered.add(1);
        self.counters.totals.originated.add(1);
        self.pool.give(piece.packet);
        if let Some(Piece { packet, .. }) = self.piece(&bytes, about, moment)
            && let Err(frame) = self.ports.stage(
                about.door,
                Frame {
                    packet,
                    outer: None,
                },
            )
        {
            self.discard(frame.packet, DropReason::PortNotHere, about, moment);
        }
    }
}

/// The fragments of a packet, or of all packets that it stands for; `None` if there cannot be any.
fn fragments(packet: &Packet, mtu: u16) -> Option<Vec<Vec<u8>>> {
    let mut fragments = Vec::new();
    for whole in packets(packet)? {
        let (flow, layout) = packet::parse(&whole).ok()?;
        fragments.extend(packet::fragment_ipv4(&whole, &flow, layout, mtu).ok()?);
    }
    Some(fragments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_bounded_in_a_second_and_other_answers_are_not() {
        let mut limit = ErrorLimit::default();
        let reset = AnswerKind::TcpReset;
        let admitted = (0..ERRORS_PER_SECOND + 5)
            .filter(|_| limit.admits(&reset, 500))
            .count();
        assert_eq!(admitted as u64, ERRORS_PER_SECOND);
        assert!(limit.admits(&AnswerKind::EchoReply, 500));
        assert!(limit.admits(&reset, 1_000));
    }
}
