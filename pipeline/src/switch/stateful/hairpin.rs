//! `ls_in_pre_hairpin`, `ls_in_nat_hairpin`, `ls_in_hairpin`: a client that is its own backend gets its packets back.
//!
//! The backend would answer itself directly, past the switch. So its packet comes back with the VIP, or
//! `hairpin_snat_ip`, as its source, kept in a zone of the switch; the answer to that comes back as it is translated
//! there. The interface's zone then makes its source the VIP.

use super::{Ended, Findings, Lookup, Passing};
use crate::balance;
use crate::conntrack::{Commit, NatRequest, State, Zone, ZoneKind};
use crate::drop::DropReason;
use crate::object::VipKey;
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::switch::egress;
use crate::view;
use crate::walk::{Packet, Walk};

/// Sends the packet back to where it came from, if that is the backend.
pub(super) fn turn_round<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    at: Passing<'t>,
    found: &mut Findings,
) -> Result<(), Ended> {
    let (Lookup::Translation, Some(row)) = (found.lookup, &at.switch.datapath.row) else {
        return Ok(());
    };
    let zone = Zone::new(ZoneKind::Snat(at.switch.key), row.uuid);
    let turned = match own_service(walk, packet, found) {
        Some(vip) => there(walk, packet, zone, &vip),
        None => back(walk, packet, at, zone),
    };
    match turned {
        Ok(true) => {}
        Ok(false) => return Ok(()),
        Err(reason) => {
            walk.drop(reason, Some(at.switch.key));
            return Err(Ended);
        }
    }
    walk.hit(Stage::InHairpin, turn_entry);
    let flow = &mut packet.flow;
    std::mem::swap(&mut flow.eth_src, &mut flow.eth_dst);
    packet.loopback = true;
    let inport = at.inport.map(|port| port.at.port);
    match inport.and_then(|key| at.switch.datapath.switch_port(key)) {
        Some((port, kind)) => egress(walk, packet.clone(), at.switch, at.inport, port, kind),
        None => walk.drop(DropReason::UnknownPort, Some(at.switch.key)),
    }
    Err(Ended)
}

/// The VIP that was asked for by the backend that serves it.
fn own_service<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &Packet,
    found: &Findings,
) -> Option<VipKey> {
    let ip = view::ip(&packet.flow)?;
    let is_own = ip.src == ip.dst && !found.tracked.state.contains(State::REPLY);
    let (key, _) = walk.made_by().service.clone().filter(|_| is_own)?;
    Some(key)
}

/// From the client to itself as the backend.
fn there<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &mut Packet,
    zone: Zone,
    vip: &VipKey,
) -> Result<bool, DropReason> {
    let tracked = walk.track(zone, packet);
    if let Some(translated) = tracked.translated {
        walk.hit(Stage::InNatHairpin, || entries()[0].clone());
        packet.flow = *translated;
        return Ok(true);
    }
    walk.hit(Stage::InNatHairpin, || entries()[1].clone());
    let balancer = walk.tables.balancing().balancer(vip.balancer);
    let set = balancer.and_then(|balancer| {
        let mut addresses = balancer.hairpin_snat_ip.iter();
        addresses.find(|ip| ip.is_ipv4() == vip.ip.is_ipv4())
    });
    let source = set.copied().unwrap_or(vip.ip);
    let ports = balance::source_ports(packet, None);
    let commit = Commit {
        nat: Some(NatRequest::Source(source, ports)),
        ..Commit::default()
    };
    walk.commit(zone, packet, commit)?;
    Ok(true)
}

/// From the backend to itself as the client: only what is for the source that [`there`] gives can be that.
fn back<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    at: Passing<'t>,
    zone: Zone,
) -> Result<bool, DropReason> {
    let Some(ip) = view::ip(&packet.flow) else {
        return Ok(false);
    };
    let dst = ip.dst;
    let may_be = balance::is_vip(walk, packet, at.switch.datapath, dst)
        || walk.tables.balancing().is_hairpin_source(dst);
    if !may_be {
        return Ok(false);
    }
    let tracked = walk.track(zone, packet);
    let is_answer = tracked.state.intersects(State::REPLY | State::RELATED);
    match tracked.translated.filter(|_| is_answer) {
        Some(translated) => {
            walk.hit(Stage::InNatHairpin, || entries()[2].clone());
            packet.flow = *translated;
            Ok(true)
        }
        None => Ok(false),
    }
}

/// For traces and listings: what goes on, what begins, and what comes back.
pub(crate) fn entries() -> [Entry; 3] {
    [
        Entry::new(100, "ip && ct.est && ct.trk && reg0[6] == 1", ["ct_snat;"]),
        Entry::new(
            100,
            "ip && ct.new && ct.trk && reg0[6] == 1",
            ["ct_snat_to_vip;", "next;"],
        ),
        Entry::new(90, "ip && reg0[12] == 1", ["ct_snat;"]),
    ]
}

pub(crate) fn turn_entry() -> Entry {
    Entry::new(
        1,
        "(reg0[6] == 1 || reg0[12] == 1)",
        [
            "eth.dst <-> eth.src;",
            "outport = inport;",
            "flags.loopback = 1;",
            "output;",
        ],
    )
}
