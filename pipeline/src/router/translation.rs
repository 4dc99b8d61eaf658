//! What the translating stages of a router share: where it translates, in which zones, and for whom.
//!
//! A gateway router is on one node and translates whatever passes. A router with distributed gateway ports translates
//! what passes these: on the node that such a port is on, or, for the addresses that have a station of their own, on
//! that of the logical port concerned. Any other router translates nothing but what its load balancers say.

use std::net::IpAddr;

use packet::flow::{Network, Transport};

use crate::conntrack::{Mark, State, Tracked, Zone, ZoneKind};
use crate::ingress::TranslationNotes as Notes;
use crate::object::{ChassisName, ForceSnat, Nat, NatPeers, PortKey, PortKind, RouterPort};
use crate::record::Recorder;
use crate::tables::{Place, RouterTables};
use crate::walk::{In, Packet, Walk};

/// Where a router translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// On its one node.
    Gateway,
    /// At its distributed gateway ports.
    AtPorts,
    /// Nowhere.
    Plain,
}

pub(super) fn role(router: In<'_, RouterTables>) -> Role {
    let settings = router.datapath.router();
    if settings.is_some_and(|settings| settings.chassis.is_some()) {
        Role::Gateway
    } else if router.tables.gateways.is_empty() {
        Role::Plain
    } else {
        Role::AtPorts
    }
}

/// The zone of translated destinations, and of all that a distributed gateway port translates.
pub(super) fn dnat_zone(router: In<'_, RouterTables>) -> Zone {
    zone(router, ZoneKind::Dnat(router.key))
}

/// The zone of translated sources.
pub(super) fn snat_zone(router: In<'_, RouterTables>) -> Zone {
    zone(router, ZoneKind::Snat(router.key))
}

fn zone(router: In<'_, RouterTables>, kind: ZoneKind) -> Zone {
    let row = router.datapath.row.as_ref();
    Zone::new(kind, row.map(|row| row.uuid).unwrap_or_default())
}

/// True on the node that a distributed gateway port is on. Where every port is seen as here, so is that.
pub(super) fn is_here<R: Recorder>(walk: &Walk<'_, R>, chassis: &ChassisName) -> bool {
    walk.tables.home().is_none_or(|home| home == chassis)
}

/// True if this node translates at a port of a router of this role.
pub(super) fn is_resident<R: Recorder>(walk: &Walk<'_, R>, role: Role, port: &RouterPort) -> bool {
    match (role, &port.gateway) {
        (Role::Gateway, _) => true,
        (Role::AtPorts, Some(chassis)) => is_here(walk, chassis),
        _ => false,
    }
}

/// True if a NAT is done here for what passes this port.
pub(super) fn is_done_here<R: Recorder>(
    walk: &mut Walk<'_, R>,
    role: Role,
    nat: &Nat,
    (key, port): (PortKey, &RouterPort),
) -> bool {
    if role == Role::Gateway {
        return true;
    }
    if port.gateway.is_none() || nat.gateway_port.is_some_and(|gateway| gateway != key) {
        return false;
    }
    match &nat.distributed {
        Some(distributed) => is_bound_here(walk, distributed.port),
        None => is_resident(walk, role, port),
    }
}

/// True if a switch port's interface is on this node.
pub(super) fn is_bound_here<R: Recorder>(
    walk: &mut Walk<'_, R>,
    at: crate::object::PortRef,
) -> bool {
    let Some(port) = walk.port(at) else {
        return false;
    };
    match &port.kind {
        PortKind::Switch(kind) => matches!(walk.place(port, kind), Place::Here(_)),
        PortKind::Router(_) => false,
    }
}

/// What a NAT makes of a peer outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is translated for.
    Yes,
    /// This NAT does not concern it; another may.
    No,
    /// It is exempted from translation.
    Exempt,
}

/// What a NAT makes of this peer. Its router counts as changed when the sets that its NATs name change.
pub(super) fn fit<R: Recorder>(walk: &Walk<'_, R>, nat: &Nat, peer: IpAddr) -> Fit {
    let sets = walk.tables.address_sets();
    match &nat.peers {
        NatPeers::All => Fit::Yes,
        NatPeers::Only(set) if sets.contains(set, peer) => Fit::Yes,
        NatPeers::Only(_) => Fit::No,
        NatPeers::AllBut(set) if sets.contains(set, peer) => Fit::Exempt,
        NatPeers::AllBut(_) => Fit::Yes,
    }
}

/// The address of a family that connections of load balancers, or of translated destinations, come from.
pub(super) fn forced(setting: &ForceSnat, outport: &RouterPort, of: IpAddr) -> Option<IpAddr> {
    let mut set = match setting {
        ForceSnat::No => return None,
        ForceSnat::RouterIp => return super::error_address(outport, of),
        ForceSnat::Addresses(addresses) => addresses.iter(),
    };
    set.find(|ip| ip.is_ipv4() == of.is_ipv4()).copied()
}

/// Notes what a packet is in the zone of destinations. What is to become of sources is said of requests only.
pub(super) fn note(packet: &mut Packet, tracked: &Tracked) {
    let notes = &mut packet.passage.translation;
    let found = |bit, is_so| if is_so { bit } else { Notes::empty() };
    let mark = match tracked.state.contains(State::REPLY) {
        true => Mark::empty(),
        false => tracked.mark,
    };
    *notes |= Notes::LOOKED_UP
        | found(Notes::REPLY, tracked.state.contains(State::REPLY))
        | found(
            Notes::NEW,
            tracked.state.contains(State::NEW) && tracked.made_by.is_none(),
        )
        | found(Notes::BALANCED, mark.contains(Mark::NATTED))
        | found(Notes::SKIP_SNAT, mark.contains(Mark::SKIP_SNAT))
        | found(Notes::FORCE_LB, mark.contains(Mark::FORCE_SNAT));
}

/// Exchanges an address of a packet without connection tracking; what an ICMP error quotes follows.
pub(super) fn exchange(packet: &mut Packet, from: IpAddr, to: IpAddr) {
    let Network::Ip(ip) = &mut packet.flow.network else {
        return;
    };
    let mut ends = vec![&mut ip.src, &mut ip.dst];
    if let Transport::Icmp {
        quoted: Some(quoted),
        ..
    } = &mut ip.transport
    {
        ends.extend([&mut quoted.src, &mut quoted.dst]);
    }
    for end in ends.into_iter().filter(|end| **end == from) {
        *end = to;
    }
}
