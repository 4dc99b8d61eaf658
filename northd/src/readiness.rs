//! Whether northd can do its work, and if not, why.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The parts of northd that are not ready, each with the reason. Nothing in it means ready.
#[derive(Debug, Default)]
pub struct Readiness {
    missing: Mutex<BTreeMap<&'static str, String>>,
}

impl Readiness {
    /// The part cannot work now.
    pub fn missing(&self, part: &'static str, reason: impl Into<String>) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.insert(part, reason.into());
    }

    /// The part works.
    pub fn ready(&self, part: &'static str) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.remove(part);
    }

    /// A line for each part that is not ready; none when all are.
    pub fn report(&self) -> Vec<String> {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = missing.iter();
        lines
            .map(|(part, reason)| format!("{part}: {reason}"))
            .collect()
    }
}
