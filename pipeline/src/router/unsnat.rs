//! `lr_in_unsnat`: what is for an address that sources were given goes to whom it was given for.

use std::net::IpAddr;

use super::Visit;
use super::translation::{self, Role};
use crate::balance;
use crate::conntrack::Zone;
use crate::ingress::TranslationNotes as Notes;
use crate::object::{ForceSnat, NatKind};
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::view;
use crate::walk::{Packet, Walk};

pub(super) fn undo<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    visit: Visit<'t>,
    role: Role,
) {
    let Some(dst) = view::ip(&packet.flow).map(|ip| ip.dst) else {
        return;
    };
    let zone = match role {
        Role::Gateway if is_source(visit, dst) => translation::snat_zone(visit.router),
        Role::AtPorts => match zone_at_port(walk, packet, visit, dst) {
            Some(zone) => zone,
            None => return,
        },
        _ => return,
    };
    if balance::asked(walk, packet, visit.router.datapath).is_some() {
        walk.hit(Stage::InUnsnat, || {
            Entry::new(
                120,
                format!("{}.dst == {dst}", view::family(dst)),
                ["next;"],
            )
        });
        return;
    }
    walk.hit(Stage::InUnsnat, || entry(dst));
    let tracked = walk.track(zone, packet);
    if zone == translation::dnat_zone(visit.router) {
        translation::note(packet, &tracked);
    }
    if let Some(translated) = tracked.translated {
        packet.flow = *translated;
        walk.modify(|| balance::translation(packet));
    }
}

/// True if a gateway router gives sources this address.
fn is_source(visit: Visit<'_>, dst: IpAddr) -> bool {
    let tables = visit.router.tables;
    let is_forced = visit.router.datapath.router().is_some_and(|router| {
        [&router.lb_force_snat, &router.dnat_force_snat]
            .into_iter()
            .any(|setting| match setting {
                ForceSnat::No => false,
                ForceSnat::RouterIp => translation::forced(setting, visit.kind, dst) == Some(dst),
                ForceSnat::Addresses(addresses) => addresses.contains(&dst),
            })
    });
    is_forced || is_stateful_source(tables, dst)
}

fn is_stateful_source(tables: &crate::tables::RouterTables, dst: IpAddr) -> bool {
    let mut at = tables.nats.at(dst);
    at.any(|nat| nat.kind != NatKind::Dnat && !nat.is_stateless)
}

/// The zone for what comes in by a distributed gateway port. What has turned round there is looked up among the
/// translated sources, unless its own source has just become one.
fn zone_at_port<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &Packet,
    visit: Visit<'_>,
    dst: IpAddr,
) -> Option<Zone> {
    let at_port = (visit.inport.at.port, visit.kind);
    let mut nats = visit.router.tables.nats.at(dst);
    let is_done = nats.any(|nat| {
        let is_source = nat.kind != NatKind::Dnat && !nat.is_stateless;
        is_source && translation::is_done_here(walk, Role::AtPorts, nat, at_port)
    });
    let notes = packet.passage.translation;
    match (is_done, notes.contains(Notes::TURNED)) {
        (false, _) => None,
        (true, false) => Some(translation::dnat_zone(visit.router)),
        (true, true) if notes.contains(Notes::TURNED_NEW) => None,
        (true, true) => Some(translation::snat_zone(visit.router)),
    }
}

/// The entry of an address, for traces and listings.
pub(crate) fn entry(ip: IpAddr) -> Entry {
    let matches = format!("ip && {}.dst == {ip}", view::family(ip));
    Entry::new(90, matches, ["ct_snat;"])
}
