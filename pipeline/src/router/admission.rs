//! `lr_in_admission`: is the frame for the router?

use super::Visit;
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
    if flow.eth_dst == visit.kind.mac {
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
