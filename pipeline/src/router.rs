//! A packet's walk through a logical router.

pub(crate) mod admission;
pub(crate) mod arp_request;
pub(crate) mod arp_resolve;
pub(crate) mod delivery;
pub(crate) mod ip_input;
pub(crate) mod larger_packets;
pub(crate) mod neighbor;
pub(crate) mod routing;

use packet::answer::IcmpError;

use crate::answer::AnswerKind;
use crate::drop::DropReason;
use crate::ingress::Resume;
use crate::object::{Port, RouterPort};
use crate::record::Recorder;
use crate::tables::RouterTables;
use crate::walk::{In, Packet, Walk};

pub(crate) use larger_packets::error_address;
pub use neighbor::MAX_NEIGHBORS;

/// A router that a packet is in, and the port it came in by.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'t> {
    pub(crate) router: In<'t, RouterTables>,
    pub(crate) inport: &'t Port,
    pub(crate) kind: &'t RouterPort,
}

/// What the router makes of a packet that is not simply passed on.
pub(crate) enum Input {
    /// It is to be routed; it may be the answer to the packet that came in.
    Route(Packet),
    /// It goes back by the port the packet came in by.
    Back(Packet),
}

/// From the port where the packet came in to the port it leaves by.
pub(crate) fn ingress<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut packet: Packet,
    router: In<'t, RouterTables>,
    inport: &'t Port,
    kind: &'t RouterPort,
) {
    packet.passage.routed_by.get_or_insert(inport.at);
    let visit = Visit {
        router,
        inport,
        kind,
    };
    if let Err(reason) = pass(walk, packet, visit) {
        walk.drop(reason, Some(router.key));
    }
}

fn pass<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: Packet,
    visit: Visit<'t>,
) -> Result<(), DropReason> {
    admission::check(walk, &packet, visit)?;
    neighbor::learn(walk, &packet, visit);
    match ip_input::decide(walk, packet, visit)? {
        Input::Back(answer) => delivery::deliver(
            walk,
            answer,
            visit.router,
            Some(visit.inport),
            visit.inport.at,
        ),
        Input::Route(packet) => route(walk, packet, visit),
    }
}

fn route<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut packet: Packet,
    visit: Visit<'t>,
) -> Result<(), DropReason> {
    let hop = routing::choose(walk, &mut packet, visit)?;
    let mac = arp_resolve::resolve(walk, &packet, visit.router, &hop)?;
    if let Some(error) = larger_packets::check(walk, &packet, visit, &hop)? {
        return route_own_error(walk, error, visit);
    }
    arp_request::finish(walk, packet, visit.router, Some(visit.inport), &hop, mac)
}

/// An error of the router itself is routed like any packet, but never answered with another.
fn route_own_error<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut error: Packet,
    visit: Visit<'t>,
) -> Result<(), DropReason> {
    error.passage.is_own_error = true;
    if ip_input::is_to_router(&error, visit.router) {
        return Err(DropReason::ToRouter);
    }
    route(walk, error, visit)
}

/// A packet that was held goes on where its next hop was asked for.
pub(crate) fn resume<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: Packet,
    router: In<'t, RouterTables>,
    resume: &Resume,
) {
    let hop = routing::Hop {
        outport: resume.outport,
        next_hop: resume.next_hop,
        source: resume.source,
    };
    let inport = resume
        .inport
        .and_then(|key| router.datapath.port(key))
        .map(|port| &**port);
    let sent = arp_resolve::resolve(walk, &packet, router, &hop)
        .and_then(|mac| arp_request::finish(walk, packet, router, inport, &hop, mac));
    if let Err(reason) = sent {
        walk.drop(reason, Some(router.key));
    }
}

/// The ICMP error about `packet` in the name of the port it came in by.
fn error<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &Packet,
    visit: Visit<'_>,
    ip: std::net::IpAddr,
    error: IcmpError,
) -> Option<Packet> {
    let source = packet::answer::ErrorSource {
        mac: visit.kind.mac,
        ip,
    };
    walk.answer(packet, AnswerKind::Error { source, error })
}
