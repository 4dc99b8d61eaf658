//! Rules as `vsctl node rules` shows them.

use std::net::{IpAddr, SocketAddr};

use hashbrown::HashMap;
use pipeline::object::VipKey;
use pipeline::{DropReason, Tables};
use southbound_proto::node as wire;
use uuid::Uuid;

use super::unix_ms_ago;
use crate::credit::{Credit, Rule};

/// What rules are called: the names of ACLs, else the UUIDs of rows.
pub(super) struct Names(HashMap<Uuid, String>);

impl Names {
    /// The names in these tables.
    pub(super) fn of(tables: &Tables) -> Self {
        let named = tables.all_acls().filter(|acl| !acl.name.is_empty());
        Self(named.map(|acl| (acl.uuid, acl.name.clone())).collect())
    }

    /// What a rule is called.
    pub(super) fn get(&self, rule: Uuid) -> String {
        let name = self.0.get(&rule);
        name.map_or_else(|| rule.to_string(), Clone::clone)
    }
}

/// All rules that have decided about packets. Times are in milliseconds since the data path was started, as `now_ms` is.
pub(super) fn rules<'a>(
    sums: impl IntoIterator<Item = (&'a Rule, &'a Credit)>,
    names: &Names,
    now_ms: u64,
) -> Vec<wire::RuleStats> {
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_unstable_by_key(|(rule, _)| *rule);
    let message = |(rule, credit): (&Rule, &Credit)| {
        let (kind, row, name) = in_words(rule, names)?;
        Some(wire::RuleStats {
            kind: kind.to_owned(),
            uuid: row.as_bytes().to_vec().into(),
            name,
            packets: credit.packets,
            bytes: credit.bytes,
            connections: credit.connections,
            last_unix_ms: unix_ms_ago(now_ms.saturating_sub(credit.last_ms)),
        })
    };
    sums.into_iter().filter_map(message).collect()
}

/// The kind, row and name of a rule; `None` for what is shown as drops or is no single rule.
fn in_words(rule: &Rule, names: &Names) -> Option<(&'static str, Uuid, String)> {
    Some(match rule {
        Rule::Acl(row) => ("acl", *row, names.get(*row)),
        Rule::Nat(row) => ("nat", *row, row.to_string()),
        Rule::Qos(row) => ("qos", *row, row.to_string()),
        Rule::Vip(vip) => ("vip", vip.balancer, vip_name(vip)),
        Rule::Backend(vip, (ip, port)) => {
            let name = format!("{} to {}", vip_name(vip), with_port(*ip, *port));
            ("backend", vip.balancer, name)
        }
        Rule::Drop(..) | Rule::Allowed => return None,
    })
}

fn vip_name(vip: &VipKey) -> String {
    with_port(vip.ip, vip.port)
}

/// As in a row; port 0 is none.
fn with_port(ip: IpAddr, port: u16) -> String {
    match port {
        0 => ip.to_string(),
        port => SocketAddr::new(ip, port).to_string(),
    }
}

/// How many packets each rule had dropped for a reason, the most first.
pub(super) fn drops<'a>(
    reason: DropReason,
    sums: impl IntoIterator<Item = (&'a Rule, &'a Credit)>,
    names: &Names,
) -> Vec<wire::RuleDrops> {
    let of_reason = |(rule, credit): (&Rule, &Credit)| match rule {
        Rule::Drop(why, rule) if *why == reason && credit.packets > 0 => Some(wire::RuleDrops {
            rule: names.get(*rule),
            packets: credit.packets,
        }),
        _ => None,
    };
    let mut drops: Vec<_> = sums.into_iter().filter_map(of_reason).collect();
    drops.sort_unstable_by(|a, b| b.packets.cmp(&a.packets).then(a.rule.cmp(&b.rule)));
    drops.truncate(DROPS_MAX);
    drops
}

/// Rules that are named with a drop reason, at most.
const DROPS_MAX: usize = 1_000;
