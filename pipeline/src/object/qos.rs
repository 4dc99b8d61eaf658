//! Rules that mark packets or limit their rates.

use expr::Predicate;
use uuid::Uuid;

use super::{DatapathKey, MeterBand};

/// A `QoS` rule of a switch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Qos {
    /// The switch.
    pub switch: DatapathKey,
    /// The UUID of its northbound row.
    pub uuid: Uuid,
    /// Which packets it sees.
    pub direction: QosDirection,
    /// `0..=32767`: the greatest of those that mark counts, and of those that limit.
    pub priority: u16,
    /// What it matches.
    pub matches: Predicate,
    /// The differentiated services code point that IP packets get, `0..=63`.
    pub dscp: Option<u8>,
    /// How many kilobits of them may pass on each node.
    pub limit: Option<MeterBand>,
}

/// Which packets of a switch a rule sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QosDirection {
    /// `from-lport`: when a port has sent.
    FromLport,
    /// `to-lport`: before a port receives.
    ToLport,
}

impl QosDirection {
    /// Both.
    pub const ALL: [QosDirection; 2] = [Self::FromLport, Self::ToLport];
}
