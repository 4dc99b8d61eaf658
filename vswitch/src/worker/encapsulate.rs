//! Step 7: for another node.

use std::net::SocketAddr;

use packet::flow::{Flow, Network};
use packet::geneve;
use packet::offload::TransportSum;
use pipeline::{Branch, DropReason, Tunnel};

use super::execute::Piece;
use super::offload::{finish, leave};
use super::parse::About;
use super::ports::Door;
use super::{Forwarder, Moment};
use crate::buffer::Packet;
use crate::port::{Frame, Outer};
use crate::sys::udp::flow_number;

impl Forwarder {
    /// Into the tunnel, if it is not too long for it.
    pub(super) fn tunnel(
        &mut self,
        piece: Piece,
        branch: &Branch,
        tunnel: &Tunnel,
        about: &About,
        moment: Moment<'_>,
    ) {
        if self.is_too_long(&piece, branch, about) {
            return self.too_long(piece, branch, tunnel, about, moment);
        }
        if let Some(packet) = self.rewrite(piece, branch, about, moment) {
            self.encapsulate(packet, tunnel, about, moment);
        }
    }

    /// Puts the Geneve header before a frame and stages it for the tunnel.
    pub(super) fn encapsulate(
        &mut self,
        mut packet: Packet,
        tunnel: &Tunnel,
        about: &About,
        moment: Moment<'_>,
    ) {
        let outer = Outside::of(tunnel).wrap(&mut packet, ecn(&about.flow));
        if outer.is_none() {
            return self.discard(packet, DropReason::NoHeadroom, about, moment);
        }
        self.send(Door::Tunnel, Frame { packet, outer }, about, moment);
    }
}

/// What goes round packets on their way into the tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outside {
    /// The Geneve header of a packet whose checksum is finished.
    complete: [u8; geneve::HEADER_LENGTH],
    /// That of one whose checksum is not, if the other end takes such.
    partial: Option<[u8; geneve::HEADER_LENGTH]>,
    remote: SocketAddr,
}

impl Outside {
    pub(super) fn of(tunnel: &Tunnel) -> Outside {
        let header = geneve::Header {
            vni: tunnel.datapath.get(),
            ingress: tunnel.inport,
            egress: tunnel.outport,
        };
        let partial = tunnel.takes_partial;
        Outside {
            complete: header.encode(TransportSum::Complete),
            partial: partial.then(|| header.encode(TransportSum::Partial)),
            remote: SocketAddr::new(tunnel.encap_ip, tunnel.encap_port),
        }
    }

    /// Puts the Geneve header before a packet with these ECN bits, and returns what goes before that; `None` if there is no
    /// room.
    #[inline]
    pub(super) fn wrap(&self, packet: &mut Packet, ecn: u8) -> Option<Outer> {
        let (header, sum) = match (packet.offload.transport_sum(), &self.partial) {
            (TransportSum::Partial, Some(header)) => {
                leave(packet);
                (header, TransportSum::Partial)
            }
            _ => {
                finish(packet);
                (&self.complete, TransportSum::Complete)
            }
        };
        let entropy = flow_number(packet.bytes());
        packet.push_front(header).ok()?;
        Some(Outer {
            remote: self.remote,
            ecn,
            entropy,
            sum,
        })
    }
}

/// The inner ECN bits, which the outer header copies (RFC 6040 section 4.1, normal mode). The outer DSCP is 0.
fn ecn(flow: &Flow) -> u8 {
    match &flow.network {
        Network::Ip(ip) => ip.ecn,
        _ => 0,
    }
}
