//! A packet's walk through a logical switch.

pub(crate) mod arp_nd_responder;
pub(crate) mod fdb;
pub(crate) mod l2_lookup;
pub(crate) mod port_security;
mod replicate;
pub(crate) mod stateful;

use crate::drop::DropReason;
use crate::object::{
    Attachment, DatapathKey, DatapathKind, MulticastGroup, Port, PortKey, PortKind, PortRef,
    Switch, SwitchPort,
};
use crate::record::{Event, Recorder, Scope};
use crate::router;
use crate::tables::{Compiled, Place, SwitchTables};
use crate::walk::{In, Packet, Walk};

pub use fdb::MAX_STATIONS;
use l2_lookup::Choice;
pub(crate) use stateful::OfSender;
use stateful::Passing;

/// From the port where the packet came in to the ports it leaves by.
pub(crate) fn ingress<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut packet: Packet,
    switch: In<'t, SwitchTables>,
    inport: &'t Port,
    kind: &'t SwitchPort,
) {
    if let Err(reason) = admit(walk, &mut packet, switch, inport, kind) {
        return walk.drop(reason, Some(switch.key));
    }
    fdb::learn(walk, &packet, switch, inport, kind);
    if stateful::ingress(walk, &mut packet, Passing::into(switch, inport, kind)).is_err() {
        return;
    }
    if let Some(answer) = arp_nd_responder::answer(walk, &packet, switch, inport) {
        return egress(walk, answer, switch, Some(inport), inport, kind);
    }
    forward(walk, packet, switch, inport);
}

/// To the port or group that the packet is for.
fn forward<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: Packet,
    switch: In<'t, SwitchTables>,
    inport: &'t Port,
) {
    match l2_lookup::choose(walk, &packet, switch, inport) {
        Ok(Choice::Port(outport)) => to_port(walk, packet, switch, Some(inport), outport),
        Ok(Choice::Group(group)) => replicate::to_group(walk, packet, switch, inport, group),
        Ok(Choice::RouterAndFloodL2(router)) => {
            if router != inport.at.port {
                to_port(walk, packet.clone(), switch, Some(inport), router);
            }
            replicate::to_group(walk, packet, switch, inport, MulticastGroup::FloodL2);
        }
        Ok(Choice::Monitor) => walk.monitor(&packet, inport.at),
        Err(reason) => walk.drop(reason, Some(switch.key)),
    }
}

/// May the packet come in by this port at all?
fn admit<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    switch: In<'t, SwitchTables>,
    inport: &'t Port,
    kind: &'t SwitchPort,
) -> Result<(), DropReason> {
    match &kind.attachment {
        Attachment::Router(_) => {}
        Attachment::Localport => packet.passage.is_from_localport = true,
        Attachment::Vif | Attachment::Nested { .. } => match walk.place(inport, kind) {
            Place::Here(_) if walk.tables.home().is_some() => {}
            Place::Here(_) => packet.node = kind.chassis.clone(),
            Place::Orphaned => return Err(DropReason::ParentMissing),
            Place::There(_) | Place::Unbound => return Err(DropReason::PortNotHere),
        },
    }
    let vlan_passthru = matches!(
        switch.datapath.row.as_ref().map(|row| &row.kind),
        Some(DatapathKind::Switch(Switch {
            vlan_passthru: true,
            ..
        }))
    );
    port_security::check_sender(walk, packet, inport, kind, vlan_passthru)
}

/// A packet from another node goes on towards the port or group that was chosen there.
pub(crate) fn from_tunnel<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut packet: Packet,
    vni: u32,
    inport: u16,
    outport: u16,
) {
    let Ok(key) = DatapathKey::new(vni) else {
        return walk.drop(DropReason::UnknownDatapath, None);
    };
    packet.passage.is_from_tunnel = true;
    packet.passage.hops = 1;
    let Some(datapath) = walk.datapath(key) else {
        return walk.drop(DropReason::UnknownDatapath, Some(key));
    };
    let name = datapath.row.as_ref().map_or("", |row| row.name.as_str());
    let port_of = |key: u16| PortKey::new(key.into()).ok();
    let inport = port_of(inport)
        .and_then(|key| datapath.port(key))
        .map(|port| &**port);
    let tables = match &datapath.compiled {
        Compiled::Switch(tables) => &**tables,
        Compiled::Router(tables) => {
            let router = In {
                key,
                name,
                datapath,
                tables: &**tables,
            };
            return match port_of(outport) {
                Some(port) => {
                    let outport = PortRef {
                        datapath: key,
                        port,
                    };
                    router::from_tunnel(walk, packet, router, inport, outport);
                }
                None => walk.drop(DropReason::UnknownPort, Some(key)),
            };
        }
        Compiled::Nothing => return walk.drop(DropReason::UnknownDatapath, Some(key)),
    };
    let switch = In {
        key,
        name,
        datapath,
        tables,
    };
    if outport >= MulticastGroup::FIRST_KEY {
        return match MulticastGroup::from_key(outport) {
            Some(group) => replicate::from_tunnel(walk, packet, switch, inport, group),
            None => walk.drop(DropReason::UnknownGroup, Some(key)),
        };
    }
    match port_of(outport) {
        Some(outport) => to_port(walk, packet, switch, inport, outport),
        None => walk.drop(DropReason::UnknownPort, Some(key)),
    }
}

/// To one port, wherever it is.
fn to_port<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: Packet,
    switch: In<'t, SwitchTables>,
    inport: Option<&'t Port>,
    outport: PortKey,
) {
    let Some((port, kind)) = switch.datapath.switch_port(outport) else {
        return walk.drop(DropReason::UnknownPort, Some(switch.key));
    };
    let chassis = match place(walk, &packet, port, kind) {
        Place::Here(_) => return egress(walk, packet, switch, inport, port, kind),
        Place::There(chassis) => chassis,
        Place::Unbound => return walk.drop(DropReason::PortUnbound, Some(switch.key)),
        Place::Orphaned => return walk.drop(DropReason::ParentMissing, Some(switch.key)),
    };
    if packet.passage.is_from_tunnel {
        return walk.drop(DropReason::TunnelledAgain, Some(switch.key));
    }
    if packet.passage.is_from_localport {
        return walk.drop(DropReason::LocalportRemote, Some(switch.key));
    }
    let inport_key = inport.map_or(0, |port| port.at.port.get());
    walk.tunnel(&packet, &chassis, switch.key, inport_key, outport.get());
}

/// Where a port is for this packet: what is for a translated address with a station of its own is for the node that
/// translates it.
fn place<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    port: &'t Port,
    kind: &'t SwitchPort,
) -> Place {
    let of_station = match kind.attachment {
        Attachment::Router(Some(peer)) => router::station(walk, packet, peer),
        _ => None,
    };
    let logical = of_station.and_then(|at| walk.port(at));
    match logical.map(|port| (port, &port.kind)) {
        Some((logical, PortKind::Switch(logical_kind))) => {
            match walk.place(logical, logical_kind) {
                Place::Here(_) => Place::Here(port.at),
                other => other,
            }
        }
        _ => walk.place(port, kind),
    }
}

/// Towards one port that is on this node.
fn egress<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut packet: Packet,
    switch: In<'t, SwitchTables>,
    inport: Option<&'t Port>,
    outport: &'t Port,
    kind: &'t SwitchPort,
) {
    walk.enter_scope(|| Scope::Egress {
        datapath: switch.name.to_owned(),
        inport: inport.map_or(String::new(), |port| port.name.clone()),
        outport: outport.name.clone(),
    });
    let at = Passing::out_of(switch, inport, outport, kind);
    if !packet.loopback && inport.is_some_and(|inport| inport.at == outport.at) {
        walk.drop(DropReason::ToItself, Some(switch.key));
    } else if stateful::egress(walk, &mut packet, at).is_ok() {
        leave(walk, packet, outport, kind);
    }
    walk.leave_scope();
}

/// The end of the way out, when connections and policies agree.
fn leave<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut packet: Packet,
    outport: &'t Port,
    kind: &'t SwitchPort,
) {
    if let Err(reason) = check_receiver(walk, &packet, outport, kind) {
        return walk.drop(reason, Some(outport.at.datapath));
    }
    note_crossing(walk, &mut packet, kind);
    deliver(walk, packet, outport, kind);
}

fn check_receiver<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &Packet,
    outport: &Port,
    kind: &SwitchPort,
) -> Result<(), DropReason> {
    if !outport.enabled {
        return Err(DropReason::ToDisabledPort);
    }
    port_security::check_receiver(walk, packet, outport, kind)
}

/// Where every port is seen as on this node, says where the packet would cross to another.
fn note_crossing<R: Recorder>(walk: &mut Walk<'_, R>, packet: &mut Packet, kind: &SwitchPort) {
    if walk.tables.home().is_none()
        && let (Some(from), Some(to)) = (&packet.node, walk.tables.node_of(kind))
        && from != to
    {
        walk.event(|| Event::Tunnel {
            chassis: to.to_string(),
        });
        packet.node = Some(to.clone());
    }
}

/// Out of the switch: into a router, or by an interface.
fn deliver<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut packet: Packet,
    outport: &'t Port,
    kind: &'t SwitchPort,
) {
    let ovn_type = match kind.attachment {
        Attachment::Router(_) => "patch",
        Attachment::Localport => "localport",
        Attachment::Vif | Attachment::Nested { .. } => "",
    };
    walk.event(|| Event::Output {
        port: outport.name.clone(),
        kind: ovn_type,
    });
    let at = outport.at;
    match &kind.attachment {
        Attachment::Router(Some(peer)) => walk.enter(packet, *peer),
        Attachment::Router(None) => walk.drop(DropReason::PeerMissing, Some(at.datapath)),
        Attachment::Vif | Attachment::Localport => walk.output(&packet, at, at),
        Attachment::Nested { tag, .. } => match walk.place(outport, kind) {
            Place::Here(interface) => {
                packet.flow.vlan = Some(packet::flow::VlanTag {
                    id: *tag,
                    priority: 0,
                });
                walk.output(&packet, at, interface);
            }
            _ => walk.drop(DropReason::ParentMissing, Some(at.datapath)),
        },
    }
}
