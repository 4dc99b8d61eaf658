//! The entries of the stages of a switch that know connections.

use crate::object::{Acl, AclAction, AclStage, Attachment, QosDirection};
use crate::record::Entry;
use crate::stage::Stage;
use crate::switch::stateful::{acl, commit, pre, qos};
use crate::tables::{QosPurpose, SwitchTables, Tables};
use crate::walk::In;

pub(super) fn entries(stage: Stage, tables: &Tables, switch: In<'_, SwitchTables>) -> Vec<Entry> {
    let policy = &switch.datapath.policy;
    match stage {
        Stage::InPreAcl => tracking(
            switch,
            "inport",
            &[AclStage::FromLport, AclStage::FromLportAfterLb],
        ),
        Stage::OutPreAcl => tracking(switch, "outport", &[AclStage::ToLport]),
        Stage::InPreStateful | Stage::OutPreStateful if policy.keeps_connections() => {
            vec![pre::lookup_entry(false), next()]
        }
        Stage::InAcl => rules(tables, switch, AclStage::FromLport),
        Stage::InAclAfterLb => rules(tables, switch, AclStage::FromLportAfterLb),
        Stage::OutAcl => rules(tables, switch, AclStage::ToLport),
        Stage::InQosMark => limits(switch, QosDirection::FromLport, QosPurpose::Mark),
        Stage::InQosMeter => limits(switch, QosDirection::FromLport, QosPurpose::Limit),
        Stage::OutQosMark => limits(switch, QosDirection::ToLport, QosPurpose::Mark),
        Stage::OutQosMeter => limits(switch, QosDirection::ToLport, QosPurpose::Limit),
        Stage::InStateful | Stage::OutStateful if policy.keeps_connections() => {
            vec![commit::entry(0), commit::entry(1), next()]
        }
        _ => vec![next()],
    }
}

fn next() -> Entry {
    Entry::new(0, "1", ["next;"])
}

fn tracking(switch: In<'_, SwitchTables>, way: &str, stages: &[AclStage]) -> Vec<Entry> {
    let policy = &switch.datapath.policy;
    let mut entries = vec![next()];
    if !policy.keeps_connections() {
        return entries;
    }
    let rules = stages.iter().flat_map(|stage| policy.rules(*stage));
    let stateless = rules.filter(|rule: &&_| rule.action == AclAction::AllowStateless);
    entries.extend(stateless.map(|rule| acl::stateless_entry(rule)));
    let ports = switch.datapath.ports.keys();
    let routers = ports.filter_map(|key| match switch.datapath.switch_port(*key)? {
        (port, kind) if matches!(kind.attachment, Attachment::Router(_)) => Some(&port.name),
        _ => None,
    });
    entries.extend(
        routers.map(|router| Entry::new(110, format!("ip && {way} == \"{router}\""), ["next;"])),
    );
    entries.extend(pre::general_entries(way == "inport"));
    entries
}

fn rules(tables: &Tables, switch: In<'_, SwitchTables>, stage: AclStage) -> Vec<Entry> {
    let policy = &switch.datapath.policy;
    let is_stateful = policy.keeps_connections();
    let kinds = (policy.has_acls(), is_stateful);
    let of = |rule: &Acl| acl::entries(rule, is_stateful);
    let rules = policy.rules(stage).into_iter().flat_map(|rule| of(rule));
    let defaults = acl::default_entries(stage, kinds, tables.global().default_acl_drop);
    rules.chain(defaults).collect()
}

fn limits(
    switch: In<'_, SwitchTables>,
    direction: QosDirection,
    purpose: QosPurpose,
) -> Vec<Entry> {
    let rules = switch.datapath.policy.qos();
    let rules = rules.map_or(&[][..], |(_, rules)| rules.list(direction, purpose));
    let entries = rules.iter().map(|rule| qos::entry(rule, purpose));
    entries.chain([next()]).collect()
}
