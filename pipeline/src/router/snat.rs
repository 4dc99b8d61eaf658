//! `lr_out_snat`: sources become addresses outside.

use std::net::IpAddr;
use std::sync::Arc;

use super::translation::{self, Fit, Role};
use super::undnat;
use crate::balance;
use crate::conntrack::{Commit, NatRequest, State, Zone};
use crate::drop::DropReason;
use crate::ingress::TranslationNotes as Notes;
use crate::object::{Nat, NatKind, PortKey, RouterPort};
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::tables::RouterTables;
use crate::view;
use crate::walk::{In, Packet, Walk};

/// Translates the packet's source; true if it did.
pub(super) fn translate<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    router: In<'t, RouterTables>,
    (key, outport): (PortKey, &RouterPort),
    role: Role,
) -> Result<bool, DropReason> {
    let notes = packet.passage.translation;
    let Some((src, dst)) = view::ip(&packet.flow).map(|ip| (ip.src, ip.dst)) else {
        return Ok(false);
    };
    if role == Role::Plain || notes.contains(Notes::SKIP_SNAT) {
        return Ok(false);
    }
    if role == Role::Gateway
        && let Some(source) = forced_source(router, outport, notes, src)
    {
        walk.hit(Stage::OutSnat, || forced_entry(src, source));
        let zone = translation::snat_zone(router);
        return change(walk, packet, zone, (source, None)).map(|()| true);
    }
    let Some(nat) = nat_from(walk, router, (key, outport), role, (src, dst)) else {
        return Ok(false);
    };
    if nat.is_stateless {
        walk.hit(Stage::OutSnat, || entry(&nat));
        walk.made_by().nats.push(nat.uuid);
        translation::exchange(packet, src, nat.external_ip);
        return Ok(true);
    }
    if role == Role::Gateway && notes.contains(Notes::REPLY) {
        return Ok(false);
    }
    let zone = match role {
        Role::AtPorts if !is_local(walk, router, (key, outport), notes, dst) => {
            translation::dnat_zone(router)
        }
        _ => translation::snat_zone(router),
    };
    walk.hit(Stage::OutSnat, || entry(&nat));
    walk.made_by().nats.push(nat.uuid);
    change(walk, packet, zone, (nat.external_ip, Some(&nat)))?;
    Ok(true)
}

/// The source that the router's options give what load balancers or NATs translated.
fn forced_source(
    router: In<'_, RouterTables>,
    outport: &RouterPort,
    notes: Notes,
    src: IpAddr,
) -> Option<IpAddr> {
    let settings = router.datapath.router()?;
    let for_lb = || translation::forced(&settings.lb_force_snat, outport, src);
    let for_dnat = || translation::forced(&settings.dnat_force_snat, outport, src);
    let by_lb = notes.contains(Notes::FORCE_LB).then(for_lb).flatten();
    by_lb.or_else(|| notes.contains(Notes::FORCE_DNAT).then(for_dnat).flatten())
}

/// The NAT of the packet's source: that of the longest network.
fn nat_from<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    router: In<'t, RouterTables>,
    at_port: (PortKey, &RouterPort),
    role: Role,
    (src, dst): (IpAddr, IpAddr),
) -> Option<Arc<Nat>> {
    for nat in router.tables.nats.from(src) {
        if nat.external_ip.is_ipv4() != src.is_ipv4()
            || !translation::is_done_here(walk, role, nat, at_port)
        {
            continue;
        }
        match translation::fit(walk, nat, dst) {
            Fit::Yes => return Some(nat.clone()),
            Fit::No => {}
            Fit::Exempt => return None,
        }
    }
    None
}

/// True if a packet that leaves by a distributed gateway port comes back at once, so that its source has to be
/// translated apart from its destination.
pub(super) fn is_local<R: Recorder>(
    walk: &mut Walk<'_, R>,
    router: In<'_, RouterTables>,
    at_port: (PortKey, &RouterPort),
    notes: Notes,
    dst: IpAddr,
) -> bool {
    let mut nats = router.tables.nats.at(dst);
    notes.contains(Notes::BALANCED)
        || nats.any(|nat| translation::is_done_here(walk, Role::AtPorts, nat, at_port))
}

/// Makes the source `to`, with a port that the NAT allows.
fn change<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &mut Packet,
    zone: Zone,
    (to, nat): (IpAddr, Option<&Nat>),
) -> Result<(), DropReason> {
    let tracked = walk.track(zone, packet);
    if tracked.state.contains(State::INVALID) {
        // As OVN has it: what fits no connection is not translated, and is not stopped for that.
        return Ok(());
    }
    if let Some(translated) = tracked.translated {
        packet.flow = *translated;
    } else if tracked.state.contains(State::NEW) {
        let ports = nat.and_then(|nat| nat.external_ports.as_ref());
        let ports = balance::source_ports(packet, ports);
        let commit = Commit {
            nat: Some(NatRequest::Source(to, ports)),
            ..Commit::default()
        };
        walk.commit(zone, packet, commit)?;
    }
    walk.modify(|| undnat::source(packet));
    Ok(())
}

// === in words ===

/// The entry of a NAT, for traces and listings.
pub(crate) fn entry(nat: &Nat) -> Entry {
    let family = view::family(nat.external_ip);
    let external = nat.external_ip;
    let inside = match nat.kind {
        NatKind::Snat => nat.logical.to_string(),
        _ => nat.logical.addr().to_string(),
    };
    let priority = u16::from(nat.logical.prefix_len()) + 1;
    let matches = format!("ip && {family}.src == {inside}");
    if nat.is_stateless {
        let set = format!("{family}.src={external};");
        return Entry::new(priority, matches, [&set, "next;"]);
    }
    let translate = match &nat.external_ports {
        None => format!("ct_snat({external});"),
        Some(ports) => format!("ct_snat({external},{}-{});", ports.start(), ports.end()),
    };
    Entry::new(priority, matches, [&translate])
}

fn forced_entry(src: IpAddr, to: IpAddr) -> Entry {
    let matches = format!("flags.force_snat_for_lb == 1 && {}", view::family(src));
    Entry::new(110, matches, [&format!("ct_snat({to});")])
}
