//! `lr_in_arp_request`: a packet whose next hop is unknown waits, and the router asks for it.

use std::net::IpAddr;

use packet::Mac;

use super::delivery;
use super::routing::Hop;
use crate::answer::AnswerKind;
use crate::drop::DropReason;
use crate::ingress::Resume;
use crate::object::{Port, RouterPort};
use crate::record::{Entry, Event, Recorder};
use crate::stage::Stage;
use crate::tables::RouterTables;
use crate::verdict::{Destination, Hold};
use crate::view;
use crate::walk::{In, Packet, Walk};

/// Sends the packet to its next hop if that is known, and asks for it if not.
pub(super) fn finish<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut packet: Packet,
    router: In<'t, RouterTables>,
    inport: Option<&'t Port>,
    hop: &Hop,
    mac: Option<Mac>,
) -> Result<(), DropReason> {
    match mac {
        Some(mac) => {
            packet.flow.eth_dst = mac;
            walk.modify(|| format!("eth.dst = {mac}"));
            walk.hit(Stage::InArpRequest, output_entry);
            delivery::deliver(walk, packet, router, inport, hop.outport)
        }
        None => hold(walk, &packet, router, inport, hop),
    }
}

fn hold<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    router: In<'t, RouterTables>,
    inport: Option<&'t Port>,
    hop: &Hop,
) -> Result<(), DropReason> {
    let Some((port, kind)) = router.datapath.router_port(hop.outport.port) else {
        return Err(DropReason::RoutePortMissing);
    };
    walk.modify(|| format!("eth.dst = {}", Mac::ZERO));
    walk.hit(Stage::InArpRequest, || entry(hop.next_hop));
    walk.is_for_this_packet_alone();
    let next_hop = hop.next_hop;
    walk.event(|| Event::Hold {
        port: port.name.clone(),
        next_hop,
    });
    let solicitation = walk.apart(|walk| ask(walk, packet, router, inport, hop, kind));
    let hold = Hold {
        port: hop.outport,
        next_hop,
        resume: Resume {
            inport: inport.map(|port| port.at.port),
            outport: hop.outport,
            next_hop,
            source: hop.source,
            passage: packet.passage,
        },
        solicitation,
    };
    walk.branch(packet, Destination::Hold(Box::new(hold)));
    Ok(())
}

fn ask<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    router: In<'t, RouterTables>,
    inport: Option<&'t Port>,
    hop: &Hop,
    kind: &RouterPort,
) {
    let mac = kind.mac;
    let question = match (hop.next_hop, hop.source) {
        (IpAddr::V4(target), IpAddr::V4(ip)) => AnswerKind::ArpRequest { mac, ip, target },
        (IpAddr::V6(target), _) => AnswerKind::Solicitation {
            mac,
            ip: mac.link_local(),
            target,
        },
        _ => return walk.drop(DropReason::NeighborUnresolved, Some(router.key)),
    };
    let Some(question_packet) = walk.answer(packet, question) else {
        return walk.drop(DropReason::NeighborUnresolved, Some(router.key));
    };
    if let Err(reason) = delivery::deliver(walk, question_packet, router, inport, hop.outport) {
        walk.drop(reason, Some(router.key));
    }
}

fn entry(next_hop: IpAddr) -> Entry {
    let matches = format!("eth.dst == 00:00:00:00:00:00 && {}", view::family(next_hop));
    let action = match next_hop {
        IpAddr::V4(_) => {
            "arp { eth.dst = ff:ff:ff:ff:ff:ff; arp.spa = reg1; arp.tpa = reg0; arp.op = 1; output; };"
        }
        IpAddr::V6(_) => "nd_ns { nd.target = xxreg0; output; };",
    };
    Entry::new(100, matches, [action])
}

/// For listings.
pub(crate) fn entries() -> [Entry; 3] {
    let [ipv4, ipv6] = [IpAddr::from([0; 4]), IpAddr::from([0; 16])].map(entry);
    [ipv4, ipv6, output_entry()]
}

fn output_entry() -> Entry {
    Entry::new(0, "1", ["output;"])
}
