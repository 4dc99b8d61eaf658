//! A packet's walk through a logical router.

pub(crate) mod admission;
pub(crate) mod arp_request;
pub(crate) mod arp_resolve;
pub(crate) mod delivery;
pub(crate) mod dnat;
pub(crate) mod egress_loop;
pub(crate) mod gateway_redirect;
pub(crate) mod ip_input;
pub(crate) mod larger_packets;
pub(crate) mod neighbor;
pub(crate) mod routing;
pub(crate) mod snat;
pub(crate) mod translation;
pub(crate) mod undnat;
pub(crate) mod unsnat;

use packet::answer::IcmpError;

use crate::answer::AnswerKind;
use crate::drop::DropReason;
use crate::ingress::{Resume, TranslationNotes};
use crate::object::{Port, PortRef, RouterPort};
use crate::record::Recorder;
use crate::tables::{Compiled, RouterTables};
use crate::view;
use crate::walk::{In, Packet, Walk};
use translation::Role;

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
    if translation::role(router) != Role::Plain {
        // It is where it has to be, and may go on to another node from here.
        packet.passage.is_from_tunnel = false;
    }
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
    let origin = packet.origin.clone();
    match ip_input::decide(walk, packet, visit)? {
        Input::Back(answer) => back(walk, answer, visit),
        // The router's own answer needs no translation, unlike those of others that pass.
        Input::Route(answer) if !answer.origin.is(&origin) => route(walk, answer, visit),
        Input::Route(mut packet) => match translate(walk, &mut packet, visit)? {
            Some(refusal) => back(walk, refusal, visit),
            None => route(walk, packet, visit),
        },
    }
}

/// Out of the port the packet came in by, as an answer that needs no translation.
fn back<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut answer: Packet,
    visit: Visit<'t>,
) -> Result<(), DropReason> {
    answer.passage.translation = TranslationNotes::LOOKED_UP | TranslationNotes::REPLY;
    let inport = visit.inport;
    delivery::deliver(walk, answer, visit.router, Some(inport), inport.at)
}

/// What the packet is for inside. Gives the answer to what nobody serves.
fn translate<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    visit: Visit<'t>,
) -> Result<Option<Packet>, DropReason> {
    let role = translation::role(visit.router);
    if role != Role::Plain {
        walk.is_for_the_beginning_alone();
    }
    unsnat::undo(walk, packet, visit, role);
    dnat::translate(walk, packet, visit, role)
}

fn route<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut packet: Packet,
    visit: Visit<'t>,
) -> Result<(), DropReason> {
    let hop = routing::choose(walk, &mut packet, visit)?;
    arp_resolve::check_solicited(walk, &packet, visit, &hop)?;
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

/// A packet that another node has sent to the distributed gateway port that is on this one.
pub(crate) fn from_tunnel<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut packet: Packet,
    router: In<'t, RouterTables>,
    inport: Option<&'t Port>,
    outport: PortRef,
) {
    packet.passage.is_from_tunnel = false;
    packet.loopback = true;
    if let Err(reason) = delivery::receive(walk, packet, router, inport, outport) {
        walk.drop(reason, Some(router.key));
    }
}

/// The logical port at whose node a frame for a router is taken, if it is for a translated address that has a station
/// of its own.
pub(crate) fn station<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    at: PortRef,
) -> Option<PortRef> {
    let datapath = walk.datapath(at.datapath)?;
    let (_, kind) = datapath.router_port(at.port)?;
    let Compiled::Router(tables) = &datapath.compiled else {
        return None;
    };
    kind.gateway.as_ref()?;
    let asked = view::arp_request(&packet.flow).map(|arp| arp.tpa.into());
    let asked = asked.or_else(|| {
        let message = view::solicitation(&packet.flow)?;
        Some(message.discovery.target.into())
    });
    let of_question = asked.and_then(|ip: std::net::IpAddr| tables.nats.at(ip).next());
    let nat = of_question.or_else(|| tables.nats.station(packet.flow.eth_dst))?;
    Some(nat.distributed.as_ref()?.port)
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
