//! `lr_in_admission`: is the frame for the router?

use packet::Mac;

use super::Visit;
use super::translation::{self, Role};
use crate::drop::DropReason;
use crate::object::{Port, RouterPort};
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::walk::{Packet, Walk, router_settings};

pub(super) fn check<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    visit: Visit<'t>,
) -> Result<(), DropReason> {
    let flow = &packet.flow;
    if flow.vlan.is_some() || flow.eth_src.is_multicast() {
        walk.hit(Stage::InAdmission, refusal);
        return Err(match flow.vlan {
            Some(_) => DropReason::VlanUnexpected,
            None => DropReason::MulticastSource,
        });
    }
    let (is_enabled, _) = router_settings(visit.router.datapath);
    if !is_enabled {
        return Err(DropReason::RouterDisabled);
    }
    if !visit.inport.enabled {
        return Err(DropReason::PortDisabled);
    }
    if flow.eth_dst == visit.kind.mac && is_on_this_node(walk, visit.kind) {
        walk.hit(Stage::InAdmission, || {
            unicast_entry(visit.inport, visit.kind)
        });
        return Ok(());
    }
    if is_station(walk, flow.eth_dst, visit) {
        walk.hit(Stage::InAdmission, || {
            unicast_entry(visit.inport, visit.kind)
        });
        return Ok(());
    }
    if flow.eth_dst.is_multicast() {
        walk.hit(Stage::InAdmission, || {
            multicast_entry(visit.inport, visit.kind)
        });
        return Ok(());
    }
    walk.hit(Stage::InAdmission, || Entry::new(0, "1", ["drop;"]));
    Err(DropReason::RouterAdmission)
}

/// A distributed gateway port takes frames on its own node only.
fn is_on_this_node<R: Recorder>(walk: &Walk<'_, R>, port: &RouterPort) -> bool {
    let chassis = port.gateway.as_ref();
    chassis.is_none_or(|chassis| translation::is_here(walk, chassis))
}

/// True if the frame is for the station of a translated address, and its logical port is on this node.
fn is_station<'t, R: Recorder>(walk: &mut Walk<'t, R>, mac: Mac, visit: Visit<'t>) -> bool {
    let nat = visit.router.tables.nats.station(mac);
    let at_port = (visit.inport.at.port, visit.kind);
    nat.is_some_and(|nat| translation::is_done_here(walk, Role::AtPorts, nat, at_port))
}

pub(crate) fn refusal() -> Entry {
    Entry::new(100, "vlan.present || eth.src[40]", ["drop;"])
}

pub(crate) fn unicast_entry(port: &Port, kind: &RouterPort) -> Entry {
    let matches = format!("eth.dst == {} && inport == \"{}\"", kind.mac, port.name);
    Entry::new(50, matches, [&keep(kind), "next;"])
}

pub(crate) fn multicast_entry(port: &Port, kind: &RouterPort) -> Entry {
    let matches = format!("eth.mcast && inport == \"{}\"", port.name);
    Entry::new(50, matches, [&keep(kind), "next;"])
}

fn keep(kind: &RouterPort) -> String {
    format!("xreg0[0..47] = {};", kind.mac)
}
