//! `lr_in_gw_redirect`: what leaves by a distributed gateway port leaves on the node that the port is on.
//!
//! Packets of an address that has a station of its own leave on the node of its logical port.

use packet::Mac;

use super::translation;
use crate::object::{ChassisName, NatKind, Port, PortRef, RouterPort};
use crate::record::{Entry, Event, Recorder};
use crate::stage::Stage;
use crate::tables::RouterTables;
use crate::view;
use crate::walk::{In, Packet, Walk};

/// The node that the packet has to go to; `None` if that is this one.
pub(super) fn elsewhere<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    router: In<'t, RouterTables>,
    outport: PortRef,
) -> Option<ChassisName> {
    let (port, kind) = router.datapath.router_port(outport.port)?;
    let chassis = kind.gateway.as_ref()?;
    if let Some(mac) = own_station(walk, packet, router, (port, kind)) {
        packet.flow.eth_src = mac;
        walk.modify(|| format!("eth.src = {mac}"));
        return None;
    }
    walk.hit(Stage::InGwRedirect, || entry(port));
    if !translation::is_here(walk, chassis) {
        return Some(chassis.clone());
    }
    if walk.tables.home().is_none() && packet.node.as_ref() != Some(chassis) {
        walk.event(|| Event::Tunnel {
            chassis: chassis.to_string(),
        });
        packet.node = Some(chassis.clone());
    }
    None
}

/// The station of its own that the packet's source has outside, if it is translated on this node.
fn own_station<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    router: In<'t, RouterTables>,
    (port, kind): (&Port, &RouterPort),
) -> Option<Mac> {
    let src = view::ip(&packet.flow)?.src;
    let at_port = (port.at.port, kind);
    router.tables.nats.from(src).into_iter().find_map(|nat| {
        let station = nat
            .distributed
            .filter(|_| nat.kind == NatKind::DnatAndSnat)?;
        translation::is_done_here(walk, translation::Role::AtPorts, nat, at_port)
            .then_some(station.mac)
    })
}

/// The entry of a port, for traces and listings.
pub(crate) fn entry(port: &Port) -> Entry {
    let matches = format!("outport == \"{}\"", port.name);
    let action = format!("outport = \"cr-{}\";", port.name);
    Entry::new(50, matches, [&action, "next;"])
}
