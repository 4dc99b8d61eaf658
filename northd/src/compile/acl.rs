//! `ACL` → `Acl`s, one for each switch or port group that has it.

use model::acl::{AclStage as Stage, AclVerdict, Severity as Level};
use model::{acl, nb};
use pipeline::object::{Acl, AclAction, AclLog, AclStage, Object, PolicyOwner, Severity};
use uuid::Uuid;

use super::index::Lookup;
use super::names::warn_of_unknown_names;
use super::options::Options;
use super::{Output, Reader};

const OPTIONS: &[&str] = &["apply-after-lb", "log-related"];

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(acl) = reader.row::<nb::Acl>(row) else {
        return;
    };
    out.name(acl.name.as_deref().unwrap_or_default());
    Options::new("options", &acl.options, OPTIONS, out);
    let rule = match acl::Acl::parse(&acl) {
        Ok(rule) => rule,
        Err(fault) => return out.warn(fault.column, fault.message),
    };
    let matches = match expr::parse(&rule.r#match) {
        Ok(expression) => expression.lower(),
        Err(error) => return out.warn("match", error.to_string()),
    };
    warn_of_unknown_names(&matches, reader, out);
    if let Some(meter) = rule.log.as_ref().and_then(|log| log.meter.as_ref())
        && reader.find(Lookup::Meter(meter.clone())).is_none()
    {
        out.warn("meter", format!("there is no meter {meter:?}"));
    }
    for owner in owners(reader, row) {
        out.object(Object::Acl(Acl {
            owner,
            uuid: row,
            name: acl.name.clone().unwrap_or_default(),
            stage: stage(rule.stage),
            tier: rule.tier,
            priority: rule.priority,
            matches: matches.clone(),
            action: action(rule.verdict),
            label: rule.label,
            log: rule.log.as_ref().map(log),
        }));
    }
}

/// The switches and port groups that have the rule.
fn owners(reader: &mut Reader<'_>, row: Uuid) -> Vec<PolicyOwner> {
    let switches = reader.lookup(Lookup::SwitchesOfAcl(row)).into_iter();
    let mut owners: Vec<_> = switches
        .filter_map(|switch| reader.datapath_key(switch))
        .map(PolicyOwner::Switch)
        .collect();
    for group in reader.lookup(Lookup::GroupsOfAcl(row)) {
        let name: Option<String> = reader.column::<nb::PortGroup, _>(group, "name");
        owners.extend(name.map(|name| PolicyOwner::Group(name.into())));
    }
    owners
}

fn stage(stage: Stage) -> AclStage {
    match stage {
        Stage::FromLport => AclStage::FromLport,
        Stage::FromLportAfterLb => AclStage::FromLportAfterLb,
        Stage::ToLport => AclStage::ToLport,
    }
}

fn action(verdict: AclVerdict) -> AclAction {
    match verdict {
        AclVerdict::Allow => AclAction::Allow,
        AclVerdict::AllowRelated => AclAction::AllowRelated,
        AclVerdict::AllowStateless => AclAction::AllowStateless,
        AclVerdict::Drop => AclAction::Drop,
        AclVerdict::Reject => AclAction::Reject,
        AclVerdict::Pass => AclAction::Pass,
    }
}

fn log(log: &acl::AclLog) -> AclLog {
    AclLog {
        severity: match log.severity {
            Level::Alert => Severity::Alert,
            Level::Warning => Severity::Warning,
            Level::Notice => Severity::Notice,
            Level::Info => Severity::Info,
            Level::Debug => Severity::Debug,
        },
        meter: log.meter.as_deref().map(Into::into),
        related: log.related.is_some(),
    }
}
