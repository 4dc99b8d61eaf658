//! `Health`: how the backends fare that a node probes.

use pipeline::object::ProbeKey;

use super::enumeration::Enumeration;
use super::error::{At, WireError, decode, required};
use crate::southbound as wire;

/// What a node found out about a backend. One of which nothing is known yet has no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeStatus {
    /// It does its work.
    Online,
    /// It does not.
    Offline,
    /// It cannot be probed.
    Error,
}

/// The status of one backend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProbeHealth {
    /// Which backend.
    pub key: ProbeKey,
    /// How it fares.
    pub status: ProbeStatus,
}

impl From<&ProbeHealth> for wire::ProbeHealth {
    fn from(health: &ProbeHealth) -> Self {
        Self {
            key: Some((&health.key).into()),
            status: health.status.number(),
        }
    }
}

impl TryFrom<&wire::ProbeHealth> for ProbeHealth {
    type Error = WireError;

    fn try_from(health: &wire::ProbeHealth) -> Result<Self, WireError> {
        Ok(Self {
            key: decode(required(&health.key, "key")?).at("key")?,
            status: ProbeStatus::from_number(health.status).at("status")?,
        })
    }
}
