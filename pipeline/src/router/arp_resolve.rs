//! `lr_in_arp_resolve`: the next hop's MAC address.
//!
//! What the peer switch or router knows of itself needs no asking; it is looked up there and not copied
//! here. Then come the bindings: fixed and learned.

use std::net::IpAddr;

use packet::Mac;

use super::Visit;
use super::routing::Hop;
use crate::drop::DropReason;
use crate::object::{PortKind, PortRef, RouterPort};
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::tables::{Compiled, RouterTables};
use crate::verdict::LearnedKey;
use crate::view;
use crate::walk::{In, Packet, Walk};

/// What is for an address of the router itself, and has not been translated, nobody asked for. At a distributed
/// gateway port neither has anybody asked for what turns back there for an address that is translated. Elsewhere such
/// an address is looked for like any, and not found.
pub(super) fn check_solicited<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    visit: Visit<'t>,
    hop: &Hop,
) -> Result<(), DropReason> {
    let Some(dst) = view::ip(&packet.flow).map(|ip| ip.dst) else {
        return Ok(());
    };
    let tables = visit.router.tables;
    let is_source = tables.nats.is_source(dst);
    let is_own = tables.addresses.contains_key(&dst);
    let turns_back = visit.kind.gateway.is_some()
        && hop.outport == visit.inport.at
        && tables.nats.at(dst).next().is_some();
    if !is_own && !turns_back {
        return Ok(());
    }
    walk.hit(Stage::InArpResolve, || {
        Entry::new(2, format!("{}.dst == {dst}", view::family(dst)), ["drop;"])
    });
    Err(match is_source || turns_back {
        true => DropReason::NatUnsolicited,
        false => DropReason::ToRouter,
    })
}

/// The address; `None` if it must be asked for.
pub(super) fn resolve<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    router: In<'t, RouterTables>,
    hop: &Hop,
) -> Result<Option<Mac>, DropReason> {
    let Some((port, kind)) = router.datapath.router_port(hop.outport.port) else {
        return Err(DropReason::RoutePortMissing);
    };
    let known = own_translated(router, hop, kind).or_else(|| known_to_peer(walk, hop, kind));
    if let Some(mac) = known {
        walk.hit(Stage::InArpResolve, || entry(&port.name, hop.next_hop, mac));
        return Ok(Some(mac));
    }
    walk.depend(router.datapath.slots.learned);
    let binding = router
        .datapath
        .neighbors
        .get(&(hop.outport.port, hop.next_hop));
    walk.hit(Stage::InArpResolve, || {
        binding_entry(view::family(hop.next_hop))
    });
    let mac = binding.and_then(|neighbor| neighbor.mac());
    if binding.is_some_and(|neighbor| neighbor.learned.is_some()) && !packet.flow.eth_src.is_zero()
    {
        walk.used(LearnedKey::Neighbor(hop.outport, hop.next_hop));
    }
    Ok(mac)
}

/// Where an address is that the router itself translates at a distributed gateway port.
fn own_translated(router: In<'_, RouterTables>, hop: &Hop, outport: &RouterPort) -> Option<Mac> {
    outport.gateway.as_ref()?;
    let nat = router.tables.nats.at(hop.next_hop).next()?;
    let own = nat.distributed.as_ref().map(|distributed| distributed.mac);
    Some(own.unwrap_or(outport.mac))
}

fn known_to_peer<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    hop: &Hop,
    outport: &RouterPort,
) -> Option<Mac> {
    let peer = outport.peer?;
    let datapath = walk.datapath(peer.datapath)?;
    match &datapath.compiled {
        Compiled::Switch(switch) => {
            if outport.is_on_link(hop.next_hop)
                && let Some(mac) = switch.hosts.get(&hop.next_hop)
            {
                return Some(*mac);
            }
            let behind = *switch.router_addresses.get(&hop.next_hop)?;
            let other = datapath
                .switch_port(behind)
                .filter(|_| behind != peer.port)?;
            match other.1.attachment {
                crate::object::Attachment::Router(Some(at)) => router_mac(walk, at),
                _ => None,
            }
        }
        Compiled::Router(_) => {
            let (_, kind) = datapath.router_port(peer.port)?;
            kind.addresses()
                .any(|ip| ip == hop.next_hop)
                .then_some(kind.mac)
        }
        Compiled::Nothing => None,
    }
}

fn router_mac<R: Recorder>(walk: &mut Walk<'_, R>, at: PortRef) -> Option<Mac> {
    match &walk.port(at)?.kind {
        PortKind::Router(kind) => Some(kind.mac),
        PortKind::Switch(_) => None,
    }
}

/// The entry of one address, for traces and listings.
pub(crate) fn entry(outport: &str, ip: IpAddr, mac: Mac) -> Entry {
    let register = match ip {
        IpAddr::V4(_) => "reg0",
        IpAddr::V6(_) => "xxreg0",
    };
    let matches = format!("outport == \"{outport}\" && {register} == {ip}");
    Entry::new(100, matches, [&format!("eth.dst = {mac};"), "next;"])
}

/// Bindings of a family.
pub(crate) fn binding_entry(family: &str) -> Entry {
    let get = match family {
        "ip4" => "get_arp(outport, reg0);",
        _ => "get_nd(outport, xxreg0);",
    };
    Entry::new(1, family, [get, "next;"])
}
