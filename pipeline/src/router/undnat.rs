//! `lr_out_undnat`, `lr_out_post_undnat`: answers get the source that their request was for.

use super::translation::{self, Role};
use crate::conntrack::Commit;
use crate::drop::DropReason;
use crate::ingress::TranslationNotes as Notes;
use crate::object::RouterPort;
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::tables::RouterTables;
use crate::view;
use crate::walk::{In, Packet, Walk};

pub(super) fn undo<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    router: In<'t, RouterTables>,
    outport: &RouterPort,
    role: Role,
) -> Result<(), DropReason> {
    let translates = match role {
        Role::Gateway => true,
        Role::AtPorts => outport.gateway.is_some(),
        Role::Plain => false,
    };
    let has_any = router.datapath.balances || !router.tables.nats.is_empty();
    if !translates || !has_any {
        return Ok(());
    }
    let zone = translation::dnat_zone(router);
    if !packet.passage.translation.contains(Notes::LOOKED_UP) {
        walk.hit(Stage::OutUndnat, entry);
        let tracked = walk.track(zone, packet);
        translation::note(packet, &tracked);
        if let Some(made) = &tracked.made_by {
            let service = made.service.clone();
            walk.made_by().service = walk.made_by().service.take().or(service);
        }
        if let Some(translated) = tracked.translated {
            packet.flow = *translated;
            walk.modify(|| source(packet));
        }
    }
    let is_new = packet.passage.translation.contains(Notes::NEW);
    if role == Role::Gateway && is_new {
        walk.hit(Stage::OutPostUndnat, keep_entry);
        walk.commit(zone, packet, Commit::default())?;
    }
    Ok(())
}

/// The new source, in OVN's words.
pub(super) fn source(packet: &Packet) -> String {
    let ip = view::ip(&packet.flow);
    ip.map_or_else(String::new, |ip| {
        format!("{}.src = {}", view::family(ip.src), ip.src)
    })
}

/// For traces and listings.
pub(crate) fn entry() -> Entry {
    Entry::new(50, "ip", ["flags.loopback = 1;", "ct_dnat;"])
}

/// For traces and listings.
pub(crate) fn keep_entry() -> Entry {
    Entry::new(50, "ip && ct.new", ["ct_commit { };", "next;"])
}
