//! `lr_in_lookup_neighbor`, `lr_in_learn_neighbor`: learning from what ARP and neighbour discovery claim.
//!
//! A request teaches the asker's address if that is on the port's network; a reply or advertisement teaches
//! its sender's. With `always_learn_from_arp_request` off, requests and solicitations that are not for the
//! router only change what is known already.

use std::net::IpAddr;

use packet::Mac;

use super::Visit;
use crate::object::{PortRef, RouterPort};
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::tables::DatapathTables;
use crate::verdict::{Learn, LearnedKey};
use crate::view;
use crate::walk::{Packet, Walk, router_settings};

/// How many neighbours a router learns at most; further ones are asked for anew each time.
pub const MAX_NEIGHBORS: usize = 65_536;

/// A claim that `ip` is at `mac`.
struct Claim {
    ip: IpAddr,
    mac: Mac,
    kind: ClaimKind,
    /// It may only change a binding of this address.
    only_if_known: Option<IpAddr>,
}

/// What makes the claim.
#[derive(Clone, Copy)]
enum ClaimKind {
    ArpReply,
    ArpRequest,
    Advertisement,
    Solicitation,
}

pub(super) fn learn<'t, R: Recorder>(walk: &mut Walk<'t, R>, packet: &Packet, visit: Visit<'t>) {
    let (_, always) = router_settings(visit.router.datapath);
    let Some(claim) = claim(packet, visit.kind, always) else {
        return;
    };
    let datapath = visit.router.datapath;
    walk.depend(datapath.slots.learned);
    let port = visit.inport.at;
    walk.hit(Stage::InLookupNeighbor, || lookup_entry(&claim));
    if is_known(datapath, port, &claim) {
        walk.hit(Stage::InLearnNeighbor, known_entry);
        return walk.used(LearnedKey::Neighbor(port, claim.ip));
    }
    if !may_learn(datapath, port, &claim) {
        walk.hit(Stage::InLearnNeighbor, refused_entry);
        return;
    }
    walk.hit(Stage::InLearnNeighbor, || learn_entry(&claim));
    walk.learn(Learn::Neighbor {
        port,
        ip: claim.ip,
        mac: claim.mac,
    });
}

fn claim(packet: &Packet, port: &RouterPort, always: bool) -> Option<Claim> {
    let claim = claim_of_arp(packet, port, always).or_else(|| claim_of_nd(packet, always))?;
    let is_station = !claim.mac.is_zero() && !claim.mac.is_multicast();
    let is_host = !claim.ip.is_unspecified() && !claim.ip.is_multicast();
    (is_station && is_host).then_some(claim)
}

fn claim_of_arp(packet: &Packet, port: &RouterPort, always: bool) -> Option<Claim> {
    let arp = view::arp(&packet.flow)?;
    let claim = |kind, only_if_known| Claim {
        ip: arp.spa.into(),
        mac: arp.sha,
        kind,
        only_if_known,
    };
    match arp.operation {
        view::ARP_REPLY => Some(claim(ClaimKind::ArpReply, None)),
        view::ARP_REQUEST if port.ipv4.iter().any(|net| net.contains(&arp.spa)) => {
            let is_for_router = port.ipv4.iter().any(|net| net.addr() == arp.tpa);
            let only_if_known = (!always && !is_for_router).then_some(arp.spa.into());
            Some(claim(ClaimKind::ArpRequest, only_if_known))
        }
        _ => None,
    }
}

fn claim_of_nd(packet: &Packet, always: bool) -> Option<Claim> {
    if let Some(message) = view::solicitation(&packet.flow) {
        return Some(Claim {
            ip: message.ip.src,
            mac: message.discovery.source_mac?,
            kind: ClaimKind::Solicitation,
            only_if_known: (!always).then_some(message.ip.src),
        });
    }
    let message = view::advertisement(&packet.flow)?;
    let is_unsolicited = message.ip.dst.is_multicast();
    Some(Claim {
        ip: message.discovery.target.into(),
        mac: message.discovery.target_mac.unwrap_or(packet.flow.eth_src),
        kind: ClaimKind::Advertisement,
        only_if_known: (!always && is_unsolicited).then_some(message.ip.src),
    })
}

/// The binding in force already says so.
fn is_known(datapath: &DatapathTables, port: PortRef, claim: &Claim) -> bool {
    let known = datapath.neighbors.get(&(port.port, claim.ip));
    known.is_some_and(|neighbor| {
        neighbor.learned == Some(claim.mac) || neighbor.mac() == Some(claim.mac)
    })
}

fn may_learn(datapath: &DatapathTables, port: PortRef, claim: &Claim) -> bool {
    let has = |ip: IpAddr| datapath.neighbors.contains_key(&(port.port, ip));
    let has_room = datapath.neighbors.len() < MAX_NEIGHBORS || has(claim.ip);
    has_room && claim.only_if_known.is_none_or(has)
}

// === in words ===

/// The kinds of claims: what matches, how it is looked up and learned.
const CLAIMS: [[&str; 3]; 4] = [
    [
        "arp.op == 2",
        "reg9[2] = lookup_arp(inport, arp.spa, arp.sha);",
        "put_arp(inport, arp.spa, arp.sha);",
    ],
    [
        "arp.op == 1",
        "reg9[2] = lookup_arp(inport, arp.spa, arp.sha);",
        "put_arp(inport, arp.spa, arp.sha);",
    ],
    [
        "nd_na",
        "reg9[2] = lookup_nd(inport, nd.target, nd.tll);",
        "put_nd(inport, nd.target, nd.tll);",
    ],
    [
        "nd_ns",
        "reg9[2] = lookup_nd(inport, ip6.src, nd.sll);",
        "put_nd(inport, ip6.src, nd.sll);",
    ],
];

fn lookup_entry(claim: &Claim) -> Entry {
    let [matches, lookup, _] = claim.words();
    Entry::new(100, matches, [lookup, "next;"])
}

fn learn_entry(claim: &Claim) -> Entry {
    let [matches, _, put] = claim.words();
    Entry::new(90, matches, [put, "next;"])
}

impl Claim {
    fn words(&self) -> [&'static str; 3] {
        CLAIMS[self.kind as usize]
    }
}

/// For listings.
pub(crate) fn lookup_entries() -> Vec<Entry> {
    let entry = |[matches, lookup, _]: [&str; 3]| Entry::new(100, matches, [lookup, "next;"]);
    let others = Entry::new(0, "1", ["reg9[2] = 1;", "next;"]);
    CLAIMS.map(entry).into_iter().chain([others]).collect()
}

/// For listings.
pub(crate) fn learn_entries() -> Vec<Entry> {
    let entry = |[matches, _, put]: [&str; 3]| Entry::new(90, matches, [put, "next;"]);
    CLAIMS
        .map(entry)
        .into_iter()
        .chain([known_entry(), refused_entry()])
        .collect()
}

fn known_entry() -> Entry {
    Entry::new(100, "reg9[2] == 1", ["next;"])
}

fn refused_entry() -> Entry {
    Entry::new(100, "reg9[3] == 0", ["next;"])
}
