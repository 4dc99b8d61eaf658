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
        let sum = match packet.offload.transport_sum() {
            TransportSum::Partial if tunnel.takes_partial => TransportSum::Partial,
            _ => TransportSum::Complete,
        };
        match sum {
            TransportSum::Complete => finish(&mut packet),
            TransportSum::Partial => leave(&mut packet),
        }
        let entropy = flow_number(packet.bytes());
        if packet.push_front(&header(tunnel).encode(sum)).is_err() {
            return self.discard(packet, DropReason::NoHeadroom, about, moment);
        }
        let outer = Outer {
            remote: SocketAddr::new(tunnel.encap_ip, tunnel.encap_port),
            ecn: ecn(&about.flow),
            entropy,
            sum,
        };
        let frame = Frame {
            packet,
            outer: Some(outer),
        };
        self.send(Door::Tunnel, frame, about, moment);
    }
}

/// The Geneve header of packets that go there.
pub(super) fn header(tunnel: &Tunnel) -> geneve::Header {
    geneve::Header {
        vni: tunnel.datapath.get(),
        ingress: tunnel.inport,
        egress: tunnel.outport,
    }
}

/// The inner ECN bits, which the outer header copies (RFC 6040 section 4.1, normal mode). The outer DSCP is 0.
fn ecn(flow: &Flow) -> u8 {
    match &flow.network {
        Network::Ip(ip) => ip.ecn,
        _ => 0,
    }
}
