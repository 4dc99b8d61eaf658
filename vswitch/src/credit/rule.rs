//! What packets are credited to.

use std::net::IpAddr;

use hashbrown::Equivalent;
use pipeline::object::VipKey;
use pipeline::{Destination, DropReason, Verdict};
use smallvec::SmallVec;
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

/// A [`Rule`] of a verdict, which hashes and compares as that.
#[derive(Clone, Copy, Hash)]
pub(super) enum RuleOf<'v> {
    Allowed,
    Acl(&'v Uuid),
    Vip(&'v VipKey),
    Backend(&'v VipKey, (IpAddr, u16)),
    Nat(&'v Uuid),
    Qos(&'v Uuid),
    Drop(DropReason, &'v Uuid),
}

/// What is to be credited for a verdict, in the order in which it says so.
#[derive(Hash)]
pub(super) struct RulesOf<'v>(SmallVec<[RuleOf<'v>; 8]>);

impl<'v> RulesOf<'v> {
    pub(super) fn new(verdict: &'v Verdict) -> Self {
        let made_by = &verdict.made_by;
        let mut rules: SmallVec<_> = made_by.acls.iter().map(RuleOf::Acl).collect();
        if let Some((vip, backend)) = &made_by.service {
            rules.push(RuleOf::Vip(vip));
            rules.push(RuleOf::Backend(vip, *backend));
        }
        rules.extend(made_by.nats.iter().map(RuleOf::Nat));
        rules.extend(verdict.qos.iter().map(RuleOf::Qos));
        let mut is_dropped = false;
        for branch in &verdict.branches {
            if let Destination::Drop {
                reason,
                rule: Some(rule),
                ..
            } = &branch.to
            {
                rules.push(RuleOf::Drop(*reason, rule));
                is_dropped = true;
            }
        }
        if !made_by.acls.is_empty() && !is_dropped {
            rules.push(RuleOf::Allowed);
        }
        Self(rules)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn to_rules(&self) -> Box<[Rule]> {
        self.0.iter().map(|rule| rule.to_rule()).collect()
    }
}

impl Equivalent<Box<[Rule]>> for RulesOf<'_> {
    fn equivalent(&self, rules: &Box<[Rule]>) -> bool {
        let mut pairs = self.0.iter().zip(rules);
        self.0.len() == rules.len() && pairs.all(|(own, rule)| own.is(rule))
    }
}

impl RuleOf<'_> {
    fn is(&self, rule: &Rule) -> bool {
        match (self, rule) {
            (Self::Allowed, Rule::Allowed) => true,
            (Self::Acl(own), Rule::Acl(other))
            | (Self::Nat(own), Rule::Nat(other))
            | (Self::Qos(own), Rule::Qos(other)) => *own == other,
            (Self::Vip(own), Rule::Vip(other)) => *own == other,
            (Self::Backend(vip, own), Rule::Backend(of, other)) => *vip == of && own == other,
            (Self::Drop(reason, own), Rule::Drop(why, other)) => reason == why && *own == other,
            _ => false,
        }
    }

    fn to_rule(self) -> Rule {
        match self {
            Self::Allowed => Rule::Allowed,
            Self::Acl(acl) => Rule::Acl(*acl),
            Self::Vip(vip) => Rule::Vip(vip.clone()),
            Self::Backend(vip, backend) => Rule::Backend(vip.clone(), backend),
            Self::Nat(nat) => Rule::Nat(*nat),
            Self::Qos(rule) => Rule::Qos(*rule),
            Self::Drop(reason, rule) => Rule::Drop(reason, *rule),
        }
    }
}
