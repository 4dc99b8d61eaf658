//! `lr_in_defrag`, `lr_in_dnat`: destinations become backends or addresses inside.

use std::net::IpAddr;
use std::sync::Arc;

use super::Visit;
use super::translation::{self, Fit, Role};
use crate::balance::{self, Asked, Unserved};
use crate::conntrack::{Commit, Mark, NatRequest, State};
use crate::drop::DropReason;
use crate::ingress::TranslationNotes as Notes;
use crate::object::{ForceSnat, Nat, WhenEmpty};
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::view;
use crate::walk::{Packet, Walk};

/// Translates the packet; gives the answer instead if nobody serves it and the sender is to know.
pub(super) fn translate<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    visit: Visit<'t>,
    role: Role,
) -> Result<Option<Packet>, DropReason> {
    let Some((src, dst)) = view::ip(&packet.flow).map(|ip| (ip.src, ip.dst)) else {
        return Ok(None);
    };
    let is_vip = balance::is_vip(walk, packet, visit.router.datapath, dst);
    let nat = nat_to(walk, visit, role, src, dst);
    if let (false, Some(nat)) = (is_vip, &nat)
        && nat.is_stateless
    {
        walk.hit(Stage::InDnat, || entry(nat));
        walk.made_by().nats.push(nat.uuid);
        translation::exchange(packet, dst, nat.logical.addr());
        return Ok(None);
    }
    if !is_vip && nat.is_none() {
        return Ok(None);
    }
    if is_vip {
        walk.hit(Stage::InDefrag, || defrag_entry(dst));
    }
    let zone = translation::dnat_zone(visit.router);
    let mut tracked = walk.track(zone, packet);
    let is_known = balance::go_on(walk, packet, zone, &mut tracked);
    translation::note(packet, &tracked);
    if is_known {
        note_forced(packet, nat.as_deref(), visit);
        return Ok(None);
    }
    if !tracked.state.contains(State::NEW) {
        return Ok(None);
    }
    if let Some(asked) = asked(walk, packet, visit, role) {
        return serve(walk, packet, visit, asked);
    }
    match nat {
        Some(nat) => begin(walk, packet, visit, &nat).map(|()| None),
        None => Ok(None),
    }
}

/// The NAT of the packet's destination.
fn nat_to<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    visit: Visit<'t>,
    role: Role,
    peer: IpAddr,
    dst: IpAddr,
) -> Option<Arc<Nat>> {
    let at_port = (visit.inport.at.port, visit.kind);
    for nat in visit.router.tables.nats.to(dst) {
        // The address of a station of its own is translated wherever its packets come in.
        let is_done = match (&nat.distributed, role) {
            (Some(_), Role::AtPorts) => visit.kind.gateway.is_some(),
            _ => role != Role::Plain && translation::is_done_here(walk, role, nat, at_port),
        };
        if !is_done {
            continue;
        }
        match translation::fit(walk, nat, peer) {
            Fit::Yes => return Some(nat.clone()),
            Fit::No => {}
            Fit::Exempt => return None,
        }
    }
    None
}

/// The service that is asked for, if this node balances for the router.
fn asked<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    visit: Visit<'t>,
    role: Role,
) -> Option<Asked<'t>> {
    let is_here = role != Role::AtPorts
        || visit.router.tables.gateways.iter().any(|key| {
            let port = visit.router.datapath.router_port(*key);
            port.is_some_and(|(_, kind)| translation::is_resident(walk, role, kind))
        });
    balance::asked(walk, packet, visit.router.datapath).filter(|_| is_here)
}

fn serve<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    visit: Visit<'t>,
    asked: Asked<'t>,
) -> Result<Option<Packet>, DropReason> {
    let settings = visit.router.datapath.router();
    let is_forced = settings.is_some_and(|router| router.lb_force_snat != ForceSnat::No);
    let (flag, notes) = match (asked.balancer.skip_snat, is_forced) {
        (true, _) => (Mark::SKIP_SNAT, Notes::SKIP_SNAT),
        (false, true) => (Mark::FORCE_SNAT, Notes::FORCE_LB),
        (false, false) => (Mark::empty(), Notes::empty()),
    };
    walk.hit(Stage::InDnat, || service_entry(asked, flag));
    let commit = Commit {
        mark: Mark::NATTED | flag,
        ..Commit::default()
    };
    let zone = translation::dnat_zone(visit.router);
    match balance::begin(walk, packet, zone, asked, commit)? {
        Ok(()) => {
            packet.passage.translation.remove(Notes::NEW);
            packet.passage.translation |= notes | Notes::BALANCED;
            Ok(None)
        }
        Err(Unserved::Empty(WhenEmpty::Reject)) => {
            walk.reject(packet).map(Some).ok_or(DropReason::NoBackend)
        }
        Err(unserved) => Err(unserved.reason()),
    }
}

fn begin<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    visit: Visit<'t>,
    nat: &Nat,
) -> Result<(), DropReason> {
    walk.hit(Stage::InDnat, || entry(nat));
    walk.made_by().nats.push(nat.uuid);
    let commit = Commit {
        nat: Some(NatRequest::Destination(nat.logical.addr(), 0)),
        ..Commit::default()
    };
    walk.commit(translation::dnat_zone(visit.router), packet, commit)?;
    walk.modify(|| balance::translation(packet));
    packet.passage.translation.remove(Notes::NEW);
    note_forced(packet, Some(nat), visit);
    Ok(())
}

/// What a NAT translated, and no load balancer, may get a source of the router's.
fn note_forced(packet: &mut Packet, nat: Option<&Nat>, visit: Visit<'_>) {
    let settings = visit.router.datapath.router();
    let is_forced = settings.is_some_and(|router| router.dnat_force_snat != ForceSnat::No);
    let notes = &mut packet.passage.translation;
    if nat.is_some() && is_forced && !notes.contains(Notes::BALANCED) {
        *notes |= Notes::FORCE_DNAT;
    }
}

// === in words ===

/// The entry of a NAT, for traces and listings.
pub(crate) fn entry(nat: &Nat) -> Entry {
    let family = view::family(nat.external_ip);
    let matches = format!("ip && {family}.dst == {}", nat.external_ip);
    let inside = nat.logical.addr();
    match nat.is_stateless {
        true => {
            let set = format!("{family}.dst={inside};");
            Entry::new(100, matches, ["flags.loopback = 1;", &set, "next;"])
        }
        false => {
            let translate = format!("ct_dnat({inside});");
            Entry::new(100, matches, ["flags.loopback = 1;", &translate])
        }
    }
}

/// The entry of a service, for traces and listings.
pub(crate) fn service_entry(asked: Asked<'_>, mark: Mark) -> Entry {
    let flags: &[&str] = if mark.contains(Mark::SKIP_SNAT) {
        &["flags.skip_snat_for_lb = 1;"]
    } else if mark.contains(Mark::FORCE_SNAT) {
        &["flags.force_snat_for_lb = 1;"]
    } else {
        &[]
    };
    let reject = "reject { outport <-> inport; next(pipeline=egress,table=3);};";
    balance::entry(asked, "ct.new && !ct.rel", ["reg0 = 0;", reject], flags)
}

/// The entry of a VIP's address, for traces and listings.
pub(crate) fn defrag_entry(ip: IpAddr) -> Entry {
    let matches = format!("ip && {}.dst == {ip}", view::family(ip));
    Entry::new(100, matches, ["ct_dnat;"])
}
