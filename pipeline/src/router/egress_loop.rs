//! `lr_out_egr_loop`: what leaves by a distributed gateway port for an address that is translated there turns round.

use super::snat;
use super::translation::{self, Role};
use crate::ingress::TranslationNotes as Notes;
use crate::object::{PortKey, RouterPort};
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::tables::RouterTables;
use crate::view;
use crate::walk::{In, Packet, Walk};

/// Makes the packet one that comes in by the port, if it is for an address that is translated there. `is_changed`
/// says that its source has just been translated.
pub(super) fn turn<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    router: In<'t, RouterTables>,
    at_port: (PortKey, &RouterPort),
    is_changed: bool,
) -> bool {
    let Some(dst) = view::ip(&packet.flow).map(|ip| ip.dst) else {
        return false;
    };
    let mut nats = router.tables.nats.at(dst);
    if !nats.any(|nat| translation::is_done_here(walk, Role::AtPorts, nat, at_port)) {
        return false;
    }
    walk.hit(Stage::OutEgrLoop, || {
        Entry::new(
            100,
            format!("{}.dst == {dst}", view::family(dst)),
            ["clone { ct_clear; inport = outport; next(pipeline=ingress, table=0); };"],
        )
    });
    let notes = packet.passage.translation;
    let is_local = snat::is_local(walk, router, at_port, notes, dst);
    packet.passage.translation = match is_local && !is_changed {
        true => Notes::TURNED,
        false => Notes::TURNED | Notes::TURNED_NEW,
    };
    packet.passage.is_own_error = true;
    let flow = &mut packet.flow;
    std::mem::swap(&mut flow.eth_src, &mut flow.eth_dst);
    true
}
