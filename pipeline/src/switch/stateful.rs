//! The stages of a switch that know connections, in OVN's order: ACLs, QoS rules, load balancers, and what they need.
//!
//! Each interface has a zone of connections of its own. A packet is looked up in the sender's zone on its way in
//! ([`ingress`]), and in the receiver's on its way out ([`egress`]); router ports have none, so that what comes
//! from a router is looked up at its receiver only. What leaves for a router is on its way out still what it is to
//! its sender's connections: an answer may leave where nothing else may.

pub(crate) mod acl;
pub(crate) mod commit;
pub(crate) mod hairpin;
mod hints;
pub(crate) mod lb;
pub(crate) mod pre;
pub(crate) mod qos;
mod reject;

use hints::Hints;

use crate::conntrack::{Mark, State, Tracked, Zone, ZoneKind};
use crate::object::{AclStage, Attachment, Port, SwitchPort};
use crate::record::Recorder;
use crate::stage::Stage;
use crate::tables::{SwitchPolicy, SwitchTables};
use crate::walk::{In, Packet, Walk};

/// Where the stages are passed: a switch, and the port whose zone counts.
#[derive(Clone, Copy)]
pub(super) struct Passing<'t> {
    pub(super) switch: In<'t, SwitchTables>,
    /// The port the packet came in by; `None` if that is not known any more.
    pub(super) inport: Option<&'t Port>,
    /// The port it leaves by; `None` while that is not known yet.
    pub(super) outport: Option<&'t Port>,
    /// The zone of the sender, or of the receiver; `None` for router ports.
    zone: Option<Zone>,
}

/// What the stages find out about a packet, one for the other.
#[derive(Default)]
pub(super) struct Findings {
    /// Connections are kept here, for ACLs or for load balancers.
    is_stateful: bool,
    /// How the connection is to be looked up.
    lookup: Lookup,
    /// An ACL lets the packet pass without connection tracking.
    is_stateless: bool,
    /// What the packet is to its connections; without a state if it was not looked up.
    tracked: Tracked,
    /// What ACLs may do about it.
    hints: Hints,
    /// It is an answer, or related to a connection: ACLs have nothing to say about it.
    is_of_connection: bool,
    /// Its connection is to be kept, with this label (0: the one it has).
    keep: Option<u32>,
}

/// What the sender's connections say of a packet that belongs to one.
#[derive(Clone, Copy)]
pub(crate) struct OfSender {
    zone: Zone,
    state: State,
    mark: Mark,
    label: u32,
}

/// How a connection is to be looked up.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Lookup {
    /// Not at all.
    #[default]
    None,
    /// `ct_next`: what is the packet?
    State,
    /// `ct_lb_mark`: and what does its connection's translation make of it?
    Translation,
}

/// The packet ends here, or has turned round: all has been done about it.
pub(super) struct Ended;

/// On the sender's side, before the port or group is chosen that the packet is for.
pub(super) fn ingress<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    at: Passing<'t>,
) -> Result<(), Ended> {
    packet.sender = None;
    let mut found = look_up(walk, packet, at);
    acl::decide(walk, packet, at, AclStage::FromLport, &mut found)?;
    qos::apply(walk, packet, at, &found);
    lb::balance(walk, packet, at, &mut found)?;
    hairpin::turn_round(walk, packet, at, &mut found)?;
    acl::decide(walk, packet, at, AclStage::FromLportAfterLb, &mut found)?;
    commit::keep(walk, packet, at, &found)?;
    packet.sender = at.zone.and_then(|zone| found.of_sender(zone));
    Ok(())
}

/// On the receiver's side.
pub(super) fn egress<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    at: Passing<'t>,
) -> Result<(), Ended> {
    let mut found = look_up(walk, packet, at);
    acl::decide(walk, packet, at, AclStage::ToLport, &mut found)?;
    qos::apply(walk, packet, at, &found);
    commit::keep(walk, packet, at, &found)
}

/// What the packet is to the connections of its port, if anybody wants to know.
fn look_up<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    at: Passing<'t>,
) -> Findings {
    let mut found = Findings::default();
    pre::acl(walk, packet, at, &mut found);
    pre::lb(walk, packet, at, &mut found);
    pre::stateful(walk, packet, at, &mut found);
    found
}

impl Findings {
    /// What stays known of a packet. Keeping a connection makes the packet forget what it is to it.
    fn of_sender(&self, zone: Zone) -> Option<OfSender> {
        let Tracked {
            state, mark, label, ..
        } = self.tracked;
        let is_known = state.contains(State::TRACKED) && !state.contains(State::NEW);
        (is_known && self.keep.is_none()).then_some(OfSender {
            zone,
            state,
            mark,
            label,
        })
    }
}

impl<'t> Passing<'t> {
    /// From `inport` to a port that is not chosen yet.
    pub(super) fn into(
        switch: In<'t, SwitchTables>,
        inport: &'t Port,
        kind: &'t SwitchPort,
    ) -> Passing<'t> {
        Passing {
            switch,
            inport: Some(inport),
            outport: None,
            zone: zone(inport, kind),
        }
    }

    /// From `inport`, as far as that is known, to `outport`.
    pub(super) fn out_of(
        switch: In<'t, SwitchTables>,
        inport: Option<&'t Port>,
        outport: &'t Port,
        kind: &'t SwitchPort,
    ) -> Passing<'t> {
        Passing {
            switch,
            inport,
            outport: Some(outport),
            zone: zone(outport, kind),
        }
    }

    /// True on the sender's side.
    fn is_ingress(&self) -> bool {
        self.outport.is_none()
    }

    /// The switch's ACLs.
    fn policy(&self) -> &'t SwitchPolicy {
        &self.switch.datapath.policy
    }

    /// The zone that notes about a packet's connection go to.
    fn noting_zone(&self, packet: &Packet) -> Option<Zone> {
        let of_sender = || packet.sender.map(|sender| sender.zone);
        self.zone.or_else(of_sender)
    }

    /// One of two stages, by the side.
    fn stage(&self, ingress: Stage, egress: Stage) -> Stage {
        match self.is_ingress() {
            true => ingress,
            false => egress,
        }
    }
}

/// The zone of a port's connections. Traffic with routers belongs to the station at its other end.
fn zone(port: &Port, kind: &SwitchPort) -> Option<Zone> {
    match kind.attachment {
        Attachment::Router(_) => None,
        Attachment::Vif | Attachment::Nested { .. } | Attachment::Localport => {
            Some(Zone::new(ZoneKind::Port(port.at), port.uuid))
        }
    }
}
