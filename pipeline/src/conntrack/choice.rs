//! Which translation a new connection gets.
//!
//! Answers must find back to their connection, so no two connections of a zone may have equal answers. The first
//! choice is what was asked for with the client's own port. If that is taken, other ports are tried in an order that
//! depends on the connection alone.

use std::hash::BuildHasher;
use std::ops::RangeInclusive;

use packet::flow::ip_protocol;

use super::{NatRequest, Tuple};

/// The most ports that are tried for one connection.
pub const MAX_PROBES: u32 = 2_048;
/// The ports of clients that may be exchanged for one another.
const CLIENT_PORTS: RangeInclusive<u16> = 1_024..=u16::MAX;
/// Steps through any range of ports without meeting one twice, as it is prime and larger than any.
const STRIDE: u64 = 104_729;

/// What a packet that begins a connection may become, the best choice first. None if the port must be another one
/// and the protocol has no ports.
pub fn choices(tuple: &Tuple, request: Option<&NatRequest>) -> impl Iterator<Item = Tuple> {
    let mut wanted = *tuple;
    let mut ports = CLIENT_PORTS;
    match request {
        None => {}
        Some(NatRequest::Destination(ip, port)) => {
            wanted.dst = *ip;
            if *port != 0 && is_multiplexed(tuple.protocol) {
                wanted.dst_port = *port;
            }
        }
        Some(NatRequest::Source(ip, range)) => {
            wanted.src = *ip;
            ports = range.clone();
        }
    }
    let is_source = matches!(request, Some(NatRequest::Source(..)));
    let has_ports = is_multiplexed(tuple.protocol) || is_echo(tuple.protocol);
    let keeps_port = !has_ports || !is_source || ports.contains(&tuple.src_port);
    // Mostly the first choice is free, and the others are never thought of.
    let others = has_ports.then_some(ports).into_iter();
    keeps_port
        .then_some(wanted)
        .into_iter()
        .chain(others.flat_map(move |ports| other_ports(wanted, ports)))
}

/// The tuple with every other source port of a range, at most [`MAX_PROBES`]. Well-known ports are not given away
/// unless the range has no others.
fn other_ports(wanted: Tuple, range: RangeInclusive<u16>) -> impl Iterator<Item = Tuple> {
    let (mut first, last) = (*range.start(), *range.end());
    if first < *CLIENT_PORTS.start() && last >= *CLIENT_PORTS.start() {
        first = *CLIENT_PORTS.start();
    }
    let first = first.max(1);
    let size = (u64::from(last) + 1).saturating_sub(u64::from(first));
    let start = foldhash::quality::FixedState::default().hash_one(wanted) % size.max(1);
    (0..size.min(u64::from(MAX_PROBES))).filter_map(move |step| {
        let offset = (start + step * STRIDE) % size;
        let src_port = first + offset as u16;
        (src_port != wanted.src_port).then_some(Tuple { src_port, ..wanted })
    })
}

fn is_multiplexed(protocol: u8) -> bool {
    matches!(
        protocol,
        ip_protocol::TCP | ip_protocol::UDP | ip_protocol::SCTP
    )
}

/// The client's port of an echo connection is its identifier.
fn is_echo(protocol: u8) -> bool {
    matches!(protocol, ip_protocol::ICMP | ip_protocol::ICMPV6)
}
