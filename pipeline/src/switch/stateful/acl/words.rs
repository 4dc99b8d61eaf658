//! The entries of the ACL stages, for traces and listings.

use super::super::hints::{Hints, Settled};
use super::super::pre;
use crate::object::{Acl, AclAction, AclStage, PolicyOwner, Severity};
use crate::record::Entry;

/// What OVN adds to an ACL's priority, to keep room below.
const OFFSET: u16 = 1000;

pub(super) fn settled_entry(settled: Settled) -> Entry {
    let (matches, action) = match settled {
        Settled::Reply => (
            "ct.est && !ct.rel && !ct.new && !ct.inv && ct.rpl && ct_mark.blocked == 0",
            "next;",
        ),
        Settled::Related => (
            "!ct.est && ct.rel && !ct.new && !ct.inv && ct_mark.blocked == 0",
            "ct_commit_nat;",
        ),
        Settled::Invalid | Settled::Blocked => (
            "ct.inv || (ct.est && ct.rpl && ct_mark.blocked == 1)",
            "drop;",
        ),
    };
    Entry::new(65532, matches, [action])
}

/// What is not of a connection that is established begins one, or is dropped.
pub(super) fn beginning_entry(is_dropped: bool) -> Entry {
    match is_dropped {
        true => Entry::new(1, "ip && !ct.est", ["drop;"]),
        false => Entry::new(1, "ip && !ct.est", ["reg0[1] = 1;", "next;"]),
    }
}

pub(super) fn unblocking_entry() -> Entry {
    let matches = "ip && ct.est && ct_mark.blocked == 1";
    Entry::new(1, matches, ["reg0[1] = 1;", "next;"])
}

pub(super) fn last_entry(is_dropped: bool) -> Entry {
    Entry::new(0, "1", [if is_dropped { "drop;" } else { "next;" }])
}

/// An ACL that passes packets by connection tracking, in the stage before that.
pub(crate) fn stateless_entry(acl: &Acl) -> Entry {
    let priority = acl.priority.saturating_add(OFFSET);
    Entry::new(
        priority,
        acl.matches.to_string(),
        ["reg0[16] = 1;", "next;"],
    )
}

/// An ACL; where connections are kept, under these hints.
pub(super) fn entry(acl: &Acl, hints: Option<Hints>) -> Entry {
    let matches = match hints.and_then(|hints| hints.word(acl.action)) {
        Some(word) => format!("{word} && ({})", acl.matches),
        None => acl.matches.to_string(),
    };
    let mut actions = Vec::new();
    let is_allowed = matches!(acl.action, AclAction::Allow | AclAction::AllowRelated);
    if is_allowed && hints.is_some_and(|hints| hints.keeps || acl.label != 0) {
        actions.push("reg0[1] = 1;".to_owned());
        if acl.label != 0 {
            actions.push("reg0[13] = 1;".to_owned());
            actions.push(format!("reg3 = {};", acl.label));
        }
    }
    if !is_allowed && hints.is_some_and(|hints| hints.blocks && hints.word(acl.action).is_some()) {
        actions.push("ct_commit { ct_mark.blocked = 1; };".to_owned());
    }
    actions.extend(log(acl));
    let is_from = acl.stage != AclStage::ToLport;
    actions.push(match acl.action {
        AclAction::Allow | AclAction::AllowRelated | AclAction::AllowStateless => "next;".into(),
        AclAction::Drop => "drop;".into(),
        AclAction::Pass => "next; /* pass */".into(),
        AclAction::Reject if is_from => "reject { outport <-> inport; output; };".into(),
        AclAction::Reject => "reject { outport <-> inport; next(pipeline=ingress); };".into(),
    });
    Entry {
        priority: acl.priority.saturating_add(OFFSET),
        matches,
        actions,
    }
}

/// Which ACL it is.
pub(super) fn whose(acl: &Acl) -> String {
    let owner = match &acl.owner {
        PolicyOwner::Switch(_) => "the switch".to_owned(),
        PolicyOwner::Group(group) => format!("port group {group}"),
    };
    let name = match acl.name.is_empty() {
        true => String::new(),
        false => format!(" \"{}\"", acl.name),
    };
    format!("ACL {}{name} of {owner}, tier {}", acl.uuid, acl.tier)
}

fn log(acl: &Acl) -> Option<String> {
    let log = acl.log.as_ref()?;
    let name = match acl.name.is_empty() {
        true => String::new(),
        false => format!("name=\"{}\", ", acl.name),
    };
    let severity = match log.severity {
        Severity::Alert => "alert",
        Severity::Warning => "warning",
        Severity::Notice => "notice",
        Severity::Info => "info",
        Severity::Debug => "debug",
    };
    let verdict = match acl.action {
        AclAction::Drop => "drop",
        AclAction::Reject => "reject",
        AclAction::Pass => "pass",
        AclAction::Allow | AclAction::AllowRelated | AclAction::AllowStateless => "allow",
    };
    let meter = log.meter.as_ref();
    let meter = meter.map_or(String::new(), |meter| format!(", meter=\"{meter}\""));
    Some(format!(
        "log({name}severity={severity}, verdict={verdict}{meter});"
    ))
}

/// All entries of an ACL: one for what begins a connection, and one for what belongs to one.
pub(crate) fn entries(acl: &Acl, is_stateful: bool) -> Vec<Entry> {
    if !is_stateful {
        return vec![entry(acl, None)];
    }
    let beginning = Hints {
        keeps: true,
        ..Hints::STATELESS
    };
    let belonging = Hints {
        blocks: true,
        ..Hints::STATELESS
    };
    let mut both = vec![entry(acl, Some(beginning)), entry(acl, Some(belonging))];
    both.dedup();
    both
}

/// What holds where no ACL decides.
pub(crate) fn default_entries(
    stage: AclStage,
    (has_acls, is_stateful): (bool, bool),
    is_drop: bool,
) -> Vec<Entry> {
    let is_last = stage == AclStage::FromLportAfterLb;
    let mut entries = vec![last_entry(is_drop && has_acls)];
    if has_acls || is_stateful {
        entries.push(Entry::new(65532, pre::LINK, ["next;"]));
    }
    if has_acls && !is_last {
        let matches = pre::probe_match(stage != AclStage::ToLport);
        entries.push(Entry::new(34000, matches, ["next;"]));
    }
    if is_stateful && is_last {
        entries.push(Entry::new(65532, "reg0[17] == 1", ["next;"]));
    } else if is_stateful {
        let settled = [Settled::Reply, Settled::Related, Settled::Invalid];
        entries.extend(settled.map(settled_entry));
        entries.extend([beginning_entry(is_drop), unblocking_entry()]);
    }
    entries
}
