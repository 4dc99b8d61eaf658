//! `lr_out_delivery`: the packet goes to what the port is joined to.

use crate::drop::DropReason;
use crate::object::{Port, PortRef};
use crate::record::{Entry, Event, Recorder, Scope};
use crate::stage::Stage;
use crate::tables::RouterTables;
use crate::walk::{In, Packet, Walk};

pub(super) fn deliver<'t, R: Recorder>(
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
    let delivered = match (port.enabled, kind.peer) {
        (false, _) => Err(DropReason::ToDisabledPort),
        (true, None) => Err(DropReason::PeerMissing),
        (true, Some(peer)) => {
            walk.hit(Stage::OutDelivery, || entry(port));
            walk.event(|| Event::Output {
                port: port.name.clone(),
                kind: "patch",
            });
            walk.enter(packet, peer);
            Ok(())
        }
    };
    if let Err(reason) = delivered {
        walk.drop(reason, Some(router.key));
    }
    walk.leave_scope();
    Ok(())
}

/// The entry of a port, for traces and listings.
pub(crate) fn entry(port: &Port) -> Entry {
    Entry::new(100, format!("outport == \"{}\"", port.name), ["output;"])
}
