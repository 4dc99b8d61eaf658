//! What packets are credited to.

use std::net::IpAddr;

use pipeline::object::VipKey;
use pipeline::{Destination, DropReason, Verdict};
use uuid::Uuid;

/// Something that decides about packets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Any ACLs, of packets that no rule drops.
    Allowed,
    /// An ACL.
    Acl(Uuid),
    /// A VIP of a load balancer.
    Vip(VipKey),
    /// A backend of a VIP.
    Backend(VipKey, (IpAddr, u16)),
    /// A translation of a router.
    Nat(Uuid),
    /// A QoS rule.
    Qos(Uuid),
    /// A rule that asked for packets to be dropped, and why they were.
    Drop(DropReason, Uuid),
}

impl Rule {
    /// What is to be credited for a verdict, sorted.
    pub fn of(verdict: &Verdict) -> Vec<Rule> {
        let made_by = &verdict.made_by;
        let mut rules: Vec<Rule> = made_by.acls.iter().copied().map(Rule::Acl).collect();
        if let Some((vip, backend)) = &made_by.service {
            rules.push(Rule::Vip(vip.clone()));
            rules.push(Rule::Backend(vip.clone(), *backend));
        }
        rules.extend(made_by.nats.iter().copied().map(Rule::Nat));
        rules.extend(verdict.qos.iter().copied().map(Rule::Qos));
        for branch in &verdict.branches {
            if let Destination::Drop {
                reason,
                rule: Some(rule),
                ..
            } = branch.to
            {
                rules.push(Rule::Drop(reason, rule));
            }
        }
        let is_dropped = rules.iter().any(|rule| matches!(rule, Rule::Drop(..)));
        if !made_by.acls.is_empty() && !is_dropped {
            rules.push(Rule::Allowed);
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}
