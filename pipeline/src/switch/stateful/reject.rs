//! The answer to what an ACL rejects: a TCP reset, an SCTP abort or an ICMP error, back to the sender.
//!
//! It does not pass what it comes from: on the sender's side it goes straight to the QoS rules on the way out, past the
//! sender's own connections and ACLs; on the receiver's side it goes back as if the receiver had sent it, past the
//! receiver's.

use uuid::Uuid;

use super::{Findings, Passing, qos};
use crate::drop::DropReason;
use crate::object::{Attachment, Port, SwitchPort};
use crate::record::{Recorder, Scope};
use crate::switch;
use crate::walk::{Packet, Walk};

/// Answers the packet that `rule` rejects, as far as it may be answered.
pub(super) fn answer<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    at: Passing<'t>,
    rule: Uuid,
) {
    walk.drop_by(DropReason::AclReject, at.switch.key, rule);
    if let Some(answer) = walk.reject(packet) {
        send(walk, answer, at);
    }
}

/// Sends an answer back to where what it is about came from.
pub(super) fn send<'t, R: Recorder>(walk: &mut Walk<'t, R>, mut answer: Packet, at: Passing<'t>) {
    answer.passage.is_from_tunnel = false;
    match (at.inport, at.outport) {
        (_, Some(outport)) => {
            answer.passage.is_from_localport = is_localport(at, outport);
            switch::forward(walk, answer, at.switch, outport);
        }
        (Some(inport), None) => {
            if let Some((port, kind)) = at.switch.datapath.switch_port(inport.at.port) {
                out(walk, answer, at, (port, kind));
            }
        }
        (None, None) => {}
    }
}

fn is_localport(at: Passing<'_>, port: &Port) -> bool {
    let found = at.switch.datapath.switch_port(port.at.port);
    found.is_some_and(|(_, kind)| matches!(kind.attachment, Attachment::Localport))
}

/// Out of the port that the rejected packet came in by.
fn out<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    mut answer: Packet,
    at: Passing<'t>,
    (port, kind): (&'t Port, &'t SwitchPort),
) {
    walk.enter_scope(|| Scope::Egress {
        datapath: at.switch.name.to_owned(),
        inport: String::new(),
        outport: port.name.clone(),
    });
    let on_the_way_out = Passing::out_of(at.switch, at.inport, port, kind);
    qos::apply(walk, &mut answer, on_the_way_out, &Findings::default());
    switch::leave(walk, answer, port, kind);
    walk.leave_scope();
}
