//! `ACL` rows as values.

use std::num::NonZeroU32;

use crate::fault::RowFault;
use crate::nb;

/// The greatest tier; the first one is 0.
pub const MAX_TIER: u8 = 3;

/// A rule for packets of a switch or of a port group's ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// Where it is asked.
    pub stage: AclStage,
    /// The rules of a tier are asked when no rule of the tiers before it has decided.
    pub tier: u8,
    /// Within a tier the greatest counts first.
    pub priority: u16,
    /// Which packets it is about, in OVN's match language.
    pub r#match: String,
    /// What happens to them.
    pub verdict: AclVerdict,
    /// What the connections that it allows are labelled with; 0 for nothing.
    pub label: u32,
    /// What is logged of them.
    pub log: Option<AclLog>,
}

/// Where rules are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AclStage {
    /// When the packet comes from its port, with the virtual address that it is sent to.
    FromLport,
    /// The same, after a load balancer has chosen a backend.
    FromLportAfterLb,
    /// Before the packet goes to its port.
    ToLport,
}

/// What happens to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AclVerdict {
    /// They pass; their replies too, where the switch tracks connections.
    Allow,
    /// They pass with their replies and what is related to them.
    AllowRelated,
    /// They pass by connection tracking and load balancing, whatever else is said.
    AllowStateless,
    /// They are dropped.
    Drop,
    /// They are dropped and answered.
    Reject,
    /// The next tier decides.
    Pass,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclLog {
    /// The rule's name in the log.
    pub name: Option<String>,
    /// How severe it is.
    pub severity: Severity,
    /// The meter that limits the rate; it may not exist.
    pub meter: Option<String>,
    /// The label by which replies and what is related are known and logged, too.
    pub related: Option<NonZeroU32>,
}

/// How severe something is, as in syslog (RFC 5424 section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "they are called so")]
pub enum Severity {
    Alert,
    Warning,
    Notice,
    Info,
    Debug,
}

impl Acl {
    /// Reads a row. Its match is not looked at.
    pub fn parse(row: &nb::Acl) -> Result<Self, RowFault> {
        let is_set = |key| is_true(&row.options, key);
        let stage = match (row.direction.as_str(), is_set("apply-after-lb")) {
            ("from-lport", false) => AclStage::FromLport,
            ("from-lport", true) => AclStage::FromLportAfterLb,
            ("to-lport", _) => AclStage::ToLport,
            (other, _) => {
                let message = format!("{other:?} is neither \"from-lport\" nor \"to-lport\"");
                return Err(RowFault::new("direction", message));
            }
        };
        let label = number(row.label, "label")?;
        let log = row.log.then(|| AclLog {
            name: row.name.clone(),
            severity: Severity::parse(row.severity.as_deref()),
            meter: row.meter.clone(),
            related: NonZeroU32::new(label).filter(|_| is_set("log-related")),
        });
        Ok(Self {
            stage,
            tier: number(row.tier, "tier")?,
            priority: number(row.priority, "priority")?,
            r#match: row.r#match.clone(),
            verdict: AclVerdict::parse(&row.action)?,
            label,
            log,
        })
    }
}

impl AclVerdict {
    /// All of them, with the words of the column.
    pub const ALL: [(&str, Self); 6] = [
        ("allow", Self::Allow),
        ("allow-related", Self::AllowRelated),
        ("allow-stateless", Self::AllowStateless),
        ("drop", Self::Drop),
        ("reject", Self::Reject),
        ("pass", Self::Pass),
    ];

    fn parse(text: &str) -> Result<Self, RowFault> {
        let found = Self::ALL.iter().find(|(word, _)| *word == text);
        found
            .map(|(_, verdict)| *verdict)
            .ok_or_else(|| RowFault::new("action", format!("{text:?} is no action")))
    }
}

impl Severity {
    /// The severity of the column, which `info` is where there is none.
    fn parse(text: Option<&str>) -> Self {
        match text {
            Some("alert") => Self::Alert,
            Some("warning") => Self::Warning,
            Some("notice") => Self::Notice,
            Some("debug") => Self::Debug,
            _ => Self::Info,
        }
    }

    /// The word of the column.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// A number that the column's range promises to fit.
fn number<T: TryFrom<i64>>(value: i64, column: &'static str) -> Result<T, RowFault> {
    T::try_from(value).map_err(|_| RowFault::new(column, format!("{value} is out of range")))
}

/// OVN's truth of an option: `true` in any case is, everything else is not.
fn is_true(options: &std::collections::BTreeMap<String, String>, key: &str) -> bool {
    options
        .get(key)
        .is_some_and(|text| text.eq_ignore_ascii_case("true"))
}
