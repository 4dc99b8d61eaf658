//! The way out of a router: to the node that the port is on, through the translations, and to what it is joined to
//! (`lr_out_delivery`).

use super::translation::{self, Role};
use super::{egress_loop, gateway_redirect, snat, undnat};
use crate::drop::DropReason;
use crate::ingress::TranslationNotes;
use crate::object::{Port, PortRef, RouterPort};
use crate::record::{Entry, Event, Recorder, Scope};
use crate::stage::Stage;
use crate::tables::RouterTables;
use crate::view;
use crate::walk::{In, Packet, Walk};

/// Sends the packet out of a port, which may be on another node.
pub(super) fn deliver<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut packet: Packet,
    router: In<'t, RouterTables>,
    inport: Option<&'t Port>,
    outport: PortRef,
) -> Result<(), DropReason> {
    match gateway_redirect::elsewhere(walk, &mut packet, router, outport) {
        Some(chassis) => {
            let inport = inport.map_or(0, |port| port.at.port.get());
            let outport = outport.port.get();
            walk.tunnel(&packet, &chassis, router.key, inport, outport);
            Ok(())
        }
        None => leave(walk, packet, router, inport, outport),
    }
}

/// Sends a packet that another node has handed over out of a port, if that is on this one.
pub(super) fn receive<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut packet: Packet,
    router: In<'t, RouterTables>,
    inport: Option<&'t Port>,
    outport: PortRef,
) -> Result<(), DropReason> {
    let found = router.datapath.router_port(outport.port);
    let is_gateway = found.is_some_and(|(_, kind)| kind.gateway.is_some());
    if !is_gateway || gateway_redirect::elsewhere(walk, &mut packet, router, outport).is_some() {
        return Err(DropReason::PortNotHere);
    }
    leave(walk, packet, router, inport, outport)
}

/// Out of a port that is on this node.
fn leave<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: Packet,
    router: In<'t, RouterTables>,
    inport: Option<&'t Port>,
    outport: PortRef,
) -> Result<(), DropReason> {
    let Some((port, kind)) = router.datapath.router_port(outport.port) else {
        return Err(DropReason::RoutePortMissing);
    };
    walk.enter_scope(|| Scope::Egress {
        datapath: router.name.to_owned(),
        inport: inport.map_or(String::new(), |port| port.name.clone()),
        outport: port.name.clone(),
    });
    if let Err(reason) = translate_and_hand_over(walk, packet, router, port, kind) {
        walk.drop(reason, Some(router.key));
    }
    walk.leave_scope();
    Ok(())
}

fn translate_and_hand_over<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut packet: Packet,
    router: In<'t, RouterTables>,
    port: &'t Port,
    kind: &'t RouterPort,
) -> Result<(), DropReason> {
    let (true, peer) = (port.enabled, kind.peer) else {
        return Err(DropReason::ToDisabledPort);
    };
    let peer = peer.ok_or(DropReason::PeerMissing)?;
    let role = translation::role(router);
    if role != Role::Plain && is_translatable(&packet) {
        walk.is_for_the_beginning_alone();
        let at_port = (port.at.port, kind);
        undnat::undo(walk, &mut packet, router, kind, role)?;
        let is_changed = snat::translate(walk, &mut packet, router, at_port, role)?;
        if role == Role::AtPorts
            && egress_loop::turn(walk, &mut packet, router, at_port, is_changed)
        {
            walk.enter(packet, port.at);
            return Ok(());
        }
    }
    packet.passage.translation = TranslationNotes::empty();
    walk.hit(Stage::OutDelivery, || entry(port));
    walk.event(|| Event::Output {
        port: port.name.clone(),
        kind: "patch",
    });
    walk.enter(packet, peer);
    Ok(())
}

/// Neighbour discovery is never translated.
fn is_translatable(packet: &Packet) -> bool {
    let flow = &packet.flow;
    view::ip(flow).is_some()
        && view::solicitation(flow).is_none()
        && view::advertisement(flow).is_none()
}

/// The entry of a port, for traces and listings.
pub(crate) fn entry(port: &Port) -> Entry {
    Entry::new(100, format!("outport == \"{}\"", port.name), ["output;"])
}
