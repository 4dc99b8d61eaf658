//! `Neighbor`.

use pipeline::object::{FixedBinding, Neighbor};

use super::atom::{mac_to_wire, optional_mac};
use super::error::{At, Problem, WireError, required};
use super::key::{neighbor_key, neighbor_key_to_wire};
use crate::southbound as wire;

impl From<&Neighbor> for wire::Neighbor {
    fn from(neighbor: &Neighbor) -> Self {
        let fixed = neighbor.fixed;
        Self {
            key: Some(neighbor_key_to_wire(&neighbor.port, neighbor.ip)),
            fixed_mac: fixed
                .map(|fixed| mac_to_wire(fixed.mac))
                .unwrap_or_default(),
            fixed_overrides_learned: fixed.is_some_and(|fixed| fixed.overrides_learned),
            learned_mac: neighbor.learned.map(mac_to_wire).unwrap_or_default(),
        }
    }
}

impl TryFrom<&wire::Neighbor> for Neighbor {
    type Error = WireError;

    fn try_from(neighbor: &wire::Neighbor) -> Result<Self, WireError> {
        let (port, ip) = neighbor_key(required(&neighbor.key, "key")?).at("key")?;
        let fixed_mac = optional_mac(&neighbor.fixed_mac).at("fixed_mac")?;
        let overrides_learned = neighbor.fixed_overrides_learned;
        if overrides_learned && fixed_mac.is_none() {
            let problem = Problem::Contradiction("is set without a fixed_mac");
            return Err(problem.at("fixed_overrides_learned"));
        }
        Ok(Self {
            port,
            ip,
            fixed: fixed_mac.map(|mac| FixedBinding {
                mac,
                overrides_learned,
            }),
            learned: optional_mac(&neighbor.learned_mac).at("learned_mac")?,
        })
    }
}
