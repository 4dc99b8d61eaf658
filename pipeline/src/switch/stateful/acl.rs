//! `ls_in_acl`, `ls_in_acl_after_lb`, `ls_out_acl`: may this be sent, or received?
//!
//! What belongs to a connection goes its way without being asked about again, in the direction of the answers;
//! in the other the ACLs are asked for every packet, and connections that they do not allow any more are blocked.

mod words;

use std::sync::Arc;

use super::hints::{self, Hints, Settled};
use super::{Ended, Findings, Passing, pre, reject};
use crate::conntrack::{Commit, Mark, State};
use crate::drop::DropReason;
use crate::object::{Acl, AclAction, AclStage};
use crate::record::{Entry, Event, Recorder};
use crate::stage::Stage;
use crate::tables::{Question, Slot, Subject, Table};
use crate::verdict::Logged;
use crate::view;
use crate::walk::{Packet, Walk};

pub(crate) use words::{default_entries, entries, stateless_entry};

/// Whether an ACL lets the packet pass without connection tracking.
pub(super) fn is_stateless<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    at: Passing<'t>,
    found: &Findings,
) -> bool {
    let (question, stage) = match at.is_ingress() {
        true => (Question::StatelessIn, Stage::InPreAcl),
        false => (Question::StatelessOut, Stage::OutPreAcl),
    };
    let rule = ask(walk, packet, at, question, found);
    if let Some(acl) = rule {
        walk.hit(stage, || stateless_entry(acl));
    }
    rule.is_some()
}

/// Obeys the ACL that counts for the packet in this stage.
pub(super) fn decide<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    at: Passing<'t>,
    stage: AclStage,
    found: &mut Findings,
) -> Result<(), Ended> {
    if !at.policy().has_acls() && !found.is_stateful {
        return Ok(());
    }
    if let Some(exemption) = exempt(walk, packet, at, stage, found)? {
        walk.hit(table(stage), || exemption.entry(at));
        return Ok(());
    }
    found.hints = match found.is_stateful {
        true => Hints::of(&found.tracked),
        false => Hints::STATELESS,
    };
    match ask(walk, packet, at, Question::Stage(stage), found) {
        Some(acl) => obey(walk, packet, at, acl, found),
        None => obey_default(walk, packet, at, stage, found),
    }
}

fn table(stage: AclStage) -> Stage {
    match stage {
        AclStage::FromLport => Stage::InAcl,
        AclStage::FromLportAfterLb => Stage::InAclAfterLb,
        AclStage::ToLport => Stage::OutAcl,
    }
}

/// Why a packet passes whatever the ACLs say.
#[derive(Clone, Copy)]
enum Exemption {
    /// An earlier stage has found it to be of a connection.
    OfConnection,
    Settled(Settled),
    Link,
    Probe,
}

impl Exemption {
    fn entry(self, at: Passing<'_>) -> Entry {
        match self {
            Self::OfConnection => Entry::new(65532, "reg0[17] == 1", ["next;"]),
            Self::Settled(settled) => words::settled_entry(settled),
            Self::Link => Entry::new(65532, pre::LINK, ["next;"]),
            Self::Probe => Entry::new(34000, pre::probe_match(at.is_ingress()), ["next;"]),
        }
    }
}

/// Why a packet passes whatever the ACLs say, if it does.
fn exempt<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    at: Passing<'t>,
    stage: AclStage,
    found: &mut Findings,
) -> Result<Option<Exemption>, Ended> {
    let is_last = stage == AclStage::FromLportAfterLb;
    if found.is_of_connection {
        return Ok(Some(Exemption::OfConnection));
    }
    if !is_last && let Some(settled) = hints::settle(&found.tracked) {
        let reason = match settled {
            Settled::Reply | Settled::Related => {
                found.is_of_connection = true;
                log_reply(walk, packet, at, found.tracked.label);
                return Ok(Some(Exemption::Settled(settled)));
            }
            Settled::Invalid => DropReason::ConnectionInvalid,
            Settled::Blocked => DropReason::ConnectionBlocked,
        };
        walk.hit(table(stage), || words::settled_entry(settled));
        walk.drop(reason, Some(at.switch.key));
        return Err(Ended);
    }
    if pre::is_of_link(packet) {
        return Ok(Some(Exemption::Link));
    }
    if !is_last && at.policy().has_acls() && pre::is_of_probe(walk, packet, at) {
        return Ok(Some(Exemption::Probe));
    }
    Ok(None)
}

/// The rule that answers a question; what it depends on is noted.
fn ask<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    at: Passing<'t>,
    question: Question,
    found: &Findings,
) -> Option<&'t Arc<Acl>> {
    if !at.policy().answers(question) {
        return None;
    }
    let subject = subject(walk, packet, at, found);
    let is_of_stage = matches!(question, Question::Stage(_));
    let counts = |acl: &Acl| !is_of_stage || found.hints.admit(acl);
    let decision = at.policy().decide(question, &subject, counts);
    depend(walk, &subject);
    for slot in decision.deps(&at.switch.datapath.slots.policy) {
        walk.depend(*slot);
    }
    for acl in decision.passed {
        note(walk, packet, acl, found);
    }
    decision.rule
}

/// The packet as matches see it.
pub(super) fn subject<'p, 't: 'p, R: Recorder>(
    walk: &Walk<'t, R>,
    packet: &'p Packet,
    at: Passing<'t>,
    found: &Findings,
) -> Subject<'p> {
    let seen = expr::Packet {
        flow: &packet.flow,
        inport: "",
        outport: "",
        flags: packet.loopback.into(),
        ct_state: found.tracked.state.bits().into(),
        ct_mark: found.tracked.mark.bits().into(),
        ct_label: u128::from(found.tracked.label) << LABEL_SHIFT,
    };
    let ports = (at.inport, at.outport);
    Subject::new(walk.tables, at.switch.datapath, ports, seen)
}

/// Notes what the answers depend on that were given about a packet, but for the rules.
pub(super) fn depend<R: Recorder>(walk: &mut Walk<'_, R>, subject: &Subject<'_>) {
    let asked_about = subject.asked_about();
    if subject.is_for_this_packet_alone() {
        walk.is_for_this_packet_alone();
    }
    if subject.reads_connection() {
        walk.is_for_the_beginning_alone();
    }
    if !asked_about.is_empty() {
        walk.depend(Slot::NAMES);
    }
    for datapath in asked_about.into_iter().flatten() {
        walk.datapath(datapath);
    }
    for ip in subject.looked_up() {
        walk.depend_on_prefixes(Table::Members, ip, 0);
    }
}

/// Where `ct_label.label` stands in `ct_label`.
const LABEL_SHIFT: u32 = 96;

/// Notes that a rule had a part in the verdict.
fn note<R: Recorder>(walk: &mut Walk<'_, R>, packet: &Packet, acl: &Acl, found: &Findings) {
    let hints = found.is_stateful.then_some(found.hints);
    walk.hit(table(acl.stage), || words::entry(acl, hints));
    walk.event(|| Event::Note(words::whose(acl)));
    let acls = &mut walk.made_by().acls;
    if !acls.contains(&acl.uuid) {
        acls.push(acl.uuid);
    }
    log(walk, packet, acl, acl.action);
}

fn log<R: Recorder>(walk: &mut Walk<'_, R>, packet: &Packet, acl: &Acl, action: AclAction) {
    if let Some(log) = &acl.log {
        let record = Logged {
            acl: acl.uuid,
            name: acl.name.clone(),
            stage: acl.stage,
            action,
            severity: log.severity,
            meter: log.meter.clone(),
            rewrite: walk.changes(packet),
        };
        walk.log(record);
    }
}

/// `log-related`: what belongs to a connection is logged by the rule whose label the connection has.
fn log_reply<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    at: Passing<'t>,
    label: u32,
) {
    if label != 0
        && let Some(acl) = at.policy().logs_replies(at.is_ingress(), label)
    {
        log(walk, packet, acl, AclAction::Allow);
    }
}

fn obey<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    at: Passing<'t>,
    acl: &'t Acl,
    found: &mut Findings,
) -> Result<(), Ended> {
    note(walk, packet, acl, found);
    match acl.action {
        AclAction::AllowStateless | AclAction::Pass => Ok(()),
        AclAction::Allow | AclAction::AllowRelated => {
            if acl.label != 0 {
                // It is noted of connections by every packet.
                walk.is_for_the_beginning_alone();
            }
            if found.is_stateful && (found.hints.keeps || acl.label != 0) {
                let label = found.keep.filter(|_| acl.label == 0);
                found.keep = Some(label.unwrap_or(acl.label));
            }
            Ok(())
        }
        AclAction::Drop => {
            block(walk, packet, at, found);
            walk.drop_by(DropReason::AclDrop, at.switch.key, acl.uuid);
            Err(Ended)
        }
        AclAction::Reject => {
            block(walk, packet, at, found);
            reject::answer(walk, packet, at, acl.uuid);
            Err(Ended)
        }
    }
}

/// The connection that the packet belongs to is blocked from now on.
fn block<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    at: Passing<'t>,
    found: &Findings,
) {
    let (true, Some(zone)) = (found.hints.blocks, at.noting_zone(packet)) else {
        return;
    };
    let commit = Commit {
        mark: found.tracked.mark | Mark::BLOCKED,
        label: found.tracked.label,
        ..Commit::default()
    };
    // The connection exists, so that nothing can be exhausted.
    let _ = walk.note(zone, packet, commit);
}

/// What becomes of packets that no rule matches.
fn obey_default<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    at: Passing<'t>,
    stage: AclStage,
    found: &mut Findings,
) -> Result<(), Ended> {
    let is_drop = walk.global().default_acl_drop;
    let tracked = &found.tracked;
    let is_established = tracked.state.contains(State::ESTABLISHED);
    let is_ip = view::ip(&packet.flow).is_some();
    let is_connecting = found.is_stateful && is_ip && stage != AclStage::FromLportAfterLb;
    let keeps = is_connecting && (!is_established || tracked.mark.contains(Mark::BLOCKED));
    let is_dropped = match keeps {
        true => is_drop && !is_established,
        false => is_drop && at.policy().has_acls(),
    };
    walk.hit(table(stage), || match (keeps, is_established) {
        (true, true) => words::unblocking_entry(),
        (true, false) => words::beginning_entry(is_dropped),
        (false, _) => words::last_entry(is_dropped),
    });
    if is_dropped {
        walk.drop(DropReason::AclDefault, Some(at.switch.key));
        return Err(Ended);
    }
    if keeps {
        found.keep.get_or_insert(0);
    }
    Ok(())
}
