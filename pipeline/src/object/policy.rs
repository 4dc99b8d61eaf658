//! Access control: ACLs and the sets, groups and meters that they name.

use std::sync::Arc;

use expr::{Constant, Predicate};
use uuid::Uuid;

use super::{DatapathKey, PortKey};

/// Into how many objects an address set is split, so that a change of one address moves few of the others.
pub const ADDRESS_SET_BUCKETS: u8 = 64;

/// A part of an `Address_Set`, or of the set of a port group's addresses (`$group_ip4`, `$group_ip6`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddressSet {
    /// The set's name, without `$`.
    pub name: Arc<str>,
    /// Which part, less than [`ADDRESS_SET_BUCKETS`].
    pub bucket: u8,
    /// The addresses and networks of this part, sorted.
    pub members: Vec<Constant>,
}

/// The members of a `Port_Group` in one switch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PortGroup {
    /// The group's name, without `@`.
    pub name: Arc<str>,
    /// The switch.
    pub datapath: DatapathKey,
    /// The ports, sorted.
    pub members: Vec<PortKey>,
}

/// Whose ACLs: a switch's own, or those of a port group, which hold for every switch that has a member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyOwner {
    /// A switch.
    Switch(DatapathKey),
    /// A port group.
    Group(Arc<str>),
}

/// An `ACL`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acl {
    /// Whose it is.
    pub owner: PolicyOwner,
    /// The UUID of its northbound row.
    pub uuid: Uuid,
    /// `name`; empty if it has none.
    pub name: String,
    /// When it is asked.
    pub stage: AclStage,
    /// `0..=3`: lower tiers are asked first.
    pub tier: u8,
    /// `0..=32767`: the greatest of those that match counts.
    pub priority: u16,
    /// What it matches.
    pub matches: Predicate,
    /// What it does.
    pub action: AclAction,
    /// Kept with the connections that it allows; 0 for none.
    pub label: u32,
    /// How it is logged, if it is.
    pub log: Option<AclLog>,
}

/// When an ACL is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AclStage {
    /// `from-lport`: when a port has sent.
    FromLport,
    /// `from-lport` with `apply-after-lb`: when the load balancers have chosen.
    FromLportAfterLb,
    /// `to-lport`: before a port receives.
    ToLport,
}

impl AclStage {
    /// The direction, as the row has it.
    pub fn direction(self) -> &'static str {
        match self {
            Self::FromLport | Self::FromLportAfterLb => "from-lport",
            Self::ToLport => "to-lport",
        }
    }
}

/// What an ACL does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AclAction {
    /// Lets the packet pass. Where there are stateful ACLs this is [`AclAction::AllowRelated`].
    Allow,
    /// Lets the packet, what belongs to its connection and what is related to that pass.
    AllowRelated,
    /// Lets the packet pass, without connection tracking.
    AllowStateless,
    /// Drops the packet.
    Drop,
    /// Drops the packet and says so to its sender.
    Reject,
    /// Leaves the decision to the next tier.
    Pass,
}

/// How an ACL is logged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AclLog {
    /// `severity`.
    pub severity: Severity,
    /// The meter that limits it.
    pub meter: Option<Arc<str>>,
    /// `options:log-related`: replies and related packets are logged too.
    pub related: bool,
}

/// `ACL.severity`, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// `alert`
    Alert,
    /// `warning`
    Warning,
    /// `notice`
    Notice,
    /// `info`
    Info,
    /// `debug`
    Debug,
}

/// The name of the meter that limits what a node tells in `Controller_Event`, if there is one: each node has its own of it,
/// all load balancers together.
pub const EVENT_METER: &str = "event-elb";

/// A `Meter`: how much of something may happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Meter {
    /// Its name.
    pub name: Arc<str>,
    /// What the bands' rates count.
    pub unit: MeterUnit,
    /// `fair`: each user has the rate for itself.
    pub fair: bool,
    /// Its bands; what exceeds any of them is dropped.
    pub bands: Vec<MeterBand>,
}

/// What a meter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MeterUnit {
    /// `kbps`: kilobits a second.
    Kilobits,
    /// `pktps`: packets a second.
    Packets,
}

/// A `Meter_Band`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeterBand {
    /// Units a second.
    pub rate: u32,
    /// Units that may come at once; 0 for the rate.
    pub burst: u32,
}
