//! `ls_in_arp_rsp`: the switch answers ARP requests and neighbour solicitations for the addresses it knows.
//!
//! The owner's own question is let through: it may be a test for duplicates. Addresses of ports that take
//! unknown ones are not answered for. The addresses that probes of backends come from are nobody's but theirs.

use std::net::IpAddr;

use packet::Mac;

use crate::answer::AnswerKind;
use crate::object::Port;
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::tables::{Responder, SwitchTables};
use crate::view;
use crate::walk::{In, Packet, Walk};

/// The answer, if the switch gives one; on its way back to the port that asked.
pub(super) fn answer<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    switch: In<'t, SwitchTables>,
    inport: &'t Port,
) -> Option<Packet> {
    let target = question(packet)?;
    if let Some(mac) = switch.tables.probe_sources.get(&target) {
        walk.hit(Stage::InArpRsp, || probe_entry(target, *mac));
        return walk.answer(packet, kind(target, *mac, false));
    }
    let owner = *switch.tables.responders.get(&target)?;
    if owner.port == inport.at.port {
        walk.hit(Stage::InArpRsp, || own_entry(target, &inport.name));
        return None;
    }
    walk.hit(Stage::InArpRsp, || entry(target, &owner));
    walk.answer(packet, kind(target, owner.mac, owner.is_router))
}

/// The address asked for.
fn question(packet: &Packet) -> Option<IpAddr> {
    if let Some(request) = view::arp_request(&packet.flow) {
        return Some(request.tpa.into());
    }
    let solicitation = view::solicitation(&packet.flow)?;
    view::is_sent_to_target(solicitation).then_some(solicitation.discovery.target.into())
}

fn kind(target: IpAddr, mac: Mac, is_router: bool) -> AnswerKind {
    match target {
        IpAddr::V4(_) => AnswerKind::ArpReply { mac },
        IpAddr::V6(_) => AnswerKind::Advertisement { mac, is_router },
    }
}

fn matches(target: IpAddr) -> String {
    match target {
        IpAddr::V4(ip) => format!("arp.tpa == {ip} && arp.op == 1"),
        IpAddr::V6(ip) => {
            let group = packet::solicited_node(ip);
            format!("nd_ns && ip6.dst == {{{ip}, {group}}} && nd.target == {ip}")
        }
    }
}

/// The owner of an address asks for it itself.
pub(crate) fn own_entry(target: IpAddr, owner: &str) -> Entry {
    let matches = format!("{} && inport == \"{}\"", matches(target), owner);
    Entry::new(100, matches, ["next;"])
}

/// The entry of one address, for traces and listings.
pub(crate) fn entry(target: IpAddr, owner: &Responder) -> Entry {
    answering_entry(50, target, owner.mac, owner.is_router)
}

/// The entry of an address that probes come from.
pub(crate) fn probe_entry(target: IpAddr, mac: Mac) -> Entry {
    answering_entry(110, target, mac, false)
}

fn answering_entry(priority: u16, target: IpAddr, mac: Mac, is_router: bool) -> Entry {
    let actions = match target {
        IpAddr::V4(ip) => vec![
            "eth.dst = eth.src;".to_owned(),
            format!("eth.src = {mac};"),
            "arp.op = 2;".to_owned(),
            "arp.tha = arp.sha;".to_owned(),
            format!("arp.sha = {mac};"),
            "arp.tpa = arp.spa;".to_owned(),
            format!("arp.spa = {ip};"),
            "outport = inport;".to_owned(),
            "flags.loopback = 1;".to_owned(),
            "output;".to_owned(),
        ],
        IpAddr::V6(ip) => {
            let action = kind(target, mac, is_router).action().unwrap_or_default();
            vec![format!(
                "{action} {{ eth.src = {mac}; ip6.src = {ip}; nd.target = {ip}; nd.tll = {mac}; \
                 outport = inport; flags.loopback = 1; output; }};"
            )]
        }
    };
    Entry {
        priority,
        matches: matches(target),
        actions,
    }
}
