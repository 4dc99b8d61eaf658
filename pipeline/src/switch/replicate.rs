//! Copies for the members of a multicast group.
//!
//! The sender's node gives a copy to each member on it, to each router, and one to each other node that has
//! a member. A node that gets such a copy gives it to its own members, and to nobody else: routers and
//! localports had theirs on the sender's node.

use std::collections::BTreeSet;

use super::egress;
use crate::drop::DropReason;
use crate::object::{Attachment, ChassisName, MulticastGroup, Port, SwitchPort};
use crate::record::{Recorder, Scope};
use crate::tables::{Place, SwitchTables};
use crate::walk::{In, Packet, Walk};

pub(super) fn to_group<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: Packet,
    switch: In<'t, SwitchTables>,
    inport: &'t Port,
    group: MulticastGroup,
) {
    enter_group(walk, switch, group);
    let mut nodes: BTreeSet<ChassisName> = BTreeSet::new();
    for (port, kind) in members(switch, Some(inport), &packet, group) {
        match walk.place(port, kind) {
            Place::Here(_) => egress(walk, packet.clone(), switch, Some(inport), port, kind),
            Place::There(chassis) => drop(nodes.insert(chassis)),
            Place::Unbound | Place::Orphaned => {}
        }
    }
    if !packet.passage.is_from_localport {
        for node in nodes {
            walk.tunnel(
                &packet,
                &node,
                switch.key,
                inport.at.port.get(),
                group.key(),
            );
        }
    }
    walk.leave_scope();
    walk.drop_unless_sent(DropReason::NoReceiver, switch.key);
}

pub(super) fn from_tunnel<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: Packet,
    switch: In<'t, SwitchTables>,
    inport: Option<&'t Port>,
    group: MulticastGroup,
) {
    enter_group(walk, switch, group);
    for (port, kind) in members(switch, inport, &packet, group) {
        let had_theirs = match kind.attachment {
            Attachment::Router(_) => walk.tables.node_of(kind).is_none(),
            Attachment::Localport => true,
            Attachment::Vif | Attachment::Nested { .. } => false,
        };
        if !had_theirs && matches!(walk.place(port, kind), Place::Here(_)) {
            egress(walk, packet.clone(), switch, inport, port, kind);
        }
    }
    walk.leave_scope();
    walk.drop_unless_sent(DropReason::NoReceiver, switch.key);
}

fn enter_group<R: Recorder>(
    walk: &mut Walk<'_, R>,
    switch: In<'_, SwitchTables>,
    group: MulticastGroup,
) {
    walk.enter_scope(|| Scope::Multicast {
        datapath: switch.name.to_owned(),
        group: group.name().to_owned(),
    });
}

/// The members, but for the port the packet came in by.
fn members<'t>(
    switch: In<'t, SwitchTables>,
    inport: Option<&Port>,
    packet: &Packet,
    group: MulticastGroup,
) -> impl Iterator<Item = (&'t Port, &'t SwitchPort)> + use<'t> {
    let itself = inport.filter(|_| !packet.loopback).map(|port| port.at.port);
    let others = switch
        .tables
        .members(group)
        .iter()
        .filter(move |key| Some(**key) != itself);
    others.filter_map(move |key| switch.datapath.switch_port(*key))
}
