//! Step 7: for another node.

use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};

use packet::flow::{Flow, Fragment, Network, Transport};
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
        if packet.push_front(&header(tunnel).encode(sum)).is_err() {
            return self.discard(packet, DropReason::NoHeadroom, about, moment);
        }
        let outer = Outer {
            remote: SocketAddr::new(tunnel.encap_ip, tunnel.encap_port),
            ecn: ecn(&about.flow),
            entropy: entropy(&about.flow),
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

/// Equal for packets that must not overtake each other. Fragments have no ports to look at but the first's,
/// so that all fragments are taken by addresses alone.
fn entropy(flow: &Flow) -> u16 {
    let Network::Ip(ip) = &flow.network else {
        return 0;
    };
    let ports = match ip.transport {
        _ if ip.fragment != Fragment::Whole => (0, 0),
        Transport::Tcp { src, dst, .. }
        | Transport::Udp { src, dst }
        | Transport::Sctp { src, dst } => (src, dst),
        Transport::Icmp { identifier, .. } => (identifier, 0),
        Transport::Other => (0, 0),
    };
    spread((ip.src, ports.0), (ip.dst, ports.1), ip.protocol)
}

/// The entropy of a packet between these.
pub(super) fn spread(src: (IpAddr, u16), dst: (IpAddr, u16), protocol: u8) -> u16 {
    let hasher = foldhash::fast::FixedState::default();
    (hasher.hash_one((src, dst, protocol)) >> 24) as u16
}
