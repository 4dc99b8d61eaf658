//! `NAT` → `Nat`.

use model::nat::{self, Peers};
use model::{Id, nb};
use pipeline::object::{DistributedNat, Nat, NatKind, NatPeers, Object, PortKey};
use uuid::Uuid;

use super::gateway;
use super::index::Lookup;
use super::options::Options;
use super::{Output, Reader, reachable};

const OPTIONS: &[&str] = &["add_route", "stateless"];

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(stored) = reader.row::<nb::Nat>(row) else {
        return;
    };
    out.name(&stored.external_ip);
    Options::new("options", &stored.options, OPTIONS, out);
    let nat = match nat::Nat::parse(&stored) {
        Ok(nat) => nat,
        Err(fault) => return out.warn(fault.column, fault.message),
    };
    let Some(router) = reader.find(Lookup::RouterOf(row)) else {
        return;
    };
    if !gateway::has_gateway(reader, router) {
        out.warn(
            "type",
            "it does nothing: its router has neither options:chassis nor a port with gateway_chassis",
        );
    }
    let Some(peers) = peers(reader, nat.peers) else {
        return out.warn(
            "exempted_ext_ips",
            "the translation does nothing: allowed_ext_ips is set, too",
        );
    };
    if nat.adds_route {
        let station = nat.distributed.as_ref().map(|distributed| distributed.mac);
        reachable::announce(reader, router, (nat.external_ip, station), out);
    }
    let Some(router) = reader.datapath_key(router) else {
        return;
    };
    let distributed = distributed(reader, &nat, out);
    out.object(Object::Nat(Nat {
        router,
        uuid: row,
        kind: match nat.kind {
            nat::NatKind::Snat => NatKind::Snat,
            nat::NatKind::Dnat => NatKind::Dnat,
            nat::NatKind::DnatAndSnat => NatKind::DnatAndSnat,
        },
        external_ip: nat.external_ip,
        logical: nat.logical_ip,
        external_ports: nat
            .external_ports
            .map(|ports| ports.start().get()..=ports.end().get()),
        distributed,
        peers,
        is_stateless: nat.is_stateless,
        add_route: nat.adds_route,
        gateway_port: nat.gateway_port.and_then(|port| key_of(reader, port)),
    }));
}

fn distributed(
    reader: &mut Reader<'_>,
    nat: &nat::Nat,
    out: &mut Output,
) -> Option<DistributedNat> {
    let distributed = nat.distributed.as_ref()?;
    let port = reader.find(Lookup::SwitchPort(distributed.port.clone()));
    if port.is_none() {
        let message = format!("there is no logical switch port {:?}", distributed.port);
        out.warn("logical_port", message);
    }
    Some(DistributedNat {
        mac: distributed.mac,
        port: reader.port_ref(port?)?,
    })
}

/// The peers that the nodes look for; `None` where there can be none.
fn peers(reader: &mut Reader<'_>, peers: Peers) -> Option<NatPeers> {
    let mut name = |set: Id<nb::AddressSet>| {
        let name = reader.column::<nb::AddressSet, String>(set.uuid(), "name");
        name.unwrap_or_default().into()
    };
    match peers {
        Peers::All => Some(NatPeers::All),
        Peers::Only(set) => Some(NatPeers::Only(name(set))),
        Peers::Except(set) => Some(NatPeers::AllBut(name(set))),
        Peers::Nobody => None,
    }
}

fn key_of(reader: &mut Reader<'_>, port: Id<nb::LogicalRouterPort>) -> Option<PortKey> {
    Some(reader.port_ref(port.uuid())?.port)
}
