//! `node rules`: who decided how much on this node.

use southbound_proto::node::{RuleStats, RulesRequest};
use uuid::Uuid;

use super::client::ask;
use super::{print, table};
use crate::failure::Failure;
use crate::moment::time;
use crate::options::Settings;
use crate::output::Table;

pub(super) fn rules(settings: &Settings) -> Result<String, Failure> {
    let reply = ask(settings, async |mut node| node.rules(RulesRequest {}).await)?;
    if reply.rules.is_empty() && !settings.has_format {
        return Ok("No rule has decided about a packet.\n".to_owned());
    }
    let mut rules = reply.rules;
    // They come by kind, and by their rows, which say nothing to people.
    for of_kind in rules.chunk_by_mut(|one, next| one.kind == next.kind) {
        of_kind.sort_by(|one, other| one.name.cmp(&other.name));
    }
    Ok(print(settings, &[as_table(&rules)]))
}

fn as_table(rules: &[RuleStats]) -> Table {
    let headings = [
        "kind",
        "name",
        "row",
        "packets",
        "bytes",
        "connections",
        "last hit",
    ];
    let row = |rule: &RuleStats| {
        [
            rule.kind.clone(),
            rule.name.clone(),
            Uuid::from_slice(&rule.uuid).unwrap_or_default().to_string(),
            rule.packets.to_string(),
            rule.bytes.to_string(),
            rule.connections.to_string(),
            time(rule.last_unix_ms),
        ]
    };
    table(headings, rules.iter().map(row))
}
