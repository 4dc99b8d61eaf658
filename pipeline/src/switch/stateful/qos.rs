//! `ls_in_qos_mark`, `ls_in_qos_meter`, `ls_out_qos_mark`, `ls_out_qos_meter`: what is the packet to those who carry it
//! on, and how much of its kind may pass?
//!
//! A verdict says which limits a packet comes under. Whether it exceeds one is asked when it is carried out, for each
//! packet anew.

use std::sync::Arc;

use super::{Findings, Passing, acl};
use crate::object::{Qos, QosDirection};
use crate::record::{Entry, Event, Recorder};
use crate::stage::Stage;
use crate::tables::QosPurpose;
use crate::verdict::Metered;
use crate::view;
use crate::walk::{Packet, Walk};

/// Marks the packet, and notes the limit that it comes under.
pub(super) fn apply<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    at: Passing<'t>,
    found: &Findings,
) {
    if at.policy().qos().is_none() {
        return;
    }
    if view::ip(&packet.flow).is_some()
        && let Some(rule) = ask(walk, packet, at, QosPurpose::Mark, found)
        && let Some(dscp) = rule.dscp
    {
        view::set_dscp(&mut packet.flow, dscp);
    }
    if let Some(rule) = ask(walk, packet, at, QosPurpose::Limit, found)
        && let Some(limit) = rule.limit
    {
        let rule = rule.uuid;
        walk.charge(packet, Metered { rule, limit });
    }
}

/// The rule that counts.
fn ask<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    at: Passing<'t>,
    purpose: QosPurpose,
    found: &Findings,
) -> Option<&'t Arc<Qos>> {
    let (owner, rules) = at.policy().qos()?;
    let direction = match at.is_ingress() {
        true => QosDirection::FromLport,
        false => QosDirection::ToLport,
    };
    let subject = acl::subject(walk, packet, at, found);
    let rule = rules.decide(direction, purpose, &subject);
    acl::depend(walk, &subject);
    walk.depend(*owner);
    let rule = rule?;
    walk.hit(stage(direction, purpose), || entry(rule, purpose));
    walk.event(|| Event::Note(format!("QoS rule {}", rule.uuid)));
    walk.note_qos(rule.uuid);
    Some(rule)
}

fn stage(direction: QosDirection, purpose: QosPurpose) -> Stage {
    match (direction, purpose) {
        (QosDirection::FromLport, QosPurpose::Mark) => Stage::InQosMark,
        (QosDirection::FromLport, QosPurpose::Limit) => Stage::InQosMeter,
        (QosDirection::ToLport, QosPurpose::Mark) => Stage::OutQosMark,
        (QosDirection::ToLport, QosPurpose::Limit) => Stage::OutQosMeter,
    }
}

/// A rule, for traces and listings.
pub(crate) fn entry(rule: &Qos, purpose: QosPurpose) -> Entry {
    let action = match (purpose, rule.dscp, rule.limit) {
        (QosPurpose::Mark, Some(dscp), _) => format!("ip.dscp = {dscp};"),
        (QosPurpose::Limit, _, Some(limit)) if limit.burst == 0 => {
            format!("set_meter({});", limit.rate)
        }
        (QosPurpose::Limit, _, Some(limit)) => {
            format!("set_meter({}, {});", limit.rate, limit.burst)
        }
        _ => String::new(),
    };
    Entry::new(rule.priority, rule.matches.to_string(), [&action, "next;"])
}
