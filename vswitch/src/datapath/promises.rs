//! What is promised of the uplink to the ports that are plugged here.

use std::sync::PoisonError;

use pipeline::Tables;
use pipeline::object::{PortKind, PortRef};

use super::DataPath;
use crate::meter::Terms;

impl DataPath {
    /// Takes note of what the uplink carries, in kilobits a second; 0 if that is not known.
    pub fn set_uplink_rate(&self, kilobits: u32) {
        if self.meters.uplink().set_rate(kilobits) {
            self.tell_promises();
        }
    }

    /// What the uplink carries, and what of that is promised to ports, in kilobits a second; 0 for what is not known, or
    /// nothing.
    pub fn uplink(&self) -> (u32, u64) {
        self.meters.uplink().numbers()
    }

    /// Adds up what is promised to the ports that are plugged now.
    pub(super) fn review_promises(&self) {
        let tables = &self.snapshots.load().tables;
        let plugged = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let promises = plugged.keys().filter_map(|at| promised(tables, *at));
        let kilobits = promises.map(u64::from).sum();
        drop(plugged);
        if self.meters.uplink().set_promised(kilobits) {
            self.tell_promises();
        }
    }

    /// Tells whoever has promised something whether that can be kept.
    fn tell_promises(&self) {
        let (kilobits, promised_kilobits) = self.uplink();
        match self.meters.uplink().terms() {
            Some(terms) if terms.is_overbooked() => tracing::warn!(
                kilobits,
                promised_kilobits,
                "ports are promised more than the uplink carries: each gets its part (qos_min_rate)"
            ),
            Some(Terms { .. }) => {
                tracing::info!(kilobits, promised_kilobits, "ports share the uplink");
            }
            None if promised_kilobits > 0 => tracing::warn!(
                promised_kilobits,
                "what ports are promised has no effect (qos_min_rate): it is not known what the uplink carries \
                 (--uplink-rate)"
            ),
            None => {}
        }
    }
}

fn promised(tables: &Tables, at: PortRef) -> Option<u32> {
    match &tables.port(at)?.kind {
        PortKind::Switch(port) => port.min_rate,
        PortKind::Router(_) => None,
    }
}
